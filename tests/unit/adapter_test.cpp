// LoRA adapters: the tensors PEFT merges them into, and what is refused.
#include "llm/weights/adapter.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/float16.hpp"
#include "llm/model/model.hpp"
#include "support/catch_error.hpp"
#include "support/paths.hpp"
#include "support/temp_dir.hpp"
#include "support/write_safetensors.hpp"

namespace {

using namespace llm::test;
using llm::Adapter;
using llm::ErrorCode;
using llm::FileTensor;
using llm::WeightStore;

std::filesystem::path data_dir() { return source_dir() / "tests" / "unit" / "data" / "adapters"; }

std::vector<double> values(const FileTensor& tensor) {
  std::vector<double> all(static_cast<std::size_t>(tensor.rows() * tensor.cols()));
  llm::read_values(tensor, 0, tensor.rows() * tensor.cols(), all.data());
  return all;
}

// What PEFT merged is in `expected`; everything else must be the bytes of the model. PEFT sums in
// float32 and rounds after every adapter; `tolerance` is relative to the largest value.
void expect_merged(const std::string& fixture, const std::vector<Adapter>& adapters,
                   const std::string& expected_file, double tolerance) {
  const auto base = WeightStore::open(models_dir() / fixture);
  const auto merged = llm::merge_adapters(base, adapters);
  const auto expected = WeightStore::open(data_dir() / expected_file);
  ASSERT_EQ(merged->names(), base->names());
  EXPECT_GT(expected->names().size(), 0u);
  for (const std::string& name : expected->names()) EXPECT_NE(base->find(name), nullptr) << name;
  for (const std::string& name : base->names()) {
    const FileTensor& got = *merged->find(name);
    const FileTensor* const reference = expected->find(name);
    if (!reference) {
      EXPECT_EQ(got.bytes.data(), base->find(name)->bytes.data()) << name;
      continue;
    }
    ASSERT_EQ(got.shape, reference->shape) << name;
    ASSERT_EQ(got.dtype, reference->dtype) << name;
    const std::vector<double> a = values(got), b = values(*reference);
    double largest = 0, difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      largest = std::max(largest, std::abs(b[i]));
      difference = std::max(difference, std::abs(a[i] - b[i]));
    }
    EXPECT_LE(difference, tolerance * largest) << name;
  }
}

TEST(Adapter, MergesAsPeftDoes) {
  // Ranks and alphas by pattern with half its weight, beside rslora with norms saved whole.
  expect_merged("llama-tied", {{data_dir() / "patterns", 0.5}, {data_dir() / "rslora"}},
                "two.safetensors", 2e-7);
  // Rounded to bfloat16 both here and there, so at most one neighbour off.
  expect_merged("llama-bf16", {{data_dir() / "bf16"}}, "bf16.safetensors", 1.0 / 128);
  // Weights stored [inputs, outputs], a square one among them, and an embedding.
  expect_merged("gpt2-inner", {{data_dir() / "conv1d"}}, "conv1d.safetensors", 2e-7);
}

TEST(Adapter, WithoutAdaptersTheStoreIsTheSame) {
  const auto base = WeightStore::open(models_dir() / "llama-tied");
  EXPECT_EQ(llm::merge_adapters(base, {}), base);
}

TEST(Adapter, NamesItsFiles) {
  const auto base = WeightStore::open(models_dir() / "llama-tied");
  const Adapter adapter{data_dir() / "patterns"};
  const auto merged = llm::merge_adapters(base, {&adapter, 1});
  ASSERT_EQ(merged->files().size(), 2u);
  EXPECT_EQ(merged->files()[1], adapter.path / "adapter_model.safetensors");
}

// Logits of the last token.
std::vector<double> logits(const std::filesystem::path& path, std::vector<Adapter> adapters) {
  llm::LoadOptions options;
  options.threads = 1;
  options.adapters = std::move(adapters);
  const auto model = llm::Model<double>::load(path, options);
  llm::Workspace workspace;
  const std::span<const llm::TokenId> no_source;
  const auto state = std::move(model->start({&no_source, 1}, workspace).front());
  const std::vector<llm::TokenId> ids{1, 5, 9, 7};
  const llm::StepInput<double> input{state.get(), ids};
  const auto row = model->step({&input, 1}, workspace);
  return {row.row(0).begin(), row.row(0).end()};
}

TEST(Adapter, ReachesTheModel) {
  const auto fixture = models_dir() / "llama-tied";
  const std::vector<Adapter> adapters{{data_dir() / "rslora"}, {data_dir() / "patterns", 0.5}};
  const auto merged = llm::merge_adapters(WeightStore::open(fixture), adapters);
  const TempDir dir;
  std::filesystem::copy_file(fixture / "config.json", dir.path() / "config.json");
  std::vector<FileTensor> tensors;
  for (const std::string& name : merged->names()) tensors.push_back(*merged->find(name));
  llm::write_safetensors(dir.path() / "model.safetensors", tensors, {});
  EXPECT_EQ(logits(fixture, adapters), logits(dir.path(), {}));
  EXPECT_NE(logits(fixture, adapters), logits(fixture, {}));
  expect_error(ErrorCode::unsupported, "adapters cannot be merged into a GGUF file",
               [&] { logits(models_dir() / "gguf-llama-f32", adapters); });
}

// First logits of each row, as tests/support/make_adapter_vectors.py asks for them.
std::vector<double> first_logits(const nlohmann::json& row) {
  constexpr std::int64_t shown = 6;
  const std::string kind = row["kind"];
  const bool generates = kind == "language-model" || kind == "sequence";
  llm::LoadOptions options{.threads = 1};
  for (const auto head : {llm::HeadKind::language_model, llm::HeadKind::masked_lm,
                          llm::HeadKind::sequence_classification,
                          llm::HeadKind::token_classification, llm::HeadKind::question_answering}) {
    if (llm::to_string(head) == kind) options.head = head;
  }
  options.adapters = {{data_dir() / "modules" / row["adapter"].get<std::string>()}};
  const auto model =
      llm::Model<double>::load(models_dir() / row["fixture"].get<std::string>(), options);
  llm::Workspace workspace;
  const std::vector<llm::TokenId> ids{1, 5, 9, 7}, target{0, 6, 8};
  const std::span<const llm::TokenId> source =
      kind == "sequence" ? std::span(ids) : std::span<const llm::TokenId>();
  llm::Tensor<double> heads;
  llm::TensorView<const double> logits;
  if (generates) {
    const auto state = std::move(model->start({&source, 1}, workspace).front());
    const llm::StepInput<double> input{state.get(), kind == "sequence" ? target : ids};
    logits = model->step({&input, 1}, workspace);
  } else {
    const llm::EncoderInput input{ids, {}};
    heads = model->run_head({&input, 1}, workspace).logits;
    logits = std::as_const(heads).view();
  }
  std::vector<double> first;
  for (std::int64_t i = 0; i < logits.rows(); ++i) {
    const auto shown_row = logits.row(i, 0, std::min(shown, logits.cols()));
    first.insert(first.end(), shown_row.begin(), shown_row.end());
  }
  return first;
}

// Embeddings and heads that share a weight in the files of the model, and heads that the adapter
// brings: as PEFT computes with the adapter beside the weights.
TEST(Adapter, ComputesAsPeftDoes) {
  std::ifstream file(data_dir() / "modules" / "expected.json");
  const nlohmann::json rows = nlohmann::json::parse(file);
  EXPECT_GE(rows.size(), 30u);
  for (const nlohmann::json& row : rows) {
    SCOPED_TRACE(row["adapter"].get<std::string>());
    const std::vector<double> got = first_logits(row);
    ASSERT_EQ(got.size(), row["logits"].size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], row["logits"][i], 3e-5) << i;
  }
}

// --- what is refused ---

// A base of one matrix "m.w.weight" [2, 3], and an adapter with the given files.
void expect_refused(ErrorCode code, const std::string& part, const std::string& config,
                    const std::string& header, double weight = 1) {
  const TempDir dir;
  const auto base = WeightStore::open(dir.write(
      "base.safetensors",
      safetensors_bytes(R"({"m.w.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                        R"("m.i.weight":{"dtype":"I32","shape":[1,1],"data_offsets":[24,28]}})",
                        std::string(28, '\0'))));
  dir.write("adapter_config.json", config);
  const std::size_t end = header.rfind("data_offsets\":[");
  std::size_t size = 0;
  if (end != std::string::npos) size = std::stoul(header.substr(header.find(',', end) + 1));
  dir.write("adapter_model.safetensors", safetensors_bytes(header, std::string(size, '\0')));
  const Adapter adapter{dir.path(), weight};
  expect_error(code, part, [&] { llm::merge_adapters(base, {&adapter, 1}); });
}

// F32 matrices one after the other.
std::string matrices(
    const std::vector<std::tuple<std::string, std::int64_t, std::int64_t>>& tensors) {
  std::string header = "{";
  std::int64_t at = 0;
  for (const auto& [name, rows, cols] : tensors) {
    header += (header.size() > 1 ? ",\"" : "\"") + name + "\":{\"dtype\":\"F32\",\"shape\":[" +
              std::to_string(rows) + "," + std::to_string(cols) + "],\"data_offsets\":[" +
              std::to_string(at) + "," + std::to_string(at + rows * cols * 4) + "]}";
    at += rows * cols * 4;
  }
  return header + "}";
}

const std::string lora_a = "base_model.model.m.w.lora_A.weight";
const std::string lora_b = "base_model.model.m.w.lora_B.weight";
const std::string sound = matrices({{lora_a, 1, 3}, {lora_b, 2, 1}});
const std::string plain = R"({"peft_type":"LORA"})";

TEST(Adapter, NamesWhatIsNotPlainLora) {
  const auto refused = [](const std::string& part, const std::string& config) {
    expect_refused(ErrorCode::unsupported, part, config, sound);
  };
  refused("the peft_type is \"IA3\"", R"({"peft_type":"IA3"})");
  refused("the peft_type is absent", "{}");
  refused("is a regular expression", R"({"peft_type":"LORA","alpha_pattern":{".*q":1}})");
  refused("several entries of alpha_pattern apply to \"m.w\"",
          R"({"peft_type":"LORA","alpha_pattern":{"w":1,"m.w":2}})");
  expect_refused(ErrorCode::unsupported, "no part of a plain LoRA adapter", plain,
                 matrices({{"base_model.model.m.w.lora_magnitude_vector.weight", 1, 1}}));
}

// Every key of a LoRA configuration of PEFT 0.21, with a value that means something: those that are
// read or say nothing beside the tensors pass, the others are refused by their names.
TEST(Adapter, KnowsEveryKey) {
  const auto config = [](const std::string& more) {
    return R"({"peft_type":"LORA",)" + more + "}";
  };
  std::string passing;
  for (const char* const text : {R"("task_type":"CAUSAL_LM")",
                                 R"("auto_mapping":{"base_model_class":"X"})",
                                 R"("peft_version":"0.21.2")",
                                 R"("base_model_name_or_path":"x")",
                                 R"("revision":"main")",
                                 R"("inference_mode":true)",
                                 R"("r":1)",
                                 R"("target_modules":["w"])",
                                 R"("exclude_modules":["v"])",
                                 R"("lora_alpha":2)",
                                 R"("lora_dropout":0.1)",
                                 R"("fan_in_fan_out":false)",
                                 R"("bias":"none")",
                                 R"("use_rslora":true)",
                                 R"("modules_to_save":["classifier"])",
                                 R"("init_lora_weights":"eva")",
                                 R"("layers_to_transform":[0])",
                                 R"("layers_pattern":"layers")",
                                 R"("rank_pattern":{"w":1})",
                                 R"("alpha_pattern":{"w":3})",
                                 R"("megatron_core":"megatron.core")",
                                 R"("loftq_config":{"loftq_bits":4})",
                                 R"("eva_config":{"rho":2.0})",
                                 R"("corda_config":{"corda_method":"ipm"})",
                                 R"("lora_ga_config":{"scale":"stable"})",
                                 R"("velora_config":{"num_groups":2})",
                                 R"("qalora_group_size":16)",
                                 R"("runtime_config":{"ephemeral_gpu_offload":false})",
                                 R"("ensure_weight_tying":true)",
                                 R"("trainable_token_indices":[1])",
                                 R"("megatron_config":null)",
                                 R"("use_dora":false)",
                                 R"("lora_bias":false)",
                                 R"("layer_replication":null)",
                                 R"("target_parameters":null)",
                                 R"("use_bdlora":null)",
                                 R"("key_of_a_later_version":null)"}) {
    passing += (passing.empty() ? "" : ",") + std::string(text);
  }
  const TempDir dir;
  dir.write("adapter_config.json", config(passing));
  dir.write("adapter_model.safetensors", safetensors_bytes(sound, std::string(20, '\0')));
  const auto base = WeightStore::open(
      dir.write("base.safetensors",
                safetensors_bytes(matrices({{"m.w.weight", 2, 3}}), std::string(24, '\0'))));
  const Adapter adapter{dir.path()};
  EXPECT_NE(llm::merge_adapters(base, {&adapter, 1}), nullptr);
  for (const char* const text :
       {R"("use_dora":true)", R"("bias":"all")", R"("bias":"lora_only")", R"("lora_bias":true)",
        R"("layer_replication":[[0,1]])", R"("target_parameters":["a"])", R"("use_qalora":true)",
        R"("use_bdlora":{"nblocks":2})", R"("alora_invocation_tokens":[1])",
        R"("arrow_config":{"top_k":3})", R"("kasa_config":{"beta":0.1})",
        R"("monteclora_config":{"num_samples":8})", R"("megatron_config":{"a":1})",
        R"("key_of_a_later_version":true)"}) {
    const std::string key = std::string(text).substr(0, std::string(text).find(':'));
    expect_refused(ErrorCode::unsupported, key + " is", config(text), sound);
  }
  for (const char* const start :
       {"pissa", "pissa_niter_16", "olora", "corda", "loftq", "lora_ga", "of_a_later_version"}) {
    expect_refused(ErrorCode::unsupported, "init_lora_weights is \"" + std::string(start) + "\"",
                   config(R"("init_lora_weights":")" + std::string(start) + "\""), sound);
  }
}

TEST(Adapter, RefusesWrongRowsAndTying) {
  const auto config = [](const std::string& more) {
    return R"({"peft_type":"LORA",)" + more + "}";
  };
  const std::string rows =
      matrices({{"base_model.model.m.w.token_adapter.trainable_tokens_delta", 1, 3}});
  const auto refused = [&](ErrorCode code, const std::string& part, const std::string& value) {
    expect_refused(code, part, config("\"trainable_token_indices\":" + value), rows);
  };
  refused(ErrorCode::tensor_mismatch, "not one of the model's size for each", "[0,1]");
  refused(ErrorCode::tensor_mismatch, "not one of the model's size for each", "[2]");
  refused(ErrorCode::bad_format, "says nothing of \"m.w\"", R"({"v":[0]})");
  refused(ErrorCode::bad_format, "no token id", "[-1]");
  refused(ErrorCode::bad_format, "no list", R"({"w":3})");
  expect_refused(ErrorCode::bad_format, "says nothing of", plain, rows);
  expect_refused(ErrorCode::invalid_option, "its weight can only be 1",
                 config(R"("trainable_token_indices":[0])"), rows, 0.5);
  expect_refused(ErrorCode::unsupported, "regular expression \".*embed\"",
                 config(R"("ensure_weight_tying":true,"target_modules":".*embed")"), sound);
  expect_refused(ErrorCode::bad_format, "an item that is no text",
                 config(R"("modules_to_save":[1])"), sound);
}

TEST(Adapter, RefusesWhatDoesNotFit) {
  const auto refused = [](const std::string& part, const std::string& header) {
    expect_refused(ErrorCode::tensor_mismatch, part, plain, header);
  };
  refused("not both there with one rank", matrices({{lora_a, 1, 3}}));
  refused("not both there with one rank", matrices({{lora_b, 2, 1}}));
  refused("not both there with one rank", matrices({{lora_a, 1, 3}, {lora_b, 2, 2}}));
  refused("not both there with one rank", matrices({{lora_a, 0, 3}, {lora_b, 2, 0}}));
  refused("made for another model", matrices({{lora_a, 1, 4}, {lora_b, 2, 1}}));
  refused("\"x.weight\", which the files of the model do not hold",
          matrices({{"base_model.model.x.lora_A.weight", 1, 3},
                    {"base_model.model.x.lora_B.weight", 2, 1}}));
  refused("tensor \"m.i.weight\" of type i32",
          matrices({{"m.i.lora_A.weight", 1, 1}, {"m.i.lora_B.weight", 1, 1}}));
  expect_refused(ErrorCode::bad_format, "\"lora_alpha\" is not a number",
                 R"({"peft_type":"LORA","lora_alpha":"8"})", sound);
  expect_refused(ErrorCode::bad_format, "\"use_rslora\" is neither",
                 R"({"peft_type":"LORA","use_rslora":1})", sound);
  expect_refused(ErrorCode::bad_format, "expected a JSON object", "[]", sound);
  expect_refused(ErrorCode::invalid_option, "not a finite number", plain, sound,
                 std::numeric_limits<double>::infinity());
  expect_refused(ErrorCode::invalid_option, "its weight can only be 1", plain,
                 matrices({{"base_model.model.m.w.weight", 2, 3}}), 0.5);
  const TempDir empty;
  const Adapter missing{empty.path()};
  const auto base = WeightStore::open(models_dir() / "llama-tied");
  expect_error(ErrorCode::file_not_found, "adapter_config.json", [&] {
    llm::merge_adapters(base, {&missing, 1});
  });
}

TEST(Adapter, FindsModulesUnderOtherPrefixes) {
  const TempDir dir;
  dir.write("adapter_config.json", R"({"peft_type":"LORA","lora_alpha":1})");
  dir.write("adapter_model.safetensors",
            safetensors_bytes(sound, std::string("\0\0\x80\x3f", 4) + std::string(12, '\0') +
                                         std::string("\0\0\x80\x3f", 4)));
  const Adapter adapter{dir.path()};
  for (const std::string name : {"m.w.weight", "w.weight", "model.m.w.weight"}) {
    const auto base = WeightStore::open(dir.write(
        "base.safetensors", safetensors_bytes(matrices({{name, 2, 3}}), std::string(24, '\0'))));
    const auto merged = llm::merge_adapters(base, {&adapter, 1});
    EXPECT_EQ(values(*merged->find(name))[3], 1.0) << name;
  }
}

// A new head comes whole and is not in the model's files; two adapters cannot both bring it.
TEST(Adapter, AddsModulesTheModelLacks) {
  const TempDir dir;
  dir.write("adapter_config.json", plain);
  dir.write("adapter_model.safetensors",
            safetensors_bytes(matrices({{"base_model.model.score.modules_to_save.weight", 2, 3}}),
                              std::string(24, 'x')));
  const auto base = WeightStore::open(
      dir.write("base.safetensors",
                safetensors_bytes(matrices({{"w.weight", 2, 3}}), std::string(24, '\0'))));
  const std::vector<Adapter> one{{dir.path()}}, both{{dir.path()}, {dir.path()}};
  const auto merged = llm::merge_adapters(base, one);
  EXPECT_EQ(merged->names(), (std::vector<std::string>{"score.weight", "w.weight"}));
  ASSERT_NE(merged->find("score.weight"), nullptr);
  EXPECT_EQ(merged->find("score.weight")->bytes[0], std::byte{'x'});
  expect_error(ErrorCode::invalid_option, "which another adapter does as well",
               [&] { llm::merge_adapters(base, both); });
}

TEST(Float16, RoundsToTheNearest) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float f16 = llm::detail::f16_to_float(half), bf16 = llm::detail::bf16_to_float(half);
    if (!std::isnan(f16)) {
      EXPECT_EQ(llm::detail::double_to_f16(f16), half);
    }
    if (!std::isnan(bf16)) {
      EXPECT_EQ(llm::detail::double_to_bf16(bf16), half);
    }
  }
  const double up = std::nextafter(1.0, 2.0), nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(llm::detail::double_to_f16(1 + 0x1p-11), 0x3c00);  // half way: to even
  EXPECT_EQ(llm::detail::double_to_f16((1 + 0x1p-11) * up), 0x3c01);
  EXPECT_EQ(llm::detail::double_to_f16(1 + 3 * 0x1p-11), 0x3c02);
  EXPECT_EQ(llm::detail::double_to_f16(-65519.0), 0xfbff);
  EXPECT_EQ(llm::detail::double_to_f16(65520.0), 0x7c00);
  EXPECT_EQ(llm::detail::double_to_f16(1e300), 0x7c00);
  EXPECT_EQ(llm::detail::double_to_f16(0x1p-25), 0);
  EXPECT_EQ(llm::detail::double_to_f16(0x1p-25 * up), 1);
  EXPECT_EQ(llm::detail::double_to_bf16(1 + 0x1p-8), 0x3f80);
  EXPECT_EQ(llm::detail::double_to_bf16(-1e39), 0xff80);
  EXPECT_TRUE(std::isnan(llm::detail::f16_to_float(llm::detail::double_to_f16(nan))));
  EXPECT_TRUE(std::isnan(llm::detail::bf16_to_float(llm::detail::double_to_bf16(nan))));
}

}  // namespace
