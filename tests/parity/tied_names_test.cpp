// A tensor that several places share has several names. Files keep one of them, whichever (as
// safetensors' save_model does), or all; and where they hold different values each place has its
// own, as in the reference (tests/support/make_tied_vectors.py).
#include <filesystem>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "llm/model/model.hpp"
#include "llm/verify.hpp"
#include "support/catch_error.hpp"
#include "support/edit_safetensors.hpp"
#include "support/paths.hpp"
#include "support/temp_dir.hpp"

namespace {

namespace fs = std::filesystem;
using llm::detail::Json;
using llm::test::Names;
using llm::test::SafetensorsEditor;
using Ids = std::vector<llm::TokenId>;

struct Group {
  std::vector<std::string> fixtures;
  std::string stored;
  std::vector<std::string> others;
};

const std::vector<Group>& groups() {
  static const std::vector<Group> all{
      {{"gpt2-tanh", "gpt_neo-windows"}, "transformer.wte.weight", {"lm_head.weight"}},
      {{"openai-gpt-lm"}, "transformer.tokens_embed.weight", {"lm_head.weight"}},
      {{"bloom-lm"}, "transformer.word_embeddings.weight", {"lm_head.weight"}},
      {{"llama-tied", "qwen2-tied", "smollm3-lm"}, "model.embed_tokens.weight", {"lm_head.weight"}},
      {{"bert-masked-lm"},
       "bert.embeddings.word_embeddings.weight",
       {"cls.predictions.decoder.weight"}},
      {{"bert-masked-lm"}, "cls.predictions.bias", {"cls.predictions.decoder.bias"}},
      {{"roberta-masked-lm"},
       "roberta.embeddings.word_embeddings.weight",
       {"lm_head.decoder.weight"}},
      {{"xlm-roberta-masked-lm", "camembert-masked-lm"},
       "lm_head.decoder.weight",
       {"roberta.embeddings.word_embeddings.weight"}},
      {{"roberta-masked-lm", "xlm-roberta-masked-lm", "camembert-masked-lm"},
       "lm_head.bias",
       {"lm_head.decoder.bias"}},
      {{"distilbert-masked-lm"},
       "distilbert.embeddings.word_embeddings.weight",
       {"vocab_projector.weight"}},
      {{"bart-lm", "mbart-lm", "marian-lm", "pegasus-lm"},
       "model.shared.weight",
       {"lm_head.weight", "model.decoder.embed_tokens.weight",
        "model.encoder.embed_tokens.weight"}},
      {{"bart-qa", "mbart-classifier"},
       "model.shared.weight",
       {"model.decoder.embed_tokens.weight", "model.encoder.embed_tokens.weight"}},
      {{"marian-two-vocabularies"}, "model.decoder.embed_tokens.weight", {"lm_head.weight"}},
      {{"t5-v1_0", "mt5-lm", "umt5-lm"},
       "shared.weight",
       {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"}},
      {{"t5-encoder", "umt5-encoder"}, "shared.weight", {"encoder.embed_tokens.weight"}},
      {{"t5-qa"}, "shared.weight", {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}},
      {{"t5-tagger"}, "transformer.shared.weight", {"transformer.encoder.embed_tokens.weight"}},
      {{"t5-classifier"},
       "transformer.shared.weight",
       {"transformer.encoder.embed_tokens.weight", "transformer.decoder.embed_tokens.weight"}},
  };
  return all;
}

// The fixture's folder with these weights and without its tokenizer.
void write_folder(const std::string& fixture, const SafetensorsEditor& weights,
                  const llm::test::TempDir& to) {
  fs::copy(llm::test::model_dir(fixture) / "config.json", to.path() / "config.json");
  to.write("model.safetensors", weights.bytes());
}

void expect_same_model(const std::string& fixture, const SafetensorsEditor& weights,
                       const std::string& why) {
  const llm::test::TempDir dir;
  for (const auto& entry : fs::directory_iterator(llm::test::model_dir(fixture))) {
    const std::string name = entry.path().filename().string();
    if (name != "model.safetensors") fs::create_symlink(entry.path(), dir.path() / name);
  }
  dir.write("model.safetensors", weights.bytes());
  llm::VerifyOptions options;
  options.dtype = "f64";
  options.threads = 1;
  const llm::VerifyReport report = llm::verify(dir.path(), options);
  EXPECT_TRUE(report.ok) << fixture << ": " << why;
}

SafetensorsEditor weights_of(const std::string& fixture) {
  return SafetensorsEditor(llm::test::model_dir(fixture) / "model.safetensors");
}

TEST(TiedNames, AnyOfThemIsEnough) {
  for (const Group& group : groups()) {
    for (const std::string& fixture : group.fixtures) {
      for (const std::string& other : group.others) {
        SafetensorsEditor weights = weights_of(fixture);
        weights.rename(group.stored, other);
        expect_same_model(fixture, weights, "kept " + other);
      }
    }
  }
}

TEST(TiedNames, AllOfThemWithTheSameValuesAreOne) {
  for (const Group& group : groups()) {
    for (const std::string& fixture : group.fixtures) {
      SafetensorsEditor weights = weights_of(fixture);
      for (const std::string& other : group.others) weights.copy(group.stored, other, false);
      expect_same_model(fixture, weights, "kept all");
    }
  }
}

TEST(TiedNames, WhatIsStoredTwiceIsPackedOnce) {
  constexpr std::uintmax_t names_bytes = 500;  // in a header; less than any tensor here
  for (const Group& group : groups()) {
    const std::string& fixture = group.fixtures.front();
    SafetensorsEditor weights = weights_of(fixture);
    const auto packed_bytes = [&] {
      const llm::test::TempDir dir, beside;
      write_folder(fixture, weights, dir);
      llm::pack_model(dir.path(), beside.path() / "packed");
      std::uintmax_t bytes = 0;
      for (const auto& entry : fs::directory_iterator(beside.path() / "packed")) {
        if (entry.path().extension() == ".safetensors") bytes += entry.file_size();
      }
      return bytes;
    };
    const std::uintmax_t once = packed_bytes();
    for (const std::string& other : group.others) weights.copy(group.stored, other, false);
    EXPECT_LT(packed_bytes(), once + names_bytes) << fixture << ": " << group.stored;
  }
}

TEST(TiedNames, NoneIsNamed) {
  for (const Group& group : groups()) {
    SafetensorsEditor weights = weights_of(group.fixtures.front());
    weights.erase(group.stored);
    const llm::test::TempDir dir;
    write_folder(group.fixtures.front(), weights, dir);
    llm::test::expect_error(llm::ErrorCode::tensor_mismatch, "is missing, expected with shape [",
                            [&] { llm::Model<float>::load(dir.path(), {1}); });
  }
}

// A head that the configuration does not tie is not the embedding.
TEST(TiedNames, UntiedHeadsAreNeeded) {
  const Names heads{{"llama-untied", "lm_head.weight"}, {"qwen3-lm", "lm_head.weight"}};
  for (const auto& [fixture, head] : heads) {
    SafetensorsEditor weights = weights_of(fixture);
    weights.erase(head);
    const llm::test::TempDir dir;
    write_folder(fixture, weights, dir);
    llm::test::expect_error(llm::ErrorCode::tensor_mismatch, "\"" + head + "\" is missing",
                            [&] { llm::Model<float>::load(dir.path(), {1}); });
    // The hidden states do not need it.
    EXPECT_TRUE(llm::Model<float>::load(dir.path(), {.threads = 1, .head = llm::HeadKind::none}));
  }
}

// The last row of logits, or of hidden states of a model without a head.
template <typename S>
std::vector<S> last_row(const fs::path& folder, const Ids& source, const Ids& target) {
  const auto model = llm::Model<S>::load(folder, {1});
  const llm::TransformerConfig& c = model->config();
  llm::Workspace workspace;
  const auto last = [](llm::TensorView<const S> rows) {
    return std::vector<S>(rows.row(rows.rows() - 1).begin(), rows.row(rows.rows() - 1).end());
  };
  if (c.kind == llm::ModelKind::encoder) {
    const llm::EncoderInput input{source, {}};
    if (c.head == llm::HeadKind::none) return last(model->encode({&input, 1}, workspace));
    const auto output = model->run_head({&input, 1}, workspace);
    return last(std::as_const(output.logits).view());
  }
  const bool pair = c.kind == llm::ModelKind::encoder_decoder;
  const std::span<const llm::TokenId> read(source.data(), pair ? source.size() : 0);
  const auto state = std::move(model->start({&read, 1}, workspace).front());
  const llm::StepInput<S> input{state.get(), pair ? target : source};
  return last(model->step({&input, 1}, workspace));
}

// The reference keeps tables that it makes while loading (sines, rotary frequencies) in float32: of
// logits around 10 that is 1e-6.
TEST(TiedNames, DifferentValuesStayApart) {
  constexpr double tolerance = 2e-6;
  const Json data =
      llm::detail::read_json_file(llm::test::source_dir() / "tests/parity/data/tied_names.json");
  const auto source = data.at("source").get<Ids>(), target = data.at("target").get<Ids>();
  for (const Json& row : data.at("cases")) {
    const auto fixture = row.at("fixture").get<std::string>();
    SafetensorsEditor weights = weights_of(fixture);
    for (const auto& [name, from] : row.at("reversed").items())
      weights.copy(from.get<std::string>(), name, true);
    for (const auto& [from, name] : row.at("renamed").items()) {
      weights.rename(from, name.get<std::string>());
    }
    const llm::test::TempDir dir, beside;
    write_folder(fixture, weights, dir);
    const auto expected = row.at("values").get<std::vector<double>>();
    const std::vector<double> got = last_row<double>(dir.path(), source, target);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(got.at(i), expected[i], tolerance) << row;
    }
    llm::pack_model(dir.path(), beside.path() / "packed");
    ASSERT_EQ(last_row<float>(beside.path() / "packed", source, target),
              last_row<float>(dir.path(), source, target))
        << row;
  }
}

}  // namespace
