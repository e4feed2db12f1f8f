// llm-generate chat: conversations, written by the model's own chat template. One turn, rows of
// conversations, or one that goes on line by line.
#include <unistd.h>

#include <utility>

#include "commands/generation_flags.hpp"
#include "llm/core/error.hpp"
#include "llm/model/model.hpp"
#include "llm/model/uses.hpp"
#include "shell/chat_session.hpp"
#include "shell/console.hpp"
#include "shell/input.hpp"
#include "shell/load.hpp"
#include "shell/model_path.hpp"
#include "shell/signals.hpp"

namespace llm::shell {
namespace {

struct ChatFlags {
  std::string argument, user, system, messages, tools, documents, variables, template_file;
  std::string template_name;
  bool has_user = false, interactive = false, show_prompt = false;
};

void add_flags(CommandLine& line, ChatFlags& flags) {
  const char* const group = "Conversation";
  CLI::Option* const argument = line.app().add_option("TEXT", flags.argument, "Your message");
  line.option("--user", flags.user, "Your message, as an option")->excludes(argument)->group(group);
  line.option("--system", flags.system, "The system message")->group(group);
  line.option("--messages", flags.messages,
              "A JSON file with the messages so far: [{\"role\": \"user\", \"content\": \"...\"}]")
      ->group(group);
  line.flag("-i,--interactive", flags.interactive,
            "Go on line by line (the default when nothing is given and stdin is a terminal)")
      ->group(group);
  line.flag("--show-prompt", flags.show_prompt, "Write what the model would read, and stop")
      ->group(group);
  line.option("--chat-template", flags.template_file,
              "A file with a template to take in place of the model's own")
      ->group(group);
  line.option("--template-name", flags.template_name, "Which of the model's templates")
      ->group(group);
  line.option("--chat-template-kwargs", flags.variables,
              "JSON object of more variables that the template looks at")
      ->group(group);
  line.option("--tools", flags.tools, "A JSON file with the tools that the model may call")
      ->group(group);
  line.option("--documents", flags.documents, "A JSON file with documents to answer from")
      ->group(group);
}

ChatOptions options_of(const ChatFlags& flags) {
  ChatOptions options;
  if (!flags.tools.empty()) options.tools = read_input(flags.tools);
  if (!flags.documents.empty()) options.documents = read_input(flags.documents);
  options.variables = flags.variables;
  options.name = flags.template_name;
  options.interrupt = &interrupt_flag();
  return options;
}

bool stdin_is_terminal() { return ::isatty(STDIN_FILENO) != 0; }

// The message that is given: piped text, and behind it what was given on the command line.
std::optional<std::string> user_message(const ChatFlags& flags) {
  const bool reads_stdin = flags.messages.empty() && !flags.interactive && stdin_is_piped();
  std::string piped = reads_stdin ? read_input("-") : std::string();
  if (flags.has_user) return piped + (flags.user.empty() ? flags.argument : flags.user);
  if (!piped.empty()) return without_last_newline(std::move(piped));
  return std::nullopt;
}

std::vector<Message> messages_of(const ChatFlags& flags) {
  std::vector<Message> messages;
  if (!flags.messages.empty())
    messages = parse_messages(read_input(flags.messages),
                              flags.messages == "-" ? "standard input" : flags.messages);
  if (!flags.system.empty()) {
    if (!messages.empty() && messages.front().role == "system")
      throw Error(ErrorCode::invalid_option,
                  flags.messages + " begins with a system message, so --system cannot give one",
                  "--system");
    messages.insert(messages.begin(), Message{"system", flags.system, {}});
  }
  if (std::optional<std::string> text = user_message(flags))
    messages.push_back({"user", std::move(*text), {}});
  return messages;
}

// What the files hold that the conversation is made of: a run that is resumed must find the same.
std::string identity_of(const ChatFlags& flags) {
  Digest digest;
  for (const std::string* file :
       {&flags.messages, &flags.tools, &flags.documents, &flags.template_file})
    if (!file->empty()) digest.add(read_input(*file));
  return std::to_string(digest.value());
}

// The conversation of a row of --input: its "messages", or one message, its "text".
std::vector<Message> messages_of(const Row& row, const ChatFlags& flags) {
  std::vector<Message> messages;
  if (const auto list = row.fields.find("messages"); list != row.fields.end()) {
    messages = parse_messages(dump(*list), row.place + ", \"messages\"");
  } else if (std::optional<std::string> text = text_field(row, "text")) {
    messages.push_back({"user", std::move(*text), {}});
  } else {
    throw Error(ErrorCode::invalid_input,
                row.place + ": the row has neither \"messages\" nor \"text\"", row.place);
  }
  if (!flags.system.empty() && messages.front().role != "system")
    messages.insert(messages.begin(), Message{"system", flags.system, {}});
  return messages;
}

// The prompts themselves as results.
int show(const RowJob& rows, const PromptMaker& prompt, const Tokenizer* tokenizer) {
  const auto compute = [&](std::span<const Row> group) {
    std::vector<RowResult> results;
    for (const Row& row : group) {
      const std::string text = prompt(row);
      OrderedJson fields = {{"prompt", text}};
      if (tokenizer != nullptr)
        fields["prompt_tokens"] = tokenizer->encode(text, {.add_special_tokens = false}).ids.size();
      results.emplace_back(std::move(fields));
    }
    return results;
  };
  const auto text = [](const Row&, const OrderedJson& result) {
    if (const auto tokens = result.find("prompt_tokens"); tokens != result.end())
      console().note(tokens->dump() + " tokens");
    return result["prompt"].get<std::string>();
  };
  return run_rows(rows, {{"prompt", "prompt_tokens"}, compute, text});
}

int run_turns(GenerationJob job, ChatPrompts& prompts, const PromptMaker& prompt) {
  // What is wrong with the only conversation shows before the model is loaded.
  if (job.rows.single) prompt(*job.rows.single);
  job.task = [&prompts](const auto& path, const auto& config, const Tokenizer* tokenizer) {
    return prompts.open(path, config, tokenizer);
  };
  return run_generation(job, prompt);
}

// It has no chat template either, which is not what is wrong.
void refuse_encoder(const std::filesystem::path& path) {
  const TransformerConfig config = read_model_config(path);
  if (config.kind != ModelKind::encoder) return;
  throw Error(ErrorCode::unsupported,
              path.string() + ": is an encoder (" + config.model_type +
                  "), which writes no text; it can be used for " + describe_uses(config),
              path.string());
}

}  // namespace

int run_chat(const Arguments& arguments) {
  CommandLine line("chat",
                   "Answers messages through the model's own chat template.\n"
                   "Piped text is the message; with a message argument as well, it comes before "
                   "it. Rows of --input have \"messages\" or \"text\".");
  ChatFlags flags;
  GenerationFlags generation(line, {.fields = {}, .argument = "", .plain = true});
  add_flags(line, flags);
  if (const auto done = line.parse(arguments)) return *done;
  flags.has_user = line.app().count("TEXT") + line.app().count("--user") > 0;

  GenerationJob job = generation.job();
  job.add_special_tokens = false;  // the template writes them
  const std::filesystem::path path = find_model(job.model);
  refuse_encoder(path);
  ChatPrompts prompts(ChatTemplate::open(path, flags.template_file), options_of(flags),
                      forgets_turns(job.overflow));
  job.overflow = "error";
  const bool batch = generation.rows().is_there();
  if (batch && (flags.has_user || flags.interactive || !flags.messages.empty()))
    throw Error(ErrorCode::invalid_option,
                "conversations come from one place: --input, or a message and --messages",
                "--input");
  std::vector<Message> messages;
  if (!batch) {
    messages = messages_of(flags);
    const bool nothing = messages.empty() || messages.back().role == "system";
    if (flags.interactive || (nothing && stdin_is_terminal()))
      return run_chat_session(std::move(job), std::move(prompts), std::move(messages));
    if (nothing)
      throw Error(ErrorCode::invalid_option,
                  "no message is given; usage: llm-generate chat -m MODEL \"Hello\" (or --user, a "
                  "pipe, --messages FILE.json, --input FILE.jsonl, or --interactive to go on line "
                  "by line)");
    job.rows.single.emplace().place = "the conversation";
  }
  if (!job.rows.output.empty()) job.rows.identity["conversation files"] = identity_of(flags);
  const PromptMaker prompt = [&](const Row& row) {
    return prompts.prompt(batch ? messages_of(row, flags) : messages, row.place);
  };
  if (flags.show_prompt) return show(job.rows, prompt, open_tokenizer(path).get());
  return run_turns(std::move(job), prompts, prompt);
}

}  // namespace llm::shell
