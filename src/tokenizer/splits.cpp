#include "tokenizer/splits.hpp"

#include <algorithm>

namespace llm::detail {
namespace {

constexpr const char* bloom_split =
    R"( ?[^(\s|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{964}\x{6D4}\x{60C})]+)";
std::vector<SplitRule> make_rules() {
  const std::vector<const char*> gpt2 = {gpt2_split};
  const std::vector<const char*> digits = {R"(\p{N})", gpt2_split};
  std::vector<SplitRule> made;
  for (const char* name : {"gpt-2", "gpt2", "phi-2", "mpt", "olmo", "jais", "trillion"}) {
    made.push_back({name, gpt2});
  }
  for (const char* name : {"roberta-bpe", "jina-v1-en", "jina-v2-es", "jina-v2-de"}) {
    made.push_back({.name = name, .patterns = gpt2, .adds_bos = true, .adds_eos = true});
  }
  for (const char* name : {"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"}) {
    made.push_back({name, digits});
  }
  for (const char* name : {"llama-bpe", "llama3", "llama-v3", "falcon3", "smaug-bpe"}) {
    const bool is_llama = std::string_view(name).starts_with("llama");
    made.push_back(
        {.name = name, .patterns = {llama3_split}, .ignore_merges = true, .adds_bos = is_llama});
  }
  for (const char* name : {"qwen2", "deepseek-r1-qwen", "megrez"}) {
    made.push_back({.name = name, .patterns = {qwen2_split}, .composes = true});
  }
  made.push_back({"stablelm2", {qwen2_split}});
  for (const char* name : {"bloom", "poro-chat", "gpt3-finnish"}) {
    made.push_back({name, {bloom_split}});
  }
  made.push_back({"tekken", {tekken_split}, true});
  made.push_back({"falcon", {R"([\p{P}\$\+<=>\^~\|`]+)", gpt2_split, "[0-9][0-9][0-9]"}});
  made.push_back(
      {"default", {R"([\p{P}\$\+<=>\^~\|]+)", gpt2_split, R"(\p{N}+)", "[0-9][0-9][0-9]"}});
  return made;
}

const std::vector<SplitRule>& split_rules() {
  static const std::vector<SplitRule> rules = make_rules();
  return rules;
}

}  // namespace

const SplitRule* find_split_rule(std::string_view name) {
  const auto& rules = split_rules();
  const auto found = std::find_if(rules.begin(), rules.end(),
                                  [&](const SplitRule& rule) { return rule.name == name; });
  return found == rules.end() ? nullptr : &*found;
}

std::string split_rule_names() {
  std::string names;
  for (const SplitRule& rule : split_rules()) {
    names += (names.empty() ? "" : ", ") + std::string(rule.name);
  }
  return names;
}

}  // namespace llm::detail
