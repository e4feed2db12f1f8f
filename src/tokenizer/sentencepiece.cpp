// A sentencepiece model on its own, without a folder that says what kind of model it serves: ids
// are those of current versions of sentencepiece, texts those of the installed library. Models in
// folders become the reference's pipelines (sentencepiece_folder.cpp).
#include "core/json.hpp"
#include "tokenizer/pipeline.hpp"
#include "tokenizer/sentencepiece_library.hpp"
#include "tokenizer/sentencepiece_steps.hpp"
#include "tokenizer/sources.hpp"

namespace llm::detail {
namespace {

class LibraryDecoder final : public TokenDecoder {
 public:
  explicit LibraryDecoder(SentencepieceLibrary library) : library_(std::move(library)) {}
  void run(std::vector<std::string>& tokens, Work& /*work*/) const override {
    tokens.assign(1, repair_utf8(library_.decode(tokens)));
  }

 private:
  SentencepieceLibrary library_;
};

SpecialTokens special_tokens(const TokenizerConfig& config, const PipelineParts& parts,
                             const SentencepieceLibrary::SpecialIds& ids) {
  using Config = TokenizerConfig;
  const auto named = [&](Config::Named which, TokenId id) -> std::optional<TokenId> {
    if (!config.named[which].content.empty()) return parts.find(config.named[which].content);
    return id >= 0 ? std::optional<TokenId>(id) : std::nullopt;
  };
  return {named(Config::bos, ids.bos), named(Config::eos, ids.eos), named(Config::unk, ids.unk),
          named(Config::sep, -1),      named(Config::pad, ids.pad), named(Config::cls, -1),
          named(Config::mask, -1)};
}

}  // namespace

std::unique_ptr<Tokenizer> open_sentencepiece(const std::filesystem::path& file,
                                              const TokenizerConfig& config) {
  const std::string where = file.string();
  const std::string bytes = read_file(file, max_sentencepiece_bytes);
  const SentencepieceModel model = parse_sentencepiece_model(bytes, where);
  SentencepieceLibrary library(bytes, where);
  SentencepieceSteps steps = make_sentencepiece_steps(model, where);
  PipelineParts parts;
  parts.source = file.filename().string();
  parts.normalizer = std::move(steps.normalizer);
  parts.pre_tokenizer = std::move(steps.pre_tokenizer);
  parts.model = std::move(steps.model);
  for (const SentencepieceModel::Piece& piece : model.pieces) {
    if (piece.kind != PieceKind::control) continue;
    parts.added.add({.content = piece.text, .special = true, .in_text = false},
                    parts.model->vocabulary(), where);
  }
  parts.special = special_tokens(config, parts, library.special());
  const TokenId bos = config.add_bos.value_or(false) ? parts.special.bos.value_or(-1) : -1;
  const TokenId eos = config.add_eos.value_or(false) ? parts.special.eos.value_or(-1) : -1;
  parts.post_processor = make_bos_eos(bos, eos);
  parts.chat_template = config.chat_template;
  parts.max_length = config.max_length;
  parts.decoder = std::make_unique<LibraryDecoder>(std::move(library));
  return make_pipeline(std::move(parts));
}

}  // namespace llm::detail
