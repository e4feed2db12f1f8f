#include "tokenizer/class_steps.hpp"

#include "tokenizer/splits.hpp"
#include "tokenizer/text.hpp"

namespace llm::detail {
namespace {

bool is_step(const Json& step, std::string_view type) {
  return step.is_object() && step.value("type", Json()) == type;
}

Json* find_step(Json& tokenizer, const char* name) {
  const auto found = tokenizer.find(name);
  return found == tokenizer.end() || !found->is_object() ? nullptr : &*found;
}

Json or_null(std::optional<bool> value) { return value ? Json(*value) : Json(); }

// do_lower_case, strip_accents and tokenize_chinese_chars, also where the folder does not state
// them: BERT's classes lower-case unless they are told not to.
void follow_bert(const TokenizerConfig& config, Json& tokenizer) {
  Json* normalizer = find_step(tokenizer, "normalizer");
  if (normalizer == nullptr || !is_step(*normalizer, "BertNormalizer")) return;
  if (!config.is_class({"BertTokenizer", "MPNetTokenizer"})) return;
  (*normalizer)["lowercase"] = config.lower_case.value_or(true);
  (*normalizer)["strip_accents"] = or_null(config.strip_accents);
  (*normalizer)["handle_chinese_chars"] = config.chinese_chars.value_or(true);
}

// add_prefix_space and trim_offsets of byte-level tokenizers; steps in a sequence stay.
void follow_byte_level(const TokenizerConfig& config, Json& tokenizer) {
  std::optional<bool> prefix = config.add_prefix_space;
  const bool has_default =
      config.is_class({"GPT2Tokenizer", "CodeGenTokenizer", "GPTNeoXTokenizer", "Qwen2Tokenizer",
                       "RobertaTokenizer", "CohereTokenizer"});
  if (!prefix && has_default) prefix = false;
  Json* pre_tokenizer = find_step(tokenizer, "pre_tokenizer");
  if (prefix && pre_tokenizer != nullptr && is_step(*pre_tokenizer, "ByteLevel")) {
    (*pre_tokenizer)["add_prefix_space"] = *prefix;
  }
  Json* post_processor = find_step(tokenizer, "post_processor");
  if (post_processor == nullptr || !config.is_class({"RobertaTokenizer"})) return;
  if (is_step(*post_processor, "RobertaProcessing") || is_step(*post_processor, "ByteLevel")) {
    (*post_processor)["add_prefix_space"] = prefix.value_or(false);
    (*post_processor)["trim_offsets"] = config.trim_offsets.value_or(true);
  }
}

// Takes the steps for which is_one(step) is true out of a sequence of them; one on its own becomes
// null.
template <class IsOne>
void remove_steps(Json* step, const char* list, IsOne is_one) {
  if (step == nullptr) return;
  if (is_one(*step)) {
    *step = nullptr;
    return;
  }
  const auto steps = step->find(list);
  if (steps == step->end() || !steps->is_array()) return;
  Json kept = Json::array();
  for (Json& one : *steps) {
    if (!is_one(one)) kept.push_back(std::move(one));
  }
  *steps = std::move(kept);
}

// add_prefix_space: false of a vocabulary made by sentencepiece: no space before the text.
void follow_prefix(const TokenizerConfig& config, Json& tokenizer) {
  if (config.add_prefix_space.value_or(true) || !config.is_class({"LlamaTokenizer"})) return;
  remove_steps(find_step(tokenizer, "normalizer"), "normalizers",
               [](const Json& step) { return is_step(step, "Prepend"); });
  remove_steps(find_step(tokenizer, "decoder"), "decoders",
               [](const Json& step) { return is_step(step, "Strip"); });
  for (const char* name : {"pre_tokenizer", "decoder"}) {
    Json* step = find_step(tokenizer, name);
    if (step == nullptr || !is_step(*step, "Metaspace")) continue;
    (*step)["prepend_scheme"] = "never";
    step->erase("add_prefix_space");
  }
}

// fix_mistral_regex: the first step of vocabularies that were saved with a wrong one.
void follow_mistral(const TokenizerConfig& config, Json& tokenizer) {
  constexpr std::size_t smallest = 100'000;  // tokens; smaller vocabularies are of another kind
  if (!config.fixes_mistral || !tokenizer.contains("model")) return;
  const Json& model = tokenizer["model"];
  Json* step = find_step(tokenizer, "pre_tokenizer");
  const bool large =
      model.is_object() && model.contains("vocab") && model["vocab"].size() > smallest;
  if (!large || step == nullptr) return;
  const Json split = {{"type", "Split"},
                      {"pattern", {{"Regex", tekken_split}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  const bool sequence = is_step(*step, "Sequence") && step->contains("pretokenizers");
  if (sequence && (*step)["pretokenizers"].is_array() && !(*step)["pretokenizers"].empty()) {
    (*step)["pretokenizers"][0] = split;
    return;
  }
  const Json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  const Json last = is_step(*step, "Metaspace") ? bytes : *step;
  *step = {{"type", "Sequence"}, {"pretokenizers", {split, last}}};
}

}  // namespace

void follow_class(const TokenizerConfig& config, Json& tokenizer) {
  if (!tokenizer.is_object()) return;  // reading it says what is wrong
  follow_bert(config, tokenizer);
  follow_byte_level(config, tokenizer);
  follow_prefix(config, tokenizer);
  follow_mistral(config, tokenizer);
}

void follow_bos_eos(const TokenizerConfig& config, PipelineParts& parts) {
  const bool always = config.is_class({"GPTNeoXTokenizer"});
  const bool stated =
      (config.add_bos || config.add_eos) && config.is_class({"LlamaTokenizer", "CodeLlamaTokenizer",
                                                             "GemmaTokenizer", "CohereTokenizer"});
  if (!always && !stated) return;
  set_bos_eos(config.add_bos.value_or(!always), config.add_eos.value_or(false), parts);
}

}  // namespace llm::detail
