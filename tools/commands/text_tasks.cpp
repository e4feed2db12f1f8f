// llm-generate summarize and translate: generate, asked as the model's files say it wants to be
// asked.
#include "commands/eval_flags.hpp"
#include "commands/generation_flags.hpp"
#include "llm/tasks/text_task.hpp"

namespace llm::shell {
namespace {

constexpr const char* long_texts =
    "A text that is longer than the model takes is an error, unless --overflow says how to cut it.";

RowShape shape() { return {.fields = {"text"}, .argument = "TEXT", .prompt = true, .plain = true}; }

struct TaskFlags {
  explicit TaskFlags(CommandLine& line)
      : prefix_option(
            line.option("--prefix", prefix,
                        "Put before every text (default: as the model's config.json says)")
                ->group("Task")) {
    line.option("--source-lang,--src-lang", options.source_language,
                "Language of the texts: en, English, or as the model's tokenizer names it (en_XX)")
        ->group("Task");
  }

  TextTaskOptions given() const {
    TextTaskOptions given = options;
    if (prefix_option->count() > 0) given.prefix = prefix;
    return given;
  }

  std::string prefix;
  CLI::Option* prefix_option;
  TextTaskOptions options;
};

}  // namespace

int run_summarize(const Arguments& arguments) {
  CommandLine line("summarize",
                   std::string("Summarizes texts with an encoder-decoder.\n") + long_texts);
  GenerationFlags flags(line, shape());
  const TaskFlags task(line);
  const EvalFlags eval(line, {.reference = "summary"});
  if (const auto done = line.parse(arguments)) return *done;
  GenerationJob job = flags.job();
  job.task = [&](const auto& path, const auto& config, const Tokenizer* tokenizer) {
    return summarization_task(path, config, tokenizer, task.given());
  };
  return eval.run(job.rows, [&] { return run_generation(job); });
}

int run_translate(const Arguments& arguments) {
  CommandLine line("translate",
                   std::string("Translates texts with an encoder-decoder.\n") + long_texts);
  GenerationFlags flags(line, shape());
  TaskFlags task(line);
  line.option("--target-lang,--tgt-lang", task.options.target_language,
              "Language to translate into")
      ->group("Task");
  const EvalFlags eval(line, {.reference = "translation"});
  if (const auto done = line.parse(arguments)) return *done;
  GenerationJob job = flags.job();
  job.task = [&](const auto& path, const auto& config, const Tokenizer* tokenizer) {
    return translation_task(path, config, tokenizer, task.given());
  };
  return eval.run(job.rows, [&] { return run_generation(job); });
}

}  // namespace llm::shell
