// llm-generate few-shot: a template, examples and queries make prompts, which are then completed,
// or whose labels are scored.
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "commands/eval_flags.hpp"
#include "commands/generation_flags.hpp"
#include "llm/core/error.hpp"
#include "llm/prompt/few_shot_builder.hpp"
#include "llm/tasks/embed.hpp"
#include "shell/console.hpp"
#include "shell/few_shot_prompts.hpp"
#include "shell/input.hpp"
#include "shell/label_job.hpp"
#include "shell/model_path.hpp"
#include "shell/opened_model.hpp"
#include "shell/signals.hpp"

namespace llm::shell {
namespace {

struct FewShotFlags {
  std::string template_path, examples_path, select = "first", labels_from, labels, query,
                                            embed_model;
  std::vector<std::int64_t> shots;
  std::uint64_t select_seed = 0;
  std::vector<std::string> settings;
  bool has_query = false, calibrate = false, fit = false, chat = false, show_prompt = false;

  bool scores_labels() const { return !labels.empty() || !labels_from.empty(); }
};

CLI::Option* add_flags(CommandLine& line, FewShotFlags& flags) {
  line.option("--template", flags.template_path, "The template file")->required();
  line.option("--examples", flags.examples_path,
              "The examples: .jsonl, .csv or .tsv with the fields of the template");
  line.option("--shots", flags.shots,
              "Examples in a prompt: N, or N,N,... for a prompt of each (default: all; 0: none)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(0, 1 << 20));
  line.option("--select", flags.select,
              "Which examples: first, random, balanced (in turns one of each label), similar");
  line.option("--select-seed", flags.select_seed, "Of --select random (default: 0)");
  line.option("--embed-model", flags.embed_model,
              "Of --select similar: the model that embeds texts");
  line.option("--labels-from", flags.labels_from,
              "Score all values that this field has in the examples, instead of generating");
  line.option("--labels", flags.labels, "Score these labels: a,b,c");
  line.flag("--calibrate", flags.calibrate,
            "Divide a label's probability by the one behind a query without content");
  line.flag("--fit-shots", flags.fit, "Drop the first examples where a prompt is too long");
  line.flag("--chat", flags.chat, "Make the prompt a conversation in the model's own form");
  line.option("--set", flags.settings, "A further field of the query, NAME=VALUE (repeatable)")
      ->allow_extra_args(false);
  line.flag("--show-prompt", flags.show_prompt, "Write the prompts and their tokens, and stop");
  return line.option("--query", flags.query, "The field of the only query");
}

// All examples of a file. Its digest goes into `identity`.
std::vector<FieldRow> read_examples(const std::string& path, OrderedJson& identity) {
  if (path.empty()) return {};
  RowReader reader(path, {.format = input_format_of(path)});
  std::vector<FieldRow> examples;
  while (const std::optional<Row> row = reader.next()) {
    if (row->error) throw Error(row->error->code, row->error->message, path);
    examples.push_back(to_field_row(*row));
  }
  check_not_interrupted();
  if (examples.empty())
    throw Error(ErrorCode::invalid_input, path + ": there are no examples in it", path);
  identity["examples"] = reader.digest();
  return examples;
}

std::vector<std::size_t> shots_of(const FewShotFlags& flags, std::size_t examples) {
  if (flags.shots.empty()) return {examples};
  std::vector<std::size_t> shots;
  for (const std::int64_t count : flags.shots) {
    const auto wanted = static_cast<std::size_t>(count);
    if (wanted > 0 && flags.examples_path.empty())
      throw usage("--shots needs --examples to take them from", "--shots");
    if (wanted > examples)
      throw usage("--shots " + std::to_string(count) + " is more than the " +
                      std::to_string(examples) + " examples of " + flags.examples_path,
                  "--shots");
    if (std::find(shots.begin(), shots.end(), wanted) != shots.end())
      throw usage("--shots has " + std::to_string(count) + " twice", "--shots");
    shots.push_back(wanted);
  }
  return shots;
}

// The field of the examples that answers: as given, or the only one that queries do not have.
std::string label_field(const FewShotFlags& flags, const FewShotTemplate& few) {
  if (!flags.labels_from.empty()) return flags.labels_from;
  if (!flags.scores_labels() && flags.select != "balanced") return {};
  const std::vector<std::string> fields = few.answer().field_names();
  return fields.size() == 1 ? fields[0] : std::string();
}

// The field of queries that says the right answer: that of the examples.
std::string reference_field(const FewShotFlags& flags, const FewShotTemplate& few) {
  if (!flags.labels_from.empty()) return flags.labels_from;
  try {
    const std::vector<std::string> fields = few.answer().field_names();
    return fields.size() == 1 ? fields[0] : std::string();
  } catch (const Error&) {  // the template does not tell; --reference has to
    return {};
  }
}

// --query TEXT is the value of the query's only field; --set NAME=VALUE gives others.
Row query_row(const FewShotTemplate& few, const FewShotFlags& flags) {
  Row row;
  row.place = "the fields given by --query and --set";
  for (const std::string& setting : flags.settings) {
    const auto equals = setting.find('=');
    if (equals == std::string::npos || equals == 0)
      throw usage("--set " + quote(setting) + ": expected NAME=VALUE", "--set");
    row.fields[setting.substr(0, equals)] = setting.substr(equals + 1);
  }
  std::vector<std::string> open;
  for (const std::string& name : few.query().field_names())
    if (!row.fields.contains(name)) open.push_back(name);
  if (open.size() != 1)
    throw usage(
        "--query fills the one field of the template's \"query\" that --set does not, but "
        "there are " +
            std::to_string(open.size()),
        "--query");
  row.fields[open[0]] = flags.query;
  return row;
}

// Embeds texts with a model of its own.
auto embed_with(const std::string& name, int threads) {
  struct Opened {
    std::unique_ptr<Tokenizer> tokenizer;
    std::unique_ptr<Model<float>> model;
    std::unique_ptr<TextEmbedder<float>> embedder;
  };
  SentenceConfig config = embedding_config(find_model(name));
  EmbedOptions options;
  if (!config.default_prompt_name.empty())
    options.prompt = config.prompts.at(config.default_prompt_name);
  const auto opened = std::make_shared<Opened>();
  opened->tokenizer = Tokenizer::open(config.model_path);
  opened->model =
      Model<float>::load(config.model_path, {.threads = threads, .head = HeadKind::none});
  opened->embedder = std::make_unique<TextEmbedder<float>>(*opened->model, *opened->tokenizer,
                                                           std::move(config), std::move(options));
  return [opened](std::span<const std::string> texts) {
    std::vector<TextTokens> tokens;
    for (const std::string& text : texts) tokens.push_back(opened->embedder->encode(text));
    return opened->embedder->embed(tokens);
  };
}

FewShotPrompts open_prompts(const FewShotFlags& flags, const GenerationFlags& generation,
                            OrderedJson& identity) {
  const std::string text = read_input(flags.template_path);
  identity["template"] = text;
  FewShotTemplate few = FewShotTemplate::parse(text, flags.template_path);
  std::vector<FieldRow> examples = read_examples(flags.examples_path, identity);
  FewShotPrompts::Options options{.shots = shots_of(flags, examples.size()), .fit = flags.fit};
  if (flags.chat) options.chat = ChatTemplate::open(generation.model().path());
  FewShotOptions choice{.selection = selection_from_name(flags.select),
                        .seed = flags.select_seed,
                        .label_field = label_field(flags, few)};
  if (flags.embed_model.empty() != (choice.selection != Selection::similar))
    throw usage("--select similar and --embed-model MODEL belong together", "--embed-model");
  if (!flags.embed_model.empty())
    choice.embed = embed_with(flags.embed_model, generation.model().load_options().threads);
  return FewShotPrompts(FewShotBuilder(std::move(few), std::move(examples), std::move(choice)),
                        std::move(options));
}

std::vector<std::string> labels_of(const FewShotFlags& flags, const FewShotBuilder& builder) {
  std::vector<std::string> labels = builder.labels();
  if (!flags.labels.empty()) labels = split_list(flags.labels);
  check_labels(labels);
  return labels;
}

// A space there is one the model would have written itself, as part of its first token.
void warn_about_space(const FewShotPrompts& prompts) {
  const std::string_view end = prompts.builder().few_shot_template().query().trailing_text();
  if (!prompts.options().chat && (end.ends_with(' ') || end.ends_with('\t')))
    console().warning(
        "the template's \"query\" ends with a space; models write the space "
        "themselves, as part of the next word, and do worse behind one");
}

// The prompts themselves as results.
int show_prompts(const RowJob& rows, FewShotPrompts& prompts, const PromptRoom& room) {
  const auto compute = [&](std::span<const Row> group) {
    std::vector<RowResult> results;
    for (const Row& row : group) {
      std::vector<OrderedJson> shown;
      for (const FewShotPrompt& prompt : prompts.make(row, room)) {
        OrderedJson& fields = shown.emplace_back(prompts.fields(prompt));
        fields["prompt"] = prompt.text;
        if (room.tokenizer == nullptr) continue;
        fields["prompt_tokens"] = room.tokens(prompt.text);
        if (rows.format == Format::text)
          console().note(row.place + ": " + std::to_string(prompt.shots.size()) + " shots, " +
                         fields["prompt_tokens"].dump() + " tokens");
      }
      results.emplace_back(std::move(shown));
    }
    return results;
  };
  const auto text = [](const Row&, const OrderedJson& result) {
    return result["prompt"].get<std::string>();
  };
  std::vector<std::string> columns = prompts.columns();
  columns.insert(columns.end(), {"prompt", "prompt_tokens"});
  return run_rows(rows, {.columns = std::move(columns),
                         .compute = compute,
                         .text = text,
                         .several = prompts.options().shots.size() > 1});
}

// What does not fit the model is dropped as it will be; otherwise its tokenizer is all it takes.
int show(const FewShotFlags& flags, const GenerationFlags& generation, const RowJob& rows,
         FewShotPrompts& prompts, bool has_model) {
  const bool special_tokens = !flags.chat && generation.adds_special_tokens();
  if (!flags.fit || !has_model) {
    const auto tokenizer = has_model ? open_tokenizer(generation.model().path()) : nullptr;
    return show_prompts(rows, prompts, {tokenizer.get(), std::nullopt, special_tokens});
  }
  const OpenedModel<float> opened(generation.job());
  const bool alone = flags.chat || opened.model->is_encoder_decoder();
  const std::int64_t answer =
      flags.scores_labels()
          ? longest_of(label_completions(prompts.builder().few_shot_template(),
                                         labels_of(flags, prompts.builder()), alone),
                       *opened.tokenizer)
          : opened.config().max_new_tokens.value_or(1);
  return show_prompts(
      rows, prompts,
      prompt_room<float>(*opened.model, opened.tokenizer.get(), special_tokens, answer));
}

int generate(GenerationJob& job, FewShotPrompts& prompts) {
  const auto& stop = prompts.builder().few_shot_template().stop();
  job.stop.insert(job.stop.end(), stop.begin(), stop.end());
  PromptPlan plan{.count = prompts.options().shots.size(),
                  .columns = prompts.columns(),
                  .shared = prompts.shared()};
  plan.make = [&prompts](const Row& row, const PromptRoom& room) {
    std::vector<RowPrompt> made;
    for (FewShotPrompt& prompt : prompts.make(row, room))
      made.push_back({std::move(prompt.text), prompts.fields(prompt)});
    return made;
  };
  return run_generation(job, plan);
}

int score_labels(const FewShotFlags& flags, const GenerationFlags& generation, const RowJob& rows,
                 FewShotPrompts& prompts) {
  const ModelFlags& model = generation.model();
  return run_labels({.model = model.path(),
                     .load = model.load_options(),
                     .f64 = model.precision().f64,
                     .labels = labels_of(flags, prompts.builder()),
                     .label_field = prompts.builder().options().label_field,
                     .calibrate = flags.calibrate,
                     .add_special_tokens = !flags.chat && generation.adds_special_tokens(),
                     .max_input_tokens = generation.max_input_tokens(),
                     .rows = rows},
                    prompts);
}

}  // namespace

int run_few_shot(const Arguments& arguments) {
  CommandLine line(
      "few-shot",
      "Builds prompts from a template and examples, and completes them or scores\n"
      "labels. The template is JSON: header, example, separator, query, stop; {{name}} "
      "stands for a field.");
  GenerationFlags generation(line, {.fields = {}, .argument = "", .plain = true});
  FewShotFlags flags;
  const CLI::Option* const query = add_flags(line, flags);
  const EvalFlags eval(line, {.by = "shots"});
  if (const auto done = line.parse(arguments)) return *done;
  flags.has_query = query->count() > 0;
  if (flags.has_query == generation.rows().is_there())
    throw usage("give either --query TEXT or --input FILE.jsonl with the queries", "--query");
  if (flags.calibrate && !flags.scores_labels())
    throw usage("--calibrate is about labels: give --labels or --labels-from", "--calibrate");

  if (flags.show_prompt && eval.is_given())
    throw usage("--show-prompt gives prompts, no answers that --eval could score", "--eval");

  OrderedJson identity;
  FewShotPrompts prompts = open_prompts(flags, generation, identity);
  warn_about_space(prompts);
  const auto complete = [&](RowJob& rows) {
    if (flags.has_query)
      rows.single = query_row(prompts.builder().few_shot_template(), flags);
    else if (!rows.identity.empty())
      rows.identity.update(identity);
  };
  const std::string reference = reference_field(flags, prompts.builder().few_shot_template());
  if (flags.show_prompt || flags.scores_labels()) {
    RowJob rows = generation.rows().job();
    complete(rows);
    if (!flags.show_prompt)
      return eval.run(
          rows, [&] { return score_labels(flags, generation, rows, prompts); }, reference);
    return show(flags, generation, rows, prompts, line.has_model_name());
  }
  GenerationJob job = generation.job();
  complete(job.rows);
  if (flags.chat) job.add_special_tokens = false;  // the chat template writes them
  return eval.run(
      job.rows, [&] { return generate(job, prompts); }, reference);
}

}  // namespace llm::shell
