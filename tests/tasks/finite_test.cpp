// Weights that are no numbers, or that make none: no task hands out what comes of them.
#include <limits>

#include "llm/generation/generator.hpp"
#include "llm/generation/scorer.hpp"
#include "llm/tasks/classify.hpp"
#include "llm/tasks/embed.hpp"
#include "llm/tasks/fill_mask.hpp"
#include "llm/tasks/fill_spans.hpp"
#include "llm/tasks/ner.hpp"
#include "llm/tasks/qa.hpp"
#include "llm/tasks/zero_shot.hpp"
#include "support/damaged_model.hpp"
#include "tasks/task_models.hpp"

namespace {

using llm::ErrorCode;
using llm::HeadKind;
using llm::test::DamagedModel;
using llm::test::expect_error;
using llm::test::TaskModel;

constexpr float inf = std::numeric_limits<float>::infinity();
const std::string text = "the cat saw a bird";

template <typename S>
class NotFinite : public testing::Test {};
TYPED_TEST_SUITE(NotFinite, llm::test::Scalars);

// Calls run(opened) for a fixture with bad values in one of its tensors after the other: NaN,
// infinity, and numbers so large that sums of them are infinite.
template <typename S, typename Run>
void expect_refused(const std::string& fixture, HeadKind head,
                    const std::vector<std::string>& tensors, const Run& run) {
  for (const std::string& tensor : tensors) {
    const bool is_summed = std::is_same_v<S, float> && tensor.ends_with("weight");
    for (const float value :
         {std::numeric_limits<float>::quiet_NaN(), inf, is_summed ? 3e38F : inf}) {
      SCOPED_TRACE(fixture + " " + tensor + " " + std::to_string(value));
      const DamagedModel damaged(fixture, tensor, value);
      const TaskModel<S> opened(damaged.path(), head);
      expect_error(ErrorCode::bad_format, "are not finite numbers", [&] { run(opened); });
    }
  }
}

// Where a value of all tokens becomes no number, in the last layer of BERT.
const std::string bert_norm = "bert.encoder.layer.1.output.LayerNorm.weight";

TYPED_TEST(NotFinite, Classifiers) {
  using S = TypeParam;
  expect_refused<S>("bert-nli", HeadKind::sequence_classification, {"classifier.weight"},
                    [](const TaskModel<S>& opened) {
                      const llm::TextClassifier<S> classifier(*opened.model, *opened.tokenizer);
                      const auto tokens = classifier.encode({text, "a cat"});
                      (void)classifier.classify({&tokens, 1});
                    });
  const std::vector<std::string> labels{"animals", "weather"};
  for (const bool multi_label : {false, true}) {
    expect_refused<S>("bert-nli", HeadKind::sequence_classification, {"classifier.weight"},
                      [&](const TaskModel<S>& opened) {
                        const llm::ZeroShotClassifier<S> classifier(
                            *opened.model, *opened.tokenizer, {.multi_label = multi_label});
                        const auto encoded = classifier.encode(text, labels);
                        (void)classifier.classify({&encoded, 1});
                      });
  }
}

TYPED_TEST(NotFinite, HeadsOfTokens) {
  using S = TypeParam;
  expect_refused<S>("bert-ner", HeadKind::token_classification, {bert_norm, "classifier.bias"},
                    [](const TaskModel<S>& opened) {
                      const llm::EntityTagger<S> tagger(*opened.model, *opened.tokenizer);
                      (void)tagger.tag({&text, 1});
                    });
  expect_refused<S>("bert-answers", HeadKind::question_answering, {bert_norm, "qa_outputs.bias"},
                    [](const TaskModel<S>& opened) {
                      const llm::QuestionAnswerer<S> answerer(*opened.model, *opened.tokenizer);
                      const llm::Question question{"Who saw?", text};
                      (void)answerer.answer({&question, 1});
                    });
  expect_refused<S>("bert-masked-lm", HeadKind::masked_lm,
                    {bert_norm, "cls.predictions.transform.LayerNorm.weight"},
                    [](const TaskModel<S>& opened) {
                      const llm::MaskFiller<S> filler(*opened.model, *opened.tokenizer);
                      const auto tokens = filler.encode("the [MASK] saw a bird");
                      (void)filler.fill({&tokens, 1});
                    });
}

TYPED_TEST(NotFinite, Embeddings) {
  using S = TypeParam;
  using enum llm::PoolingMode;
  for (const auto pooling : {cls, max, mean, mean_sqrt_len, weighted_mean, last_token}) {
    for (const bool normalize : {false, true}) {
      for (const float value : {std::numeric_limits<float>::quiet_NaN(), inf, -inf}) {
        const DamagedModel damaged("bert-masked-lm", bert_norm, value, true);
        const TaskModel<S> opened(damaged.path(), HeadKind::none);
        llm::SentenceConfig config;
        config.pooling = {pooling};
        config.normalize = normalize;
        const llm::TextEmbedder<S> embedder(*opened.model, *opened.tokenizer, config);
        const auto tokens = embedder.encode(text);
        expect_error(ErrorCode::bad_format, "hidden states are not finite numbers", [&] {
          (void)embedder.embed({&tokens, 1});
        });
      }
    }
  }
  const DamagedModel damaged("bert-nli", "bert.pooler.dense.bias", std::nanf(""));
  const TaskModel<S> opened(damaged.path(), HeadKind::sequence_classification);
  const std::vector<llm::TokenId> ids{1, 2, 3};
  const llm::EncoderInput input{ids, {}};
  llm::Workspace workspace;
  expect_error(ErrorCode::bad_format, "are not finite numbers", [&] {
    (void)opened.model->pooled({&input, 1}, workspace);
  });
}

TYPED_TEST(NotFinite, Generation) {
  using S = TypeParam;
  const auto generate = [](const TaskModel<S>& opened, const char* beams, const char* sample) {
    llm::GenerationConfig config;
    config.max_new_tokens = 4;
    config.set("num_beams", beams, "test");
    config.set("do_sample", sample, "test");
    (void)llm::Generator<S>(*opened.model, opened.tokenizer.get()).generate("the cat", config);
  };
  for (const char* const beams : {"1", "3"}) {
    for (const char* const sample : {"false", "true"}) {
      expect_refused<S>("llama-gqa", HeadKind::language_model, {"model.norm.weight"},
                        [&](const TaskModel<S>& opened) { generate(opened, beams, sample); });
    }
  }
  expect_refused<S>("llama-gqa", HeadKind::language_model, {"model.norm.weight"},
                    [](const TaskModel<S>& opened) {
                      const llm::Scorer<S> scorer(*opened.model, opened.tokenizer.get());
                      const std::vector<std::string> choices{" a bird", " saw"};
                      const auto request = scorer.request("the cat", choices);
                      const auto results = scorer.score({&request, 1});
                      if (results[0].error) {
                        throw llm::Error(results[0].error->code, results[0].error->message);
                      }
                    });
  expect_refused<S>("t5-v1_0", HeadKind::language_model, {"decoder.final_layer_norm.weight"},
                    [](const TaskModel<S>& opened) {
                      llm::GenerationConfig config;
                      config.decoder_start_token_id = 0;
                      const llm::SpanFiller<S> filler(*opened.model, *opened.tokenizer, config);
                      const auto encoded = filler.encode("the <extra_id_0> saw a bird");
                      (void)filler.fill({&encoded, 1});
                    });
}

// Minus infinity is a logit: of what cannot be. All of them are none, nor are they scores.
TEST(NotFiniteLogits, BelowAllNumbersIsNoProbability) {
  const auto scores = [](float value, bool first_only, std::optional<llm::ScoreFunction> function) {
    const DamagedModel damaged("bert-nli", "classifier.bias", value, first_only);
    const TaskModel<double> opened(damaged.path(), HeadKind::sequence_classification);
    const llm::TextClassifier<double> classifier(*opened.model, *opened.tokenizer,
                                                 {.function = function});
    const auto tokens = classifier.encode({text, "a cat"});
    return classifier.classify({&tokens, 1}).front();
  };
  for (const auto function : {llm::ScoreFunction::softmax, llm::ScoreFunction::sigmoid}) {
    EXPECT_EQ(scores(-inf, true, function).back().score, 0.0);
  }
  for (const auto& [value, first_only, function] :
       {std::tuple(-inf, true, llm::ScoreFunction::none),
        std::tuple(-inf, false, llm::ScoreFunction::softmax),
        std::tuple(inf, true, llm::ScoreFunction::sigmoid)}) {
    expect_error(ErrorCode::bad_format, "logits are not finite numbers",
                 [&, v = value, f = first_only, g = function] { (void)scores(v, f, g); });
  }
}

}  // namespace
