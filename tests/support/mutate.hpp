// Damages bytes in the ways files get damaged or forged, the same ways in every run.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>

namespace llm::test {

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  // A copy of `bytes` with one to four damages.
  std::string operator()(std::string bytes) {
    for (std::size_t i = 0, count = 1 + below(4); i < count; ++i) damage(bytes);
    return bytes;
  }

  // A whole number below `limit` (which is above 0). Not std::uniform_int_distribution: its numbers
  // depend on the library.
  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(random_() % limit); }

 private:
  void damage(std::string& bytes) {
    if (bytes.empty()) {
      bytes += static_cast<char>(below(256));
      return;
    }
    const std::size_t at = below(bytes.size());
    const std::size_t length = std::min(1 + below(16), bytes.size() - at);
    switch (below(8)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 1:
        bytes[at] = static_cast<char>(below(256));
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.erase(at, length);
        break;
      case 4:
        bytes.insert(at, bytes.substr(below(bytes.size()), length));
        break;
      case 5:
        bytes.insert(at, pick(tokens));
        break;
      case 6:
        overwrite(bytes, at, 8);
        break;
      default:
        overwrite(bytes, at, 4);
        break;
    }
  }

  // A number of `size` bytes that is likely to be at some limit.
  void overwrite(std::string& bytes, std::size_t at, std::size_t size) {
    static constexpr std::array<std::uint64_t, 12> limits{0,
                                                          1,
                                                          2,
                                                          0x7f,
                                                          0xff,
                                                          0x7fff'ffff,
                                                          0x8000'0000,
                                                          0xffff'ffff,
                                                          0x1'0000'0000,
                                                          0x7fff'ffff'ffff'ffff,
                                                          0x8000'0000'0000'0000,
                                                          0xffff'ffff'ffff'ffff};
    const std::uint64_t number = limits[below(limits.size())];
    std::memcpy(bytes.data() + at, &number, std::min(size, bytes.size() - at));
  }

  template <std::size_t n>
  const char* pick(const std::array<const char*, n>& list) {
    return list[below(n)];
  }

  // Pieces of JSON, which bytes at random seldom form.
  static constexpr std::array<const char*, 24> tokens{"{",       "}",
                                                      "[",       "]",
                                                      ",",       ":",
                                                      "\"",      "\\",
                                                      "0",       "9",
                                                      "-",       "e9",
                                                      ".5",      "null",
                                                      "true",    "NaN",
                                                      "1e999",   "18446744073709551616",
                                                      "\\u0000", "\\ud800",
                                                      "\xff",    "\xed\xa0\x80",
                                                      "{\"a\":", "[["};

  std::mt19937_64 random_;
};

}  // namespace llm::test
