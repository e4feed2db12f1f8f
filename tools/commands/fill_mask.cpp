// llm-generate fill-mask: words for the masks of a text; for the numbered gaps of T5, too.
#include "llm/tasks/fill_mask.hpp"

#include "commands/task_flags.hpp"
#include "llm/generation/model_generation_config.hpp"
#include "llm/tasks/fill_spans.hpp"
#include "shell/console.hpp"
#include "shell/table.hpp"

namespace llm::shell {
namespace {

struct FillMaskFlags {
  explicit FillMaskFlags(CommandLine& line) : task(line, {}, false) {
    top_k_option = line.option("--top-k", top_k,
                               "Answers for each mask, the best first (default: 5; T5: 1, as many "
                               "beams are searched)")
                       ->check(CLI::Range(1, 1 << 20));
    targets_option = line.option("--targets", targets, "Only these words compete: WORD,WORD")
                         ->delimiter(',')
                         ->allow_extra_args(false);
    tokens_option = line.option("-n,--max-new-tokens", max_new_tokens,
                                "T5: most tokens for all gaps of a text (default: 16 for each)")
                        ->check(CLI::Range(1, 1 << 20));
  }
  TaskFlags task;
  std::int64_t top_k = 5, max_new_tokens = 0;
  std::vector<std::string> targets;
  CLI::Option *top_k_option = nullptr, *targets_option = nullptr, *tokens_option = nullptr;
};

template <typename S>
OrderedJson fill_json(const MaskFill& fill) {
  return {{"token", fill.token},
          {"token_str", fill.token_str},
          {"score", own_digits(static_cast<S>(fill.score))},
          {"sequence", fill.sequence}};
}

template <typename S>
std::vector<RowResult> fill_masks(const MaskFiller<S>& filler, const FillMaskFlags& flags,
                                  std::span<const Row> rows) {
  std::vector<TextTokens> texts;
  for (const Row& row : rows) texts.push_back(filler.encode(row.texts[0]));
  std::vector<RowResult> results;
  const auto all = filler.fill(texts);
  for (std::size_t i = 0; i < all.size(); ++i) {
    OrderedJson masks = OrderedJson::array();
    for (const std::vector<MaskFill>& mask : all[i]) {
      OrderedJson list = OrderedJson::array();
      for (const MaskFill& fill : mask) list.push_back(fill_json<S>(fill));
      masks.push_back(std::move(list));
    }
    OrderedJson fields = {{"masks", std::move(masks)}};
    if (flags.task.cuts()) fields["truncated"] = texts[i].truncated;
    results.emplace_back(std::move(fields));
  }
  return results;
}

// One list for each gap: what each answer puts there, and the text with the whole answer in place.
template <typename S>
OrderedJson gaps_json(const SpanText& text, std::span<const SpanAnswer> answers) {
  OrderedJson gaps = OrderedJson::array();
  for (std::size_t gap = 0; gap < text.gaps.size(); ++gap) {
    OrderedJson list = OrderedJson::array();
    for (const SpanAnswer& answer : answers) {
      const std::optional<SpanFill>& fill = answer.fills[gap];
      if (!fill) continue;
      list.push_back({{"tokens", fill->tokens},
                      {"token_str", fill->token_str},
                      {"score", own_digits(static_cast<S>(fill->score))},
                      {"sequence", answer.sequence}});
    }
    gaps.push_back(std::move(list));
  }
  return gaps;
}

template <typename S>
std::vector<RowResult> fill_gaps(const SpanFiller<S>& filler, std::span<const Row> rows) {
  std::vector<SpanText> texts;
  for (const Row& row : rows) texts.push_back(filler.encode(row.texts[0]));
  std::vector<RowResult> results;
  const auto answers = filler.fill(texts);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    results.emplace_back(OrderedJson{{"masks", gaps_json<S>(texts[i], answers[i])}});
  }
  return results;
}

std::string masks_as_text(const Row& row, const OrderedJson& result, bool batch) {
  std::string lines = heading(row, batch);
  const OrderedJson& masks = result["masks"];
  for (std::size_t i = 0; i < masks.size(); ++i) {
    if (masks.size() > 1) lines += "mask " + std::to_string(i + 1) + ":\n";
    for (const OrderedJson& fill : masks[i]) {
      const std::string word = fill["token_str"];
      lines +=
          score_line(fill["score"], word + "  |  " + fill["sequence"].get<std::string>()) + '\n';
    }
  }
  return lines.empty() ? lines : lines.substr(0, lines.size() - 1);
}

template <typename S>
int run_task(const FillMaskFlags& flags, const RowJob& job,
             const std::function<std::vector<RowResult>(std::span<const Row>)>& compute) {
  std::vector<std::string> columns = {"masks"};
  if (flags.task.cuts()) columns.emplace_back("truncated");
  return run_rows(job,
                  {std::move(columns), compute, [&](const Row& row, const OrderedJson& result) {
                     return masks_as_text(row, result, job.batch());
                   }});
}

void refuse(const CLI::Option* option, const std::string& what) {
  if (option->count() == 0) return;
  throw Error(ErrorCode::invalid_option, option->get_name() + " " + what, option->get_name());
}

template <typename S>
int run_gaps(const FillMaskFlags& flags, const RowJob& job, const std::filesystem::path& path) {
  refuse(flags.targets_option, "needs a masked language model; T5 generates its words");
  if (flags.task.cuts()) {
    throw Error(ErrorCode::invalid_option, "--overflow truncate-right cannot be done for T5's gaps",
                "--overflow");
  }
  const auto model = Model<S>::load(path, flags.task.model().load_options());
  const auto tokenizer = Tokenizer::open(path);
  GenerationConfig config = model_generation_config(path, model->config());
  if (flags.tokens_option->count() > 0) config.max_new_tokens = flags.max_new_tokens;
  for (const std::string& warning : config.warnings()) console().warning(warning);
  const std::int64_t answers = flags.top_k_option->count() > 0 ? flags.top_k : 1;
  const SpanFiller<S> filler(*model, *tokenizer, config, answers, flags.task.input());
  return run_task<S>(flags, job,
                     [&](std::span<const Row> rows) { return fill_gaps(filler, rows); });
}

template <typename S>
int run(const FillMaskFlags& flags) {
  const RowJob job = flags.task.job();
  const auto path = flags.task.model().path();
  const TransformerConfig config = read_model_config(path);
  const bool by_lm_head = config.fills_masks && config.head == HeadKind::language_model;
  if (config.kind == ModelKind::encoder_decoder && !by_lm_head) {
    return run_gaps<S>(flags, job, path);
  }
  refuse(flags.tokens_option, "is for T5, which generates its words");
  LoadOptions load = flags.task.model().load_options();
  load.head = HeadKind::masked_lm;
  const auto model = Model<S>::load(path, load);
  const auto tokenizer = Tokenizer::open(path);
  const MaskFiller<S> filler(
      *model, *tokenizer,
      {.top_k = flags.top_k,
       .targets = flags.targets,
       .truncation = flags.task.cuts() ? Truncation::longest_first : Truncation::none,
       .input = flags.task.input()});
  for (const std::string& note : filler.notes()) console().warning(note);
  return run_task<S>(flags, job,
                     [&](std::span<const Row> rows) { return fill_masks(filler, flags, rows); });
}

}  // namespace

int run_fill_mask(const Arguments& arguments) {
  CommandLine line("fill-mask",
                   "What a model puts in place of the masks of a text: [MASK] or <mask>, as the "
                   "model spells it; <extra_id_0>, <extra_id_1> for T5.");
  FillMaskFlags flags(line);
  if (const auto done = line.parse(arguments)) return *done;
  return with_scalar(flags.task.model().precision(),
                     [&](auto scalar) { return run<decltype(scalar)>(flags); });
}

}  // namespace llm::shell
