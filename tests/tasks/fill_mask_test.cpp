// fill-mask gives what the reference's pipeline gives, token by token; gaps of T5 are filled with
// what the reference generates.
#include "llm/tasks/fill_mask.hpp"

#include "llm/tasks/fill_spans.hpp"
#include "tasks/task_models.hpp"

namespace {

using llm::ErrorCode;
using llm::FillMaskOptions;
using llm::GenerationConfig;
using llm::MaskFiller;
using llm::SpanFiller;
using llm::SpanText;
using llm::TextTokens;
using llm::TokenId;
using llm::Truncation;
using llm::test::expect_error;
using llm::test::fixture;
using llm::test::json;
using llm::test::TaskModel;
using Strings = std::vector<std::string>;

template <typename S>
class Fill : public testing::Test {};
TYPED_TEST_SUITE(Fill, llm::test::Scalars);

FillMaskOptions options_of(const json& row) {
  FillMaskOptions options;
  if (!row["top_k"].is_null()) options.top_k = row["top_k"];
  if (row.contains("targets")) options.targets = Strings(row["targets"]);
  return options;
}

template <typename S>
void check_row(const MaskFiller<S>& filler, const json& row) {
  const TextTokens text = filler.encode(row["text"].get<std::string>());
  const auto masks = filler.fill({&text, 1}).front();
  ASSERT_EQ(masks.size(), row["masks"].size()) << row["text"];
  for (std::size_t m = 0; m < masks.size(); ++m) {
    ASSERT_EQ(masks[m].size(), row["masks"][m].size()) << row["text"];
    for (std::size_t k = 0; k < masks[m].size(); ++k) {
      const json& expected = row["masks"][m][k];
      EXPECT_EQ(masks[m][k].token, expected[0]) << row["text"];
      // Logits of size 10 are off by some 6e-6, which a probability of 1/2 shows half of.
      llm::test::expect_near<S>(masks[m][k].score, expected[1], row["text"], true);
      EXPECT_EQ(masks[m][k].token_str, expected[2]) << row["text"];
      EXPECT_EQ(masks[m][k].sequence, expected[3]) << row["text"];
    }
  }
}

TYPED_TEST(Fill, MasksAreFilledAsByTheReferencesPipeline) {
  const auto rows = llm::test::task_rows("fill_mask.jsonl");
  for (const char* const name :
       {"bert-masked-lm", "roberta-masked-lm", "bart-nli", "mbart-languages"}) {
    const TaskModel<TypeParam> opened(fixture(name), llm::HeadKind::masked_lm);
    for (const json& row : rows) {
      if (row["model"] != name) continue;
      check_row(MaskFiller<TypeParam>(*opened.model, *opened.tokenizer, options_of(row)), row);
    }
  }
}

// BART's head over masks is its LM head, behind a decoder that reads the text shifted right.
TYPED_TEST(Fill, MasksOfBartAreFilledByItsLmHead) {
  for (const char* const name : {"bart-lm", "mbart-lm"}) {
    const auto writes = llm::Model<TypeParam>::load(fixture(name), {.threads = 1});
    const auto fills = llm::Model<TypeParam>::load(
        fixture(name), {.threads = 1, .head = llm::HeadKind::masked_lm});
    const std::vector<TokenId> text = {0, 17, 4, 95, 33, 8, 2};
    // mBART's decoder begins with the text's last token, BART's with decoder_start_token_id.
    std::vector<TokenId> shifted = text;
    std::rotate(shifted.begin(), shifted.end() - 1, shifted.end());
    llm::Workspace workspace;
    const std::span<const TokenId> source(text);
    const auto states = writes->start({&source, 1}, workspace);
    const llm::StepInput<TypeParam> step{states.front().get(), shifted, true};
    const auto expected = writes->step({&step, 1}, workspace);
    const std::vector<TypeParam> logits(expected.data(), expected.data() + 7 * expected.cols());
    const llm::EncoderInput input{text, {}};
    const auto output = fills->run_head({&input, 1}, workspace);
    ASSERT_EQ(output.logits.view().rows(), 7);
    EXPECT_EQ(std::vector<TypeParam>(output.logits.data(),
                                     output.logits.data() + 7 * output.logits.view().cols()),
              logits)
        << name;
  }
}

// What the vectors were generated with; see tests/support/make_task_vectors.py.
GenerationConfig span_config(const llm::Tokenizer& tokenizer) {
  GenerationConfig config;
  config.max_new_tokens = 14;
  config.eos_token_id = {1};
  config.pad_token_id = 0;
  config.decoder_start_token_id = 0;
  config.forced_bos_token_id = tokenizer.id("<extra_id_0>");
  config.no_repeat_ngram_size = 1;
  for (TokenId id = 3; id < 130; ++id) {
    if (id % 12 != 0) config.suppress_tokens.push_back(id);
  }
  return config;
}

template <typename S>
void check_answers(const std::vector<llm::SpanAnswer>& answers, const json& row) {
  const std::string what = row["text"];
  ASSERT_EQ(answers.size(), row["answers"].size()) << what;
  for (std::size_t a = 0; a < answers.size(); ++a) {
    std::string sequence = what;
    std::size_t filled = 0;
    for (const json& fill : row["answers"][a]) {
      const auto& mine = answers[a].fills.at(fill[0]);
      ASSERT_TRUE(mine) << what;
      EXPECT_EQ(mine->tokens, fill[1].get<std::vector<TokenId>>()) << what;
      EXPECT_EQ(mine->token_str, fill[2]) << what;
      // The exponential of a sum over tokens, each with the error of logits behind T5's attention,
      // whose scores are not scaled: it makes float32's errors larger by up to a hundred.
      const double error = std::is_same_v<S, double> ? 1e-8 : 1e-4 * double(fill[1].size());
      EXPECT_NEAR(mine->score, fill[3], error * double(fill[3])) << what;
      const std::string gap = "<extra_id_" + std::to_string(int(fill[0])) + ">";
      sequence.replace(sequence.find(gap), gap.size(), mine->token_str);
      ++filled;
    }
    EXPECT_EQ(answers[a].sequence, sequence);
    EXPECT_EQ(std::count_if(answers[a].fills.begin(), answers[a].fills.end(),
                            [](const auto& fill) { return fill.has_value(); }),
              filled)
        << what;
  }
}

TYPED_TEST(Fill, GapsAreFilledWithWhatTheReferenceGenerates) {
  const auto rows = llm::test::task_rows("spans.jsonl");
  for (const char* const name : {"t5-v1_0", "t5-v1_1"}) {
    const TaskModel<TypeParam> opened(fixture(name));
    for (const std::int64_t beams : {1, 2, 3}) {
      const SpanFiller<TypeParam> filler(*opened.model, *opened.tokenizer,
                                         span_config(*opened.tokenizer), beams);
      std::vector<SpanText> texts;
      std::vector<json> expected;
      for (const json& row : rows) {
        if (row["model"] != name || row["beams"] != beams) continue;
        texts.push_back(filler.encode(row["text"].get<std::string>()));
        expected.push_back(row);
      }
      const auto answers = filler.fill(texts);
      for (std::size_t i = 0; i < texts.size(); ++i) {
        check_answers<TypeParam>(answers[i], expected[i]);
      }
    }
  }
}

// The same bits for any batch and order.
TEST(FillMask, RowsStandAlone) {
  const TaskModel<float> opened(fixture("bert-masked-lm"), {}, 2);
  const auto results = [&](std::int64_t batch_tokens, bool backwards) {
    const MaskFiller<float> filler(*opened.model, *opened.tokenizer,
                                   {.batch_tokens = batch_tokens});
    std::vector<TextTokens> texts;
    for (const json& row : llm::test::task_rows("fill_mask.jsonl")) {
      if (row["model"] == "bert-masked-lm" && texts.size() < 20) {
        texts.push_back(filler.encode(row["text"].get<std::string>()));
      }
    }
    if (backwards) std::reverse(texts.begin(), texts.end());
    auto all = filler.fill(texts);
    if (backwards) std::reverse(all.begin(), all.end());
    std::vector<std::pair<std::string, double>> flat;
    for (const auto& row : all) {
      for (const auto& mask : row) {
        for (const auto& fill : mask) flat.emplace_back(fill.sequence, fill.score);
      }
    }
    return flat;
  };
  const auto expected = results(1, false);
  EXPECT_EQ(results(2048, false), expected);
  EXPECT_EQ(results(60, true), expected);
}

// So do gaps: any threads, neighbours and order.
TEST(FillSpans, RowsStandAlone) {
  std::vector<std::string> sentences;
  for (const json& row : llm::test::task_rows("spans.jsonl")) {
    if (row["model"] == "t5-v1_0" && sentences.size() < 20) sentences.push_back(row["text"]);
  }
  const auto results = [&](int threads, std::size_t together, bool backwards) {
    const TaskModel<float> opened(fixture("t5-v1_0"), {}, threads);
    const SpanFiller<float> filler(*opened.model, *opened.tokenizer, span_config(*opened.tokenizer),
                                   2);
    std::vector<SpanText> texts;
    for (const std::string& sentence : sentences) texts.push_back(filler.encode(sentence));
    if (backwards) std::reverse(texts.begin(), texts.end());
    std::vector<std::vector<std::pair<std::string, double>>> all;  // of each text
    for (std::size_t begin = 0; begin < texts.size(); begin += together) {
      const std::size_t count = std::min(together, texts.size() - begin);
      for (const auto& answers : filler.fill(std::span(texts).subspan(begin, count))) {
        all.emplace_back();
        for (const auto& answer : answers) {
          all.back().emplace_back(answer.sequence, 0.0);
          for (const auto& fill : answer.fills) {
            if (fill) all.back().emplace_back(fill->token_str, fill->score);
          }
        }
      }
    }
    if (backwards) std::reverse(all.begin(), all.end());
    return all;
  };
  const auto expected = results(1, 1, false);
  EXPECT_EQ(results(1, 20, false), expected);
  EXPECT_EQ(results(2, 7, true), expected);
}

TEST(FillMask, TargetsThatAreNoTokensAreReported) {
  const TaskModel<float> opened(fixture("bert-masked-lm"));
  const MaskFiller<float> filler(*opened.model, *opened.tokenizer,
                                 {.targets = {"cat", "catapult", "cat", "\n"}});
  ASSERT_EQ(filler.notes().size(), 2U);
  EXPECT_NE(filler.notes()[0].find("\"catapult\" is no token"), std::string::npos);
  EXPECT_NE(filler.notes()[1].find("has none to take its place"), std::string::npos);
  expect_error(ErrorCode::invalid_option, "none of the targets",
               [&] { MaskFiller<float>(*opened.model, *opened.tokenizer, {.targets = {" "}}); });
  expect_error(ErrorCode::invalid_option, "top-k is 0",
               [&] { MaskFiller<float>(*opened.model, *opened.tokenizer, {.top_k = 0}); });
}

TEST(FillMask, ATextNeedsItsMask) {
  const TaskModel<float> opened(fixture("bert-masked-lm"));
  const MaskFiller<float> filler(*opened.model, *opened.tokenizer);
  expect_error(ErrorCode::invalid_input, "has no mask to fill; this model's is [MASK]",
               [&] { (void)filler.encode("the old house"); });
  expect_error(ErrorCode::invalid_input, "this model's is [MASK], not <mask>",
               [&] { (void)filler.encode("the <mask> house"); });
  expect_error(ErrorCode::invalid_input, "the text is empty", [&] { (void)filler.encode(""); });
  std::string text = "the [MASK]";
  for (int i = 0; i < 40; ++i) text += " cat";
  expect_error(ErrorCode::context_overflow, "the model has 33 positions",
               [&] { (void)filler.encode(text); });
  const MaskFiller<float> cuts(*opened.model, *opened.tokenizer,
                               {.truncation = Truncation::longest_first});
  EXPECT_TRUE(cuts.encode(text).truncated);
  expect_error(ErrorCode::context_overflow, "a mask is among the tokens that do not fit",
               [&] { (void)cuts.encode(text + " [MASK]"); });
}

TEST(FillMask, AModelWithoutMasksIsRefused) {
  const TaskModel<float> decoder(fixture("llama-gqa"));
  expect_error(ErrorCode::unsupported,
               "fill-mask needs a masked-lm head, but this model (llama) has a language-model head",
               [&] { MaskFiller<float>(*decoder.model, *decoder.tokenizer); });
  expect_error(ErrorCode::unsupported, "but this model (llama) has neither",
               [&] { SpanFiller<float>(*decoder.model, *decoder.tokenizer, GenerationConfig()); });
  const TaskModel<float> masked(fixture("bert-masked-lm"));
  const auto unmasked = llm::Tokenizer::open(fixture("llama-gqa"));
  expect_error(ErrorCode::unsupported, "fill-mask needs a mask token",
               [&] { MaskFiller<float>(*masked.model, *unmasked); });
}

TEST(FillSpans, BadGapsAreErrors) {
  const TaskModel<float> opened(fixture("t5-v1_0"));
  const SpanFiller<float> filler(*opened.model, *opened.tokenizer, span_config(*opened.tokenizer));
  expect_error(ErrorCode::invalid_input, "has no gap to fill; this model's gaps are <extra_id_0>",
               [&] { (void)filler.encode("the old house"); });
  expect_error(ErrorCode::invalid_input, "has the gap <extra_id_1> twice",
               [&] { (void)filler.encode("<extra_id_1> old <extra_id_1>"); });
  expect_error(ErrorCode::invalid_option, "top-k is 0",
               [&] { SpanFiller<float>(*opened.model, *opened.tokenizer, GenerationConfig(), 0); });
}

}  // namespace
