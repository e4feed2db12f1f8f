// What a family of models is: everything special about LLaMA, GPT-2 or T5 in one value of this
// type, made in one file of families/. Shared code never asks for a family's name.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "llm/model/model_source.hpp"
#include "llm/nn/transformer_config.hpp"
#include "model/config_reader.hpp"

namespace llm::detail {

// How a GGUF file spells the same thing. "{}" stands for a layer number (names) or for the
// architecture (keys).
struct GgufName {
  std::string ours;  // tensor: without ".weight"/".bias"; key: the field of config.json
  std::string theirs;
};

struct GgufLayout {
  std::vector<std::string> architectures;  // `general.architecture`
  std::string model_type;                  // which of the family's model_types they are
  std::vector<GgufName> keys;
  std::vector<GgufName> tensors;
  // Fields of config.json that follow from the tensors alone; null: none do.
  void (*complete)(const WeightStore& store, Json& config) = nullptr;

  // Adds fields of config.json and metadata keys below "{}.": "hidden_size=embedding_length".
  GgufLayout& fields(std::initializer_list<std::string_view> names);
  // Adds tensors below two prefixes: names("h.{}.", "blk.{}.", {"ln_1=attn_norm", ...}).
  GgufLayout& names(const std::string& ours, const std::string& theirs,
                    std::initializer_list<std::string_view> names);
};

// How the reference calls the modules whose weights files may keep under another's name.
struct ModuleNames {
  std::vector<std::string> embeddings;  // that tokens are looked up in; a decoder's is the last
  std::string head = "lm_head";
  std::string head_bias = {};                // where it is no part of the head
  std::vector<std::string> transposed = {};  // last components: weights are [inputs, outputs]
};

struct ModelFamily {
  std::vector<std::string> model_types;  // `model_type` of config.json
  TransformerConfig (*read_config)(const ConfigReader& config);
  ModelSource (*bind_weights)(const WeightBinder& weights, const TransformerConfig& config);
  std::vector<HeadKind> heads;  // what its checkpoints may end in, beside hidden states alone
  GgufLayout gguf;              // empty: no GGUF architecture
  ModuleNames modules;
};

// All families, in the order of the table of docs/pages/models.md.
const std::vector<ModelFamily>& model_families();

// Throws Error (unsupported) that lists what is supported and, for model types whose weights are
// not public, says so.
const ModelFamily& family_of(const std::string& model_type, const std::string& where);
// The model_type whose class an architecture names ("LlamaForCausalLM"); empty: none of ours.
std::string model_type_of(std::string_view architecture);
const ModelFamily& family_of_gguf(const std::string& architecture, const std::string& where);

// families/
ModelFamily bert_family();
ModelFamily distilbert_family();
ModelFamily roberta_family();
ModelFamily mpnet_family();
ModelFamily electra_family();
ModelFamily albert_family();
ModelFamily rembert_family();
ModelFamily deberta_family();
ModelFamily modernbert_family();
ModelFamily nomic_bert_family();
ModelFamily eurobert_family();
ModelFamily roformer_family();
ModelFamily gpt_family();
ModelFamily gpt2_family();
ModelFamily gpt_neo_family();
ModelFamily bloom_family();
ModelFamily llama_family();
ModelFamily qwen2_family();
ModelFamily qwen3_family();
ModelFamily smollm3_family();
ModelFamily gemma_family();
ModelFamily gemma2_family();
ModelFamily gemma3_family();
ModelFamily gemma3_vision_family();
ModelFamily phi_family();
ModelFamily phi3_family();
ModelFamily gpt_neox_family();
ModelFamily gptj_family();
ModelFamily codegen_family();
ModelFamily opt_family();
ModelFamily granite_family();
ModelFamily ernie4_5_family();
ModelFamily helium_family();
ModelFamily hunyuan_family();
ModelFamily ministral_family();
ModelFamily olmo_family();
ModelFamily olmo2_family();
ModelFamily exaone4_family();
ModelFamily cohere_family();
ModelFamily glm4_family();
ModelFamily stablelm_family();
ModelFamily starcoder2_family();
ModelFamily nemotron_family();
ModelFamily falcon_family();
ModelFamily mpt_family();
ModelFamily gpt_bigcode_family();
ModelFamily biogpt_family();
ModelFamily xglm_family();
ModelFamily t5_family();
ModelFamily bart_family();
ModelFamily marian_family();

}  // namespace llm::detail
