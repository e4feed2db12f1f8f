#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizer/regex.hpp"

#include <pcre2.h>

#include <algorithm>
#include <array>

#include "llm/core/error.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/unicode_versions.hpp"

namespace llm::detail {
namespace {

constexpr std::uint32_t match_limit = 20'000'000;  // backtracking steps; a sane split needs tens
constexpr std::uint32_t heap_limit_kib = 256 * 1024;

// Members of a class in brackets, as Oniguruma defines them for Unicode.
constexpr std::string_view space_members = R"(\x{9}-\x{d}\x{20}\x{85}\p{Z})";
constexpr std::string_view word_members =
    R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be}\x{24b6}-\x{24e9})"
    R"(\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})";

// Length of the script's name in "p{Han}"; 0 when it is something else.
std::size_t script_name(std::string_view text) {
  if (!text.starts_with("p{") && !text.starts_with("P{")) return 0;
  const std::size_t end = text.find('}');
  constexpr std::size_t longest_category = 2;  // "Lu"; "L&" and "^L" are no names of scripts
  if (end == std::string_view::npos || end - 2 <= longest_category) return 0;
  const std::string_view name = text.substr(2, end - 2);
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
  return plain && name != "Any" ? name.size() : 0;
}

// Spells out \s \S \w \W; inside brackets a negated one stays as it is.
std::string translate(std::string_view pattern) {
  std::string out;
  int depth = 0;  // of brackets
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c != '\\' || i + 1 == pattern.size()) {
      out += c;
      if (c == '[') ++depth;
      if (c == ']' && depth > 0) --depth;
      continue;
    }
    const char kind = pattern[++i];
    if (const std::size_t name = script_name(pattern.substr(i)); name > 0) {
      // \p{Han} means the script here, in PCRE2 also what is used together with it.
      out += std::string(1, c) + kind + "{sc:" + std::string(pattern.substr(i + 2, name)) + "}";
      i += name + 2;
      continue;
    }
    const bool space = kind == 's' || kind == 'S';
    const bool negated = kind == 'S' || kind == 'W';
    if ((!space && kind != 'w' && kind != 'W') || (negated && depth > 0)) {
      out += c;
      out += kind;
      continue;
    }
    if (depth == 0) out += negated ? "[^" : "[";
    out += space ? space_members : word_members;
    if (depth == 0) out += ']';
  }
  return out;
}

std::string message_of(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

}  // namespace

struct Regex::Compiled {
  std::string pattern;
  std::string where;
  pcre2_code* code = nullptr;
  pcre2_match_context* limits = nullptr;
  ~Compiled() {
    pcre2_match_context_free(limits);
    pcre2_code_free(code);
  }
};

Regex::Regex(const std::string& pattern, const std::string& where)
    : compiled_(std::make_unique<Compiled>()) {
  const std::string translated = translate(pattern);
  int error = 0;
  PCRE2_SIZE at = 0;
  compiled_->pattern = pattern;
  compiled_->where = where;
  compiled_->code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &at, nullptr);
  if (compiled_->code == nullptr) {
    throw Error(ErrorCode::unsupported,
                where + ": the regular expression " + quote(pattern, 200) +
                    " cannot be compiled: " + message_of(error),
                where);
  }
  // Without the compiler for machine code (hardened systems) matching is slower, not different.
  (void)pcre2_jit_compile(compiled_->code, PCRE2_JIT_COMPLETE);
  compiled_->limits = pcre2_match_context_create(nullptr);
  if (compiled_->limits == nullptr) {
    throw Error(ErrorCode::out_of_memory, where + ": no memory for a regular expression", where);
  }
  pcre2_set_match_limit(compiled_->limits, match_limit);
  pcre2_set_heap_limit(compiled_->limits, heap_limit_kib);
}

Regex::Regex(Regex&&) noexcept = default;
Regex::~Regex() = default;

void Regex::find_all(std::string_view text, std::vector<Span>& matches) const {
  std::string replaced;
  if (replace_new_code_points(text, replaced)) text = replaced;
  const std::unique_ptr<pcre2_match_data, FreeMatch> data(
      pcre2_match_data_create_from_pattern(compiled_->code, nullptr));
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  for (std::size_t at = 0; at <= text.size();) {
    std::uint32_t options = PCRE2_NO_UTF_CHECK;
    int count = pcre2_match(compiled_->code, subject, text.size(), at, options, data.get(),
                            compiled_->limits);
    if (count == PCRE2_ERROR_JIT_STACKLIMIT) {  // the interpreter keeps its stack on the heap
      options |= PCRE2_NO_JIT;
      count = pcre2_match(compiled_->code, subject, text.size(), at, options, data.get(),
                          compiled_->limits);
    }
    if (count == PCRE2_ERROR_NOMATCH) return;
    if (count < 0) {
      throw Error(ErrorCode::invalid_input,
                  compiled_->where + ": the regular expression " + quote(compiled_->pattern, 200) +
                      " gave up on a text of " + std::to_string(text.size()) +
                      " bytes: " + message_of(count) + "; split the text into shorter ones",
                  compiled_->where);
    }
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data.get());
    if (ends[1] < ends[0] || ends[1] < at) return;  // \K moved the start: nothing sane to report
    matches.push_back({static_cast<std::uint32_t>(ends[0]), static_cast<std::uint32_t>(ends[1])});
    at = ends[1];
    if (ends[0] == ends[1]) {  // an empty match: go on behind the next code point
      if (at == text.size()) return;
      at += decode_utf8(text, at).bytes;
    }
  }
}

void Pattern::find_all(std::string_view text, std::vector<Span>& matches) const {
  if (regex_ != nullptr) {
    regex_->find_all(text, matches);
    return;
  }
  if (text_.empty()) return;
  for (std::size_t at = text.find(text_); at != std::string_view::npos;
       at = text.find(text_, at + text_.size())) {
    matches.push_back(
        {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + text_.size())});
  }
}

Pattern read_pattern(const JsonFields& fields) {
  if (fields.find("Regex") != nullptr) {
    return Pattern::regex(fields.string("Regex"), fields.where());
  }
  return Pattern::literal(fields.string("String"));
}

}  // namespace llm::detail
