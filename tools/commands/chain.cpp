// llm-generate chain: a file of named steps that feed each other.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "commands/model_flags.hpp"
#include "commands/row_flags.hpp"
#include "llm/core/error.hpp"
#include "shell/chain_run.hpp"
#include "shell/console.hpp"
#include "shell/exit_code.hpp"
#include "shell/file_roles.hpp"
#include "shell/input.hpp"

namespace llm::shell {
namespace {

constexpr const char* format_help =
    R"(The file is JSON:
  { "models": { "writer": "models/t5", "reader": {"path": "org/name", "dtype": "int8"} },
    "inputs": { "articles": {"file": "articles.jsonl"}, "question": null },
    "steps": [
      { "name": "summary", "task": "summarize", "model": "writer", "map": "articles",
        "text": "{{item.body}}", "options": {"max_new_tokens": 60} },
      { "name": "answer", "model": "reader", "reduce": "summary",
        "each": "{{index}}. {{item}}", "separator": "\n",
        "prompt": "{{items}}\n\nQuestion: {{question}}\nAnswer:" } ] }

models   names for models; --use NAME=MODEL takes another. A step may name a model itself;
         steps that name none take -m, or the only one of "models".
inputs   what the chain is given, with what it is when nothing is given (null: it must be
         given), or a list of names. Without it every name that is no step's is an input.
         They come from --set, --add, a pipe (the input "text"), or are the fields of --input.
steps    in any order: {{NAME}} and {{NAME.FIELD}} are the text and a field of a step or input.

Tasks of steps, and the texts they take (templates; a list of strings is a text of so many lines):
  text       text             the filled text itself
  split      text             a list: the parts of the text between "separator"s (default: lines)
  generate   prompt           the default task where there is a "prompt"
  few-shot   fields           a prompt made by the files "template" and "examples" (see few-shot);
                              "fields": {"NAME": TEXT}, or inputs and steps of the same names
                              (of a map step: fields of the element)
  chat       prompt, system   one turn of the model's own chat template
  summarize, translate, ner, fill-mask, embed: text      classify, similar: text, text_pair
  zero-shot  text, labels     qa: question, context
  score      prompt, choices  the most probable of the lines of "choices"
  retrieve   text             the option "top_k" rows of "file" whose "field" (default "text") is nearest
                              to the text by embedding, joined by "each" and "separator"

Members of steps:
  map        a list: an input, or a step that maps, splits, retrieves, finds names (ner) or gives
             several answers ("num_return_sequences": 3). The step is done for each: {{item}}, {{item.FIELD}}, {{index}} (from 1). Other lists made from the
             same one stand for their element of this number.
  reduce     a list that becomes one text {{items}}: each element as "each" says, "separator" between
  repeat     {"times": N, "until": STRING, "max_chars": N, "max_new_tokens": N, "between": STRING}:
             the output is appended to the prompt and goes on, until one of these or nothing comes;
             a list in "between" is taken in turns (the speakers of a dialogue)
  options    those of the task's command by their Hugging Face names: {"max_new_tokens": 60}

Values have the fields that the task's command writes: {{step.score}}, {{step.label}},
{{step.new_tokens}}. A value depends on the chain, the models, its inputs and the seed alone.

  llm-generate chain news.json --set question="What happened?" --add articles=@a.txt --add articles=@b.txt
  llm-generate chain news.json --input rows.jsonl --jsonl -o answers.jsonl --resume
  llm-generate chain news.json --set question=Who --all --jsonl        every value on the way
  llm-generate chain news.json --dry-run)";

struct Flags {
  explicit Flags(CommandLine& line)
      : model(line), rows(line, {.fields = {}, .argument = "", .plain = true}) {
    line.app().add_option("FILE", file, "The chain (JSON)")->required();
    line.option("--use", use, "NAME=MODEL: the model that the file calls NAME (repeatable)")
        ->allow_extra_args(false);
    line.option(
            "--set", set,
            "NAME=VALUE: an input of all rows (repeatable); NAME=@FILE: what the file holds: the "
            "rows of .jsonl, .csv, .tsv, the value of .json, or a text")
        ->allow_extra_args(false);
    line.option("--add", add, "NAME=VALUE, NAME=@FILE: one more element of a list (repeatable)")
        ->allow_extra_args(false);
    line.option("--steps", steps, "Write the values of these steps: NAME,NAME (default: the last)")
        ->delimiter(',')
        ->allow_extra_args(false);
    line.flag("--all", all, "Write every value on the way, with what the step was given");
    line.flag("--dry-run", dry_run, "Write the plan, and stop: order, models, what feeds what");
    seed_option = line.option("-s,--seed", seed, "Start of all random streams (default: drawn)")
                      ->check(seed_error);
    line.app().footer(format_help);
  }
  ModelFlags model;
  RowFlags rows;
  std::string file;
  std::vector<std::string> use, set, add, steps;
  bool all = false, dry_run = false;
  std::uint64_t seed = 0;
  CLI::Option* seed_option = nullptr;
};

std::pair<std::string, std::string> name_and_value(const std::string& text, const char* flag) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw Error(ErrorCode::invalid_option,
                std::string(flag) + " " + quote(text) + ": expected NAME=VALUE", flag);
  return {text.substr(0, equals), text.substr(equals + 1)};
}

void read_inputs(const Flags& flags, ChainJob& job) {
  ChainInputs& inputs = job.inputs;
  for (const std::string& text : flags.set) {
    auto [name, value] = name_and_value(text, "--set");
    if (!inputs.emplace(name, chain_value_of_flag(value, "--set " + quote(name))).second)
      throw Error(ErrorCode::invalid_option,
                  "--set gives " + quote(name) + " twice; --add adds to a list", "--set");
  }
  for (const std::string& text : flags.add) {
    auto [name, value] = name_and_value(text, "--add");
    const auto [place, is_new] = inputs.emplace(name, ChainValue::list({}));
    if (!is_new && !place->second.is_list)
      throw Error(ErrorCode::invalid_option, "--set makes " + quote(name) + " a text, not a list",
                  "--add");
    place->second.items.push_back(chain_value_of_flag(value, "--add " + quote(name)));
    job.added[name] = place->second;
  }
}

// An input that no step asks for is a slip of the pen.
void check_inputs(const ChainPlan& plan, const ChainInputs& given) {
  const std::vector<std::string> used = plan.inputs();
  for (const auto& [name, value] : given) {
    const std::string& input = name;
    if (std::ranges::any_of(used, [&](const std::string& other) {
          return other == input || other.starts_with(input + ".");
        }))
      continue;
    const std::vector<std::string_view> names(used.begin(), used.end());
    const std::string_view nearest = nearest_name(name, names.data(), names.size());
    throw Error(ErrorCode::invalid_option,
                "--set " + quote(name) + ": no step of " + plan.description().where +
                    " uses this input" +
                    (nearest.empty() ? "" : "; did you mean " + quote(nearest) + "?"),
                "--set");
  }
}

// Piped text is the input "text", where the chain has one that nothing else gives.
void read_pipe(const ChainPlan& plan, ChainInputs& inputs) {
  const std::vector<std::string> used = plan.inputs();
  if (inputs.contains("text") || std::ranges::count(used, "text") == 0 || !stdin_is_piped()) return;
  std::string piped = without_last_newline(read_input("-"));
  if (!piped.empty()) inputs.emplace("text", chain_text(std::move(piped), "standard input"));
}

// The files that the chain names, but for its models.
std::vector<std::string> files_of(const ChainDescription& description) {
  std::vector<std::string> files;
  const auto add = [&](const std::string& name) {
    if (!name.empty()) files.push_back(description.find_file(name).string());
  };
  for (const ChainStep& step : description.steps)
    for (const std::string* name : {&step.file, &step.examples, &step.few_shot_template})
      add(*name);
  if (description.inputs)
    for (const ChainInput& input : *description.inputs) add(input.file);
  return files;
}

// What the files hold that steps use: a run that is resumed must find the same.
void identify(ChainJob& job, const std::string& text) {
  Digest digest;
  for (const std::string& file : files_of(job.description)) digest.add(read_input(file));
  for (const auto& [name, value] : job.inputs) digest.add(name + ' ' + value.to_json() + '\n');
  job.rows.identity["chain"] = text;
  job.rows.identity["chain files"] = digest.value();
  const ChainPlan plan(job.description);
  for (const PlannedModel& model : plan.models())
    job.rows.identity["model " + model.name] = model_identity(model.source.path);
}

int show_plan(const ChainJob& job) {
  const ChainPlan plan(job.description);
  Output out(job.rows.output, job.rows.force);
  out.write(job.rows.format == Format::text ? plan.explain() : dump(plan_json(plan)) + '\n');
  out.finish();
  return exit_ok;
}

}  // namespace

int run_chain(const Arguments& arguments) {
  CommandLine line("chain",
                   "Steps that feed each other, as a file says: summaries of many documents, "
                   "and an answer from all of them.");
  Flags flags(line);
  if (const auto done = line.parse(arguments)) return *done;
  const std::string text = read_input(flags.file);
  const std::string where = flags.file == "-" ? "standard input" : flags.file;
  ChainJob job{.description = ChainDescription::parse(
                   text, where, std::filesystem::path(flags.file).parent_path()),
               .precision = flags.model.precision(),
               .load = flags.model.load_options(),
               .selected = flags.steps,
               .all = flags.all};
  if (!job.load.adapters.empty())
    throw Error(
        ErrorCode::invalid_option,
        "--adapter does not say which model it is for; write \"adapters\" to the model in " + where,
        "--adapter");
  if (flags.seed_option->count() > 0) job.seed = flags.seed;
  std::map<std::string, std::string> models;
  for (const std::string& given : flags.use) models.insert(name_and_value(given, "--use"));
  // A file's own model comes before that of the environment.
  const std::string model = line.has_model_name() ? line.model_name() : "";
  const bool is_flag = line.model_source() == "flag";
  if (!model.empty() && (is_flag || job.description.models.size() != 1)) models.emplace("", model);
  choose_chain_models(job.description, models, !flags.dry_run);
  const ChainPlan plan(job.description);
  for (const std::string& name : flags.steps) (void)plan.step(name);
  for (const std::string& name : files_of(job.description)) note_reading(name);

  job.rows = flags.rows.job();
  read_inputs(flags, job);
  check_inputs(plan, job.inputs);
  if (flags.dry_run) return show_plan(job);
  if (!flags.rows.is_there()) {
    job.rows.single.emplace().place = where;
    if (flags.file != "-") read_pipe(plan, job.inputs);
  }
  if (!job.rows.identity.empty()) identify(job, text);
  return run_chain_job(job);
}

}  // namespace llm::shell
