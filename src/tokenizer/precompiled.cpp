// The character map that a sentencepiece model carries, compiled into a double-array trie, applied
// the way the reference applies it (a whole grapheme cluster first, then single code points).
// Format: [u32 bytes of trie][trie: u32 units][replacements, each ended by a zero byte];
// the trie is Darts-clone's (github.com/s-yata/darts-clone).
#include <array>
#include <cstring>

#include "llm/core/error.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/normalizer.hpp"

namespace llm::detail {
namespace {

constexpr std::size_t max_cluster_bytes = 5;  // longer clusters are looked up by code point only

class PrecompiledNormalizer final : public Normalizer {
 public:
  PrecompiledNormalizer(const std::string& charsmap, const std::string& where) {
    std::uint32_t trie_bytes = 0;
    if (charsmap.size() >= 4) std::memcpy(&trie_bytes, charsmap.data(), 4);
    if (charsmap.size() < 8 || trie_bytes > charsmap.size() - 4 || trie_bytes < 4) {
      throw Error(ErrorCode::bad_format,
                  where + ": the character map of " + std::to_string(charsmap.size()) +
                      " bytes says its trie has " + std::to_string(trie_bytes) +
                      "; the file is damaged",
                  where);
    }
    units_.resize(trie_bytes / 4);
    std::memcpy(units_.data(), charsmap.data() + 4, units_.size() * 4);
    replacements_ = charsmap.substr(4 + units_.size() * 4);
    if (find_invalid_utf8(replacements_)) {
      throw Error(ErrorCode::bad_format, where + ": the character map is not UTF-8", where);
    }
  }

  void apply(AlignedText& text) const override {
    std::vector<std::size_t> ends;
    grapheme_ends(text.text, ends);
    std::vector<Change> changes;
    changes.reserve(text.text.size());
    bool modified = false;
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
      const std::string_view cluster = std::string_view(text.text).substr(begin, end - begin);
      begin = end;
      modified |= apply_cluster(cluster, changes);
    }
    if (modified) text.transform(changes);
  }

 private:
  bool apply_cluster(std::string_view cluster, std::vector<Change>& changes) const {
    std::string_view with;
    if (cluster.size() <= max_cluster_bytes && find(cluster, with)) {
      replace(cluster, with, changes);
      return true;
    }
    bool modified = false;
    for (std::size_t at = 0; at < cluster.size();) {
      const CodePoint next = decode_utf8(cluster, at);
      const std::string_view part = cluster.substr(at, next.bytes);
      at += next.bytes;
      if (find(part, with)) {
        replace(part, with, changes);
        modified = true;
      } else {
        changes.push_back({next.value, 0});
      }
    }
    return modified;
  }

  // The replacement of the shortest prefix of `part` that has one.
  bool find(std::string_view part, std::string_view& with) const {
    const auto offset = [](std::uint32_t unit) { return (unit >> 10U) << ((unit & 512U) >> 6U); };
    std::size_t node = offset(units_[0]);
    for (const char c : part) {
      const auto byte = static_cast<unsigned char>(c);
      node ^= byte;
      if (byte == 0 || node >= units_.size()) return false;
      const std::uint32_t unit = units_[node];
      if ((unit & 0x800000FFU) != byte) return false;
      node ^= offset(unit);
      if (((unit >> 8U) & 1U) == 0) continue;
      if (node >= units_.size()) return false;
      const std::size_t start = units_[node] & 0x7FFFFFFFU;
      if (start > replacements_.size()) return false;
      const std::size_t end = replacements_.find('\0', start);
      with = std::string_view(replacements_).substr(start, end - start);
      return !is_inside_code_point(start);
    }
    return false;
  }

  bool is_inside_code_point(std::size_t at) const {
    return at < replacements_.size() && is_utf8_continuation(replacements_[at]);
  }

  static void replace(std::string_view from, std::string_view to, std::vector<Change>& changes) {
    const auto count = [](std::string_view text) {
      std::ptrdiff_t n = 0;
      for (const char c : text) n += !is_utf8_continuation(c);
      return n;
    };
    for (std::size_t at = 0; at < to.size();) {
      const CodePoint next = decode_utf8(to, at);
      changes.push_back({next.value, 0});
      at += next.bytes;
    }
    const std::ptrdiff_t more = count(to) - count(from);
    if (more > 0) {
      for (auto i = changes.end() - more; i != changes.end(); ++i) i->change = 1;
    } else if (more < 0 && !changes.empty()) {
      // The reference charges what is removed to whatever stands before, even an insertion.
      changes.back().change += static_cast<std::int32_t>(more);
    }
  }

  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

}  // namespace

std::unique_ptr<Normalizer> make_precompiled_normalizer(const std::string& charsmap,
                                                        const std::string& where) {
  return std::make_unique<PrecompiledNormalizer>(charsmap, where);
}

}  // namespace llm::detail
