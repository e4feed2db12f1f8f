// llm-generate score: what a model thinks of texts that are given: completions of prompts, or one
// long text (--perplexity).
#include <cstdio>

#include "commands/eval_flags.hpp"
#include "commands/model_flags.hpp"
#include "commands/row_flags.hpp"
#include "core/json.hpp"
#include "generation/score_fields.hpp"
#include "llm/core/error.hpp"
#include "llm/generation/model_generation_config.hpp"
#include "llm/generation/scorer.hpp"
#include "shell/exit_code.hpp"
#include "shell/input.hpp"
#include "shell/signals.hpp"

namespace llm::shell {
namespace {

struct ScoreFlags {
  std::vector<std::string> choices;  // of all rows
  std::string choice_list, completion_field = "completion", choices_field = "choices";
  std::string normalize = "none";
  bool token_logprobs = false;
  std::string perplexity;
  std::int64_t window = 0, stride = 0;
  std::optional<std::int64_t> max_input_tokens;
};

// Those of the flags, or of the row: a list in `choices` (in a CSV cell as JSON), or `completion`.
std::vector<std::string> choices_of(const Row& row, const ScoreFlags& flags) {
  if (!flags.choices.empty()) return flags.choices;
  if (const auto text = text_field(row, flags.completion_field)) return {*text};
  const auto field = row.fields.find(flags.choices_field);
  if (field == row.fields.end())
    bad_input(row.place, "the row has neither " + quote(flags.choices_field) + " nor " +
                             quote(flags.completion_field) + "; --choices gives them for all rows");
  OrderedJson list = *field;
  if (list.is_string()) {
    const std::string text = list.get<std::string>();
    list = OrderedJson::parse(text, nullptr, false);
  }
  if (!list.is_array() || list.empty())
    bad_input(row.place, quote(flags.choices_field) + " must be a list of texts");
  std::vector<std::string> choices;
  for (const OrderedJson& choice : list) {
    if (!choice.is_string())
      bad_input(row.place, quote(flags.choices_field) + " must hold texts only");
    choices.push_back(choice.get<std::string>());
  }
  return choices;
}

std::string result_text(const Row&, const OrderedJson& result) {
  std::string text;
  for (const OrderedJson& choice : result["choices"]) {
    char number[40];
    std::snprintf(number, sizeof number, "%12.6f  ", choice["score"].get<double>());
    text += (text.empty() ? "" : "\n") + std::string(number) + dump(choice["text"]);
  }
  return text;
}

template <typename S>
int score_rows(const Scorer<S>& scorer, const Tokenizer& tokenizer, const ScoreFlags& flags,
               const RowJob& rows) {
  const LengthNormalization by = length_normalization_from_name(flags.normalize);
  const auto compute = [&](std::span<const Row> some) {
    std::vector<std::vector<std::string>> texts;
    std::vector<ScoreRequest> requests;
    for (const Row& row : some) {
      texts.push_back(choices_of(row, flags));
      requests.push_back(scorer.request(row.texts[0], texts.back()));
    }
    std::vector<RowResult> results;
    const std::vector<ScoreResult> scores = scorer.score(requests);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (scores[i].error) {
        results.emplace_back(*scores[i].error);
      } else {
        results.emplace_back(detail::score_fields(texts[i], scores[i], by,
                                                  flags.token_logprobs ? &tokenizer : nullptr));
      }
    }
    return results;
  };
  return run_rows(rows, {.columns = {"best", "logprob", "score", "choices"},
                         .compute = compute,
                         .text = result_text});
}

// One result for a whole file.
template <typename S>
int score_file(const Scorer<S>& scorer, const Model<S>& model, const Tokenizer& tokenizer,
               const ScoreFlags& flags, const RowJob& rows) {
  const std::int64_t window = flags.window > 0 ? flags.window : model.max_length().value_or(1024);
  const std::int64_t stride = flags.stride > 0 ? flags.stride : std::min<std::int64_t>(512, window);
  const auto compute = [&](std::span<const Row>) -> std::vector<RowResult> {
    const auto ids =
        tokenizer.encode(read_input(flags.perplexity), {.interrupt = &interrupt_flag()}).ids;
    const Perplexity result = scorer.perplexity(ids, window, stride);
    return {RowResult(OrderedJson{{"perplexity", result.value},
                                  {"nll", result.nll},
                                  {"tokens", result.tokens},
                                  {"windows", result.windows},
                                  {"window", window},
                                  {"stride", stride}})};
  };
  const auto text = [](const Row&, const OrderedJson& result) {
    char number[40];
    std::snprintf(number, sizeof number, "%.6f", result["perplexity"].get<double>());
    return std::string(number);
  };
  return run_rows(rows, {.columns = {"perplexity", "nll", "tokens", "windows", "window", "stride"},
                         .compute = compute,
                         .text = text});
}

template <typename S>
int score(const ModelFlags& flags, const ScoreFlags& what, const RowJob& rows) {
  const std::filesystem::path path = flags.path();
  const auto tokenizer = Tokenizer::open(path);
  const auto model = Model<S>::load(path, flags.load_options());
  const Scorer<S> scorer(*model, tokenizer.get(),
                         {.decoder_start = model_decoder_start(path, model->config()),
                          .max_input_tokens = what.max_input_tokens,
                          .interrupt = &interrupt_flag()});
  return what.perplexity.empty() ? score_rows(scorer, *tokenizer, what, rows)
                                 : score_file(scorer, *model, *tokenizer, what, rows);
}

void add_flags(CommandLine& line, ScoreFlags& flags) {
  max_input_tokens_flag(line, flags.max_input_tokens);
  line.option("--choices", flags.choice_list, "Completions to score, separated by commas: a,b");
  line.option("--choice", flags.choices, "One completion, commas and all (repeatable)")
      ->allow_extra_args(false);
  line.option("--choices-field", flags.choices_field, "Name of the list of choices in a row");
  line.option("--completion-field", flags.completion_field, "Name of the only choice in a row");
  line.option("--length-normalize", flags.normalize,
              "Compare log-probabilities divided by: none, tokens, bytes")
      ->check(CLI::IsMember({"none", "tokens", "bytes"}));
  line.flag("--token-logprobs", flags.token_logprobs, "Write the log-probability of every token");
  line.option("--perplexity", flags.perplexity, "The perplexity of this file's text; - is stdin");
  line.option("--window", flags.window, "Tokens of a window (default: the model's context)")
      ->check(CLI::PositiveNumber);
  line.option("--stride", flags.stride, "Tokens from one window to the next (default: 512)")
      ->check(CLI::PositiveNumber);
}

}  // namespace

int run_score(const Arguments& arguments) {
  CommandLine line("score",
                   "Log-probabilities of given completions behind a prompt (decoder) or of given\n"
                   "answers to it (encoder-decoder), or the perplexity of a text.");
  ModelFlags model(line);
  ScoreFlags flags;
  RowFlags rows(line, {.fields = {"prompt"}, .argument = "PROMPT", .option = "-p,--prompt"});
  add_flags(line, flags);
  const EvalFlags eval(line, {.reference = "answer"});
  if (const auto done = line.parse(arguments)) return *done;
  if (!flags.choice_list.empty())
    for (const std::string& choice : split_list(flags.choice_list)) flags.choices.push_back(choice);
  for (std::string& choice : flags.choices) choice = unescape(choice, "--choices");
  const bool is_file = !flags.perplexity.empty();
  if (is_file && (rows.is_given() || !flags.choices.empty()))
    throw Error(ErrorCode::invalid_option,
                "--perplexity is about a whole file; it takes no prompt and no choices",
                "--perplexity");
  if (!is_file && !rows.is_there() && flags.choices.empty())
    throw Error(ErrorCode::invalid_option,
                "there is nothing to score: give --choices a,b, or --perplexity FILE", "--choices");
  RowJob job = is_file ? rows.job_without_rows() : rows.job();
  if (is_file) job.single.emplace().place = flags.perplexity;
  return eval.run(job, [&] {
    return with_scalar(model.precision(),
                       [&](auto scalar) { return score<decltype(scalar)>(model, flags, job); });
  });
}

}  // namespace llm::shell
