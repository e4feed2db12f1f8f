// What Model::load says about folders that are wrong, and Model about input that does not fit.
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "llm/generation/generation_config.hpp"
#include "llm/model/model.hpp"
#include "llm/model/pooling.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "model/model_family.hpp"
#include "support/catch_error.hpp"
#include "support/paths.hpp"
#include "support/temp_dir.hpp"

namespace {

namespace fs = std::filesystem;
using llm::ErrorCode;
using llm::detail::Json;

// A copy of a fixture whose configuration was edited.
class EditedModel {
 public:
  EditedModel(const std::string& fixture, const std::function<void(Json&)>& edit) {
    const fs::path from = llm::test::models_dir() / fixture;
    for (const auto& entry : fs::directory_iterator(from)) {
      if (entry.path().extension() == ".safetensors" && entry.path().stem() != "reference") {
        fs::copy(entry.path(), folder() / entry.path().filename());
      }
    }
    Json config = llm::detail::read_json_file(from / "config.json");
    edit(config);
    std::ofstream(folder() / "config.json") << config;
  }
  const fs::path& folder() const { return dir_.path(); }

 private:
  llm::test::TempDir dir_;
};

void expect_load_error(const EditedModel& model, ErrorCode code, const std::string& part) {
  llm::test::expect_error(code, part, [&] { llm::Model<float>::load(model.folder(), {1}); });
}

TEST(ModelErrors, ModelType) {
  expect_load_error({"llama-tied", [](Json& c) { c["model_type"] = "mamba"; }},
                    ErrorCode::unsupported, "supported: bert, ");
  expect_load_error({"llama-tied", [](Json& c) { c["model_type"] = "PaLM"; }},
                    ErrorCode::unsupported, "not public");
  expect_load_error({"llama-tied", [](Json& c) { c["model_type"] = "jurassic"; }},
                    ErrorCode::unsupported, "not public");
  expect_load_error({"llama-tied",
                     [](Json& c) {
                       c.erase("model_type");
                       c.erase("architectures");
                     }},
                    ErrorCode::bad_format, "model_type");
  expect_load_error({"llama-tied", [](Json& c) { c = Json::array(); }}, ErrorCode::bad_format,
                    "model_type");
}

// Somebody who opens the wrong thing is told what it is.
TEST(ModelErrors, OtherKindsOfModels) {
  const std::pair<const char*, const char*> kinds[] = {{"vit", "a model for images;"},
                                                       {"qwen2_vl", "a model for images and text;"},
                                                       {"whisper", "a model for sound;"},
                                                       {"mamba", "which has recurrent layers;"},
                                                       {"mixtral", "a mixture of experts;"}};
  for (const auto& [type, about] : kinds) {
    expect_load_error({"llama-tied", [type = type](Json& c) { c["model_type"] = type; }},
                      ErrorCode::unsupported, about);
  }
  const llm::test::TempDir folder;
  std::ofstream(folder.path() / "model_index.json") << R"({"_class_name": "FluxPipeline"})";
  llm::test::expect_error(ErrorCode::unsupported, "a pipeline of several models",
                          [&] { llm::Model<float>::load(folder.path(), {1}); });
}

// Some files name the class alone.
TEST(ModelErrors, AnArchitectureSaysTheModelType) {
  const EditedModel model("llama-tied", [](Json& c) { c.erase("model_type"); });
  EXPECT_EQ(llm::Model<float>::load(model.folder(), {1})->config().model_type, "llama");
  const std::pair<const char*, const char*> names[] = {
      {"XLMRobertaForMaskedLM", "xlm-roberta"},
      {"RobertaPreLayerNormModel", "roberta-prelayernorm"},
      {"GPT2LMHeadModel", "gpt2"},
      {"MarianMTModel", "marian"},
      {"MT5EncoderModel", "mt5"},
      {"GPTNeoXForCausalLM", "gpt_neox"},
      {"LlamaLike", ""},
      {"ViTForImageClassification", ""}};
  for (const auto& [name, type] : names) EXPECT_EQ(llm::detail::model_type_of(name), type);
}

TEST(ModelErrors, Numbers) {
  expect_load_error({"llama-tied", [](Json& c) { c.erase("hidden_size"); }}, ErrorCode::bad_format,
                    "hidden_size is absent");
  expect_load_error({"llama-tied", [](Json& c) { c["hidden_size"] = -1; }}, ErrorCode::bad_format,
                    "hidden_size is -1");
  expect_load_error({"llama-tied", [](Json& c) { c["num_attention_heads"] = 1.5; }},
                    ErrorCode::bad_format, "num_attention_heads");
  expect_load_error({"llama-tied", [](Json& c) { c["num_hidden_layers"] = 1e12; }},
                    ErrorCode::bad_format, "num_hidden_layers");
  expect_load_error({"llama-tied", [](Json& c) { c["num_hidden_layers"] = 1 << 20; }},
                    ErrorCode::bad_format, "layers");
  expect_load_error({"llama-tied", [](Json& c) { c["vocab_size"] = std::uint64_t(-1); }},
                    ErrorCode::bad_format, "vocab_size");
  expect_load_error({"llama-tied",
                     [](Json& c) {
                       c["num_key_value_heads"] = 4, c["head_dim"] = 8,
                       c["num_attention_heads"] = 6;
                     }},
                    ErrorCode::bad_format, "num_key_value_heads");
  expect_load_error({"llama-tied", [](Json& c) { c["head_dim"] = 7; }}, ErrorCode::bad_format,
                    "even head_dim");
  expect_load_error({"llama-tied", [](Json& c) { c["rope_theta"] = 0; }}, ErrorCode::bad_format,
                    "rope_theta");
  expect_load_error({"gpt2-inner", [](Json& c) { c["n_head"] = 1000; }}, ErrorCode::bad_format,
                    "n_head");
}

TEST(ModelErrors, Words) {
  expect_load_error({"llama-tied", [](Json& c) { c["hidden_act"] = "snake"; }},
                    ErrorCode::unsupported, "supported: gelu");
  expect_load_error({"llama-tied",
                     [](Json& c) {
                       c["rope_scaling"] = {{"rope_type", "spiral"}, {"factor", 2.0}};
                     }},
                    ErrorCode::unsupported, "spiral");
  expect_load_error({"t5-v1_0", [](Json& c) { c["feed_forward_proj"] = "gated-snake"; }},
                    ErrorCode::unsupported, "gated-snake");
}

TEST(ModelErrors, TensorsAreListed) {
  const EditedModel more_layers("llama-tied", [](Json& c) {
    c["num_hidden_layers"] = c["num_hidden_layers"].get<int>() + 1;
  });
  expect_load_error(more_layers, ErrorCode::tensor_mismatch, "is missing, expected with shape");
  expect_load_error(more_layers, ErrorCode::tensor_mismatch, "more like this");
  expect_load_error({"llama-tied", [](Json& c) { c["intermediate_size"] = 30; }},
                    ErrorCode::tensor_mismatch, "the configuration implies [30, ");
}

TEST(ModelErrors, NotAModel) {
  const auto error = [](const fs::path& path) {
    return llm::test::catch_error([&] { llm::Model<float>::load(path, {1}); });
  };
  EXPECT_EQ(error("/no/such/model").code(), ErrorCode::file_not_found);
  llm::test::TempDir empty;
  EXPECT_EQ(error(empty.path()).code(), ErrorCode::file_not_found);
  std::ofstream(empty.path() / "config.json") << R"({"model_type": "llama", "rope_theta": NaN})";
  EXPECT_EQ(error(empty.path()).code(), ErrorCode::bad_format);
}

// A file that is too large for what it is, is refused before it is read.
TEST(ModelErrors, LargeFiles) {
  const EditedModel model("llama-tied", [](Json&) {});
  const auto expect_bounded = [&](const std::string& name, const auto& open) {
    const fs::path file = model.folder() / name;
    const bool is_new = !fs::exists(file);
    const std::string before = is_new ? "{}" : llm::detail::read_file(file, 1 << 20);
    std::ofstream(file) << before;
    fs::resize_file(file, std::size_t{1} << 38);  // sparse: takes no room
    llm::test::expect_error(ErrorCode::bad_format,
                            name + ": is 274877906944 bytes, expected at most", open);
    fs::remove(file);
    if (!is_new) std::ofstream(file) << before;
  };
  expect_bounded("config.json", [&] { llm::Model<float>::load(model.folder(), {1}); });
  expect_bounded("generation_config.json",
                 [&] { llm::GenerationConfig::from_folder(model.folder()); });
  expect_bounded("modules.json", [&] { llm::read_sentence_config(model.folder()); });
  expect_bounded("adapter_config.json", [&] {
    llm::Model<float>::load(model.folder(), {.threads = 1, .adapters = {{model.folder()}}});
  });
  fs::copy(llm::test::model_dir("bert-answers") / "tokenizer.json", model.folder());
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}) {
    expect_bounded(name, [&] { llm::Tokenizer::open(model.folder()); });
  }
  fs::remove(model.folder() / "model.safetensors");
  expect_bounded("model.safetensors.index.json",
                 [&] { llm::Model<float>::load(model.folder(), {1}); });
}

// Numbers that a product, a cast or a power would take beyond what can be computed with.
TEST(ModelErrors, NumbersAtTheEdge) {
  const auto max = std::numeric_limits<std::int64_t>::max();
  expect_load_error({"roberta-model", [](Json& c) { c["pad_token_id"] = 2147483647; }},
                    ErrorCode::bad_format, "pad_token_id + 1");
  expect_load_error({"llama-tied", [](Json& c) { c["eos_token_id"] = std::uint64_t(-1); }},
                    ErrorCode::bad_format, "eos_token_id");
  expect_load_error({"gpt_neo-windows",
                     [](Json& c) {
                       c["attention_types"] = {{{"global", "local"}, 1e300}};
                     }},
                    ErrorCode::bad_format, "attention_types");
  expect_load_error({"gpt_neo-windows",
                     [&](Json& c) {
                       c["attention_types"] = {{{"global", "local"}, max}};
                     }},
                    ErrorCode::bad_format, "attention_types");
  expect_load_error({"llama-tied",
                     [](Json& c) {
                       c["rope_theta"] = 1e-300;
                       c["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 1e-300}};
                     }},
                    ErrorCode::bad_format, "rope_theta");
  for (const char* type : {"linear", "llama3", "yarn"}) {
    expect_load_error({"llama-tied",
                       [&](Json& c) {
                         c["rope_scaling"] = {{"rope_type", type}, {"factor", 0}};
                       }},
                      ErrorCode::bad_format, "factor is 0");
  }
  expect_load_error({"bert-classifier",
                     [](Json& c) {
                       c["id2label"] = {{"", "x"}};
                     }},
                    ErrorCode::bad_format, "id2label");
  expect_load_error({"bert-classifier",
                     [](Json& c) {
                       c["id2label"] = {{"99999999999999999999", "x"}};
                     }},
                    ErrorCode::bad_format, "id2label");
}

TEST(ModelErrors, InputThatDoesNotFit) {
  const auto model = llm::Model<float>::load(llm::test::models_dir() / "gpt2-relu", {1});
  llm::Workspace workspace;
  const std::span<const llm::TokenId> none;
  EXPECT_EQ(model->start(std::vector(3, none), workspace).size(), 3U);
  EXPECT_TRUE(model->start({}, workspace).empty());
  const auto state = std::move(model->start({&none, 1}, workspace).front());
  const auto step = [&](const std::vector<llm::TokenId>& ids) {
    const llm::StepInput<float> input{state.get(), ids};
    return llm::test::catch_error([&] { model->step({&input, 1}, workspace); });
  };
  EXPECT_EQ(step({}).code(), ErrorCode::invalid_input);
  EXPECT_EQ(step({-1}).code(), ErrorCode::invalid_input);
  EXPECT_EQ(step({1 << 20}).code(), ErrorCode::invalid_input);
  EXPECT_EQ(step(std::vector<llm::TokenId>(10000, 1)).code(), ErrorCode::context_overflow);
  EXPECT_EQ(state->length(), 0);
  const llm::EncoderInput source{};
  EXPECT_EQ(llm::test::catch_error([&] {
              model->encode({&source, 1}, workspace);
            }).code(),
            ErrorCode::unsupported);
}

}  // namespace
