// The loops of encoding: one table of functions per instruction set. All give the same bits.
#pragma once

#include <cstdint>

namespace llm::detail {

// How the values of each block become whole numbers: value * inverse + start, rounded to the
// nearest and kept within the bounds; NaN becomes the highest bound.
struct CodeLines {
  const float* inverse;  // [blocks]
  const float* start;    // [blocks]
  float lowest, highest;
};

// `values`: `count` blocks of 32. A block with a value that is not finite gets the scale NaN.
struct EncodeKernels {
  // The largest |value| of each block.
  void (*largest_magnitudes)(const float* values, std::int64_t count, float* largest);
  // Scale and minimum of each block, so that scale * code + minimum with codes 0 .. 15 has a small
  // squared error.
  void (*fit_lines)(const float* values, std::int64_t count, float* scales, float* minimums);
  void (*round_to_codes)(const float* values, std::int64_t count, const CodeLines& lines,
                         std::int8_t* codes);
};

extern const EncodeKernels encode_generic, encode_avx2, encode_avx512;

}  // namespace llm::detail
