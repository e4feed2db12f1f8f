// The files that came before tokenizer.json: vocab.json with merges.txt (the GPT-2 family) and
// vocab.txt (BERT). What surrounds the model is what the reference builds for the tokenizer class.
#include <algorithm>

#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "tokenizer/bpe.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/sources.hpp"
#include "tokenizer/splits.hpp"
#include "tokenizer/tokenizer_class.hpp"
#include "tokenizer/wordpiece.hpp"

namespace llm::detail {
namespace {

constexpr std::size_t max_text_bytes = std::size_t{64} << 20U;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string read_text(const std::filesystem::path& file) {
  std::string text = read_file(file, max_text_bytes);
  if (const auto at = find_invalid_utf8(text)) {
    throw Error(ErrorCode::bad_format,
                file.string() + ": not valid UTF-8 at byte " + std::to_string(*at), file.string());
  }
  return text;
}

Bpe::Merges read_merges(std::string_view text, const std::string& where) {
  Bpe::Merges merges;
  for (const std::string_view line : lines_of(text)) {
    if (line.starts_with("#version") || line.empty()) continue;
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      throw Error(ErrorCode::bad_format,
                  where + ": the line " + quote(line) + " is not two tokens with a space between",
                  where);
    }
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

enum class Kind { gpt2, qwen2, roberta, clip, gpt };

constexpr std::pair<Kind, std::string_view> merge_classes[] = {{Kind::clip, "CLIPTokenizer"},
                                                               {Kind::roberta, "RobertaTokenizer"},
                                                               {Kind::qwen2, "Qwen2Tokenizer"},
                                                               {Kind::gpt, "OpenAIGPTTokenizer"},
                                                               {Kind::gpt2, "GPT2Tokenizer"}};

// Of GPT-2's kind is what is of no other.
const std::pair<Kind, std::string_view>& kind_of(const TokenizerConfig& config) {
  return *std::find_if(std::begin(merge_classes), std::end(merge_classes) - 1,
                       [&](const auto& kind) { return config.is_class({kind.second}); });
}

std::unique_ptr<PreTokenizer> clip_pre_tokenizer() {
  constexpr const char* words = R"('s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)";
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  steps.push_back(make_split(Pattern::regex(words, "CLIP"), SplitBehavior::removed, true));
  steps.push_back(make_byte_level(false, false));
  return make_sequence(std::move(steps));
}

std::unique_ptr<Normalizer> clip_normalizer() {
  return read_normalizer(Json::parse(R"({"type": "Sequence", "normalizers": [{"type": "NFC"},
      {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "}, {"type": "Lowercase"}]})"),
                         "CLIP");
}

// The steps around the model that the class brings along.
void set_steps(Kind kind, const TokenizerConfig& config, PipelineParts& parts) {
  const bool prefix = config.add_prefix_space.value_or(false);
  const auto id = [&](TokenizerConfig::Named which) {
    return parts.model->vocabulary().find(config.named[which].content).value_or(-1);
  };
  if (kind == Kind::gpt) {
    parts.normalizer = read_normalizer(Json{{"type", "BertNormalizer"}}, "GPT");
    parts.pre_tokenizer = read_pre_tokenizer(Json{{"type", "BertPreTokenizer"}}, "GPT");
    parts.decoder = read_decoder(Json{{"type", "BPEDecoder"}}, "GPT");
    return;
  }
  parts.decoder = make_byte_level_decoder();
  if (kind == Kind::qwen2) {
    std::vector<std::unique_ptr<PreTokenizer>> steps;
    steps.push_back(
        make_split(Pattern::regex(qwen2_split, "Qwen2"), SplitBehavior::isolated, false));
    steps.push_back(make_byte_level(prefix, false));
    parts.normalizer = read_normalizer(Json{{"type", "NFC"}}, "Qwen2");
    parts.pre_tokenizer = make_sequence(std::move(steps));
    return;
  }
  if (kind == Kind::clip) {
    parts.normalizer = clip_normalizer();
    parts.pre_tokenizer = clip_pre_tokenizer();
    parts.post_processor =
        make_roberta(id(TokenizerConfig::bos), id(TokenizerConfig::eos), false, false);
    return;
  }
  parts.pre_tokenizer = make_byte_level(prefix, true);
  if (kind != Kind::roberta) return;  // the GPT-2 family adds nothing unless told to
  parts.post_processor = make_roberta(id(TokenizerConfig::cls), id(TokenizerConfig::sep),
                                      config.trim_offsets.value_or(true), prefix);
}

void require_special(Kind kind, const TokenizerConfig& config, const Vocabulary& vocabulary,
                     const std::string& where) {
  if (kind != Kind::clip && kind != Kind::roberta) return;
  using Config = TokenizerConfig;
  for (const Config::Named which : kind == Kind::clip ? std::array{Config::bos, Config::eos}
                                                      : std::array{Config::cls, Config::sep}) {
    const std::string& content = config.named[which].content;
    if (!content.empty() && vocabulary.find(content)) continue;
    throw Error(ErrorCode::bad_format,
                where + ": " + Config::special_names[which] + " " + quote(content) +
                    " is not in the vocabulary, but the tokenizer class needs it",
                where);
  }
}

}  // namespace

std::unique_ptr<Tokenizer> open_vocab_and_merges(const std::filesystem::path& folder,
                                                 const TokenizerConfig& given) {
  TokenizerConfig config = given;
  const std::string where = (folder / "vocab.json").string();
  const Json json = Json{{"vocab", read_json_file(folder / "vocab.json", max_table_bytes)}};
  Vocabulary vocabulary = read_vocabulary(JsonFields(json, where), "vocab");
  const auto& [kind, class_name] = kind_of(config);
  set_class_names(class_name, &vocabulary, config);
  require_special(kind, config, vocabulary, where);

  const std::string text = read_text(folder / "merges.txt");
  BpeOptions options;
  if (kind == Kind::clip || kind == Kind::gpt) {
    options.unk_token = config.name_or(TokenizerConfig::unk, "");
    options.end_of_word_suffix = "</w>";
  }
  PipelineParts parts;
  parts.source = "vocab.json";
  parts.model = std::make_unique<Bpe>(std::move(vocabulary),
                                      read_merges(text, (folder / "merges.txt").string()),
                                      std::move(options), where);
  set_steps(kind, config, parts);
  apply_tokenizer_config(config, parts);
  follow_stated_bos_eos(config, parts);
  return make_pipeline(std::move(parts));
}

std::unique_ptr<Tokenizer> open_vocab_txt(const std::filesystem::path& file,
                                          const TokenizerConfig& given) {
  TokenizerConfig config = given;
  const std::string where = file.string();
  const std::string text = read_text(file);
  Vocabulary vocabulary;
  std::int64_t id = 0;
  for (const std::string_view line : lines_of(text)) vocabulary.add(line, id++, where);

  using Config = TokenizerConfig;
  set_class_names("BertTokenizer", &vocabulary, config);
  PipelineParts parts;
  parts.source = file.filename().string();
  WordPieceOptions options;
  options.unk_token = config.name_or(Config::unk, options.unk_token);
  parts.model = make_wordpiece(std::move(vocabulary), std::move(options), where);
  const bool lower = config.lower_case.value_or(true);
  const Json normalizer = {{"type", "BertNormalizer"},
                           {"lowercase", lower},
                           {"handle_chinese_chars", config.chinese_chars.value_or(true)},
                           {"strip_accents", config.strip_accents.value_or(lower)}};
  parts.normalizer = read_normalizer(normalizer, where);
  parts.pre_tokenizer = read_pre_tokenizer(Json{{"type", "BertPreTokenizer"}}, where);
  parts.decoder = read_decoder(Json{{"type", "WordPiece"}}, where);
  apply_tokenizer_config(config, parts);
  if (parts.special.cls && parts.special.sep) {
    const TokenId cls = *parts.special.cls;
    const TokenId sep = *parts.special.sep;
    parts.post_processor = make_bert(cls, sep);
  }
  return make_pipeline(std::move(parts));
}

}  // namespace llm::detail
