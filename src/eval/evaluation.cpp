// Sufficient statistics of rows, and the bootstrap over them.
#include "llm/eval/evaluation.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "chat/text.hpp"
#include "core/float_environment.hpp"
#include "eval/scored_text.hpp"
#include "llm/core/error.hpp"
#include "llm/eval/squad.hpp"
#include "llm/generation/random_stream.hpp"

namespace llm {
namespace {

constexpr std::pair<std::string_view, Metric> metric_names[] = {
    {"accuracy", Metric::accuracy},
    {"exact_match", Metric::exact_match},
    {"f1", Metric::f1},
    {"squad_f1", Metric::squad_f1},
    {"rouge1", Metric::rouge1},
    {"rouge2", Metric::rouge2},
    {"rougeL", Metric::rouge_l},
    {"rougeLsum", Metric::rouge_lsum},
    {"bleu", Metric::bleu}};

constexpr std::pair<Metric, RougeType> rouge_metrics[] = {
    {Metric::rouge1, RougeType::rouge1},
    {Metric::rouge2, RougeType::rouge2},
    {Metric::rouge_l, RougeType::rouge_l},
    {Metric::rouge_lsum, RougeType::rouge_lsum}};

// Dashes are underscores, and case does not matter.
bool same_name(std::string_view name, std::string_view given) {
  const auto plain = [](char c) {
    return c == '-' ? '_' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return std::ranges::equal(name, given, {}, plain, plain);
}

// In the order of their columns and estimates.
std::vector<std::string> part_names(Metric metric) {
  if (metric == Metric::f1) return {"micro", "weighted"};
  if (metric >= Metric::rouge1 && metric <= Metric::rouge_lsum) return {"precision", "recall"};
  return {};
}

std::vector<RougeType> rouge_types(const std::vector<Metric>& metrics) {
  std::vector<RougeType> types;
  for (const Metric metric : metrics)
    for (const auto& [name, type] : rouge_metrics)
      if (name == metric) types.push_back(type);
  return types;
}

// A row counts as often as a resample has drawn it.
double weighted_mean(const std::vector<double>& values, std::span<const std::uint32_t> times) {
  double sum = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i)
    sum += times.empty() ? values[i] : times[i] * values[i];
  return sum / static_cast<double>(values.size());
}

// Of sorted values, between two of them where it has to be.
double percentile(const std::vector<double>& sorted, double part) {
  const double place = part * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(place));
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - std::floor(place)) * (sorted[above] - sorted[below]);
}

std::string trimmed(std::string_view text) {
  const std::string valid = detail::scored_text(text);
  return std::string(detail::jinja::strip(valid, detail::jinja::Side::both));
}

}  // namespace

std::string_view to_string(Metric metric) {
  return std::ranges::find(metric_names, metric, &std::pair<std::string_view, Metric>::second)
      ->first;
}

std::vector<Metric> metrics_from_names(std::span<const std::string> names) {
  std::vector<Metric> metrics;
  const auto take = [&](Metric metric) {
    if (std::ranges::find(metrics, metric) == metrics.end()) metrics.push_back(metric);
  };
  for (const std::string& name : names) {
    const auto known = std::ranges::find_if(
        metric_names, [&](const auto& one) { return same_name(one.first, name); });
    if (same_name("rouge", name)) {
      for (const auto& [metric, type] : rouge_metrics) take(metric);
    } else if (known != std::end(metric_names)) {
      take(known->second);
    } else {
      std::vector<std::string_view> all;
      for (const auto& [known_name, metric] : metric_names) all.push_back(known_name);
      all.push_back("rouge");
      const std::string_view near = nearest_name(name, all.data(), all.size());
      throw Error(
          ErrorCode::invalid_option,
          "there is no metric " + quote(name) +
              (near.empty() ? "; expected accuracy, exact_match, f1, squad_f1, rouge or one "
                              "of rouge1, rouge2, rougeL, rougeLsum, or bleu"
                            : "; did you mean " + quote(near) + "?"),
          name);
    }
  }
  return metrics;
}

void EvalOptions::validate() const {
  const auto fail = [](const char* what) { throw Error(ErrorCode::invalid_option, what); };
  if (metrics.empty()) fail("there is no metric to evaluate");
  if (!(confidence > 0.0 && confidence < 1.0)) fail("the confidence must lie between 0 and 1");
  if (resamples < 0 || resamples > 1'000'000) fail("there may be 0 to 1000000 resamples");
}

Evaluation::Evaluation(EvalOptions options)
    : options_(std::move(options)), rouge_(rouge_types(options_.metrics), options_.use_stemmer) {
  options_.validate();
  for (const Metric metric : options_.metrics)
    if (metric != Metric::f1 && metric != Metric::bleu)
      columns_[metric].resize(1 + part_names(metric).size());
  keeps_labels_ = measures(Metric::accuracy) || measures(Metric::f1);
}

bool Evaluation::measures(Metric metric) const {
  return std::ranges::find(options_.metrics, metric) != options_.metrics.end();
}

bool Evaluation::is_right(std::string_view prediction,
                          std::span<const std::string> references) const {
  const std::string text = trimmed(prediction);
  return std::ranges::any_of(
      references, [&](const std::string& reference) { return trimmed(reference) == text; });
}

std::vector<std::pair<Metric, double>> Evaluation::add(std::string_view prediction,
                                                       std::span<const std::string> references) {
  const detail::FloatEnvironment environment;
  detail::require_reference(references);
  std::vector<std::pair<Metric, double>> own;
  const std::vector<RougeScore> rouge = rouge_.score(prediction, references);
  auto next_rouge = rouge.begin();
  for (const Metric metric : options_.metrics) {
    if (metric == Metric::f1 || metric == Metric::bleu) continue;
    std::vector<double> numbers;
    if (metric == Metric::accuracy) {
      numbers = {is_right(prediction, references) ? 1.0 : 0.0};
    } else if (metric == Metric::exact_match) {
      numbers = {squad_exact_match(prediction, references) ? 1.0 : 0.0};
    } else if (metric == Metric::squad_f1) {
      numbers = {squad_f1(prediction, references)};
    } else {
      numbers = {next_rouge->fmeasure, next_rouge->precision, next_rouge->recall};
      ++next_rouge;
    }
    own.emplace_back(metric, numbers[0]);
    std::vector<Column>& columns = columns_[metric];
    for (std::size_t i = 0; i < numbers.size(); ++i) columns[i].push_back(numbers[i]);
  }
  if (keeps_labels_) add_labels(prediction, references);
  if (measures(Metric::bleu)) add_bleu(prediction, references);
  ++rows_;
  return own;
}

// Texts that are no labels are recognized by how many there are.
void Evaluation::add_labels(std::string_view prediction, std::span<const std::string> references) {
  const std::string predicted = trimmed(prediction);
  const bool right = is_right(prediction, references);
  const std::string reference = right ? predicted : trimmed(references[0]);
  labels_.push_back({label_id(reference), label_id(predicted)});
  if (label_ids_.size() <= max_labels) return;
  keeps_labels_ = false;
  too_many_labels_ = true;
  label_ids_.clear();
  labels_ = {};
}

std::uint32_t Evaluation::label_id(std::string_view label) {
  return label_ids_.try_emplace(std::string(label), static_cast<std::uint32_t>(label_ids_.size()))
      .first->second;
}

void Evaluation::add_bleu(std::string_view prediction, std::span<const std::string> references) {
  const BleuCounts counts = llm::bleu_counts(prediction, references);
  RowBleu& row = bleu_.emplace_back();
  row.prediction_words = static_cast<std::uint32_t>(counts.prediction_words);
  row.reference_words = static_cast<std::uint32_t>(counts.reference_words);
  for (std::size_t n = 0; n < counts.matches.size(); ++n) {
    row.matches[n] = static_cast<std::uint32_t>(counts.matches[n]);
    row.totals[n] = static_cast<std::uint32_t>(counts.totals[n]);
  }
}

// Every estimate there is: of each metric its own, then those of its parts. `times`: how often each
// row counts; empty: once.
std::vector<double> Evaluation::values(std::span<const std::uint32_t> times) const {
  std::vector<double> values;
  for (const Metric metric : options_.metrics) {
    if (metric == Metric::f1) {
      append_f1(times, values);
    } else if (metric == Metric::bleu) {
      values.push_back(bleu_score(sum_of_bleu(times)).score);
    } else {
      for (const Column& column : columns_.at(metric))
        values.push_back(weighted_mean(column, times));
    }
  }
  return values;
}

void Evaluation::append_f1(std::span<const std::uint32_t> times,
                           std::vector<double>& values) const {
  if (too_many_labels_) {
    values.insert(values.end(), 3, std::numeric_limits<double>::quiet_NaN());
    return;
  }
  std::vector<ClassCounts> all(label_ids_.size());
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    const std::uint32_t count = times.empty() ? 1 : times[i];
    const auto& [reference, prediction] = labels_[i];
    all[reference].references += count;
    all[prediction].predictions += count;
    if (reference == prediction) all[reference].right += count;
  }
  std::vector<ClassCounts> chosen;
  for (const std::string& label : options_.labels) {
    const auto known = label_ids_.find(label);
    chosen.push_back(known == label_ids_.end() ? ClassCounts() : all[known->second]);
  }
  if (options_.labels.empty()) chosen = std::move(all);
  const ClassAverages averages = class_averages(chosen);
  values.insert(values.end(), {averages.macro.f1, averages.micro.f1, averages.weighted.f1});
}

BleuCounts Evaluation::sum_of_bleu(std::span<const std::uint32_t> times) const {
  BleuCounts sum;
  for (std::size_t i = 0; i < bleu_.size(); ++i) {
    const RowBleu& row = bleu_[i];
    BleuCounts counts{.prediction_words = row.prediction_words,
                      .reference_words = row.reference_words};
    std::ranges::copy(row.matches, counts.matches.begin());
    std::ranges::copy(row.totals, counts.totals.begin());
    sum.add(counts, times.empty() ? 1 : times[i]);
  }
  return sum;
}

// For all of values().
std::vector<Interval> Evaluation::intervals() const {
  std::vector<std::vector<double>> samples(values({}).size());
  std::vector<std::uint32_t> times(rows_);
  for (std::int64_t b = 0; b < options_.resamples; ++b) {
    if (options_.interrupted && options_.interrupted()) return {};
    std::ranges::fill(times, 0);
    const RandomStream random(options_.seed, static_cast<std::uint64_t>(b), 0);
    for (std::uint64_t i = 0; i < rows_; ++i)
      ++times[static_cast<std::size_t>(random.uniform(i) * static_cast<double>(rows_))];
    const std::vector<double> values = this->values(times);
    for (std::size_t k = 0; k < values.size(); ++k) samples[k].push_back(values[k]);
  }
  std::vector<Interval> intervals;
  const double outside = (1.0 - options_.confidence) / 2.0;
  for (std::vector<double>& sample : samples) {
    std::ranges::sort(sample);
    intervals.push_back({percentile(sample, outside), percentile(sample, 1.0 - outside)});
  }
  return intervals;
}

ConfusionMatrix Evaluation::confusion() const {
  ConfusionMatrix matrix;
  std::vector<std::size_t> places(label_ids_.size());
  for (const auto& [label, id] : label_ids_) {  // in their order
    places[id] = matrix.labels.size();
    matrix.labels.push_back(label);
  }
  matrix.counts.assign(places.size(), std::vector<std::uint64_t>(places.size()));
  for (const RowLabels& row : labels_)
    ++matrix.counts[places[row.reference]][places[row.prediction]];
  return matrix;
}

EvalReport Evaluation::report() const {
  const detail::FloatEnvironment environment;
  EvalReport report{.rows = rows_, .metrics = {}, .too_many_labels = too_many_labels_};
  std::vector<double> values;
  std::vector<Interval> intervals;
  if (rows_ > 0) values = this->values({});
  if (rows_ > 0 && options_.resamples > 0) intervals = this->intervals();
  std::size_t next = 0;
  const auto estimate = [&] {
    Estimate made;
    if (next < values.size()) made.value = values[next];
    if (next < intervals.size() && !std::isnan(made.value)) made.interval = intervals[next];
    ++next;
    return made;
  };
  for (const Metric metric : options_.metrics) {
    MetricReport& one = report.metrics.emplace_back();
    one.metric = metric;
    one.estimate = estimate();
    for (std::string& name : part_names(metric))
      one.parts.emplace_back(std::move(name), estimate());
  }
  if (keeps_labels_) report.confusion = confusion();
  if (measures(Metric::bleu)) {
    report.bleu_counts = sum_of_bleu({});
    report.bleu = bleu_score(*report.bleu_counts);
  }
  return report;
}

}  // namespace llm
