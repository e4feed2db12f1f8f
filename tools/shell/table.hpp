// Scores for people: numbers with as many digits as they have, aligned lines.
#pragma once

#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>

#include "shell/row.hpp"

namespace llm::shell {

// The number with no more digits than a value of type S has: a result of float does not get the
// digits of a double.
template <typename S>
double own_digits(S value) {
  char text[32];
  const auto written = std::to_chars(text, text + sizeof text, value);
  double result = static_cast<double>(value);
  std::from_chars(text, written.ptr, result);
  return result;
}

// "  0.9981  POSITIVE"
inline std::string score_line(double score, std::string_view what) {
  char text[32];
  std::snprintf(text, sizeof text, "%8.4f  ", score);
  return text + std::string(what);
}

// What is in front of a row's lines when there are several rows: "7: The old house ...".
inline std::string heading(const Row& row, bool several) {
  if (!several) return {};
  constexpr std::size_t most_bytes = 70;
  const std::string text = row.texts.empty() ? std::string() : quote(row.texts[0], most_bytes);
  return row.id + ": " + text + '\n';
}

}  // namespace llm::shell
