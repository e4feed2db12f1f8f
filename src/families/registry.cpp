// The list of families. To add one: a file here, a line below, a declaration in
// model/model_family.hpp, and a fixture under models/.
#include <algorithm>
#include <array>

#include "llm/core/error.hpp"
#include "model/model_family.hpp"

namespace llm::detail {
namespace {

// Models whose weights were never published: people may try the name, but there is nothing to open.
constexpr std::array<std::string_view, 8> closed_models{"palm", "palm2", "jurassic", "j1",
                                                        "j2",   "gpt3",  "gpt4",     "claude"};

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
      bert_family(),        distilbert_family(), roberta_family(),       gpt_family(),
      gpt2_family(),        gpt_neo_family(),    bloom_family(),         llama_family(),
      qwen2_family(),       qwen3_family(),      smollm3_family(),       gemma_family(),
      gemma2_family(),      gemma3_family(),     gemma3_vision_family(), phi_family(),
      phi3_family(),        gpt_neox_family(),   gptj_family(),          codegen_family(),
      opt_family(),         granite_family(),    ernie4_5_family(),      helium_family(),
      hunyuan_family(),     ministral_family(),  olmo_family(),          olmo2_family(),
      exaone4_family(),     cohere_family(),     glm4_family(),          stablelm_family(),
      starcoder2_family(),  nemotron_family(),   falcon_family(),        mpt_family(),
      gpt_bigcode_family(), biogpt_family(),     xglm_family(),          t5_family(),
      bart_family(),        marian_family()};
  return families;
}

const ModelFamily& family_of(const std::string& model_type, const std::string& where) {
  for (const ModelFamily& family : model_families()) {
    if (std::ranges::find(family.model_types, model_type) != family.model_types.end()) {
      return family;
    }
  }
  std::string lower = model_type;
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  if (std::ranges::find(closed_models, lower) != closed_models.end()) {
    throw Error(ErrorCode::unsupported,
                where + ": model_type is " + quote(model_type) +
                    "; the weights of this model family are not public, so it cannot be run "
                    "anywhere but with its owner; supported: " +
                    supported_list(),
                "model_type");
  }
  throw Error(ErrorCode::unsupported,
              where + ": model_type is " + quote(model_type) +
                  ", which is not supported; supported: " + supported_list(),
              "model_type");
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
