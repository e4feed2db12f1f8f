// llm-generate few-shot: a template, examples and queries make prompts, which are then completed.
#include "llm/prompt/few_shot.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "commands/generation_flags.hpp"
#include "core/json.hpp"
#include "llm/core/error.hpp"

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

// Rows of --input: all fields are there for the template; `id` names the row.
RowSource prompts_of_rows(const FewShotTemplate& few, const std::vector<FieldRow>& examples,
                          const std::string& path) {
  auto lines = std::make_shared<LineReader>(path);
  return [lines, &few, &examples]() -> std::optional<InputRow> {
    std::vector<FieldRow> row;
    while (row.empty()) {
      const std::optional<std::string> line = lines->next();
      if (!line) return std::nullopt;
      row = parse_field_rows(*line, lines->place());
    }
    row[0].where = lines->place();
    const auto id = row[0].fields.find("id");
    const std::string name =
        id == row[0].fields.end() ? std::to_string(lines->line_number()) : id->second;
    return InputRow{detail::Json(name).dump(), row[0].where, few.prompt(examples, row[0]), {}};
  };
}

// --query TEXT is the value of the query's only field; --set NAME=VALUE gives others.
FieldRow query_fields(const FewShotTemplate& few, const std::string& text,
                      const std::vector<std::string>& settings) {
  FieldRow row{{}, "the fields given by --query and --set"};
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

void show(const RowSource& rows, const CommandLine& line) {
  Output out(line.output_path(), line.force());
  while (const std::optional<InputRow> row = rows()) out.write(*row->text + '\n');
  out.finish();
}

}  // namespace

int run_few_shot(const Arguments& arguments) {
  CommandLine line("few-shot",
                   "Builds prompts from a template and examples, and completes them.\n"
                   "The template is JSON: header, example, separator, query, stop; {{name}} stands "
                   "for a field.");
  GenerationFlags flags(line);
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

  if ((query_option->count() > 0) == !flags.input().empty())
    throw Error(ErrorCode::invalid_option,
                "give either --query TEXT or --input FILE.jsonl with the queries");
  const FewShotTemplate few = FewShotTemplate::parse(read_input(template_path), template_path);
  const std::vector<FieldRow> examples = read_examples(examples_path, shots);
  RowSource rows;
  if (query_option->count() > 0) {
    auto row = std::make_shared<std::optional<InputRow>>(InputRow{
        "\"1\"", "the query", few.prompt(examples, query_fields(few, query, settings)), {}});
    rows = [row] { return std::exchange(*row, std::nullopt); };
  } else {
    rows = prompts_of_rows(few, examples, flags.input());
  }
  if (show_prompt) {
    show(rows, line);
    return 0;
  }
  GenerationJob job = flags.job();
  job.batch = query_option->count() == 0;
  job.stop.insert(job.stop.end(), few.stop().begin(), few.stop().end());
  return run_generation(job, rows);
}

}  // namespace llm::shell
