// Scores of predictions against those of scikit-learn, rouge-score, sacrebleu and SQuAD's script.
//
// All of them are sums, ratios, a logarithm and an exponential of whole numbers in double: with the
// same numbers a result differs by the order of a sum and the last bits of two functions, some ten
// roundings of 1.1e-16. Hence 1e-12, relative, everywhere.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "core/json.hpp"
#include "eval/porter_stemmer.hpp"
#include "llm/eval/evaluation.hpp"
#include "llm/eval/squad.hpp"
#include "support/catch_error.hpp"
#include "support/paths.hpp"

namespace llm::test {
namespace {

using detail::Json;
using Texts = std::vector<std::string>;

constexpr double score_tolerance = 1e-12;

const Json& metric_vectors() {
  static const Json json = Json::parse(
      std::ifstream(source_dir() / "tests" / "tasks" / "data" / "metrics.json", std::ios::binary));
  return json;
}

void expect_score(double value, double expected, const std::string& where) {
  EXPECT_LE(std::abs(value - expected), score_tolerance * std::max(1.0, std::abs(expected)))
      << where << ": " << value << " is not " << expected;
}

TEST(Metrics, SquadScores) {
  ASSERT_GE(metric_vectors()["rows"].size(), 300u);
  for (const Json& row : metric_vectors()["rows"]) {
    const std::string prediction = row["prediction"];
    const Texts references = row["references"];
    EXPECT_EQ(normalize_answer(prediction), row["normalized"].get<std::string>()) << prediction;
    EXPECT_EQ(squad_exact_match(prediction, references), row["squad"][0] == 1) << row;
    expect_score(squad_f1(prediction, references), row["squad"][1], row.dump());
  }
}

TEST(Metrics, RougeScores) {
  const std::vector<RougeType> types = {RougeType::rouge1, RougeType::rouge2, RougeType::rouge_l,
                                        RougeType::rouge_lsum};
  for (const Json& row : metric_vectors()["rows"])
    for (const bool stem : {false, true}) {
      const Json& expected = row[stem && row.contains("stemmed") ? "stemmed" : "rouge"];
      const auto scores =
          RougeScorer(types, stem)
              .score(row["prediction"].get<std::string>(), row["references"].get<Texts>());
      for (std::size_t i = 0; i < types.size(); ++i) {
        expect_score(scores[i].precision, expected[i][0], row.dump());
        expect_score(scores[i].recall, expected[i][1], row.dump());
        expect_score(scores[i].fmeasure, expected[i][2], row.dump());
      }
    }
}

TEST(Metrics, StemsAreThoseOfNltk) {
  std::istringstream words(metric_vectors()["stems"].get<std::string>());
  int count = 0;
  for (std::string pair; words >> pair; ++count) {
    const std::size_t colon = pair.find(':');
    EXPECT_EQ(detail::porter_stem(pair.substr(0, colon)), pair.substr(colon + 1)) << pair;
  }
  EXPECT_GE(count, 1000);
}

TEST(Metrics, BleuWords) {
  for (const Json& row : metric_vectors()["rows"])
    EXPECT_EQ(bleu_words(row["prediction"].get<std::string>()), row["words"].get<Texts>()) << row;
}

TEST(Metrics, BleuOfCorporaAndSentences) {
  for (const Json& corpus : metric_vectors()["bleu"]) {
    BleuCounts sum;
    for (std::size_t i = corpus["first"]; i < corpus["end"]; ++i) {
      const Json& row = metric_vectors()["rows"][i];
      sum.add(bleu_counts(row["prediction"].get<std::string>(), row["references"].get<Texts>()));
    }
    EXPECT_EQ(Json({sum.prediction_words, sum.reference_words, sum.matches, sum.totals}),
              corpus["counts"]);
    const BleuScore score = bleu_score(sum);
    expect_score(score.score, corpus["score"], corpus.dump());
    expect_score(score.brevity_penalty, corpus["brevity_penalty"], corpus.dump());
    for (std::size_t n = 0; n < 4; ++n)
      expect_score(score.precisions[n], corpus["precisions"][n], corpus.dump());
  }
}

TEST(Metrics, LabelsAsScikitLearn) {
  for (const Json& expected : metric_vectors()["labels"]) {
    EvalOptions options{.metrics = {Metric::accuracy, Metric::f1}, .resamples = 0};
    if (expected.contains("labels")) options.labels = expected["labels"].get<Texts>();
    Evaluation evaluation(options);
    for (std::size_t i = 0; i < expected["references"].size(); ++i)
      evaluation.add(" " + expected["predictions"][i].get<std::string>() + "\n",
                     Texts{expected["references"][i]});
    const EvalReport report = evaluation.report();
    const std::string where = expected["averages"].dump();
    expect_score(report.metrics[0].estimate.value, expected["accuracy"], where);
    const MetricReport& f1 = report.metrics[1];
    expect_score(f1.estimate.value, expected["averages"]["macro"][2], where);
    expect_score(f1.parts[0].second.value, expected["averages"]["micro"][2], where);
    expect_score(f1.parts[1].second.value, expected["averages"]["weighted"][2], where);
    ASSERT_TRUE(report.confusion);
    EXPECT_EQ(Json(report.confusion->labels), expected["names"]);
    EXPECT_EQ(Json(report.confusion->counts), expected["confusion"]);
    const std::vector<ClassCounts> classes = class_counts(*report.confusion);
    for (std::size_t i = 0; i < classes.size(); ++i) {
      const ClassScore score = class_score(classes[i]);
      expect_score(score.precision, expected["classes"][i][0], where);
      expect_score(score.recall, expected["classes"][i][1], where);
      expect_score(score.f1, expected["classes"][i][2], where);
    }
    if (expected.contains("labels")) continue;
    const ClassAverages averages = class_averages(classes);
    for (const auto& [name, score] : {std::pair{"macro", averages.macro},
                                      {"micro", averages.micro},
                                      {"weighted", averages.weighted}}) {
      expect_score(score.precision, expected["averages"][name][0], where + name);
      expect_score(score.recall, expected["averages"][name][1], where + name);
    }
  }
}

// The estimates of some metrics and their parts, in order.
std::vector<Estimate> estimates(const EvalReport& report) {
  std::vector<Estimate> all;
  for (const MetricReport& metric : report.metrics) {
    all.push_back(metric.estimate);
    for (const auto& [name, part] : metric.parts) all.push_back(part);
  }
  return all;
}

TEST(Metrics, IntervalsAreThoseOfResampledRows) {
  const Json& expected = metric_vectors()["bootstrap"];
  for (const Json& one : expected["cases"]) {
    EvalOptions options{.metrics = metrics_from_names(Texts{"accuracy", "f1"}),
                        .confidence = one["confidence"],
                        .resamples = expected["resamples"],
                        .seed = one["seed"]};
    Evaluation labels(options);
    options.metrics = metrics_from_names(Texts{"exact_match", "squad_f1", "rouge", "bleu"});
    Evaluation texts(options);
    for (const Json& pair : expected["labels"])
      labels.add(pair[1].get<std::string>(), Texts{pair[0]});
    for (const Json& pair : expected["pairs"])
      texts.add(pair[0].get<std::string>(), pair[1].get<Texts>());
    std::vector<Estimate> all = estimates(labels.report());
    for (const Estimate& estimate : estimates(texts.report())) all.push_back(estimate);
    ASSERT_EQ(all.size(), expected["values"].size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::string where = "estimate " + std::to_string(i);
      expect_score(all[i].value, expected["values"][i], where);
      ASSERT_TRUE(all[i].interval);
      expect_score(all[i].interval->low, one["low"][i], where);
      expect_score(all[i].interval->high, one["high"][i], where);
    }
  }
}

TEST(Metrics, OneRowAndNone) {
  Evaluation evaluation({.metrics = metrics_from_names(Texts{"accuracy", "rouge", "bleu", "f1"})});
  EXPECT_TRUE(std::isnan(evaluation.report().metrics[0].estimate.value));
  EXPECT_FALSE(evaluation.report().metrics[0].estimate.interval);
  const auto own = evaluation.add("a cat", Texts{"the dog", "a cat"});
  ASSERT_EQ(own.size(), 5u);
  EXPECT_EQ(own[0], (std::pair{Metric::accuracy, 1.0}));
  const EvalReport report = evaluation.report();
  EXPECT_EQ(report.rows, 1u);
  EXPECT_EQ(report.metrics[0].estimate.interval->low, 1.0);
  EXPECT_EQ(report.metrics[0].estimate.interval->high, 1.0);
}

TEST(Metrics, TextsAreNoLabels) {
  Evaluation evaluation({.metrics = metrics_from_names(Texts{"accuracy", "f1"}), .resamples = 10});
  for (std::size_t i = 0; i <= Evaluation::max_labels; ++i)
    evaluation.add("text " + std::to_string(i), Texts{"text 0"});
  const EvalReport report = evaluation.report();
  EXPECT_TRUE(report.too_many_labels);
  EXPECT_FALSE(report.confusion);
  EXPECT_TRUE(std::isnan(report.metrics[1].estimate.value));
  EXPECT_FALSE(report.metrics[1].estimate.interval);
  EXPECT_NEAR(report.metrics[0].estimate.value, 1.0 / (Evaluation::max_labels + 1),
              score_tolerance);
}

TEST(Metrics, BytesThatAreNoTextAreReplaced) {
  Evaluation evaluation({.metrics = metrics_from_names(
                             Texts{"accuracy", "exact_match", "squad_f1", "rouge", "bleu", "f1"})});
  evaluation.add("a \xFF\xC3 cat", Texts{"a cat\xE2\x82"});
  EXPECT_EQ(evaluation.report().rows, 1u);
}

TEST(Metrics, Names) {
  EXPECT_EQ(metrics_from_names(Texts{"rougelsum", "exact-match", "rougeLsum", "BLEU"}),
            (std::vector{Metric::rouge_lsum, Metric::exact_match, Metric::bleu}));
  EXPECT_EQ(metrics_from_names(Texts{"rouge", "f1"}).size(), 5u);
  EXPECT_EQ(to_string(Metric::rouge_l), "rougeL");
}

TEST(Metrics, Errors) {
  const auto names = [](const std::string& name) { (void)metrics_from_names(Texts{name}); };
  expect_error(ErrorCode::invalid_option, "did you mean \"accuracy\"", [&] { names("acuracy"); });
  expect_error(ErrorCode::invalid_option, "did you mean \"bleu\"", [&] { names("blue"); });
  expect_error(ErrorCode::invalid_option, "expected accuracy", [&] { names("perplexity"); });
  expect_error(ErrorCode::invalid_option, "no metric", [] { Evaluation evaluation({}); });
  expect_error(ErrorCode::invalid_option, "between 0 and 1",
               [] { Evaluation e({.metrics = {Metric::f1}, .confidence = 1.0}); });
  expect_error(ErrorCode::invalid_option, "resamples",
               [] { Evaluation e({.metrics = {Metric::f1}, .resamples = -1}); });
  expect_error(ErrorCode::invalid_input, "no reference", [] {
    Evaluation e({.metrics = {Metric::f1}});
    e.add("a", {});
  });
  expect_error(ErrorCode::invalid_input, "no reference", [] { (void)bleu_counts("a", {}); });
}

}  // namespace
}  // namespace llm::test
