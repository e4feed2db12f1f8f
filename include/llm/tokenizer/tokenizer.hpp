/// \file
/// Text to token ids and back. First station of the line: text -> Tokenizer -> ids -> Model.
/// Behind one interface: the pipeline of a `tokenizer.json`, the older files of every family
/// (`vocab.txt`, `vocab.json` + `merges.txt`, sentencepiece models, Marian's two models with their
/// vocabulary) and the vocabulary inside a GGUF file.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "llm/core/types.hpp"

namespace llm {

/// Half-open range of bytes [begin, end) in the text that was encoded.
struct ByteSpan {
  std::size_t begin = 0;  ///< the first byte
  std::size_t end = 0;    ///< one behind the last byte
  /// Whether both are the same range.
  bool operator==(const ByteSpan&) const = default;
};

/// What encode() returns; the vectors have equal length.
struct Encoding {
  std::vector<TokenId> ids;       ///< the tokens
  std::vector<ByteSpan> offsets;  ///< where each token comes from; {0, 0} for added special tokens
  std::vector<std::int32_t>
      type_ids;  ///< segment of each token (0, or 1 for the second text of a pair)
  /// The word of its text that each token is cut from, counted from 0: what the tokenizer's first
  /// steps leave whole; -1 for added special tokens. Empty when the tokenizer knows no words.
  std::vector<std::int32_t> words = {};
};

/// What EncodeOptions::language means to a tokenizer.
enum class LanguageMark : std::uint8_t {
  none,    ///< nothing: it is an Error to give one
  own,     ///< texts are marked with their own language (mBART)
  target,  ///< a text that is read may say what to translate it into (Marian)
};

/// How to encode.
struct EncodeOptions {
  /// Add what the file's post-processor adds (bos, eos, [CLS], ...), as the reference does by
  /// default.
  bool add_special_tokens = true;
  /// The text is one that the model shall write, not one that it reads. Matters to translation
  /// models alone: Marian has a second vocabulary for it, mBART marks it with the target language.
  bool is_target = false;
  /// The language to mark the text with: for mBART the language of the text ("fr_XX"; empty: the
  /// folder's src_lang or, for a target, tgt_lang), for Marian the one to translate into (the
  /// "fra" of ">>fra<<"; empty: as the text says). For other tokenizers and unknown languages an
  /// Error (invalid_option).
  std::string language = {};
  /// Ends a long text with an Error (interrupted) once it is set.
  const std::atomic<bool>* interrupt = nullptr;
};

/// Most tokens of a text for a model that sets no limit itself (T5), unless the caller says another
/// number.
inline constexpr std::int64_t default_max_input_tokens = 16384;

/// How to decode.
struct DecodeOptions {
  bool skip_special_tokens = true;  ///< leave special tokens out of the text
  /// Take the spaces away that stand before punctuation and English contractions ("do n't !").
  /// Absent: as the folder's clean_up_tokenization_spaces says, which the reference (and so this
  /// library) follows for all models but BPE. true cleans up whatever the model is.
  std::optional<bool> clean_up_spaces = {};
};

/// The special tokens a file names; absent when it does not.
struct SpecialTokens {
  std::optional<TokenId> bos;   ///< begins a text
  std::optional<TokenId> eos;   ///< ends a text
  std::optional<TokenId> unk;   ///< stands for what is not in the vocabulary
  std::optional<TokenId> sep;   ///< separates texts
  std::optional<TokenId> pad;   ///< fills up rows
  std::optional<TokenId> cls;   ///< is read by classifiers
  std::optional<TokenId> mask;  ///< stands for a token to predict
};

/// A file that a tokenizer may be read from.
struct TokenizerFile {
  std::filesystem::path file;         ///< its path
  std::optional<std::size_t> tokens;  ///< entries of its vocabulary, where they can be counted
  std::string note;                   ///< why it is used or is not: one sentence for people
};

/// Immutable; any number of threads may use one Tokenizer.
///
/// Text is UTF-8. Invalid UTF-8 is an Error (invalid_input) that gives the byte offset.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Opens the tokenizer of a model folder or `.gguf` file, or one tokenizer file by its path
  /// (`tokenizer.json`, `*.model`, `vocab.txt`). In a folder `tokenizer.json` wins over Marian's
  /// `source.spm` + `target.spm`, these over `*.model`, that over `vocab.json` + `merges.txt` and
  /// that over `vocab.txt`; `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json`
  /// and the `model_type` of `config.json` are honoured. Throws Error: file_not_found when there is
  /// none, bad_format, or unsupported naming the step of the pipeline that is not implemented.
  static std::unique_ptr<Tokenizer> open(const std::filesystem::path& path);

  /// The files of a folder that a tokenizer may be read from; the first is the one that open()
  /// uses. Counts their vocabularies, so that a folder whose files disagree shows. Does not throw
  /// because of what the files hold.
  static std::vector<TokenizerFile> files(const std::filesystem::path& path);

  /// The tokens of a text. Throws Error: invalid_input for text that is not UTF-8, invalid_option
  /// for a language, interrupted.
  virtual Encoding encode(std::string_view text, const EncodeOptions& options = {}) const = 0;

  /// Ids of a pair of texts (two segments), with the post-processor's pair template.
  virtual Encoding encode_pair(std::string_view first, std::string_view second,
                               const EncodeOptions& options = {}) const = 0;

  /// Text of the ids. Bytes that do not form UTF-8 become U+FFFD, as in the reference.
  /// Ids outside the vocabulary are skipped, as in the reference.
  virtual std::string decode(std::span<const TokenId> ids,
                             const DecodeOptions& options = {}) const = 0;

  /// One past the largest id, added tokens included.
  virtual TokenId vocab_size() const = 0;
  /// The token as the file spells it ("Ġthe", "▁the", "<0x0A>"); empty when the id is not used.
  virtual std::string token(TokenId id) const = 0;
  /// The id of a token as the file spells it.
  virtual std::optional<TokenId> id(std::string_view token) const = 0;
  /// Whether decode() skips this id when special tokens are skipped.
  virtual bool is_special(TokenId id) const = 0;
  /// The special tokens.
  virtual const SpecialTokens& special() const = 0;
  /// Text of tokens as the file spells them, special ones included, as decode() without
  /// clean_up_spaces; what is no token stays as it is. (The reference's convert_tokens_to_string.)
  virtual std::string join(std::span<const std::string> tokens) const;
  /// What tokens begin with that go on within a word ("##"); empty where they are spelled alike.
  virtual std::string_view continuing_prefix() const { return {}; }
  /// Whether decode() cleans up spaces unless it is told.
  virtual bool cleans_up_spaces() const { return false; }
  /// What EncodeOptions::language means here.
  virtual LanguageMark language_mark() const { return LanguageMark::none; }
  /// The folder's or file's chat template (Jinja source), empty when it has none.
  virtual const std::string& chat_template() const = 0;
  /// Tokens of a text that the model was made for, special ones included, as the folder's
  /// model_max_length says; absent when it says nothing or names no real number.
  virtual std::optional<std::int64_t> max_length() const { return std::nullopt; }
  /// Whether the reference would fill up texts on the left, as the files or the tokenizer's class
  /// say (padding_side). Nothing is ever padded here, but models that answer questions read the
  /// context first then.
  virtual bool pads_left() const { return false; }
  /// Whether texts that are too long lose their beginning instead of their end (truncation_side).
  virtual bool truncates_left() const { return false; }
  /// What was opened, for people: "tokenizer.json (BPE, byte-level, 49152 tokens)".
  virtual const std::string& description() const = 0;
};

}  // namespace llm
