// The list of families. To add one: a file here, a line below, a declaration in
// model/model_family.hpp, and a fixture under models/.
#include <algorithm>

#include "families/other_models.hpp"
#include "llm/core/error.hpp"
#include "model/model_family.hpp"

namespace llm::detail {
namespace {

std::string supported_list() {
  std::string list;
  for (const ModelFamily& family : model_families()) {
    for (const std::string& type : family.model_types) list += (list.empty() ? "" : ", ") + type;
  }
  return list;
}

}  // namespace

GgufLayout& GgufLayout::fields(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const std::size_t middle = name.find('=');
    keys.push_back(
        {std::string(name.substr(0, middle)), "{}." + std::string(name.substr(middle + 1))});
  }
  return *this;
}

GgufLayout& GgufLayout::names(const std::string& ours, const std::string& theirs,
                              std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const std::size_t middle = name.find('=');
    tensors.push_back({ours + std::string(name.substr(0, middle)),
                       theirs + std::string(name.substr(middle + 1))});
  }
  return *this;
}

const std::vector<ModelFamily>& model_families() {
  static const std::vector<ModelFamily> families{
      bert_family(),       distilbert_family(), roberta_family(),  mpnet_family(),
      electra_family(),    albert_family(),     rembert_family(),  deberta_family(),
      modernbert_family(), nomic_bert_family(), eurobert_family(), roformer_family(),
      gpt_family(),        gpt2_family(),       gpt_neo_family(),  bloom_family(),
      llama_family(),      qwen2_family(),      qwen3_family(),    smollm3_family(),
      gemma_family(),      gemma2_family(),     gemma3_family(),   phi_family(),
      phi3_family(),       gpt_neox_family(),   gptj_family(),     opt_family(),
      granite_family(),    ernie4_5_family(),   helium_family(),   hunyuan_family(),
      ministral_family(),  olmo_family(),       olmo2_family(),    exaone4_family(),
      cohere_family(),     glm4_family(),       stablelm_family(), starcoder2_family(),
      nemotron_family(),   falcon_family(),     mpt_family(),      gpt_bigcode_family(),
      biogpt_family(),     t5_family(),         bart_family(),     marian_family()};
  return families;
}

const ModelFamily& family_of(const std::string& model_type, const std::string& where) {
  for (const ModelFamily& family : model_families()) {
    if (std::ranges::find(family.model_types, model_type) != family.model_types.end()) {
      return family;
    }
  }
  throw Error(ErrorCode::unsupported,
              where + ": model_type is " + quote(model_type) + about_other_model(model_type) +
                  "; supported: " + supported_list(),
              "model_type");
}

namespace {

// Letters and digits alone, lower case: "XLMRoberta" and "xlm-roberta" are then one.
std::string plain_name(std::string_view name) {
  std::string plain;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') plain += static_cast<char>(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) plain += c;
  }
  return plain;
}

}  // namespace

std::string model_type_of(std::string_view architecture) {
  const std::string wanted = plain_name(architecture);
  std::string best;
  for (const ModelFamily& family : model_families()) {
    for (const std::string& type : family.model_types) {
      const std::string name = plain_name(type);
      if (!wanted.starts_with(name) || type.size() <= best.size()) continue;
      const std::string_view rest = std::string_view(wanted).substr(name.size());
      for (const char* ending : {"for", "model", "lmheadmodel", "mtmodel", "encodermodel"}) {
        if (rest.starts_with(ending)) best = type;
      }
    }
  }
  return best;
}

const ModelFamily& family_of_gguf(const std::string& architecture, const std::string& where) {
  std::string list;
  for (const ModelFamily& family : model_families()) {
    for (const std::string& name : family.gguf.architectures) {
      if (name == architecture) return family;
      list += (list.empty() ? "" : ", ") + name;
    }
  }
  throw Error(ErrorCode::unsupported,
              where + ": general.architecture is " + quote(architecture) +
                  ", which is not supported; supported: " + list,
              "general.architecture");
}

}  // namespace llm::detail
