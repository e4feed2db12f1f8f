#include "tokenizer/tokenizer_class.hpp"

#include <algorithm>

namespace llm::detail {
namespace {

using NamePair = std::pair<std::string_view, std::string_view>;

template <std::size_t n>
std::string_view find_in(const NamePair (&table)[n], std::string_view name) {
  const auto* found = std::find_if(std::begin(table), std::end(table),
                                   [&](const NamePair& entry) { return entry.first == name; });
  return found == std::end(table) ? std::string_view() : found->second;
}

constexpr const char* end_of_text = "<|endoftext|>";

struct ClassNames {
  std::string_view tokenizer_class;
  std::array<const char*, 7> names;  // in the order of special_names; nullptr: has none
};

constexpr ClassNames class_names[] = {
    {"BertTokenizer", {nullptr, nullptr, "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"}},
    {"MPNetTokenizer", {"<s>", "</s>", "[UNK]", "</s>", "<pad>", "<s>", "<mask>"}},
    {"RobertaTokenizer", {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"}},
    {"XLMRobertaTokenizer", {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"}},
    {"CamembertTokenizer", {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"}},
    {"MBartTokenizer", {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"}},
    {"MBart50Tokenizer", {nullptr, "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"}},
    {"PegasusTokenizer", {nullptr, "</s>", "<unk>", nullptr, "<pad>", nullptr, "<mask_2>"}},
    {"T5Tokenizer", {nullptr, "</s>", "<unk>", nullptr, "<pad>"}},
    {"GPT2Tokenizer", {end_of_text, end_of_text, end_of_text}},
    {"CodeGenTokenizer", {end_of_text, end_of_text, end_of_text}},
    {"GPTNeoXTokenizer", {end_of_text, end_of_text, end_of_text}},
    {"Qwen2Tokenizer", {nullptr, end_of_text, end_of_text, nullptr, end_of_text}},
    {"CLIPTokenizer", {"<|startoftext|>", end_of_text, end_of_text, nullptr, end_of_text}},
    {"OpenAIGPTTokenizer", {nullptr, nullptr, "<unk>"}},
    {"LlamaTokenizer", {"<s>", "</s>", "<unk>"}},
    {"CodeLlamaTokenizer", {"<s>", "</s>", "<unk>"}},
    {"GemmaTokenizer", {"<bos>", "<eos>", "<unk>", nullptr, "<pad>"}},
    {"CohereTokenizer", {"<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>", "<UNK>"}},
};

}  // namespace

std::string class_of_model(std::string_view model_type) {
  static constexpr NamePair classes[] = {
      {"bert", "BertTokenizer"},
      {"distilbert", "BertTokenizer"},
      {"electra", "BertTokenizer"},
      {"mobilebert", "BertTokenizer"},
      {"mpnet", "MPNetTokenizer"},
      {"roberta", "RobertaTokenizer"},
      {"bart", "RobertaTokenizer"},
      {"longformer", "RobertaTokenizer"},
      {"led", "RobertaTokenizer"},
      {"mvp", "RobertaTokenizer"},
      {"xlm-roberta", "XLMRobertaTokenizer"},
      {"camembert", "CamembertTokenizer"},
      {"openai-gpt", "OpenAIGPTTokenizer"},
      {"gpt2", "GPT2Tokenizer"},
      {"gpt_neo", "GPT2Tokenizer"},
      {"gptj", "GPT2Tokenizer"},
      {"opt", "GPT2Tokenizer"},
      {"codegen", "CodeGenTokenizer"},
      {"phi", "CodeGenTokenizer"},
      {"gpt_neox", "GPTNeoXTokenizer"},
      {"bloom", "BloomTokenizer"},
      {"llama", "LlamaTokenizer"},
      {"mistral", "LlamaTokenizer"},
      {"mixtral", "LlamaTokenizer"},
      {"phi3", "LlamaTokenizer"},
      {"code_llama", "CodeLlamaTokenizer"},
      {"gemma", "GemmaTokenizer"},
      {"gemma2", "GemmaTokenizer"},
      {"gemma3_text", "GemmaTokenizer"},
      {"cohere", "CohereTokenizer"},
      {"cohere2", "CohereTokenizer"},
      {"qwen2", "Qwen2Tokenizer"},
      {"qwen2_moe", "Qwen2Tokenizer"},
      {"qwen3", "Qwen2Tokenizer"},
      {"qwen3_moe", "Qwen2Tokenizer"},
      {"t5", "T5Tokenizer"},
      {"mt5", "T5Tokenizer"},
      {"umt5", "T5Tokenizer"},
      {"mbart", "MBartTokenizer"},
      {"mbart50", "MBart50Tokenizer"},
      {"marian", "MarianTokenizer"},
      {"pegasus", "PegasusTokenizer"},
      {"clip", "CLIPTokenizer"},
      {"clip_text_model", "CLIPTokenizer"},
  };
  return std::string(find_in(classes, model_type));
}

std::string plain_class(std::string name) {
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  static constexpr NamePair same[] = {
      {"ConvBertTokenizer", "BertTokenizer"},
      {"DistilBertTokenizer", "BertTokenizer"},
      {"ElectraTokenizer", "BertTokenizer"},
      {"FunnelTokenizer", "BertTokenizer"},
      {"LayoutLMTokenizer", "BertTokenizer"},
      {"LxmertTokenizer", "BertTokenizer"},
      {"MobileBertTokenizer", "BertTokenizer"},
      {"SqueezeBertTokenizer", "BertTokenizer"},
      {"BartTokenizer", "RobertaTokenizer"},
      {"LEDTokenizer", "RobertaTokenizer"},
      {"LongformerTokenizer", "RobertaTokenizer"},
      {"MvpTokenizer", "RobertaTokenizer"},
      {"MT5Tokenizer", "T5Tokenizer"},
      {"Qwen3Tokenizer", "Qwen2Tokenizer"},
  };
  const std::string_view found = find_in(same, name);
  return found.empty() ? name : std::string(found);
}

bool is_generic_class(std::string_view tokenizer_class) {
  return tokenizer_class == "PreTrainedTokenizer" || tokenizer_class == "TokenizersBackend";
}

void set_class_names(std::string_view tokenizer_class, const Vocabulary* known,
                     TokenizerConfig& config) {
  const auto* found = std::find_if(
      std::begin(class_names), std::end(class_names),
      [&](const ClassNames& entry) { return entry.tokenizer_class == tokenizer_class; });
  if (found == std::end(class_names)) return;
  for (std::size_t i = 0; i < found->names.size(); ++i) {
    AddedToken& token = config.named[i];
    const char* name = found->names[i];
    if (name == nullptr || !token.content.empty() || config.unnamed[i]) continue;
    if (known == nullptr || known->find(name)) token = {.content = name, .special = true};
  }
  // Only this class's mask takes the white space before it along in both versions of the reference.
  AddedToken& mask = config.named[TokenizerConfig::mask];
  if (tokenizer_class == "CamembertTokenizer" && mask.content == "<mask>") mask.lstrip = true;
}

}  // namespace llm::detail
