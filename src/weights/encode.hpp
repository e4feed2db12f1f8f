// Values -> the bytes of an element type, rounded: for weights that are kept in another type than
// their file's.
#pragma once

#include <cstddef>
#include <cstdint>

#include "llm/core/dtype.hpp"

namespace llm::detail {

// Whether encode_values can write this type.
constexpr bool can_encode(DType dtype) {
  return dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::q8_0 ||
         dtype == DType::q4_1;
}

// `count` values, a multiple of block_values(dtype). A block of a quantized type with a value that
// is not finite becomes NaN.
//   q8_0  scale max |x| / 127, rounded to fp16 before the codes are chosen
//   q4_1  of some scales and minimums around (min, max), fitted by least squares, the pair with the
//         smallest squared error
void encode_values(DType dtype, const float* values, std::int64_t count, std::byte* out);

}  // namespace llm::detail
