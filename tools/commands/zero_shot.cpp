// llm-generate zero-shot: labels that no classifier was trained for, by natural language inference.
#include "llm/tasks/zero_shot.hpp"

#include "commands/eval_flags.hpp"
#include "commands/task_flags.hpp"
#include "core/split.hpp"
#include "shell/table.hpp"

namespace llm::shell {
namespace {

using Labels = std::vector<std::string>;

struct ZeroShotFlags {
  explicit ZeroShotFlags(CommandLine& line)
      : task(line, {}, false), eval(line, {.reference = "label"}) {
    labels_option = line.option("--labels", labels,
                                "Candidate labels, with commas between them (for rows without "
                                "\"labels\" of their own)");
    line.option("--hypothesis-template", options.hypothesis_template,
                "What is asked of each label; {} is the label (default: \"This example is {}.\")");
    line.flag("--multi-label", options.multi_label,
              "Several labels may be true: each has a score of its own");
  }
  TaskFlags task;
  EvalFlags eval;
  ZeroShotOptions options;
  std::string labels;
  CLI::Option* labels_option = nullptr;
};

// The row's own labels, or those of the flag.
Labels labels_of(const Row& row, const ZeroShotFlags& flags) {
  const auto field = row.fields.find("labels");
  if (field == row.fields.end() || field->is_null()) {
    if (flags.labels_option->count() > 0) return detail::split_trimmed(flags.labels, ",");
    throw Error(ErrorCode::invalid_input,
                row.place +
                    ": there are no candidate labels; give --labels a,b or \"labels\" in "
                    "the row",
                row.place);
  }
  if (field->is_string()) return detail::split_trimmed(field->get<std::string>(), ",");
  const bool texts = field->is_array() && std::all_of(field->begin(), field->end(),
                                                      [](const auto& l) { return l.is_string(); });
  if (texts) return field->get<Labels>();
  throw Error(ErrorCode::invalid_input,
              row.place + ": \"labels\" is " + dump(*field) + ", expected a list of texts",
              row.place);
}

template <typename S>
std::vector<RowResult> classify(const ZeroShotClassifier<S>& classifier, const ZeroShotFlags& flags,
                                std::span<const Row> rows) {
  std::vector<ZeroShotText> texts;
  for (const Row& row : rows) {
    texts.push_back(classifier.encode(row.texts[0], labels_of(row, flags)));
  }
  std::vector<RowResult> results;
  const auto labels = classifier.classify(texts);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    OrderedJson scores = OrderedJson::array();
    for (const double score : labels[i].scores) {
      scores.push_back(own_digits(static_cast<S>(score)));
    }
    OrderedJson fields = {{"sequence", rows[i].texts[0]},
                          {"labels", labels[i].labels},
                          {"scores", std::move(scores)}};
    if (flags.task.cuts()) fields["truncated"] = texts[i].truncated();
    results.emplace_back(std::move(fields));
  }
  return results;
}

template <typename S>
int run(const ZeroShotFlags& flags, const RowJob& job) {
  ZeroShotOptions options = flags.options;
  options.input = flags.task.input();
  options.truncation = flags.task.cuts() ? Truncation::only_first : Truncation::none;
  const auto path = flags.task.model().path();
  LoadOptions load = flags.task.model().load_options();
  load.head = HeadKind::sequence_classification;
  const auto model = Model<S>::load(path, load);
  const auto tokenizer = Tokenizer::open(path);
  const ZeroShotClassifier<S> classifier(*model, *tokenizer, options);
  if (flags.labels_option->count() > 0) {  // wrong ones are nobody's row's fault
    (void)classifier.encode("a", detail::split_trimmed(flags.labels, ","));
  }
  std::vector<std::string> columns = {"sequence", "labels", "scores"};
  if (flags.task.cuts()) columns.emplace_back("truncated");
  const auto text = [&](const Row& row, const OrderedJson& result) {
    std::string lines = heading(row, job.batch());
    for (std::size_t i = 0; i < result["labels"].size(); ++i) {
      lines += score_line(result["scores"][i], result["labels"][i].get<std::string>()) + '\n';
    }
    return lines.substr(0, lines.size() - 1);
  };
  return run_rows(
      job, {std::move(columns),
            [&](std::span<const Row> rows) { return classify(classifier, flags, rows); }, text});
}

}  // namespace

int run_zero_shot(const Arguments& arguments) {
  CommandLine line("zero-shot",
                   "Which of the given labels fit a text, by a model of natural language inference "
                   "(trained on MNLI or XNLI).");
  ZeroShotFlags flags(line);
  if (const auto done = line.parse(arguments)) return *done;
  RowJob job = flags.task.job();
  return flags.eval.run(job, [&] {
    return with_scalar(flags.task.model().precision(),
                       [&](auto scalar) { return run<decltype(scalar)>(flags, job); });
  });
}

}  // namespace llm::shell
