#include "bench/shapes.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "bench/random_values.hpp"
#include "core/folder.hpp"
#include "llm/core/error.hpp"
#include "llm/weights/weight_store.hpp"

namespace llm::bench {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// The tensors of a checkpoint, in the type that published files of the shape have.
class Checkpoint {
 public:
  explicit Checkpoint(DType dtype) : dtype_(dtype) {}

  void matrix(const std::string& name, std::int64_t rows, std::int64_t cols) {
    tensors_.push_back({name, dtype_, {rows, cols}, {}});
  }
  void vector(const std::string& name, std::int64_t size) {
    tensors_.push_back({name, dtype_, {size}, {}});
  }
  // `name`.weight and .bias
  void linear(const std::string& name, std::int64_t outputs, std::int64_t inputs) {
    matrix(name + ".weight", outputs, inputs);
    vector(name + ".bias", outputs);
  }
  void norm(const std::string& name, std::int64_t size) {
    vector(name + ".weight", size);
    vector(name + ".bias", size);
  }

  // All tensors are windows into one row of random values, each at another place: a file of any
  // size needs little more memory than its largest tensor.
  void write(const fs::path& file) {
    constexpr std::int64_t places = 1 << 16;
    std::int64_t largest = 0;
    for (const FileTensor& t : tensors_) largest = std::max(largest, t.rows() * t.cols());
    const std::vector<std::byte> values = encoded(random_normal(largest + places, 0.02f));
    const auto width = static_cast<std::size_t>(block_bytes(dtype_));
    std::size_t place = 0;
    for (FileTensor& t : tensors_) {
      place = (place + 40503) % places;
      t.bytes = std::span(values).subspan(place * width,
                                          static_cast<std::size_t>(t.rows() * t.cols()) * width);
    }
    write_safetensors(file, tensors_, {{"format", "pt"}});
  }

 private:
  std::vector<std::byte> encoded(const std::vector<float>& values) const {
    const auto width = static_cast<std::size_t>(block_bytes(dtype_));
    std::vector<std::byte> bytes(values.size() * width);
    // bf16 is the upper half of a little-endian float.
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::memcpy(bytes.data() + i * width,
                  reinterpret_cast<const std::byte*>(&values[i]) + sizeof(float) - width, width);
    }
    return bytes;
  }

  DType dtype_;
  std::vector<FileTensor> tensors_;
};

// What the shapes of a family differ in.
struct Sizes {
  std::int64_t hidden, layers, heads, key_value_heads, inner, vocab, positions;
};

// Writes the tensors of one shape and returns its configuration.
using Builder = Json (*)(const Sizes&, Checkpoint&);

Json llama(const Sizes& s, bool tied, Checkpoint& file) {
  const std::int64_t key_values = s.hidden / s.heads * s.key_value_heads;
  file.matrix("model.embed_tokens.weight", s.vocab, s.hidden);
  if (!tied) file.matrix("lm_head.weight", s.vocab, s.hidden);
  file.vector("model.norm.weight", s.hidden);
  for (std::int64_t i = 0; i < s.layers; ++i) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    file.vector(layer + "input_layernorm.weight", s.hidden);
    file.vector(layer + "post_attention_layernorm.weight", s.hidden);
    file.matrix(layer + "self_attn.q_proj.weight", s.hidden, s.hidden);
    file.matrix(layer + "self_attn.k_proj.weight", key_values, s.hidden);
    file.matrix(layer + "self_attn.v_proj.weight", key_values, s.hidden);
    file.matrix(layer + "self_attn.o_proj.weight", s.hidden, s.hidden);
    file.matrix(layer + "mlp.gate_proj.weight", s.inner, s.hidden);
    file.matrix(layer + "mlp.up_proj.weight", s.inner, s.hidden);
    file.matrix(layer + "mlp.down_proj.weight", s.hidden, s.inner);
  }
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"vocab_size", s.vocab},
          {"hidden_size", s.hidden},
          {"intermediate_size", s.inner},
          {"num_hidden_layers", s.layers},
          {"num_attention_heads", s.heads},
          {"num_key_value_heads", s.key_value_heads},
          {"hidden_act", "silu"},
          {"max_position_embeddings", s.positions},
          {"rms_norm_eps", 1e-5},
          {"rope_theta", 10000.0},
          {"tie_word_embeddings", tied},
          {"bos_token_id", 1},
          {"eos_token_id", 2}};
}
Json tied_llama(const Sizes& s, Checkpoint& file) { return llama(s, true, file); }
Json untied_llama(const Sizes& s, Checkpoint& file) { return llama(s, false, file); }

Json bert(const Sizes& s, Checkpoint& file) {
  file.matrix("embeddings.word_embeddings.weight", s.vocab, s.hidden);
  file.matrix("embeddings.position_embeddings.weight", s.positions, s.hidden);
  file.matrix("embeddings.token_type_embeddings.weight", 2, s.hidden);
  file.norm("embeddings.LayerNorm", s.hidden);
  for (std::int64_t i = 0; i < s.layers; ++i) {
    const std::string layer = "encoder.layer." + std::to_string(i) + ".";
    for (const char* name : {"self.query", "self.key", "self.value", "output.dense"}) {
      file.linear(layer + "attention." + name, s.hidden, s.hidden);
    }
    file.norm(layer + "attention.output.LayerNorm", s.hidden);
    file.linear(layer + "intermediate.dense", s.inner, s.hidden);
    file.linear(layer + "output.dense", s.hidden, s.inner);
    file.norm(layer + "output.LayerNorm", s.hidden);
  }
  file.linear("pooler.dense", s.hidden, s.hidden);
  return {{"architectures", {"BertModel"}},
          {"model_type", "bert"},
          {"vocab_size", s.vocab},
          {"hidden_size", s.hidden},
          {"num_hidden_layers", s.layers},
          {"num_attention_heads", s.heads},
          {"intermediate_size", s.inner},
          {"hidden_act", "gelu"},
          {"max_position_embeddings", s.positions},
          {"type_vocab_size", 2},
          {"layer_norm_eps", 1e-12},
          {"pad_token_id", 0}};
}

void t5_stack(const std::string& stack, const Sizes& s, bool gated, bool decodes,
              Checkpoint& file) {
  const std::int64_t inside = 64 * s.heads;
  const auto attention = [&](const std::string& name) {
    for (const char* part : {"q", "k", "v"}) {
      file.matrix(name + "." + part + ".weight", inside, s.hidden);
    }
    file.matrix(name + ".o.weight", s.hidden, inside);
  };
  file.matrix(stack + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight", 32, s.heads);
  for (std::int64_t i = 0; i < s.layers; ++i) {
    const std::string block = stack + ".block." + std::to_string(i) + ".layer.";
    attention(block + "0.SelfAttention");
    if (decodes) attention(block + "1.EncDecAttention");
    const std::string last = block + (decodes ? "2" : "1");
    for (const char* name : gated ? std::vector{"wi_0", "wi_1"} : std::vector{"wi"}) {
      file.matrix(last + ".DenseReluDense." + name + ".weight", s.inner, s.hidden);
    }
    file.matrix(last + ".DenseReluDense.wo.weight", s.hidden, s.inner);
    for (const char* layer : {"0", "1"})
      file.vector(block + layer + ".layer_norm.weight", s.hidden);
    if (decodes) file.vector(last + ".layer_norm.weight", s.hidden);
  }
  file.vector(stack + ".final_layer_norm.weight", s.hidden);
}

Json t5(const Sizes& s, bool flan, Checkpoint& file) {
  file.matrix("shared.weight", s.vocab, s.hidden);
  if (flan) file.matrix("lm_head.weight", s.vocab, s.hidden);
  t5_stack("encoder", s, flan, false, file);
  t5_stack("decoder", s, flan, true, file);
  return {{"architectures", {"T5ForConditionalGeneration"}},
          {"model_type", "t5"},
          {"is_encoder_decoder", true},
          {"vocab_size", s.vocab},
          {"d_model", s.hidden},
          {"d_kv", 64},
          {"d_ff", s.inner},
          {"num_layers", s.layers},
          {"num_heads", s.heads},
          {"relative_attention_num_buckets", 32},
          {"relative_attention_max_distance", 128},
          {"feed_forward_proj", flan ? "gated-gelu" : "relu"},
          {"layer_norm_epsilon", 1e-6},
          {"tie_word_embeddings", !flan},
          {"pad_token_id", 0},
          {"eos_token_id", 1},
          {"decoder_start_token_id", 0}};
}
Json first_t5(const Sizes& s, Checkpoint& file) { return t5(s, false, file); }
Json flan_t5(const Sizes& s, Checkpoint& file) { return t5(s, true, file); }

void bart_stack(const std::string& stack, const Sizes& s, bool decodes, Checkpoint& file) {
  const auto attention = [&](const std::string& name) {
    for (const char* part : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      file.linear(name + "." + part, s.hidden, s.hidden);
    }
    file.norm(name + "_layer_norm", s.hidden);
  };
  file.matrix(stack + ".embed_positions.weight", s.positions + 2, s.hidden);
  file.norm(stack + ".layernorm_embedding", s.hidden);
  for (std::int64_t i = 0; i < s.layers; ++i) {
    const std::string layer = stack + ".layers." + std::to_string(i) + ".";
    attention(layer + "self_attn");
    if (decodes) attention(layer + "encoder_attn");
    file.linear(layer + "fc1", s.inner, s.hidden);
    file.linear(layer + "fc2", s.hidden, s.inner);
    file.norm(layer + "final_layer_norm", s.hidden);
  }
}

Json bart(const Sizes& s, bool classifies, Checkpoint& file) {
  file.matrix("model.shared.weight", s.vocab, s.hidden);
  bart_stack("model.encoder", s, false, file);
  bart_stack("model.decoder", s, true, file);
  if (classifies) {
    file.linear("classification_head.dense", s.hidden, s.hidden);
    file.linear("classification_head.out_proj", 3, s.hidden);
  } else {
    file.matrix("final_logits_bias", 1, s.vocab);
  }
  const char* const head =
      classifies ? "BartForSequenceClassification" : "BartForConditionalGeneration";
  return {{"architectures", {head}},
          {"model_type", "bart"},
          {"is_encoder_decoder", true},
          {"vocab_size", s.vocab},
          {"d_model", s.hidden},
          {"encoder_layers", s.layers},
          {"decoder_layers", s.layers},
          {"encoder_attention_heads", s.heads},
          {"decoder_attention_heads", s.heads},
          {"encoder_ffn_dim", s.inner},
          {"decoder_ffn_dim", s.inner},
          {"activation_function", "gelu"},
          {"max_position_embeddings", s.positions},
          {"scale_embedding", false},
          {"id2label", {{"0", "contradiction"}, {"1", "neutral"}, {"2", "entailment"}}},
          {"bos_token_id", 0},
          {"pad_token_id", 1},
          {"eos_token_id", 2},
          {"decoder_start_token_id", 2}};
}
Json writing_bart(const Sizes& s, Checkpoint& file) { return bart(s, false, file); }
Json classifying_bart(const Sizes& s, Checkpoint& file) { return bart(s, true, file); }

Json gpt_neo(const Sizes& s, Checkpoint& file) {
  file.matrix("transformer.wte.weight", s.vocab, s.hidden);
  file.matrix("transformer.wpe.weight", s.positions, s.hidden);
  file.norm("transformer.ln_f", s.hidden);
  for (std::int64_t i = 0; i < s.layers; ++i) {
    const std::string layer = "transformer.h." + std::to_string(i) + ".";
    file.norm(layer + "ln_1", s.hidden);
    file.norm(layer + "ln_2", s.hidden);
    for (const char* part : {"q_proj", "k_proj", "v_proj"}) {
      file.matrix(layer + "attn.attention." + part + ".weight", s.hidden, s.hidden);
    }
    file.linear(layer + "attn.attention.out_proj", s.hidden, s.hidden);
    file.linear(layer + "mlp.c_fc", s.inner, s.hidden);
    file.linear(layer + "mlp.c_proj", s.hidden, s.inner);
  }
  const Json pattern = Json::array({Json::array({"global", "local"}), s.layers / 2});
  return {{"architectures", {"GPTNeoForCausalLM"}},
          {"model_type", "gpt_neo"},
          {"vocab_size", s.vocab},
          {"hidden_size", s.hidden},
          {"num_layers", s.layers},
          {"num_heads", s.heads},
          {"intermediate_size", s.inner},
          {"window_size", 256},
          {"attention_types", Json::array({pattern})},
          {"max_position_embeddings", s.positions},
          {"activation_function", "gelu_new"},
          {"layer_norm_epsilon", 1e-5},
          {"bos_token_id", 50256},
          {"eos_token_id", 50256}};
}

struct Shape {
  const char* name;
  Builder build;
  DType dtype;
  Sizes sizes;
};

constexpr Shape shapes[] = {
    {"smollm-135m", tied_llama, DType::bf16, {576, 30, 9, 3, 1536, 49152, 2048}},
    {"tinyllama-1.1b", untied_llama, DType::bf16, {2048, 22, 32, 4, 5632, 32000, 2048}},
    {"bert-base", bert, DType::f32, {768, 12, 12, 12, 3072, 30522, 512}},
    {"t5-small", first_t5, DType::f32, {512, 6, 8, 8, 2048, 32128, 512}},
    {"flan-t5-base", flan_t5, DType::f32, {768, 12, 12, 12, 2048, 32128, 512}},
    {"bart-base", writing_bart, DType::f32, {768, 6, 12, 12, 3072, 50265, 1024}},
    {"bart-large", writing_bart, DType::f32, {1024, 12, 16, 16, 4096, 50265, 1024}},
    {"bart-large-mnli", classifying_bart, DType::f32, {1024, 12, 16, 16, 4096, 50265, 1024}},
    {"gpt-neo-1.3b", gpt_neo, DType::f32, {2048, 24, 16, 16, 8192, 50257, 2048}},
    {"tiny-llama", tied_llama, DType::bf16, {64, 2, 4, 2, 96, 320, 256}},
    {"tiny-bert", bert, DType::f32, {64, 2, 4, 4, 96, 320, 128}},
    {"tiny-t5", first_t5, DType::f32, {64, 2, 2, 2, 96, 320, 512}},
};

// Under another name first: a folder whose config.json is there is whole.
void write_config(const fs::path& file, const Json& config) {
  const fs::path partial = file.string() + ".partial-" + std::to_string(::getpid());
  {
    std::ofstream out(partial);
    out << config.dump(2) << '\n';
    if (!out.flush()) {
      throw Error(ErrorCode::io, file.string() + ": cannot be written", file.string());
    }
  }
  fs::rename(partial, file);
}

// The usual one lies among the temporary files of everybody, where others may have made it.
void make_own_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  struct stat status = {};
  if (::lstat(folder.c_str(), &status) == 0 && S_ISLNK(status.st_mode) == 0 &&
      status.st_uid == ::geteuid())
    return;
  throw Error(ErrorCode::invalid_option,
              folder.string() + ": is not a folder of yours; give another one by --shape-dir",
              "--shape-dir");
}

DType stored_type(const std::string& dtype, DType published) {
  if (dtype == "auto") return published;
  if (dtype == "f32") return DType::f32;
  if (dtype == "bf16") return DType::bf16;
  throw Error(ErrorCode::invalid_option,
              "--shape-dtype " + quote(dtype) + " does not exist; expected auto, f32 or bf16",
              "--shape-dtype");
}

}  // namespace

std::vector<std::string> shape_names() {
  std::vector<std::string> names;
  for (const Shape& shape : shapes) names.push_back(shape.name);
  return names;
}

fs::path shape_folder(const std::string& name, const std::string& dtype, const fs::path& folder) {
  const auto* const shape = std::find_if(std::begin(shapes), std::end(shapes),
                                         [&](const Shape& s) { return s.name == name; });
  if (shape == std::end(shapes)) {
    std::string known;
    for (const Shape& s : shapes) known += (known.empty() ? "" : ", ") + std::string(s.name);
    throw Error(ErrorCode::invalid_option,
                "--shape " + quote(name) + " does not exist; expected one of " + known, "--shape");
  }
  const DType stored = stored_type(dtype, shape->dtype);
  fs::path path = folder / (name + "-" + std::string(to_string(stored)));
  make_own_folder(folder);
  if (detail::is_there(path / "config.json")) return path;
  fs::create_directories(path);
  Checkpoint file(stored);
  const Json config = shape->build(shape->sizes, file);
  file.write(path / "model.safetensors");
  write_config(path / "config.json", config);
  return path;
}

}  // namespace llm::bench
