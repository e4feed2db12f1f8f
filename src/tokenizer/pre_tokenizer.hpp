// Pre-tokenizers: the second step of a tokenizer.json pipeline, which cuts the normalized text into
// the pieces that the model sees one by one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "tokenizer/regex.hpp"
#include "tokenizer/text.hpp"
#include "tokenizer/work.hpp"

namespace llm::detail {

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  void apply(Pieces& pieces, Work& work) const;
  // What errors call the step.
  void set_where(std::string where) { where_ = std::move(where); }
  // Asks the step to leave bytes as they are instead of spelling them in the byte-level alphabet,
  // for a model that takes bytes. Only the last step of a pipeline may be asked. True if it will.
  virtual bool leave_raw_bytes() { return false; }

 protected:
  // A step makes a text at most four times as long.
  virtual void run(Pieces& pieces, Work& work) const = 0;

 private:
  std::string where_;
};

// What becomes of the matches of a pattern that splits.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

// Reads the "pre_tokenizer" of a tokenizer.json. Throws Error (unsupported, bad_format).
std::unique_ptr<PreTokenizer> read_pre_tokenizer(const Json& json, const std::string& where);

// Steps made without JSON, for vocabularies that come in other files.
std::unique_ptr<PreTokenizer> make_byte_level(bool add_prefix_space, bool use_regex);
std::unique_ptr<PreTokenizer> make_split(Pattern pattern, SplitBehavior behavior, bool invert);
std::unique_ptr<PreTokenizer> make_digits(bool individual);
std::unique_ptr<PreTokenizer> make_sequence(std::vector<std::unique_ptr<PreTokenizer>> steps);

}  // namespace llm::detail
