// The model of a tokenizer: one piece of text -> token ids. BPE, Unigram, WordPiece and WordLevel.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.hpp"
#include "tokenizer/vocabulary.hpp"
#include "tokenizer/work.hpp"

namespace llm::detail {

class JsonFields;

// A token and the bytes [begin, end) of the piece it stands for.
struct ModelToken {
  TokenId id = 0;
  std::uint32_t begin = 0, end = 0;
};

// What a model may keep between the pieces of one text.
class ModelScratch {
 public:
  virtual ~ModelScratch() = default;
};

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // Appends the tokens of `piece` (UTF-8; any bytes when takes_raw_bytes()).
  virtual void encode(std::string_view piece, bool raw_bytes, ModelScratch* scratch,
                      std::vector<ModelToken>& out, Work& work) const = 0;
  virtual std::unique_ptr<ModelScratch> make_scratch() const { return nullptr; }
  virtual const Vocabulary& vocabulary() const = 0;
  // Whether encode() may be given bytes instead of their spelling in the byte-level alphabet.
  virtual bool takes_raw_bytes() const { return false; }
  // What tokens begin with that go on within a piece; empty where they are spelled alike.
  virtual std::string_view continuing_prefix() const { return {}; }
  // "BPE" and so on.
  virtual std::string_view name() const = 0;
};

// Reads the "model" of a tokenizer.json. Throws Error (unsupported, bad_format).
std::unique_ptr<TokenModel> read_model(const Json& json, const std::string& where);

// Reads an object of token -> id. Throws Error (bad_format).
Vocabulary read_vocabulary(const JsonFields& fields, const char* name);

}  // namespace llm::detail
