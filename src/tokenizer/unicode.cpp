#include "tokenizer/unicode.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "tokenizer/unicode_versions.hpp"

namespace llm::detail {
namespace {

int category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }
int combining_class(char32_t c) {
  if (c < 0x300 || is_after_unicode_9(c)) return 0;
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

// Length of the well-formed sequence at `at`, or 0; `bad` is then the length of its well-formed
// prefix.
std::size_t sequence_length(std::string_view s, std::size_t at, std::size_t& bad) {
  const auto byte = [&](std::size_t i) {
    return i < s.size() ? static_cast<unsigned char>(s[i]) : 0U;
  };
  const unsigned first = byte(at);
  bad = 1;
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xC2 && first <= 0xDF   ? 2
                             : (first & 0xF0U) == 0xE0        ? 3
                             : first >= 0xF0 && first <= 0xF4 ? 4
                                                              : 0;
  if (length == 0) return 0;
  const unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (byte(at + 1) < low || byte(at + 1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    bad = i;
    if ((byte(at + i) & 0xC0U) != 0x80U) return 0;
  }
  return length;
}

// A code point on its way through decomposition: its canonical combining class rides along.
struct Decomposed {
  char32_t c;
  std::int32_t change;
  int ccc;
};

void sort_marks(std::vector<Decomposed>& marks, std::size_t from) {
  std::stable_sort(marks.begin() + static_cast<std::ptrdiff_t>(from), marks.end(),
                   [](const Decomposed& a, const Decomposed& b) { return a.ccc < b.ccc; });
}

std::vector<Decomposed> decompose(std::string_view text, bool compatible) {
  const auto options =
      static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0));
  std::vector<Decomposed> out;
  out.reserve(text.size());
  std::size_t pending = 0;  // from here on marks are not sorted yet
  std::array<utf8proc_int32_t, 32> parts{};
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint source = decode_utf8(text, at);
    at += source.bytes;
    int boundary = 0;
    auto count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(source.value), parts.data(),
                                static_cast<utf8proc_ssize_t>(parts.size()), options, &boundary);
    if (count < 1 || count > static_cast<utf8proc_ssize_t>(parts.size()) ||
        is_after_unicode_9(source.value)) {
      parts[0] = static_cast<utf8proc_int32_t>(source.value);
      count = 1;
    }
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
      const auto c = static_cast<char32_t>(parts[static_cast<std::size_t>(i)]);
      const int ccc = combining_class(c);
      if (ccc == 0) {
        sort_marks(out, pending);
        pending = out.size();
      }
      out.push_back({c, i > 0, ccc});
    }
  }
  sort_marks(out, pending);
  return out;
}

// The primary composite of a pair, or 0.
char32_t compose_pair(char32_t a, char32_t b) {
  std::array<utf8proc_int32_t, 2> pair{static_cast<utf8proc_int32_t>(a),
                                       static_cast<utf8proc_int32_t>(b)};
  const auto length = utf8proc_normalize_utf32(
      pair.data(), 2, static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  const auto composed = static_cast<char32_t>(pair[0]);
  return length == 1 && !is_after_unicode_9(composed) ? composed : 0;
}

void recompose(const std::vector<Decomposed>& in, std::vector<Change>& out) {
  constexpr std::size_t none = static_cast<std::size_t>(-1);
  std::size_t starter = none;  // where in `out` the code point stands that may still grow
  int last_ccc = -1;           // class of the last mark after it that did not combine
  for (const Decomposed& d : in) {
    if (starter == none) {
      if (d.ccc == 0) starter = out.size();
      out.push_back({d.c, d.change});
      continue;
    }
    if (last_ccc < d.ccc) {
      if (const char32_t composed = compose_pair(out[starter].c, d.c); composed != 0) {
        out[starter] = {composed, out[starter].change + d.change - 1};
        continue;
      }
    }
    last_ccc = d.ccc;
    if (d.ccc == 0) {
      starter = out.size();
      last_ccc = -1;
    }
    out.push_back({d.c, d.change});
  }
}

}  // namespace

CodePoint decode_utf8(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[at + i]));
  };
  const char32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xE0) return {((first & 0x1FU) << 6U) | (byte(1) & 0x3FU), 2};
  if (first < 0xF0) {
    return {((first & 0x0FU) << 12U) | ((byte(1) & 0x3FU) << 6U) | (byte(2) & 0x3FU), 3};
  }
  return {((first & 0x07U) << 18U) | ((byte(1) & 0x3FU) << 12U) | ((byte(2) & 0x3FU) << 6U) |
              (byte(3) & 0x3FU),
          4};
}

std::uint32_t utf8_length(char32_t c) { return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4; }

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0U | (c >> 6U));
    put(0x80U | (c & 0x3FU));
  } else if (c < 0x10000) {
    put(0xE0U | (c >> 12U));
    put(0x80U | ((c >> 6U) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  } else {
    put(0xF0U | (c >> 18U));
    put(0x80U | ((c >> 12U) & 0x3FU));
    put(0x80U | ((c >> 6U) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  }
}

std::optional<std::size_t> find_invalid_utf8(std::string_view bytes) {
  std::size_t bad = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = sequence_length(bytes, at, bad);
    if (length == 0) return at;
    at += length;
  }
  return std::nullopt;
}

std::string strip_spaces(std::string_view text) {
  // As the reference's language does it: the four separators of ASCII count, too.
  const auto is_space = [](char32_t c) { return is_whitespace(c) || (c >= 0x1C && c <= 0x1F); };
  std::size_t begin = 0;
  while (begin < text.size() && is_space(decode_utf8(text, begin).value)) {
    begin += decode_utf8(text, begin).bytes;
  }
  std::size_t end = begin;  // behind the last code point that is kept
  for (std::size_t at = begin; at < text.size();) {
    const CodePoint next = decode_utf8(text, at);
    at += next.bytes;
    if (!is_space(next.value)) end = at;
  }
  return std::string(text.substr(begin, end - begin));
}

std::string repair_utf8(std::string bytes) {
  if (!find_invalid_utf8(bytes)) return bytes;
  std::string out;
  out.reserve(bytes.size() + 8);
  std::size_t bad = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = sequence_length(bytes, at, bad);
    if (length == 0) {
      append_utf8(out, 0xFFFD);
      at += bad;
    } else {
      out.append(bytes, at, length);
      at += length;
    }
  }
  return out;
}

bool is_whitespace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_numeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const int k = category(c);
  return k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO ||
         is_number_of_unicode_16(c);
}

bool is_punctuation(char32_t c) {
  if (c < 0x80) {
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
  }
  const int k = category(c);
  // Two letters of today were punctuation in Unicode 8.
  return (k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO && !is_after_unicode_8(c)) ||
         c == 0x166D || c == 0x111C9;
}

bool is_other(char32_t c) {
  const int k = category(c);
  return (k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_CO) &&
         !is_after_unicode_8(c);
}

bool is_nonspacing_mark(char32_t c) {
  if (c < 0x300) return false;
  return c == 0x1734 || (category(c) == UTF8PROC_CATEGORY_MN && !is_after_unicode_8(c));
}

bool is_mark(char32_t c) {
  const int k = c < 0x300 ? 0 : category(c);
  const bool mark =
      k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_ME;
  return (mark && !is_after_unicode_9(c)) || c == 0x1CF2 || c == 0x1CF3;
}

bool is_word(char32_t c) {
  if (c < 0x80) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  }
  const int k = category(c);
  const bool circled_letter = (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
                              (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
  return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NL) || k == UTF8PROC_CATEGORY_PC ||
         circled_letter || c == 0x200C || c == 0x200D || is_word_of_unicode_16(c);
}

char32_t to_lower(char32_t c, char32_t& second) {
  second = 0;
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if (c == 0x130) {
    second = 0x307;
    return 'i';
  }
  const auto lower = static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
  return lower == c ? lower_of_unicode_16(c) : lower;
}

void normalize(std::string_view text, NormalForm form, std::vector<Change>& out) {
  const bool compatible = form == NormalForm::nfkc || form == NormalForm::nfkd;
  const std::vector<Decomposed> parts = decompose(text, compatible);
  out.clear();
  out.reserve(parts.size());
  if (form == NormalForm::nfc || form == NormalForm::nfkc) {
    recompose(parts, out);
  } else {
    for (const Decomposed& d : parts) out.push_back({d.c, d.change});
  }
}

void grapheme_ends(std::string_view text, std::vector<std::size_t>& out) {
  out.clear();
  utf8proc_int32_t state = 0;
  char32_t previous = 0;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint next = decode_utf8(text, at);
    if (at > 0 &&
        utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(previous),
                                         static_cast<utf8proc_int32_t>(next.value), &state)) {
      out.push_back(at);
    }
    previous = next.value;
    at += next.bytes;
  }
  if (!text.empty()) out.push_back(text.size());
}

char32_t to_upper(char32_t c) {
  return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c)));
}

char32_t to_title(char32_t c) {
  return static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c)));
}

bool is_upper(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LU; }

bool is_lower(char32_t c) {
  // The ordinal indicators are lower case letters that no category tells.
  return category(c) == UTF8PROC_CATEGORY_LL || c == 0xAA || c == 0xBA;
}

bool is_letter(char32_t c) {
  return category(c) >= UTF8PROC_CATEGORY_LU && category(c) <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal_digit(char32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }

bool is_printable(char32_t c) {
  const int kind = category(c);
  return c == ' ' || (kind != UTF8PROC_CATEGORY_CN && kind < UTF8PROC_CATEGORY_ZS);
}

}  // namespace llm::detail
