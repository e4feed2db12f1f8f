// llm-generate classify: texts, or pairs of texts, to the labels of a classifier.
#include "llm/tasks/classify.hpp"

#include "commands/eval_flags.hpp"
#include "commands/task_flags.hpp"
#include "shell/table.hpp"

namespace llm::shell {
namespace {

struct ClassifyFlags {
  explicit ClassifyFlags(CommandLine& line)
      : task(line, {}, false), eval(line, {.reference = "label"}) {
    task.add_pair();
    line.option("--top-k", top_k, "Labels to write, the best first (default: all)")
        ->check(CLI::Range(0, 1 << 20));
    line.option("--function-to-apply", function,
                "Logits to scores: softmax, sigmoid or none (default: as config.json says)");
  }
  ClassifyOptions options() const {
    ClassifyOptions options;
    options.top_k = top_k;
    options.input = task.input();
    if (!function.empty()) options.function = score_function_from_name(function);
    if (task.cuts()) options.truncation = Truncation::longest_first;
    return options;
  }
  TaskFlags task;
  EvalFlags eval;
  std::int64_t top_k = 0;
  std::string function;
};

template <typename S>
std::vector<RowResult> classify(const TextClassifier<S>& classifier, const ClassifyFlags& flags,
                                std::span<const Row> rows) {
  std::vector<TextTokens> texts;
  for (const Row& row : rows) {
    texts.push_back(classifier.encode({row.texts[0], flags.task.pair(row)}));
  }
  std::vector<RowResult> results;
  const auto labels = classifier.classify(texts);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    OrderedJson list = OrderedJson::array();
    for (const LabelScore& entry : labels[i]) {
      list.push_back({{"label", entry.label}, {"score", own_digits(static_cast<S>(entry.score))}});
    }
    OrderedJson fields = {{"labels", std::move(list)}};
    if (flags.task.cuts()) fields["truncated"] = texts[i].truncated;
    results.emplace_back(std::move(fields));
  }
  return results;
}

template <typename S>
int run(const ClassifyFlags& flags, const RowJob& job) {
  const ClassifyOptions options = flags.options();
  const auto path = flags.task.model().path();
  LoadOptions load = flags.task.model().load_options();
  load.head = HeadKind::sequence_classification;
  const auto model = Model<S>::load(path, load);
  const auto tokenizer = Tokenizer::open(path);
  const TextClassifier<S> classifier(*model, *tokenizer, options);
  std::vector<std::string> columns = {"labels"};
  if (flags.task.cuts()) columns.emplace_back("truncated");
  const auto text = [&](const Row& row, const OrderedJson& result) {
    std::string lines = heading(row, job.batch());
    for (const OrderedJson& entry : result["labels"]) {
      lines += score_line(entry["score"], entry["label"].get<std::string>()) + '\n';
    }
    return lines.substr(0, lines.size() - 1);
  };
  return run_rows(
      job, {std::move(columns),
            [&](std::span<const Row> rows) { return classify(classifier, flags, rows); }, text});
}

}  // namespace

int run_classify(const Arguments& arguments) {
  CommandLine line("classify",
                   "The labels of a text, or of a pair of texts, by a model with a classifier's "
                   "head.");
  ClassifyFlags flags(line);
  if (const auto done = line.parse(arguments)) return *done;
  RowJob job = flags.task.job();
  return flags.eval.run(job, [&] {
    return with_scalar(flags.task.model().precision(),
                       [&](auto scalar) { return run<decltype(scalar)>(flags, job); });
  });
}

}  // namespace llm::shell
