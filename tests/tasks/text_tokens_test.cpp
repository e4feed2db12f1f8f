// Texts to tokens that a head reads: as the tokenizer encodes them, cut as the reference cuts them,
// never without saying so; and batches, on which no result depends.
#include "llm/tasks/text_tokens.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>

#include "llm/tasks/batches.hpp"
#include "llm/tasks/text_span.hpp"
#include "support/catch_error.hpp"
#include "support/paths.hpp"
#include "support/temp_dir.hpp"

namespace {

using llm::ErrorCode;
using llm::Range;
using llm::TaskText;
using llm::TextEncoder;
using llm::TextTokens;
using llm::Tokenizer;
using llm::TokenLimit;
using llm::Truncation;
using Ids = std::vector<llm::TokenId>;

const std::string first_text = "Once upon a time, there was a little cat.";
const std::string second_text = "the bird sings";

struct Fixture {
  explicit Fixture(const std::string& name)
      : tokenizer(Tokenizer::open(llm::test::models_dir() / name)),
        config(llm::read_model_config(llm::test::models_dir() / name)) {}
  TextEncoder encoder(std::optional<TokenLimit> limit) const {
    return TextEncoder(*tokenizer, config, std::move(limit));
  }
  std::unique_ptr<Tokenizer> tokenizer;
  llm::TransformerConfig config;
};

const char* const with_tokenizer[] = {"bert-masked-lm", "roberta-masked-lm", "t5-v1_0", "llama-gqa",
                                      "gpt2-inner"};

TEST(TextSpans, CountCharactersUpToTheEnd) {
  using llm::text_span;
  EXPECT_EQ(text_span("", {0, 0}), (llm::TextSpan{0, 0, {0, 0}}));
  const std::string_view text = "\u00e9a\u65e5";  // of 2, 1 and 3 bytes
  EXPECT_EQ(text_span(text, {0, 6}), (llm::TextSpan{0, 3, {0, 6}}));
  EXPECT_EQ(text_span(text, {2, 3}), (llm::TextSpan{1, 2, {2, 3}}));
  EXPECT_EQ(text_span(text, {3, 6}), (llm::TextSpan{2, 3, {3, 6}}));
  EXPECT_EQ(text_span(text, {6, 6}), (llm::TextSpan{3, 3, {6, 6}}));
}

TEST(TextTokens, AreThoseOfTheTokenizer) {
  for (const char* name : with_tokenizer) {
    const Fixture fixture(name);
    const TextEncoder encoder = fixture.encoder({});
    const TextTokens one = encoder.encode(first_text);
    const TextTokens two = encoder.encode(first_text, second_text);
    const llm::Encoding whole = fixture.tokenizer->encode(first_text);
    const llm::Encoding pair = fixture.tokenizer->encode_pair(first_text, second_text);
    EXPECT_EQ(one.encoding.ids, whole.ids) << name;
    EXPECT_EQ(one.encoding.offsets, whole.offsets) << name;
    EXPECT_EQ(two.encoding.ids, pair.ids) << name;
    EXPECT_EQ(two.encoding.offsets, pair.offsets) << name;
    if (fixture.config.type_vocab_size > 1) {
      EXPECT_EQ(two.encoding.type_ids, pair.type_ids) << name;
    } else {
      EXPECT_TRUE(two.encoding.type_ids.empty()) << name;
    }
    EXPECT_EQ(one.size() - one.first.size(), encoder.added(false)) << name;
    EXPECT_EQ(two.size() - two.first.size() - two.second.size(), encoder.added(true)) << name;
    EXPECT_FALSE(one.truncated || two.truncated);
  }
}

// Lengths of both parts for a limit, as the reference's tokenizers leave them of 14 and 3 tokens.
TEST(TextTokens, ACutPairIsWhatTheReferenceLeaves) {
  const Fixture fixture("bert-masked-lm");
  const TextTokens whole = fixture.encoder({}).encode(first_text, second_text);
  const std::int64_t n1 = whole.first.size(), n2 = whole.second.size();
  ASSERT_EQ(n1, 14);
  ASSERT_EQ(n2, 3);
  const auto lengths = [&](std::int64_t most, bool swapped, Truncation truncation) {
    const TextEncoder encoder = fixture.encoder(TokenLimit{most + 3, "a test says so"});
    const TextTokens cut = encoder.encode(
        swapped ? TaskText{second_text, first_text} : TaskText{first_text, second_text},
        truncation);
    EXPECT_EQ(cut.size(), most + 3);
    EXPECT_TRUE(cut.truncated);
    return std::pair(cut.first.size(), cut.second.size());
  };
  using Pair = std::pair<std::int64_t, std::int64_t>;
  EXPECT_EQ(lengths(n1, false, Truncation::longest_first), Pair(n1 - n2, n2));
  EXPECT_EQ(lengths(2 * n2 - 1, false, Truncation::longest_first), Pair(n2, n2 - 1));
  EXPECT_EQ(lengths(2 * n2 - 1, true, Truncation::longest_first), Pair(n2 - 1, n2));
  EXPECT_EQ(lengths(n2 + 1, false, Truncation::only_first), Pair(1, n2));
}

TEST(TextTokens, CutTextsKeepTheirSpecialTokens) {
  const Fixture fixture("bert-masked-lm");
  const TextEncoder encoder = fixture.encoder({});
  const TextTokens whole = encoder.encode(first_text, second_text);
  const TextTokens cut = encoder.cut(whole, {2, 4}, {1, 2});
  const Ids& ids = whole.encoding.ids;
  const auto at = [&](std::int64_t i) { return ids[static_cast<std::size_t>(i)]; };
  const std::int64_t first = whole.first.begin, second = whole.second.begin;
  EXPECT_EQ(cut.encoding.ids, Ids({ids.front(), at(first + 2), at(first + 3), at(second - 1),
                                   at(second + 1), ids.back()}));
  EXPECT_EQ(cut.encoding.type_ids, std::vector<std::int32_t>({0, 0, 0, 0, 1, 1}));
  EXPECT_EQ(cut.encoding.offsets[1], whole.encoding.offsets[static_cast<std::size_t>(first + 2)]);
}

TEST(TextTokens, LimitsComeFromModelAndTokenizer) {
  const Fixture bert("bert-masked-lm");
  EXPECT_EQ(llm::token_limit(bert.config, *bert.tokenizer)->tokens, 33);
  const Fixture roberta("roberta-masked-lm");
  EXPECT_EQ(llm::token_limit(roberta.config, *roberta.tokenizer)->tokens, 32);
  const Fixture t5("t5-v1_0");
  llm::TransformerConfig config = bert.config;
  config.encoder.max_position_embeddings = 500;
  const auto limit = llm::token_limit(config, *bert.tokenizer);
  EXPECT_EQ(limit->tokens, 33);
  EXPECT_EQ(limit->source, "the tokenizer's model_max_length is 33");
}

TEST(TextTokens, NumbersOfNoLimitAreNone) {
  const auto max_length = [](const std::string& value) {
    const llm::test::TempDir dir;
    std::filesystem::copy(llm::test::models_dir() / "bert-masked-lm" / "vocab.txt",
                          dir.path() / "vocab.txt");
    std::ofstream(dir.path() / "tokenizer_config.json")
        << R"({"tokenizer_class": "BertTokenizer", "model_max_length": )" << value << "}";
    return Tokenizer::open(dir.path())->max_length();
  };
  EXPECT_EQ(max_length("512"), 512);
  EXPECT_EQ(max_length("1000000000000000019884624838656"), std::nullopt);
  EXPECT_EQ(max_length("1e30"), std::nullopt);
  EXPECT_EQ(max_length("null"), std::nullopt);
  for (const char* const bad : {"-1", "0", "\"512\"", "[]"}) {
    llm::test::expect_error(ErrorCode::bad_format, "model_max_length", [&] { max_length(bad); });
  }
}

TEST(TextTokens, WhatDoesNotFitIsAnError) {
  const Fixture fixture("bert-masked-lm");
  const TextEncoder encoder(*fixture.tokenizer, fixture.config);
  std::string text = first_text;
  for (int i = 0; i < 4; ++i) text += " " + first_text;
  llm::test::expect_error(ErrorCode::context_overflow, "but the model has 33 positions",
                          [&] { (void)encoder.encode(TaskText{text}, Truncation::none); });
  llm::test::expect_error(ErrorCode::context_overflow, "shorten the second text", [&] {
    (void)encoder.encode(TaskText{first_text, text}, Truncation::only_first);
  });
  EXPECT_EQ(encoder.encode(TaskText{text}, Truncation::longest_first).size(), 33);
  llm::test::expect_error(ErrorCode::invalid_input, "the text is empty",
                          [&] { (void)encoder.encode(""); });
  llm::test::expect_error(ErrorCode::invalid_input, "the text \" \\x0a\" has no tokens",
                          [&] { (void)encoder.encode(" \n"); });
  llm::test::expect_error(ErrorCode::invalid_input, "the second text is empty",
                          [&] { (void)encoder.encode("a", ""); });
  llm::test::expect_error(ErrorCode::invalid_option, "leaves no room", [&] {
    (void)fixture.encoder(TokenLimit{2, "a test says so"});
  });
}

TEST(Batches, AreCutByTokens) {
  const Fixture fixture("bert-masked-lm");
  const TextEncoder encoder = fixture.encoder({});
  std::vector<TextTokens> texts;
  for (const char* const text : {"a", "the cat", first_text.c_str(), "two", "old"}) {
    texts.push_back(encoder.encode(text));
  }
  std::vector<std::int64_t> ends;
  for (const Range batch : llm::split_batches(texts, 7)) ends.push_back(batch.end);
  EXPECT_EQ(ends, (std::vector<std::int64_t>{2, 3, 5}));
  EXPECT_TRUE(llm::split_batches({}, 7).empty());
}

TEST(TextTokens, AreNoMoreThanTheCallerAllows) {
  const Fixture fixture("bert-masked-lm");
  const TextEncoder encoder(*fixture.tokenizer, fixture.config, {.max_input_tokens = 6});
  llm::test::expect_error(ErrorCode::context_overflow, "max_input_tokens is 6",
                          [&] { encoder.encode(TaskText{first_text}, Truncation::none); });
  const TextTokens cut = encoder.encode(TaskText{first_text}, Truncation::longest_first);
  EXPECT_EQ(cut.size(), 6);
  const TextEncoder any(*fixture.tokenizer, fixture.config, std::optional<TokenLimit>());
  EXPECT_EQ(any.limit()->tokens, llm::default_max_input_tokens);
  // Far too many bytes are not encoded at all.
  llm::test::expect_error(ErrorCode::context_overflow, "bytes, expected at most", [&] {
    encoder.encode(TaskText{std::string(std::size_t{2} << 20, 'a')}, Truncation::none);
  });
  llm::test::expect_error(ErrorCode::context_overflow, "bytes, expected at most", [&] {
    encoder.encode(TaskText{std::string(std::size_t{9} << 20, 'a')}, Truncation::longest_first);
  });
  std::atomic<bool> interrupt = true;
  const TextEncoder interrupted(*fixture.tokenizer, fixture.config, {.interrupt = &interrupt});
  llm::test::expect_error(ErrorCode::interrupted, "interrupted",
                          [&] { interrupted.encode(first_text); });
}

// A pass that is interrupted ends as a whole, with any number of workers; one that is not has the
// same bits as without a flag.
TEST(Batches, EndWhenTheCallerSaysSo) {
  for (const int threads : {1, 2, 3}) {
    const auto model =
        llm::Model<float>::load(llm::test::models_dir() / "t5-v1_0", {.threads = threads});
    const Ids ids(300, 5);
    const llm::EncoderInput input{ids, {}};
    std::atomic<bool> interrupt = false;
    llm::Workspace plain, watched;
    watched.set_interrupt(&interrupt);
    const auto expected = model->encode({&input, 1}, plain);
    const auto got = model->encode({&input, 1}, watched);
    EXPECT_TRUE(std::equal(got.data(), got.data() + got.rows() * got.cols(), expected.data()));
    interrupt = true;
    llm::test::expect_error(ErrorCode::interrupted, "interrupted", [&] {
      model->encode({&input, 1}, watched);
    });
  }
}

// The same bits whatever the batch and the order.
TEST(Batches, ResultsDoNotDependOnThem) {
  const Fixture fixture("bert-masked-lm");
  const auto model =
      llm::Model<float>::load(llm::test::models_dir() / "bert-masked-lm", {.threads = 2});
  const TextEncoder encoder(*fixture.tokenizer, model->config());
  std::vector<TextTokens> texts;
  for (const char* const text : {"a", "the cat", first_text.c_str(), "two", "old house"}) {
    texts.push_back(encoder.encode(text));
  }
  const auto results = [&](std::span<const TextTokens> all, std::int64_t batch_tokens) {
    std::vector<std::vector<float>> values(all.size());
    const auto keep = [&](std::size_t i, llm::TensorView<const float> rows) {
      for (std::int64_t r = 0; r < rows.rows(); ++r) {
        values[i].insert(values[i].end(), rows.row(r).begin(), rows.row(r).end());
      }
    };
    llm::run_head(*model, all, batch_tokens, keep);
    llm::run_hidden_states(*model, all, batch_tokens, keep);
    return values;
  };
  const auto expected = results(texts, 1000);
  EXPECT_EQ(results(texts, 1), expected);
  EXPECT_EQ(results(texts, 9), expected);
  auto reversed = std::vector(texts.rbegin(), texts.rend());
  auto backwards = results(reversed, 20);
  std::reverse(backwards.begin(), backwards.end());
  EXPECT_EQ(backwards, expected);
}

}  // namespace
