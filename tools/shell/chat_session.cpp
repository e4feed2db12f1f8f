#include "shell/chat_session.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "llm/tasks/chat.hpp"
#include "shell/console.hpp"
#include "shell/exit_code.hpp"
#include "shell/explain.hpp"
#include "shell/generation_row.hpp"
#include "shell/input.hpp"
#include "shell/load.hpp"
#include "shell/opened_model.hpp"
#include "shell/signals.hpp"

namespace llm::shell {
namespace {

constexpr const char* help =
    "/reset          begin anew (the system message stays)\n"
    "/undo           take your last message and its answer back\n"
    "/drop           forget the oldest turn\n"
    "/system TEXT    set the system message\n"
    "/save FILE      write the conversation as JSON, for --messages\n"
    "/exit           end (also Ctrl-D)\n"
    "\"\"\"             begins and ends a message of several lines; a line that begins with // is "
    "a\n"
    "                message that begins with /\n"
    "Ctrl-C ends an answer.\n";

constexpr std::string_view block = "\"\"\"";

// Messages from standard input. At a terminal a prompt shows people that it is their turn.
class MessageReader {
 public:
  MessageReader() { lines_.emplace("-"); }

  bool at_terminal() const { return terminal_; }

  // The next message or command; nullopt at the end and when a signal asks to end.
  std::optional<std::string> next() {
    std::optional<std::string> line = next_line("> ");
    if (!line || !line->starts_with(block)) return line;
    std::string text = line->substr(block.size());
    while (!text.ends_with(block)) {
      line = next_line(". ");
      if (!line) return std::nullopt;
      text += '\n' + *line;
    }
    text.resize(text.size() - block.size());
    return text.starts_with('\n') ? text.substr(1) : text;
  }

 private:
  std::optional<std::string> next_line(const char* sign) {
    for (bool warned = false;; warned = true) {
      if (terminal_) std::fputs(sign, stderr);
      std::optional<std::string> line = lines_->next();
      if (line) return line;
      if (terminal_) std::fputs("\n", stderr);
      // A first Ctrl-C while somebody types is a slip. LineReader has to begin anew after it.
      if (!terminal_ || warned || caught_signal() != SIGINT) return std::nullopt;
      clear_interrupt();
      lines_.emplace("-");
      console().note("Ctrl-C again, Ctrl-D or /exit ends the chat; /help tells more");
    }
  }

  bool terminal_ = ::isatty(STDIN_FILENO) != 0;
  std::optional<LineReader> lines_;
};

template <typename S>
class Session {
 public:
  Session(const GenerationJob& job, const ChatPrompts& prompts, std::vector<Message> messages)
      : job_(job),
        prompts_(prompts),
        opened_(job),
        explainer_(opened_.tokenizer.get()),
        generator_(*opened_.model, opened_.tokenizer.get(), run_options()),
        chat_(generator_, prompts.chat_template(), opened_.config(), prompts.options()),
        out_(job.rows.output, job.rows.force) {
    chat_.messages() = std::move(messages);
  }

  int run() {
    if (input_.at_terminal()) console().note("/help lists the commands, Ctrl-D ends the chat");
    bool go_on = true;
    answer_waiting_message();
    while (go_on) {
      std::optional<std::string> line = input_.next();
      if (!line) break;
      if (line->find_first_not_of(" \t") == std::string::npos) continue;
      if (line->starts_with("//"))
        line->erase(0, 1);
      else if (line->starts_with('/')) {
        go_on = obey(*line);
        continue;
      }
      answer(std::move(*line));
      go_on = caught_signal() == 0;
    }
    out_.finish();
    if (caught_signal() != 0) return signal_exit_code();
    return failed_ > 0 && !input_.at_terminal() ? exit_some_rows_failed : exit_ok;
  }

 private:
  RunOptions<S> run_options() {
    RunOptions<S> options;
    options.logprobs = job_.logprobs;
    options.interrupt = &interrupt_flag();
    options.observer = job_.explain ? &explainer_ : nullptr;
    return options;
  }

  // --- commands ---

  // False when the chat is to end.
  bool obey(const std::string& line) {
    const auto space = line.find(' ');
    const std::string name = line.substr(0, space);
    const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
    if (name == "/exit" || name == "/quit" || name == "/bye") return false;
    if (name == "/help")
      std::fputs(help, stderr);
    else if (name == "/reset")
      reset();
    else if (name == "/undo")
      undo();
    else if (name == "/drop")
      drop();
    else if (name == "/system")
      set_system(rest);
    else if (name == "/save")
      save(rest);
    else
      fail("there is no command " + quote(name) +
           "; /help lists them, and // begins a message that "
           "begins with /");
    return true;
  }

  bool has_system() const {
    return !chat_.messages().empty() && chat_.messages().front().role == "system";
  }

  void reset() { chat_.messages().resize(has_system() ? 1 : 0); }

  void undo() {
    std::vector<Message>& messages = chat_.messages();
    const auto last = std::find_if(messages.rbegin(), messages.rend(),
                                   [](const Message& message) { return message.role == "user"; });
    if (last == messages.rend()) return fail("there is no message to take back");
    messages.erase(last.base() - 1, messages.end());
  }

  void drop() {
    std::vector<Message>& messages = chat_.messages();
    if (forget_oldest_turn(messages)) return;
    if (messages.size() == (has_system() ? 1U : 0U)) return fail("there is no turn to forget");
    reset();
  }

  void set_system(const std::string& text) {
    if (text.empty()) return fail("/system needs a text behind it");
    std::vector<Message>& messages = chat_.messages();
    if (!has_system()) messages.insert(messages.begin(), Message{"system", {}, {}});
    messages.front() = {"system", text, {}};
  }

  void save(const std::string& path) {
    if (path.empty()) return fail("/save needs the name of a file behind it");
    try {
      Output file(path);
      file.write(messages_json(chat_.messages()) + '\n');
      file.finish();
    } catch (const Error& error) {
      std::error_code failed;
      fail(std::filesystem::exists(path, failed) ? path + ": there is such a file already"
                                                 : std::string(error.what()));
    }
  }

  void fail(const std::string& sentence) {
    ++failed_;
    console().error(sentence);
  }

  // --- turns ---

  // The conversation that was given may end in a message that wants an answer.
  void answer_waiting_message() {
    std::vector<Message>& messages = chat_.messages();
    if (messages.empty() || messages.back().role != "user" || !messages.back().content) return;
    const std::string text = *messages.back().content;
    messages.pop_back();
    answer(text);
  }

  void answer(std::string text) {
    ++turn_;
    chat_.add("user", std::move(text));
    const auto start = std::chrono::steady_clock::now();
    try {
      GenerationResult result = reply();
      tell(result, std::chrono::steady_clock::now() - start);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::io) throw;
      chat_.messages().pop_back();
      if (error.code() == ErrorCode::interrupted) {
        note_taken_back();
      } else {
        fail(error.what());
      }
      if (error.code() == ErrorCode::context_overflow)
        console().note(
            "your message was not taken into the conversation, which is as before; /drop forgets "
            "its oldest turn, /reset all of it, /save FILE writes it down");
    }
    if (caught_signal() == SIGINT) clear_interrupt();  // it was meant for this answer
  }

  GenerationResult reply() {
    for (std::size_t forgotten = 0;;) {
      try {
        GenerationResult result = write_reply();
        warn_of_forgotten_turns("the conversation", forgotten);
        return result;
      } catch (const Error& error) {
        const bool too_long = error.code() == ErrorCode::context_overflow;
        const std::size_t more = too_long && prompts_.forget() ? forget() : 0;
        if (more == 0) throw;
        forgotten += more;
      }
    }
  }

  // Oldest turns of a conversation that is too long, at least one if there is one to forget.
  std::size_t forget() {
    std::vector<Message>& messages = chat_.messages();
    const std::size_t forgotten = forget_oldest_turns(messages, [this](const auto& rest) {
      return prompts_.fits(prompts_.chat_template().render(rest, prompts_.options()));
    });
    return forgotten > 0 ? forgotten : forget_oldest_turn(messages) ? 1 : 0;
  }

  GenerationResult write_reply() {
    std::exception_ptr failure;
    bool streamed = false;
    const bool text = job_.rows.format == Format::text;
    const bool stream = text && job_.stream.value_or(true);
    GenerationResult result = chat_.reply([&](std::string_view piece) {
      if (!stream) return true;
      streamed = true;
      try {
        out_.write(piece);
        out_.flush();
      } catch (...) {
        failure = std::current_exception();
      }
      return failure == nullptr;
    });
    if (failure) std::rethrow_exception(failure);
    if (text && !streamed) out_.write(result.text);
    if (!text) write_fields(result);
    out_.write("\n");
    out_.flush();
    return result;
  }

  void write_fields(const GenerationResult& result) {
    const GenerationLayout layout{.score = result.score.has_value(), .logprobs = job_.logprobs > 0};
    OrderedJson row = {{"id", std::to_string(turn_)}};
    row.update(to_fields(result, {}, layout, opened_.tokenizer.get()));
    out_.write(dump(row));
  }

  void tell(const GenerationResult& result, std::chrono::duration<double> time) {
    char line[160];
    std::snprintf(line, sizeof line,
                  "%lld prompt tokens, %lld of them read before; %lld new tokens in %.3f s",
                  static_cast<long long>(result.prompt_tokens),
                  static_cast<long long>(chat_.reused_tokens()),
                  static_cast<long long>(result.new_tokens), time.count());
    console().detail(line);
    if (result.finish_reason == FinishReason::length)
      console().note("the answer was cut at " + std::to_string(result.new_tokens) +
                     " tokens; --max-new-tokens allows more");
    if (result.finish_reason == FinishReason::time)
      console().note("the answer was cut when its time was over; --max-time allows more");
    if (result.finish_reason != FinishReason::interrupted) return;
    if (!result.new_ids.empty()) return;
    chat_.messages().pop_back();
    note_taken_back();
  }

  static void note_taken_back() {
    console().note("interrupted before the first word: your message was taken back");
  }

  const GenerationJob& job_;
  const ChatPrompts& prompts_;
  OpenedModel<S> opened_;
  Explainer<S> explainer_;
  Generator<S> generator_;
  Chat<S> chat_;
  Output out_;
  MessageReader input_;
  std::int64_t turn_ = 0;
  int failed_ = 0;
};

}  // namespace

int run_chat_session(GenerationJob job, ChatPrompts prompts, std::vector<Message> messages) {
  if (job.rows.format == Format::csv || job.rows.format == Format::tsv)
    throw Error(ErrorCode::invalid_option,
                "a conversation line by line is written as text or JSON lines", "--format");
  job.task = [&prompts](const auto& path, const auto& config, const Tokenizer* tokenizer) {
    return prompts.open(path, config, tokenizer);
  };
  return with_scalar(parse_precision(job.dtype), [&](auto scalar) {
    return Session<decltype(scalar)>(job, prompts, std::move(messages)).run();
  });
}

}  // namespace llm::shell
