// llm-generate few-shot: a template, examples and queries make prompts, which are then completed.
#include "llm/prompt/few_shot.hpp"

#include <algorithm>
#include <utility>

#include "commands/generation_flags.hpp"
#include "llm/core/error.hpp"
#include "shell/input.hpp"

namespace llm::shell {
namespace {

std::vector<FieldRow> read_examples(const std::string& path, std::int64_t shots) {
  if (path.empty()) {
    if (shots > 0)
      throw Error(ErrorCode::invalid_option, "--shots needs --examples to take them from",
                  "--shots");
    return {};
  }
  std::vector<FieldRow> examples = parse_field_rows(read_input(path), path);
  if (shots < 0) return examples;
  if (static_cast<std::size_t>(shots) > examples.size())
    throw Error(ErrorCode::invalid_option,
                "--shots " + std::to_string(shots) + " is more than the " +
                    std::to_string(examples.size()) + " examples of " + path,
                "--shots");
  examples.resize(static_cast<std::size_t>(shots));
  return examples;
}

FieldRow to_field_row(const Row& row) {
  FieldRow fields{{}, row.place};
  for (const auto& [name, value] : row.fields.items())
    if (auto text = text_field(row, name)) fields.fields[name] = std::move(*text);
  return fields;
}

// --query TEXT is the value of the query's only field; --set NAME=VALUE gives others.
Row query_row(const FewShotTemplate& few, const std::string& text,
              const std::vector<std::string>& settings) {
  Row row;
  row.place = "the fields given by --query and --set";
  for (const std::string& setting : settings) {
    const auto equals = setting.find('=');
    if (equals == std::string::npos || equals == 0)
      throw Error(ErrorCode::invalid_option, "--set " + quote(setting) + ": expected NAME=VALUE",
                  "--set");
    row.fields[setting.substr(0, equals)] = setting.substr(equals + 1);
  }
  std::vector<std::string> open;
  for (const std::string& name : few.query().field_names())
    if (!row.fields.contains(name)) open.push_back(name);
  if (open.size() != 1)
    throw Error(ErrorCode::invalid_option,
                "--query fills the one field of the template's \"query\" that --set does not, but "
                "there are " +
                    std::to_string(open.size()),
                "--query");
  row.fields[open[0]] = text;
  return row;
}

// The prompts themselves as results.
int show(const RowJob& rows, const PromptMaker& prompt) {
  const auto compute = [&](std::span<const Row> group) {
    std::vector<RowResult> results;
    for (const Row& row : group) results.emplace_back(OrderedJson{{"prompt", prompt(row)}});
    return results;
  };
  const auto text = [](const Row&, const OrderedJson& result) {
    return result["prompt"].get<std::string>();
  };
  return run_rows(rows, {{"prompt"}, compute, text});
}

}  // namespace

int run_few_shot(const Arguments& arguments) {
  CommandLine line("few-shot",
                   "Builds prompts from a template and examples, and completes them.\n"
                   "The template is JSON: header, example, separator, query, stop; {{name}} stands "
                   "for a field.");
  GenerationFlags flags(line, {.fields = {}, .argument = "", .plain = true});
  std::string template_path, examples_path, query;
  std::vector<std::string> settings;
  std::int64_t shots = -1;
  bool show_prompt = false;
  line.option("--template", template_path, "The template file")->required();
  line.option("--examples", examples_path, "JSON lines with the fields of the examples");
  line.option("--shots", shots, "Take the first N examples (default: all; 0: none)")
      ->check(CLI::Range(0, 1 << 20));
  CLI::Option* const query_option = line.option("--query", query, "The field of the only query");
  line.option("--set", settings, "A further field of the query, NAME=VALUE (repeatable)")
      ->allow_extra_args(false);
  line.flag("--show-prompt", show_prompt, "Write the prompts and stop");
  if (const auto done = line.parse(arguments)) return *done;

  if ((query_option->count() > 0) == flags.rows().has_file())
    throw Error(ErrorCode::invalid_option,
                "give either --query TEXT or --input FILE.jsonl with the queries");
  const FewShotTemplate few = FewShotTemplate::parse(read_input(template_path), template_path);
  const std::vector<FieldRow> examples = read_examples(examples_path, shots);
  const PromptMaker prompt = [&](const Row& row) {
    return few.prompt(examples, to_field_row(row));
  };
  std::optional<Row> single;
  if (query_option->count() > 0) single = query_row(few, query, settings);
  if (show_prompt) {
    RowJob rows = flags.rows().job();
    rows.single = single;
    return show(rows, prompt);
  }
  GenerationJob job = flags.job();
  job.rows.single = single;
  job.stop.insert(job.stop.end(), few.stop().begin(), few.stop().end());
  return run_generation(job, prompt);
}

}  // namespace llm::shell
