// A character map applied the way the reference applies it: a whole grapheme cluster first, then
// single code points.
#include "tokenizer/character_map.hpp"
#include "tokenizer/normalizer.hpp"

namespace llm::detail {
namespace {

constexpr std::size_t max_cluster_bytes = 5;  // longer clusters are looked up by code point only

class PrecompiledNormalizer final : public Normalizer {
 public:
  PrecompiledNormalizer(const std::string& charsmap, const std::string& where)
      : map_(charsmap, where) {}

  void run(AlignedText& text, Work& work) const override {
    std::vector<std::size_t> ends;
    grapheme_ends(text.text, ends);
    std::vector<Change> changes;
    changes.reserve(text.text.size());
    bool modified = false;
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
      const std::string_view cluster = std::string_view(text.text).substr(begin, end - begin);
      begin = end;
      modified |= apply_cluster(cluster, changes, work);
    }
    if (modified) text.transform(changes);
  }

 private:
  bool apply_cluster(std::string_view cluster, std::vector<Change>& changes, Work& work) const {
    std::string_view with;
    if (cluster.size() <= max_cluster_bytes && map_.find_shortest(cluster, with)) {
      replace(cluster, with, changes, work);
      return true;
    }
    bool modified = false;
    for (std::size_t at = 0; at < cluster.size();) {
      const CodePoint next = decode_utf8(cluster, at);
      const std::string_view part = cluster.substr(at, next.bytes);
      at += next.bytes;
      if (map_.find_shortest(part, with)) {
        replace(part, with, changes, work);
        modified = true;
      } else {
        changes.push_back({next.value, 0});
      }
    }
    return modified;
  }

  static void replace(std::string_view from, std::string_view to, std::vector<Change>& changes,
                      Work& work) {
    if (to.size() > from.size()) work.make(to.size() - from.size());
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

  CharacterMap map_;
};

}  // namespace

std::unique_ptr<Normalizer> make_precompiled_normalizer(const std::string& charsmap,
                                                        const std::string& where) {
  return std::make_unique<PrecompiledNormalizer>(charsmap, where);
}

}  // namespace llm::detail
