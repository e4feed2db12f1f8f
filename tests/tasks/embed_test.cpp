// Embeddings are what sentence-transformers defines, for encoders, decoders and the encoders of
// encoder-decoders; and distances between them.
#include "llm/tasks/embed.hpp"

#include "llm/tasks/similarity.hpp"
#include "support/shared_files.hpp"
#include "tasks/task_models.hpp"

namespace {

using llm::EmbedOptions;
using llm::ErrorCode;
using llm::HeadKind;
using llm::PoolingMode;
using llm::SentenceConfig;
using llm::TextEmbedder;
using llm::TextTokens;
using llm::Truncation;
using llm::test::expect_error;
using llm::test::fixture;
using llm::test::json;
using llm::test::TaskModel;

template <typename S>
class Embed : public testing::Test {};
TYPED_TEST_SUITE(Embed, llm::test::Scalars);

// A sentence-transformers folder around a fixture.
class SentenceFolder {
 public:
  SentenceFolder(const std::string& name, const json& pooling, std::int64_t max_seq_length,
                 bool normalize, const json& settings = json::object()) {
    for (const auto& entry : std::filesystem::directory_iterator(fixture(name))) {
      std::filesystem::create_symlink(entry.path(), path() / entry.path().filename());
    }
    json modules = {{{"path", ""}, {"type", "sentence_transformers.models.Transformer"}},
                    {{"path", "1_Pooling"}, {"type", "sentence_transformers.models.Pooling"}}};
    if (normalize) {
      modules.push_back({{"path", "2"}, {"type", "sentence_transformers.models.Normalize"}});
    }
    write("modules.json", modules);
    json transformer = {{"max_seq_length", max_seq_length}};
    transformer.update(settings.value("transformer", json::object()));
    write("sentence_bert_config.json", transformer);
    std::filesystem::create_directory(path() / "1_Pooling");
    json config = {{"pooling_mode", pooling}};
    config.update(settings.value("pooling", json::object()));
    write("1_Pooling/config.json", config);
    json model = settings.value("model_config", json::object());
    model.update(settings.value("model", json::object()));
    if (!model.empty()) write("config_sentence_transformers.json", model);
  }
  const std::filesystem::path& path() const { return dir_.path(); }

 private:
  void write(const std::string& name, const json& value) { std::ofstream(path() / name) << value; }
  llm::test::TempDir dir_;
};

TYPED_TEST(Embed, IsWhatSentenceTransformersDefines) {
  for (const char* const name :
       {"bert-masked-lm", "roberta-masked-lm", "t5-v1_0", "llama-gqa", "bart-nli"}) {
    const TaskModel<TypeParam> opened(fixture(name), HeadKind::none);
    for (const json& row : llm::test::task_rows("embed.jsonl")) {
      if (row["model"] != name) continue;
      const SentenceFolder folder(name, row["pooling"], row["max"], row["normalize"]);
      const TextEmbedder<TypeParam> embedder(*opened.model, *opened.tokenizer,
                                             llm::embedding_config(folder.path()));
      const TextTokens text = embedder.encode(row["text"].get<std::string>());
      EXPECT_EQ(text.size(), row["tokens"]) << row["text"];
      EXPECT_EQ(text.truncated, row["truncated"]) << row["text"];
      const auto vector = embedder.embed({&text, 1}).front();
      ASSERT_EQ(vector.size(), row["vector"].size());
      EXPECT_EQ(embedder.dimensions(), static_cast<std::int64_t>(vector.size()));
      for (std::size_t i = 0; i < vector.size(); ++i) {
        llm::test::expect_near<TypeParam>(static_cast<double>(vector[i]), row["vector"][i],
                                          name + (" " + row["text"].dump()), !row["normalize"]);
      }
    }
  }
}

// Truncated, normalized before and behind that, prompts that take part or do not: what
// sentence-transformers computes, see tests/support/make_sentence_vectors.py.
TEST(Embedder, FollowsEverySettingOfTheReference) {
  for (const json& row : llm::test::task_rows("sentence.jsonl")) {
    SCOPED_TRACE(row["pooling"].dump() + row["config"].dump() + row["options"].dump());
    const TaskModel<double> opened(fixture(row["fixture"]), HeadKind::none);
    const SentenceFolder folder(row["fixture"], row["pooling"]["pooling_mode"], 1000,
                                row["normalize"],
                                {{"pooling", row["pooling"]},
                                 {"model", {{"prompts", {{"old", row["prompt"]}}}}},
                                 {"model_config", row["config"]}});
    SentenceConfig config = llm::embedding_config(folder.path());
    config.normalize_embeddings = row["options"].value("normalize_embeddings", false);
    const TextEmbedder<double> embedder(*opened.model, *opened.tokenizer, config,
                                        {.prompt = config.prompts.at("old")});
    const TextTokens text = embedder.encode(row["text"].get<std::string>());
    const auto vector = embedder.embed({&text, 1}).front();
    ASSERT_EQ(vector.size(), row["vector"].size());
    EXPECT_EQ(embedder.dimensions(), static_cast<std::int64_t>(vector.size()));
    for (std::size_t i = 0; i < vector.size(); ++i) {
      EXPECT_NEAR(vector[i], row["vector"][i].get<double>(), 1e-6) << i;
    }
  }
}

TEST(Embedder, RefusesNoValues) {
  const TaskModel<float> opened(fixture("bert-masked-lm"), HeadKind::none);
  SentenceConfig config = llm::embedding_config(fixture("bert-masked-lm"));
  config.truncate_dim = 0;
  expect_error(ErrorCode::invalid_option, "truncate-dim is 0",
               [&] { (void)TextEmbedder<float>(*opened.model, *opened.tokenizer, config); });
}

// A folder without modules.json: the mean, of decoders the last token.
TEST(Embedder, FoldersThatSayNothingHaveADefault) {
  const auto pooling = [](const std::string& name) {
    return llm::embedding_config(fixture(name)).pooling;
  };
  EXPECT_EQ(pooling("bert-masked-lm"), std::vector{PoolingMode::mean});
  EXPECT_EQ(pooling("t5-v1_0"), std::vector{PoolingMode::mean});
  EXPECT_EQ(pooling("llama-gqa"), std::vector{PoolingMode::last_token});
}

TEST(Embedder, PoolingHasNames) {
  for (const char* const name : {"mean", "cls", "last", "max", "mean-sqrt-len", "weighted-mean"}) {
    EXPECT_EQ(llm::to_string(llm::pooling_from_name(name)), name);
  }
  expect_error(ErrorCode::invalid_option, "expected one of mean, cls, last, max",
               [] { llm::pooling_from_name("avg"); });
}

// Made with the reference in float64; see tests/parity/checkpoint_test.cpp.
TEST(Embedder, AllMiniLM) {
  const auto folder = llm::test::peer_models() / "all-MiniLM-L6-v2";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  const TaskModel<float> opened(folder, HeadKind::none, 0);
  const auto config = llm::embedding_config(folder);
  EXPECT_TRUE(config.normalize);
  const TextEmbedder<float> embedder(*opened.model, *opened.tokenizer, config);
  EXPECT_EQ(embedder.limit()->tokens, 256);
  std::ifstream file(llm::test::source_dir() / "tests" / "parity" / "data" / "minilm.json");
  const json data = json::parse(file);
  std::vector<TextTokens> texts;
  for (const json& row : data["rows"]) {
    texts.push_back(embedder.encode(row["text"].get<std::string>()));
    EXPECT_EQ(texts.back().encoding.ids, row["ids"].get<std::vector<llm::TokenId>>());
  }
  const auto vectors = embedder.embed(texts);
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    for (std::size_t k = 0; k < vectors[i].size(); ++k) {
      ASSERT_NEAR(vectors[i][k], data["rows"][i]["embedding"][k], 2e-6) << i << " " << k;
    }
  }
}

TEST(Embedder, RowsStandAlone) {
  const auto results = [&](int threads, std::int64_t batch_tokens, bool backwards) {
    const TaskModel<float> opened(fixture("llama-gqa"), HeadKind::none, threads);
    SentenceConfig config;
    config.normalize = true;
    const TextEmbedder<float> embedder(*opened.model, *opened.tokenizer, config,
                                       {.batch_tokens = batch_tokens});
    std::vector<TextTokens> texts;
    for (const json& row : llm::test::task_rows("embed.jsonl")) {
      if (texts.size() < 20) texts.push_back(embedder.encode(row["text"].get<std::string>()));
    }
    if (backwards) std::reverse(texts.begin(), texts.end());
    auto vectors = embedder.embed(texts);
    if (backwards) std::reverse(vectors.begin(), vectors.end());
    return vectors;
  };
  const auto expected = results(1, 1, false);
  EXPECT_EQ(results(1, 2048, false), expected);
  EXPECT_EQ(results(2, 100, true), expected);
}

// Lower case before the tokenizer, prompts before the text that take part or do not.
TEST(Embedder, FollowsTheFoldersSettings) {
  const TaskModel<double> opened(fixture("roberta-masked-lm"), HeadKind::none);
  const auto embedder = [&](const json& settings, const std::string& prompt) {
    const SentenceFolder folder("roberta-masked-lm", "mean", 30, false, settings);
    return TextEmbedder<double>(*opened.model, *opened.tokenizer,
                                llm::embedding_config(folder.path()),
                                EmbedOptions{.prompt = prompt});
  };
  const auto vector = [](const TextEmbedder<double>& e, const std::string& text) {
    const TextTokens tokens = e.encode(text);
    return e.embed({&tokens, 1}).front();
  };
  const json lower = {{"transformer", {{"do_lower_case", true}}}};
  const json apart = {{"pooling", {{"include_prompt", false}}}};
  const json none = json::object();
  const auto plain = embedder(none, "");
  EXPECT_EQ(vector(embedder(lower, ""), "The Ünï Cat"), vector(plain, "the ünï cat"));
  EXPECT_EQ(vector(embedder(none, "the old "), "cat"), vector(plain, "the old cat"));
  const auto without = vector(embedder(apart, "the old "), "cat");
  EXPECT_NE(without, vector(plain, "the old cat"));
  // The mean over all but <s> and the prompt's tokens, by hand.
  const TextTokens prompt = plain.encode("the old"), whole = plain.encode("the old cat");
  llm::Workspace workspace;
  const llm::EncoderInput input = whole.input();
  const auto states = opened.model->encode({&input, 1}, workspace);
  const std::int64_t first = prompt.size() - 1;
  for (std::int64_t i = 0; i < states.cols(); ++i) {
    double sum = 0;
    for (std::int64_t r = first; r < states.rows(); ++r)
      sum += states.row(r)[static_cast<std::size_t>(i)];
    EXPECT_NEAR(without[static_cast<std::size_t>(i)],
                sum / static_cast<double>(states.rows() - first), 1e-12);
  }
}

TEST(Embedder, BadTextsAreErrors) {
  const TaskModel<float> opened(fixture("bert-masked-lm"), HeadKind::none);
  const SentenceConfig config = llm::embedding_config(fixture("bert-masked-lm"));
  const TextEmbedder<float> embedder(*opened.model, *opened.tokenizer, config);
  for (const char* const empty : {"", "  \n", "\t"}) {
    expect_error(ErrorCode::invalid_input, "the text is empty",
                 [&] { (void)embedder.encode(empty); });
  }
  expect_error(ErrorCode::invalid_input, "UTF-8", [&] { (void)embedder.encode("caf\xE9"); });
  std::string text = "the cat";
  for (int i = 0; i < 40; ++i) text += " cat";
  EXPECT_TRUE(embedder.encode(text).truncated);
  const TextEmbedder<float> refuses(*opened.model, *opened.tokenizer, config,
                                    {.truncation = Truncation::none});
  expect_error(ErrorCode::context_overflow, "the model has 33 positions",
               [&] { (void)refuses.encode(text); });
}

TEST(Similarity, IsExactForAllAngles) {
  const auto compare = [](const std::vector<double>& a, const std::vector<double>& b) {
    return llm::similarity(std::span<const double>(a), std::span<const double>(b));
  };
  const auto right = compare({1, 0}, {0, 2});
  EXPECT_EQ(right.cosine, 0.0);
  EXPECT_NEAR(right.angle, 90.0, 1e-12);
  EXPECT_NEAR(right.l2, std::sqrt(5.0), 1e-15);
  const auto same = compare({0.3, -0.7, 0.1}, {0.3, -0.7, 0.1});
  EXPECT_NEAR(same.cosine, 1.0, 1e-15);
  EXPECT_EQ(same.angle, 0.0);
  EXPECT_EQ(same.l2, 0.0);
  EXPECT_NEAR(compare({1, 0}, {-3, 0}).angle, 180.0, 1e-12);
  EXPECT_NEAR(compare({1, 0}, {1, 1e-9}).angle, 1e-9 * 180 / M_PI, 1e-16);
  EXPECT_NEAR(compare({1, 0}, {1, 1}).angle, 45.0, 1e-12);
  EXPECT_EQ(compare({0, 0}, {1, 1}).angle, 90.0);
  expect_error(ErrorCode::invalid_input, "cannot be compared", [&] { compare({1}, {1, 2}); });
  // The reference's, too: a vector of zeros is like none.
  EXPECT_EQ(compare({0, 0}, {1, 1}).cosine, 0.0);
  EXPECT_EQ(compare({0, 0}, {0, 0}).cosine, 0.0);
  for (const double wrong : {std::nan(""), HUGE_VAL, -HUGE_VAL, 1e200}) {
    expect_error(ErrorCode::invalid_input, "no finite numbers", [&] {
      compare({1, wrong}, {1, 2});
    });
    expect_error(ErrorCode::invalid_input, "no finite numbers", [&] {
      compare({1, 2}, {wrong, 1});
    });
    expect_error(ErrorCode::invalid_input, "no finite numbers", [&] {
      compare({0, 0}, {wrong, 1});
    });
  }
}

// What two texts are to each other is the same bits whatever else is compared, and which are the
// nearest does not depend on the order in which they are shown.
TEST(Similarity, PairsStandAlone) {
  const SentenceConfig config = llm::embedding_config(fixture("bert-masked-lm"));
  std::vector<std::string> texts;
  for (const json& row : llm::test::task_rows("embed.jsonl")) {
    if (texts.size() < 24) texts.push_back(row["text"]);
  }
  const auto pairs = [&](int threads, std::int64_t batch_tokens, bool backwards) {
    const TaskModel<float> opened(fixture("bert-masked-lm"), HeadKind::none, threads);
    const TextEmbedder<float> embedder(*opened.model, *opened.tokenizer, config,
                                       {.batch_tokens = batch_tokens});
    std::vector<TextTokens> tokens;
    for (const std::string& text : texts) tokens.push_back(embedder.encode(text));
    if (backwards) std::reverse(tokens.begin(), tokens.end());
    auto vectors = embedder.embed(tokens);
    if (backwards) std::reverse(vectors.begin(), vectors.end());
    std::vector<double> values;
    for (std::size_t i = 0; i + 1 < vectors.size(); i += 2) {
      const auto pair = llm::similarity(std::span<const float>(vectors[i]),
                                        std::span<const float>(vectors[i + 1]));
      values.insert(values.end(), {pair.cosine, pair.angle, pair.l2});
    }
    llm::NearestNeighbours<float> nearest(vectors[0], 5);
    for (std::size_t i = 0; i < vectors.size(); ++i) {
      const std::size_t row = backwards ? vectors.size() - 1 - i : i;
      nearest.add(row, vectors[row]);
    }
    for (const auto& neighbour : nearest.nearest()) {
      values.insert(values.end(),
                    {static_cast<double>(neighbour.row), neighbour.similarity.cosine});
    }
    return values;
  };
  const auto expected = pairs(1, 1, false);
  EXPECT_EQ(pairs(1, 2048, false), expected);
  EXPECT_EQ(pairs(2, 100, true), expected);
}

TEST(Similarity, TheNearestAreKeptInOrder) {
  llm::NearestNeighbours<float> nearest({1, 0}, 3);
  const std::vector<std::vector<float>> vectors = {{0, 1}, {1, 1}, {-1, 0}, {2, 2}, {5, 1}};
  for (std::size_t i = 0; i < vectors.size(); ++i) nearest.add(i, vectors[i]);
  std::vector<std::uint64_t> rows;
  for (const auto& neighbour : nearest.nearest()) rows.push_back(neighbour.row);
  EXPECT_EQ(rows, (std::vector<std::uint64_t>{4, 1, 3}));
}

}  // namespace
