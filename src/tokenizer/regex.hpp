// Regular expressions of tokenizer files. They are written for Oniguruma; PCRE2 runs them, with the
// classes that differ (\s, \w) spelled out. PCRE2 is named nowhere else.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/text.hpp"
#include "tokenizer/work.hpp"

namespace llm::detail {

class JsonFields;

class Regex {
 public:
  // Throws Error (unsupported, with the pattern and what is wrong with it).
  explicit Regex(const std::string& pattern, const std::string& where);
  Regex(Regex&&) noexcept;
  ~Regex();

  // Appends the byte ranges of all matches, left to right, not overlapping. Valid UTF-8 only.
  // What it takes is charged to `work`: a match that needs many steps ends in its Error, too.
  void find_all(std::string_view text, std::vector<Span>& matches, Work& work) const;

 private:
  struct Compiled;
  class Search;
  std::unique_ptr<Compiled> compiled_;
};

// A pattern of a file: a literal string or a regular expression.
class Pattern {
 public:
  static Pattern literal(std::string text) { return Pattern(std::move(text), nullptr); }
  static Pattern regex(const std::string& pattern, const std::string& where) {
    return Pattern({}, std::make_shared<const Regex>(pattern, where));
  }
  void find_all(std::string_view text, std::vector<Span>& matches, Work& work) const;

 private:
  Pattern(std::string text, std::shared_ptr<const Regex> regex)
      : text_(std::move(text)), regex_(std::move(regex)) {}
  std::string text_;
  std::shared_ptr<const Regex> regex_;
};

// Reads {"String": "..."} or {"Regex": "..."}. Throws Error (bad_format, unsupported).
Pattern read_pattern(const JsonFields& fields);

}  // namespace llm::detail
