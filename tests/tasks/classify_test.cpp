// classify and zero-shot give what the reference's pipelines give, label by label.
#include "llm/tasks/classify.hpp"

#include "llm/tasks/zero_shot.hpp"
#include "tasks/task_models.hpp"

namespace {

using llm::ClassifyOptions;
using llm::ErrorCode;
using llm::TaskText;
using llm::TextClassifier;
using llm::TextTokens;
using llm::Truncation;
using llm::ZeroShotClassifier;
using llm::ZeroShotOptions;
using llm::ZeroShotText;
using llm::detail::Json;
using llm::test::EditedFixture;
using llm::test::expect_error;
using llm::test::fixture;
using llm::test::json;
using llm::test::TaskModel;
using Strings = std::vector<std::string>;

template <typename S>
class Classify : public testing::Test {};
TYPED_TEST_SUITE(Classify, llm::test::Scalars);

TaskText task_text(const json& row) {
  TaskText text{row["texts"][0], {}};
  if (row["texts"].size() > 1) text.pair = row["texts"][1];
  return text;
}

// All rows of one model and problem type in one call.
template <typename S>
void check_classifier(const std::filesystem::path& folder, const std::vector<json>& rows) {
  const TaskModel<S> opened(folder);
  const TextClassifier<S> classifier(*opened.model, *opened.tokenizer);
  std::vector<TextTokens> texts;
  for (const json& row : rows) texts.push_back(classifier.encode(task_text(row)));
  const auto results = classifier.classify(texts);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string what = rows[i]["texts"].dump();
    ASSERT_EQ(results[i].size(), rows[i]["labels"].size()) << what;
    for (std::size_t k = 0; k < results[i].size(); ++k) {
      EXPECT_EQ(results[i][k].label, rows[i]["labels"][k]) << what;
      llm::test::expect_near<S>(results[i][k].score, rows[i]["scores"][k], what,
                                rows[i]["problem_type"] == "regression");
    }
  }
}

TYPED_TEST(Classify, IsTheReferencesPipeline) {
  std::map<std::pair<std::string, std::string>, std::vector<json>> groups;
  for (const json& row : llm::test::task_rows("classify.jsonl")) {
    groups[{row["model"], row["problem_type"].is_null() ? "" : row["problem_type"]}].push_back(row);
  }
  ASSERT_EQ(groups.size(), 8U);
  for (const auto& [group, rows] : groups) {
    const std::string problem = group.second;
    const EditedFixture folder(group.first, [&](Json& config) {
      if (!problem.empty()) config["problem_type"] = problem;
    });
    check_classifier<TypeParam>(folder.path(), rows);
  }
}

TYPED_TEST(Classify, ZeroShotIsTheReferencesPipeline) {
  std::map<std::string, std::vector<json>> groups;
  const auto rows = llm::test::task_rows("zero_shot.jsonl");
  for (const char* const name : {"bert-nli", "bart-nli"}) {
    const TaskModel<TypeParam> opened(fixture(name));
    for (const json& row : rows) {
      if (row["model"] != name) continue;
      ZeroShotOptions options{.multi_label = row["multi_label"]};
      if (!row["template"].is_null()) options.hypothesis_template = row["template"];
      const ZeroShotClassifier<TypeParam> classifier(*opened.model, *opened.tokenizer, options);
      const auto text =
          classifier.encode(row["text"].get<std::string>(), Strings(row["candidates"]));
      EXPECT_FALSE(text.truncated());
      const auto result = classifier.classify({&text, 1}).front();
      EXPECT_EQ(result.labels, Strings(row["labels"])) << row["text"];
      for (std::size_t k = 0; k < result.scores.size(); ++k) {
        llm::test::expect_near<TypeParam>(result.scores[k], row["scores"][k], row["text"]);
      }
    }
  }
}

TEST(Classifier, TopKAndScoreFunctionMayBeChosen) {
  const TaskModel<float> opened(fixture("bert-nli"));
  const auto scores = [&](const ClassifyOptions& options) {
    const TextClassifier<float> classifier(*opened.model, *opened.tokenizer, options);
    const TextTokens text = classifier.encode({"the old house"});
    return classifier.classify({&text, 1}).front();
  };
  const auto logits = scores({.function = llm::ScoreFunction::none});
  const auto sigmoid = scores({.function = llm::ScoreFunction::sigmoid, .top_k = 2});
  ASSERT_EQ(logits.size(), 3U);
  ASSERT_EQ(sigmoid.size(), 2U);
  EXPECT_EQ(scores({.top_k = 9}).size(), 3U);
  for (std::size_t k = 0; k < sigmoid.size(); ++k) {
    EXPECT_EQ(sigmoid[k].label, logits[k].label);
    EXPECT_NEAR(sigmoid[k].score, 1 / (1 + std::exp(-logits[k].score)), 1e-12);
  }
  expect_error(ErrorCode::invalid_option, "top-k is -1", [&] { scores({.top_k = -1}); });
}

TEST(Classifier, TheScoreFunctionFollowsTheProblemType) {
  llm::TransformerConfig config;
  EXPECT_EQ(llm::score_function(config, 1), llm::ScoreFunction::sigmoid);
  EXPECT_EQ(llm::score_function(config, 2), llm::ScoreFunction::softmax);
  config.problem_type = "single_label_classification";
  EXPECT_EQ(llm::score_function(config, 1), llm::ScoreFunction::sigmoid);
  config.problem_type = "regression";
  EXPECT_EQ(llm::score_function(config, 1), llm::ScoreFunction::none);
  EXPECT_EQ(llm::score_function_from_name("sigmoid"), llm::ScoreFunction::sigmoid);
  expect_error(ErrorCode::invalid_option, "expected softmax, sigmoid or none",
               [] { llm::score_function_from_name("max"); });
}

TEST(Classifier, LabelsWithoutNamesAreNumbered) {
  const EditedFixture folder("bert-nli", [](Json& config) { config.erase("id2label"); });
  const TaskModel<float> opened(folder.path());
  const TextClassifier<float> classifier(*opened.model, *opened.tokenizer);
  const TextTokens text = classifier.encode({"the old house"});
  Strings labels;
  const auto results = classifier.classify({&text, 1});
  for (const auto& entry : results.front()) labels.push_back(entry.label);
  std::sort(labels.begin(), labels.end());
  EXPECT_EQ(labels, Strings({"LABEL_0", "LABEL_1", "LABEL_2"}));
}

// The same bits for any batch, order and number of threads.
TEST(Classifier, RowsStandAlone) {
  const auto rows = llm::test::task_rows("classify.jsonl");
  const auto results = [&](int threads, std::int64_t batch_tokens, bool backwards) {
    const TaskModel<float> opened(fixture("bart-nli"), {}, threads);
    const TextClassifier<float> classifier(*opened.model, *opened.tokenizer,
                                           {.batch_tokens = batch_tokens});
    std::vector<TextTokens> texts;
    for (std::size_t i = rows.size() - 20; i < rows.size(); ++i) {
      texts.push_back(classifier.encode(task_text(rows[i])));
    }
    if (backwards) std::reverse(texts.begin(), texts.end());
    std::vector<std::pair<std::string, double>> flat;
    auto all = classifier.classify(texts);
    if (backwards) std::reverse(all.begin(), all.end());
    for (const auto& row : all) {
      for (const auto& entry : row) flat.emplace_back(entry.label, entry.score);
    }
    return flat;
  };
  const auto expected = results(1, 1, false);
  EXPECT_EQ(results(1, 2048, false), expected);
  EXPECT_EQ(results(2, 90, true), expected);
}

TEST(Classifier, ZeroShotTextsAreComputedTogether) {
  const TaskModel<float> opened(fixture("bert-nli"));
  const ZeroShotClassifier<float> classifier(*opened.model, *opened.tokenizer);
  const std::vector<ZeroShotText> texts = {
      classifier.encode("the old house", Strings{"house", "cat"}),
      classifier.encode("a little cat", Strings{"house", "cat", "bird"}),
      classifier.encode("hello world", Strings{"story"})};
  const auto together = classifier.classify(texts);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto alone = classifier.classify({&texts[i], 1}).front();
    EXPECT_EQ(together[i].labels, alone.labels);
    EXPECT_EQ(together[i].scores, alone.scores);
  }
}

// The text is cut, the hypothesis stays whole, and the result says so.
TEST(Classifier, LongTextsAreCutForZeroShotOnRequest) {
  const TaskModel<float> opened(fixture("bert-nli"));
  std::string text = "once upon a time there was a little cat";
  for (int i = 0; i < 3; ++i) text += " " + text;
  const ZeroShotClassifier<float> cuts(*opened.model, *opened.tokenizer);
  const ZeroShotText cut = cuts.encode(text, Strings{"cat"});
  EXPECT_TRUE(cut.truncated());
  EXPECT_EQ(cut.pairs.front().size(), 33);
  const ZeroShotClassifier<float> refuses(*opened.model, *opened.tokenizer,
                                          {.truncation = Truncation::none});
  expect_error(ErrorCode::context_overflow, "the model has 33 positions",
               [&] { (void)refuses.encode(text, Strings{"cat"}); });
}

TEST(Classifier, AModelWithoutTheHeadIsRefused) {
  for (const char* const name : {"bert-masked-lm", "llama-gqa", "t5-v1_0"}) {
    const TaskModel<float> opened(fixture(name));
    expect_error(ErrorCode::unsupported, "classify needs a sequence-classification head",
                 [&] { TextClassifier<float>(*opened.model, *opened.tokenizer); });
    expect_error(ErrorCode::unsupported, "zero-shot needs a sequence-classification head",
                 [&] { ZeroShotClassifier<float>(*opened.model, *opened.tokenizer); });
  }
  const TaskModel<float> masked(fixture("bert-masked-lm"));
  expect_error(ErrorCode::unsupported,
               "but this model (bert) has a masked-lm head; it can be used for fill-mask, embed "
               "and similar",
               [&] { TextClassifier<float>(*masked.model, *masked.tokenizer); });
  const TaskModel<float> bare(fixture("bert-masked-lm"), llm::HeadKind::none);
  expect_error(ErrorCode::unsupported, "has none; it can be used for embed and similar",
               [&] { TextClassifier<float>(*bare.model, *bare.tokenizer); });
}

TEST(Classifier, ZeroShotNeedsALabelOfEntailment) {
  const EditedFixture folder("bert-nli", [](Json& config) {
    config["id2label"] = {{"0", "bad"}, {"1", "so so"}, {"2", "good"}};
  });
  const TaskModel<float> opened(folder.path());
  expect_error(ErrorCode::unsupported,
               "but the labels of this model (bert) are \"bad\", \"so so\", \"good\"",
               [&] { ZeroShotClassifier<float>(*opened.model, *opened.tokenizer); });
  const EditedFixture far("bert-nli", [](Json& config) {
    config["id2label"] = {{"0", "bad"}, {"1", "so so"}, {"7", "Entails"}};
  });
  const TaskModel<float> other(far.path());
  expect_error(ErrorCode::bad_format, "the number 7, but the model has 3 labels",
               [&] { ZeroShotClassifier<float>(*other.model, *other.tokenizer); });
}

TEST(Classifier, BadLabelsAndTemplatesAreErrors) {
  const TaskModel<float> opened(fixture("bert-nli"));
  const ZeroShotClassifier<float> classifier(*opened.model, *opened.tokenizer);
  const auto encode = [&](const std::string& text, const Strings& labels) {
    (void)classifier.encode(text, labels);
  };
  expect_error(ErrorCode::invalid_input, "there are no candidate labels",
               [&] { encode("a cat", {}); });
  expect_error(ErrorCode::invalid_input, "a candidate label is empty", [&] {
    encode("a cat", {"cat", " "});
  });
  expect_error(ErrorCode::invalid_input, "the candidate label \"cat\" is given twice", [&] {
    encode("a cat", {"cat", "bird", "cat"});
  });
  expect_error(ErrorCode::invalid_input, "the text is empty", [&] { encode("", {"cat"}); });
  for (const char* const bad : {"no place", "{{}}", "{label}", "{} and {}", "{", "}{}"}) {
    expect_error(ErrorCode::invalid_option, "expected {} where the label goes", [&] {
      ZeroShotClassifier<float>(*opened.model, *opened.tokenizer, {.hypothesis_template = bad});
    });
  }
}

}  // namespace
