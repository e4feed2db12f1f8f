// Normalizers: the first step of a tokenizer.json pipeline, text -> text with alignments.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "tokenizer/text.hpp"
#include "tokenizer/work.hpp"

namespace llm::detail {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  void apply(AlignedText& text, Work& work) const;
  // What errors call the step.
  void set_where(std::string where) { where_ = std::move(where); }

 protected:
  // A step that makes a text much longer tells `work` before it does.
  virtual void run(AlignedText& text, Work& work) const = 0;

 private:
  std::string where_;
};

// Reads the "normalizer" of a tokenizer.json. Throws Error (unsupported, bad_format).
std::unique_ptr<Normalizer> read_normalizer(const Json& json, const std::string& where);

// One step after the other.
std::unique_ptr<Normalizer> make_normalizer_sequence(
    std::vector<std::unique_ptr<Normalizer>> steps);
// The compiled character map of a sentencepiece model (its precompiled_charsmap, raw bytes).
std::unique_ptr<Normalizer> make_precompiled_normalizer(const std::string& charsmap,
                                                        const std::string& where);

}  // namespace llm::detail
