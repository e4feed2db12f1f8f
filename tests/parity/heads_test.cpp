// Heads that are asked for: which there are, what is said when a checkpoint has none or its labels
// do not fit, and which token a classifier reads.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "llm/model/model.hpp"
#include "support/catch_error.hpp"
#include "support/paths.hpp"
#include "support/temp_dir.hpp"

namespace {

namespace fs = std::filesystem;
using llm::ErrorCode;
using llm::HeadKind;
using llm::detail::Json;
using llm::test::model_dir;
using Ids = std::vector<llm::TokenId>;

void expect_error(ErrorCode code, const std::vector<std::string>& parts, const fs::path& path,
                  const llm::LoadOptions& options) {
  for (const std::string& part : parts) {
    llm::test::expect_error(code, part, [&] { llm::Model<float>::load(path, options); });
  }
}

// A copy of a fixture with another configuration; its weights are linked to.
void copy_edited(const std::string& name, const fs::path& to,
                 const std::function<void(Json&)>& edit) {
  fs::create_symlink(model_dir(name) / "model.safetensors", to / "model.safetensors");
  Json config = llm::detail::read_json_file(model_dir(name) / "config.json");
  edit(config);
  std::ofstream(to / "config.json") << config;
}

TEST(Heads, OneThatTheCheckpointLacksIsNamed) {
  expect_error(ErrorCode::unsupported,
               {"has no sequence-classification head", "\"score.weight\" is missing",
                "it has a language-model head"},
               model_dir("gpt2-relu"), {1, HeadKind::sequence_classification});
  expect_error(
      ErrorCode::unsupported,
      {"has no masked-lm head", "cls.predictions", "it has a sequence-classification head"},
      model_dir("bert-classifier"), {1, HeadKind::masked_lm});
  expect_error(ErrorCode::unsupported, {"\"qa_outputs.weight\" is missing", "it has none"},
               model_dir("bert-model"), {1, HeadKind::question_answering});
  expect_error(ErrorCode::unsupported, {"\"classifier.weight\" is missing"}, model_dir("t5-v1_0"),
               {1, HeadKind::token_classification});
}

TEST(Heads, OneThatTheFamilyLacksIsNamed) {
  expect_error(
      ErrorCode::unsupported,
      {"a model of type gpt2 has no masked-lm head", "heads of this type: language-model, "},
      model_dir("gpt2-relu"), {1, HeadKind::masked_lm});
  expect_error(ErrorCode::unsupported, {"of type marian has no question-answering head"},
               model_dir("marian-lm"), {1, HeadKind::question_answering});
  expect_error(ErrorCode::unsupported, {"of type bert has no language-model head"},
               model_dir("bert-masked-lm"), {1, HeadKind::language_model});
}

// Any checkpoint can be opened for its hidden states alone.
TEST(Heads, NoneCanBeAskedFor) {
  for (const char* name : {"bert-masked-lm", "gpt2-classifier", "bart-qa"}) {
    const auto model = llm::Model<float>::load(model_dir(name), {1, HeadKind::none});
    EXPECT_EQ(model->head(), HeadKind::none);
    const Ids ids{5, 6, 7};
    const llm::EncoderInput input{ids, {}};
    llm::Workspace workspace;
    EXPECT_EQ(model->hidden_states({&input, 1}, workspace).rows(), 3) << name;
    EXPECT_EQ(llm::test::catch_error([&] {
                model->run_head({&input, 1}, workspace);
              }).code(),
              ErrorCode::unsupported);
  }
}

TEST(Heads, LabelsMustFit) {
  llm::test::TempDir two, count, unnamed;
  copy_edited("bert-classifier", two.path(), [](Json& c) {
    c["id2label"] = {{"0", "no"}, {"1", "yes"}};
  });
  expect_error(ErrorCode::tensor_mismatch, {"has shape [3, 42], the configuration implies [2, 42]"},
               two.path(), {1});
  copy_edited("bert-classifier", count.path(), [](Json& c) {
    c.erase("id2label");
    c["num_labels"] = 5;
  });
  expect_error(ErrorCode::tensor_mismatch, {"the configuration implies [5, 42]"}, count.path(),
               {1});
  copy_edited("bert-classifier", unnamed.path(), [](Json& c) { c.erase("id2label"); });
  const auto model = llm::Model<float>::load(unnamed.path(), {1});
  const Ids ids{5, 6, 7};
  const llm::EncoderInput input{ids, {}};
  llm::Workspace workspace;
  EXPECT_EQ(model->run_head({&input, 1}, workspace).logits.cols(), 3);
}

// `architectures` may be missing or unknown: an encoder is then bare, a decoder a language model.
TEST(Heads, WithoutArchitectures) {
  const auto head = [](const std::string& name, const Json& architectures) {
    llm::test::TempDir dir;
    copy_edited(name, dir.path(), [&](Json& c) {
      c["architectures"] = architectures;
      if (architectures.is_null()) c.erase("architectures");
    });
    return llm::Model<float>::load(dir.path(), {1})->head();
  };
  const Json unknown = Json::array({"SomethingForEveryone"});
  for (const Json& architectures : {Json(), Json::array(), unknown}) {
    EXPECT_EQ(head("bert-masked-lm", architectures), HeadKind::none);
    EXPECT_EQ(head("gpt2-silu-head", architectures), HeadKind::language_model);
    EXPECT_EQ(head("t5-v1_0", architectures), HeadKind::language_model);
  }
  EXPECT_EQ(head("gpt2-silu-head", Json::array({"GPT2Model"})), HeadKind::language_model);
  EXPECT_EQ(head("bert-classifier", Json::array({"BertForNextSentencePrediction"})),
            HeadKind::none);
}

// A classifier of decoders reads the last token that is no padding, whatever follows it.
TEST(Heads, PaddingBehindTheTextIsPassedOver) {
  const auto model = llm::Model<float>::load(model_dir("gpt2-classifier"), {1});
  const auto logits = [&](const Ids& ids) {
    llm::Workspace workspace;
    const llm::EncoderInput input{ids, {}};
    const auto output = model->run_head({&input, 1}, workspace);
    return std::vector<float>(output.logits.values().begin(), output.logits.values().end());
  };
  EXPECT_EQ(logits({5, 6, 7}), logits({5, 6, 7, 3, 3}));
  EXPECT_NE(logits({5, 6, 7}), logits({5, 6, 8, 3, 3}));
}

TEST(Heads, EndOfSequenceIsNeeded) {
  for (const char* name : {"bart-classifier", "mbart-classifier", "t5-classifier"}) {
    const auto model = llm::Model<float>::load(model_dir(name), {1});
    const Ids ids{5, 6, 7};
    const llm::EncoderInput input{ids, {}};
    llm::Workspace workspace;
    const auto error = llm::test::catch_error([&] { model->run_head({&input, 1}, workspace); });
    EXPECT_EQ(error.code(), ErrorCode::invalid_input);
    EXPECT_NE(std::string(error.what()).find("end-of-sequence"), std::string::npos) << name;
  }
}

// Heads of texts do not depend on what else is in the batch.
TEST(Heads, RowsOfABatchStandAlone) {
  for (const char* name : {"gpt2-classifier", "bart-classifier", "t5-qa", "roberta-qa"}) {
    const auto model = llm::Model<float>::load(model_dir(name), {2});
    const Ids texts[] = {{5, 2, 1}, {9, 8, 3, 3, 2, 1}, {7, 11, 2, 13, 1}};
    std::vector<llm::EncoderInput> batch;
    llm::Workspace workspace;
    for (const Ids& text : texts) batch.push_back({text, {}});
    const auto together = model->run_head(batch, workspace);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto alone = model->run_head({&batch[i], 1}, workspace);
      const float* row = together.logits.row(together.rows[i].begin).data();
      EXPECT_TRUE(std::equal(alone.logits.values().begin(), alone.logits.values().end(), row))
          << name << " text " << i;
    }
  }
}

}  // namespace
