#include "tokenizer/model.hpp"

#include "llm/core/error.hpp"
#include "tokenizer/bpe.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/unigram.hpp"
#include "tokenizer/wordpiece.hpp"

namespace llm::detail {
namespace {

// Old files do not name the type; the fields tell.
std::string guess_type(const JsonFields& fields) {
  if (fields.find("merges") != nullptr) return "BPE";
  if (fields.find("max_input_chars_per_word") != nullptr) return "WordPiece";
  if (fields.find("vocab") != nullptr && fields.at("vocab").is_array()) return "Unigram";
  return "WordLevel";
}

}  // namespace

std::unique_ptr<TokenModel> read_model(const Json& json, const std::string& where) {
  const JsonFields fields(json, where);
  const std::string type =
      fields.find("type") != nullptr ? fields.string("type") : guess_type(fields);
  if (type == "BPE") return read_bpe(json, where);
  if (type == "Unigram") return read_unigram(json, where);
  if (type == "WordPiece") return read_wordpiece(json, where);
  if (type == "WordLevel") return read_wordlevel(json, where);
  fail_unsupported(where, "model", type, "BPE, Unigram, WordPiece and WordLevel");
}

Vocabulary read_vocabulary(const JsonFields& fields, const char* name) {
  const Json& listed = fields.at(name);
  if (!listed.is_object()) fields.fail(name, "an object of token: id");
  Vocabulary vocabulary;
  vocabulary.reserve(listed.size());
  for (const auto& [token, id] : listed.items()) {
    if (!id.is_number_integer()) {
      throw Error(ErrorCode::bad_format,
                  fields.where() + ": the id of token " + quote(token) + " is not an integer",
                  fields.where());
    }
    vocabulary.add(token, id.get<std::int64_t>(), fields.where());
  }
  return vocabulary;
}

}  // namespace llm::detail
