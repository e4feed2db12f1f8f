// llm-generate generate: prompts in, texts out. A decoder completes, an encoder-decoder transforms.
#include <memory>
#include <utility>

#include "commands/generation_flags.hpp"
#include "llm/core/error.hpp"
#include "shell/exit_code.hpp"

namespace llm::shell {
namespace {

struct Sources {
  std::string argument, prompt, file, lines, input;
  bool has_argument = false;
};

// One text as the only row.
RowSource single(std::string text) {
  auto row = std::make_shared<std::optional<InputRow>>();
  *row = InputRow{"\"1\"", "the prompt", std::move(text), {}};
  return [row] { return std::exchange(*row, std::nullopt); };
}

RowSource rows_of_lines(const std::string& path) {
  auto lines = std::make_shared<LineReader>(path);
  return [lines]() -> std::optional<InputRow> {
    std::optional<std::string> line = lines->next();
    if (!line) return std::nullopt;
    return InputRow{
        '"' + std::to_string(lines->line_number()) + '"', lines->place(), std::move(*line), {}};
  };
}

RowSource rows_of_json(const std::string& path, const std::string& field) {
  // A file is read through once before, so that a bad line costs no computing.
  if (path != "-")
    for (RowReader reader(path, field); reader.next();) continue;
  auto reader = std::make_shared<RowReader>(path, field);
  return [reader] { return reader->next(); };
}

// Piped text comes first, the argument behind it.
std::optional<std::string> piped_and_argument(const Sources& from) {
  std::string piped = stdin_is_piped() ? read_input("-") : std::string();
  if (from.has_argument) return piped + from.argument;
  if (piped.empty() && !stdin_is_piped()) return std::nullopt;
  return without_last_newline(std::move(piped));
}

RowSource open_rows(const Sources& from, const std::string& field) {
  if (!from.input.empty()) return rows_of_json(from.input, field);
  if (!from.lines.empty()) return rows_of_lines(from.lines);
  if (!from.file.empty()) return single(without_last_newline(read_input(from.file)));
  std::optional<std::string> prompt = piped_and_argument(from);
  if (!prompt)
    throw Error(ErrorCode::invalid_option,
                "no prompt is given; usage: llm-generate -m MODEL \"Once upon a time\" (or a pipe, "
                "-f FILE, --lines FILE, --input FILE.jsonl); see llm-generate --help");
  return single(std::move(*prompt));
}

void check_sources(const Sources& from) {
  const int files = !from.file.empty() + !from.lines.empty() + !from.input.empty();
  if (files > 1 || (files == 1 && from.has_argument))
    throw Error(ErrorCode::invalid_option,
                "the prompt comes from one place: an argument, -f, --lines or --input");
}

}  // namespace

int run_generate(const Arguments& arguments) {
  CommandLine line("generate",
                   "Completes a prompt (decoder) or transforms it (encoder-decoder).\n"
                   "Piped text is the prompt; with a prompt argument as well, it comes before it.");
  Sources from;
  GenerationFlags flags(line);
  CLI::Option* const argument = line.app().add_option("PROMPT", from.argument, "The prompt");
  CLI::Option* const prompt = line.option("-p,--prompt", from.prompt, "The prompt, as an option");
  prompt->excludes(argument);
  line.option("-f,--file", from.file, "The file is the prompt (without its last line end)");
  line.option("--lines", from.lines, "Every line of the file is a prompt; - is stdin");
  if (const auto done = line.parse(arguments)) return *done;
  if (prompt->count() > 0) from.argument = from.prompt;
  from.has_argument = argument->count() > 0 || prompt->count() > 0;
  from.input = flags.input();
  check_sources(from);
  GenerationJob job = flags.job();
  job.batch = !from.lines.empty() || !from.input.empty();
  return run_generation(job, open_rows(from, flags.field()));
}

}  // namespace llm::shell
