#include "shell/eval_report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "llm/core/error.hpp"
#include "llm/tasks/text_span.hpp"

namespace llm::shell {
namespace {

// Larger confusion matrices are not shown.
constexpr std::size_t most_shown_labels = 12;
constexpr std::size_t most_written_labels = 100;

OrderedJson estimate_json(const Estimate& estimate) {
  OrderedJson json = {{"value", estimate.value}};
  if (estimate.interval) {
    json["low"] = estimate.interval->low;
    json["high"] = estimate.interval->high;
  }
  return json;
}

OrderedJson classes_json(const ConfusionMatrix& matrix) {
  OrderedJson list = OrderedJson::array();
  const std::vector<ClassCounts> classes = class_counts(matrix);
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const ClassScore score = class_score(classes[i]);
    list.push_back({{"label", matrix.labels[i]},
                    {"precision", score.precision},
                    {"recall", score.recall},
                    {"f1", score.f1},
                    {"references", classes[i].references},
                    {"predictions", classes[i].predictions}});
  }
  return list;
}

OrderedJson metric_json(const MetricReport& metric, const EvalReport& report) {
  OrderedJson json = estimate_json(metric.estimate);
  if (metric.metric == Metric::f1) json["average"] = "macro";
  for (const auto& [name, part] : metric.parts) json[name] = estimate_json(part);
  if (metric.metric == Metric::f1 && report.confusion)
    json["classes"] = classes_json(*report.confusion);
  if (metric.metric == Metric::bleu && report.bleu) {
    json["precisions"] = report.bleu->precisions;
    json["brevity_penalty"] = report.bleu->brevity_penalty;
    json["prediction_words"] = report.bleu_counts->prediction_words;
    json["reference_words"] = report.bleu_counts->reference_words;
  }
  return json;
}

void add_group(const EvalReport& report, OrderedJson& json) {
  for (const MetricReport& metric : report.metrics)
    json[std::string(to_string(metric.metric))] = metric_json(metric, report);
  if (report.confusion && report.confusion->labels.size() <= most_written_labels)
    json["confusion"] = {{"labels", report.confusion->labels},
                         {"counts", report.confusion->counts}};
}

// Columns of text; the first is aligned left, the others right.
class TextTable {
 public:
  using Line = std::vector<std::string>;

  void add(Line line) { lines_.push_back(std::move(line)); }
  std::string text() const {
    std::vector<std::size_t> widths;
    for (const Line& line : lines_) {
      widths.resize(std::max(widths.size(), line.size()));
      for (std::size_t i = 0; i < line.size(); ++i)
        widths[i] = std::max(widths[i], count_code_points(line[i]));
    }
    std::string text;
    for (const Line& line : lines_) {
      for (std::size_t i = 0; i < line.size(); ++i) {
        const std::string fill(widths[i] - count_code_points(line[i]), ' ');
        text += (i == 0 ? "" : "  ") + (i == 0 ? line[i] + fill : fill + line[i]);
      }
      text.erase(text.find_last_not_of(' ') + 1);
      text += '\n';
    }
    return text;
  }

 private:
  std::vector<Line> lines_;
};

std::string interval_text(Metric metric, const Estimate& estimate) {
  if (!estimate.interval) return "";
  return metric_text(metric, estimate.interval->low) + " to " +
         metric_text(metric, estimate.interval->high);
}

std::string percent(double part) {
  char text[16];
  std::snprintf(text, sizeof text, "%g%%", part * 100);
  return text;
}

// A label for people: generated labels may hold anything.
std::string shown_label(const std::string& label) {
  constexpr std::size_t most_bytes = 24;
  const bool plain = !label.empty() && label.size() <= most_bytes && label.front() != ' ' &&
                     std::ranges::none_of(label, [](char c) {
                       const auto byte = static_cast<unsigned char>(c);
                       return byte < 0x20 || byte == 0x7f;
                     });
  return plain ? label : quote(label, most_bytes);
}

std::string group_text(const OrderedJson& value) {
  return value.is_string() ? shown_label(value.get<std::string>()) : dump(value);
}

std::string one_group_table(const EvalSummary& summary, const EvalReport& report) {
  TextTable table;
  table.add({"metric", "value", percent(summary.options.confidence) + " interval"});
  for (const MetricReport& metric : report.metrics) {
    const auto add = [&](const std::string& name, const Estimate& estimate) {
      table.add({name, metric_text(metric.metric, estimate.value),
                 interval_text(metric.metric, estimate)});
    };
    add(std::string(to_string(metric.metric)) + (metric.metric == Metric::f1 ? " (macro)" : ""),
        metric.estimate);
    for (const auto& [name, part] : metric.parts) add("  " + name, part);
  }
  return table.text();
}

std::string many_groups_table(const EvalSummary& summary) {
  TextTable table;
  TextTable::Line head = {summary.by, "rows"};
  for (const Metric metric : summary.options.metrics) {
    head.emplace_back(to_string(metric));
    head.push_back("(" + percent(summary.options.confidence) + ")");
  }
  table.add(std::move(head));
  for (const EvalSummary::Group& group : summary.groups) {
    TextTable::Line line = {group_text(group.value), std::to_string(group.report.rows)};
    for (const MetricReport& metric : group.report.metrics) {
      line.push_back(metric_text(metric.metric, metric.estimate.value));
      line.push_back(interval_text(metric.metric, metric.estimate));
    }
    table.add(std::move(line));
  }
  return table.text();
}

// The labels that get a line: all, or only those of references when there are many more.
std::vector<std::size_t> shown_labels(const ConfusionMatrix& matrix,
                                      const std::vector<ClassCounts>& classes) {
  std::vector<std::size_t> shown;
  const bool all = matrix.labels.size() <= most_shown_labels;
  for (std::size_t i = 0; i < classes.size(); ++i)
    if (all || classes[i].references > 0) shown.push_back(i);
  return shown;
}

std::string classes_table(const ConfusionMatrix& matrix) {
  const std::vector<ClassCounts> classes = class_counts(matrix);
  const std::vector<std::size_t> shown = shown_labels(matrix, classes);
  if (shown.size() > most_shown_labels)
    return "(" + std::to_string(matrix.labels.size()) + " labels: too many for a table)\n";
  const bool others = shown.size() < matrix.labels.size();
  TextTable table;
  TextTable::Line head = {"reference \\ prediction"};
  for (const std::size_t j : shown) head.push_back(shown_label(matrix.labels[j]));
  if (others) head.emplace_back("(other)");
  head.insert(head.end(), {"precision", "recall", "f1"});
  table.add(std::move(head));
  for (const std::size_t i : shown) {
    TextTable::Line line = {shown_label(matrix.labels[i])};
    std::uint64_t rest = classes[i].references;
    for (const std::size_t j : shown) {
      line.push_back(std::to_string(matrix.counts[i][j]));
      rest -= matrix.counts[i][j];
    }
    if (others) line.push_back(std::to_string(rest));
    const ClassScore score = class_score(classes[i]);
    for (const double value : {score.precision, score.recall, score.f1})
      line.push_back(metric_text(Metric::f1, value));
    table.add(std::move(line));
  }
  std::string text = table.text();
  if (others)
    text += "(other): " + std::to_string(matrix.labels.size() - shown.size()) +
            " predicted texts that are no reference; the F1 of each is 0, which counts "
            "unless --eval-labels names others\n";
  return text;
}

bool has_no_labels(const EvalSummary& summary) {
  const auto& metrics = summary.options.metrics;
  return std::ranges::find(metrics, Metric::f1) != metrics.end() &&
         std::ranges::any_of(summary.groups,
                             [](const auto& group) { return group.report.too_many_labels; });
}

}  // namespace

std::string metric_text(Metric metric, double value) {
  if (std::isnan(value)) return "-";
  char text[32];
  std::snprintf(text, sizeof text, metric == Metric::bleu ? "%.2f" : "%.4f", value);
  return text;
}

OrderedJson to_json(const EvalSummary& summary) {
  OrderedJson json = {{"rows", summary.rows()},
                      {"failed", summary.failed},
                      {"confidence", summary.options.confidence},
                      {"resamples", summary.options.resamples},
                      {"seed", summary.options.seed}};
  if (summary.by.empty()) {
    for (const EvalSummary::Group& group : summary.groups) add_group(group.report, json);
    return json;
  }
  json["by"] = summary.by;
  json["groups"] = OrderedJson::array();
  for (const EvalSummary::Group& group : summary.groups) {
    OrderedJson one = {{summary.by, group.value}};
    one["rows"] = group.report.rows;
    add_group(group.report, one);
    json["groups"].push_back(std::move(one));
  }
  return json;
}

std::string to_table(const EvalSummary& summary) {
  const bool single = summary.groups.size() == 1;
  std::string text = std::to_string(summary.rows()) + " rows";
  if (summary.failed > 0)
    text += ", and " + std::to_string(summary.failed) + " that failed and do not count";
  if (single && !summary.by.empty())
    text += ", " + summary.by + " " + group_text(summary.groups[0].value);
  text += '\n';
  if (summary.groups.empty()) return text;
  text += "\n" + (single ? one_group_table(summary, summary.groups[0].report)
                         : many_groups_table(summary));
  if (has_no_labels(summary))
    text += "f1 is about labels, but there are more than " +
            std::to_string(Evaluation::max_labels) + " different texts; squad_f1 is about words\n";
  for (const EvalSummary::Group& group : summary.groups) {
    if (!group.report.confusion) continue;
    text += "\n" + (single ? "" : summary.by + " " + group_text(group.value) + "\n");
    text += classes_table(*group.report.confusion);
  }
  return text;
}

}  // namespace llm::shell
