#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizer/regex.hpp"

#include <pcre2.h>

#include <algorithm>
#include <array>
#include <new>

#include "llm/core/error.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/unicode_versions.hpp"

namespace llm::detail {
namespace {

// Backtracking steps at one place of a text: a sane split needs tens. What needs more is tried
// again with more, and charged for it.
constexpr std::array<std::uint32_t, 5> match_limits = {1U << 8U, 1U << 12U, 1U << 16U, 1U << 20U,
                                                       1U << 24U};
constexpr std::uint32_t steps_per_look = 16;
constexpr std::size_t looks_per_byte = 16;  // what the first limit allows at each place
constexpr std::uint32_t heap_limit_kib = 256 * 1024;

// Members of a class in brackets, as Oniguruma defines them for Unicode.
constexpr std::string_view space_members = R"(\x{9}-\x{d}\x{20}\x{85}\p{Z})";
constexpr std::string_view word_members =
    R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be}\x{24b6}-\x{24e9})"
    R"(\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})";

// Length of the script's name in "p{Han}"; 0 when it is something else.
std::size_t script_name(std::string_view text) {
  if (!text.starts_with("p{") && !text.starts_with("P{")) return 0;
  constexpr std::size_t longest_name = 64;
  const std::size_t end = text.substr(0, longest_name).find('}');
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
  std::array<pcre2_match_context*, match_limits.size()> contexts{};  // one a limit
  ~Compiled() {
    for (pcre2_match_context* context : contexts) pcre2_match_context_free(context);
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
  for (std::size_t i = 0; i < match_limits.size(); ++i) {
    pcre2_match_context* context = pcre2_match_context_create(nullptr);
    if (context == nullptr) {
      throw Error(ErrorCode::out_of_memory, where + ": no memory for a regular expression", where);
    }
    compiled_->contexts[i] = context;
    pcre2_set_match_limit(context, match_limits[i]);
    pcre2_set_heap_limit(context, heap_limit_kib);
  }
}

Regex::Regex(Regex&&) noexcept = default;
Regex::~Regex() = default;

// The matches in one text, one after the other.
class Regex::Search {
 public:
  Search(const Compiled& compiled, std::string_view text, Work& work)
      : compiled_(compiled),
        text_(text),
        work_(work),
        data_(pcre2_match_data_create_from_pattern(compiled.code, nullptr)) {
    if (data_ == nullptr) throw std::bad_alloc();
  }

  // The first match that begins at `at` or behind it; false when there is none.
  bool next(std::size_t at, PCRE2_SIZE (&ends)[2]) {
    int count = run(at, 0, 0);
    if (count == PCRE2_ERROR_MATCHLIMIT) count = try_each(at);
    if (count == PCRE2_ERROR_NOMATCH) return false;
    if (count < 0) fail(count);
    const PCRE2_SIZE* found = pcre2_get_ovector_pointer(data_.get());
    std::copy_n(found, 2, ends);
    return ends[1] >= ends[0] && ends[1] >= at;  // \K moved the start: nothing sane to report
  }

 private:
  // `level` says which of the limits holds.
  int run(std::size_t at, std::uint32_t options, std::size_t level) {
    options |= PCRE2_NO_UTF_CHECK;
    const auto match = [&](std::uint32_t more) {
      return pcre2_match(compiled_.code, reinterpret_cast<PCRE2_SPTR>(text_.data()), text_.size(),
                         at, options | more, data_.get(), compiled_.contexts[level]);
    };
    const int count = match(0);
    // The interpreter keeps its stack on the heap.
    return count == PCRE2_ERROR_JIT_STACKLIMIT ? match(PCRE2_NO_JIT) : count;
  }

  // Somewhere behind `at` the first limit is not enough: every place is tried on its own, so that
  // what it takes is known.
  int try_each(std::size_t at) {
    while (true) {
      int count = run(at, PCRE2_ANCHORED, 0);
      for (std::size_t level = 1; count == PCRE2_ERROR_MATCHLIMIT; ++level) {
        if (level == match_limits.size()) return count;
        work_.look(match_limits[level] / steps_per_look);
        count = run(at, PCRE2_ANCHORED, level);
      }
      if (count != PCRE2_ERROR_NOMATCH || at == text_.size()) return count;
      at += decode_utf8(text_, at).bytes;
    }
  }

  [[noreturn]] void fail(int count) const {
    throw Error(ErrorCode::invalid_input,
                compiled_.where + ": the regular expression " + quote(compiled_.pattern, 200) +
                    " gave up on a text of " + std::to_string(text_.size()) +
                    " bytes: " + message_of(count) + "; split the text into shorter ones",
                compiled_.where);
  }

  const Compiled& compiled_;
  std::string_view text_;
  Work& work_;
  std::unique_ptr<pcre2_match_data, FreeMatch> data_;
};

void Regex::find_all(std::string_view text, std::vector<Span>& matches, Work& work) const {
  std::string replaced;
  if (replace_new_code_points(text, replaced)) text = replaced;
  work.look(text.size() * looks_per_byte);
  Search search(*compiled_, text, work);
  PCRE2_SIZE ends[2] = {0, 0};
  for (std::size_t at = 0; at <= text.size() && search.next(at, ends);) {
    matches.push_back({static_cast<std::uint32_t>(ends[0]), static_cast<std::uint32_t>(ends[1])});
    at = ends[1];
    if (ends[0] == ends[1]) {  // an empty match: go on behind the next code point
      if (at == text.size()) return;
      at += decode_utf8(text, at).bytes;
    }
  }
}

void Pattern::find_all(std::string_view text, std::vector<Span>& matches, Work& work) const {
  if (regex_ != nullptr) {
    regex_->find_all(text, matches, work);
    return;
  }
  work.look(text.size());
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
