// Products of bf16 weights with activations rounded to bf16, written once over Vec: what machines
// with an instruction for pairs of bf16 do at twice the speed of float. Every output is one chain
// of fma over the pairs of columns ascending, of a pair the odd column first, with subnormal
// numbers taken for zero: what that instruction computes. The others go the same way in float.
#pragma once

#include "kernels/matmul_inl.hpp"
#include "kernels/subnormals.hpp"

namespace llm::detail {
namespace {

// ------------------------------------------------------------------ sources

// Both columns of a pair in one step: x and w are pairs in 32 bits.
struct PairStep {
  LLM_INLINE Vec add_product(Vec sum, Vec x, Vec w) { return dot_bf16(sum, x, w); }
};
struct PairSource : F32Source {
  using Step = PairStep;
};

// The columns of a pair one after the other, as float.
using OddFirstSource = HalfSource<true, true>;

// ------------------------------------------------------------------ activations

// 32-bit values of a rounded row; an odd last column has a zero beside it.
LLM_INLINE Index rounded_size(Index cols) {
  return has_bf16_products ? (cols + 1) / 2 : (cols + 1) / 2 * 2;
}

void round_row(const float* x, Index cols, float* to) {
  for (Index k = 0; k < cols; k += 16) {
    const Index left = cols - k;
    const Vec rounded = round_to_bf16(left >= 16 ? load(x + k) : load_first(x + k, left));
    if constexpr (has_bf16_products) {
      store_bf16(to + k / 2, rounded);
    } else {
      store(to + k, swap_pairs(rounded));
    }
  }
}

// Rows that are rounded at once; each is rounded in whole vectors.
constexpr Index rounded_rows = block_rows;
LLM_INLINE Index rounded_stride(Index cols) { return (rounded_size(cols) + 15) / 16 * 16 + 16; }

void matmul_rounded(const MatmulArgs& a) {
  if (a.m <= 0 || a.panel_begin >= a.panel_end) return;
  const SubnormalsAreZero scope;
  const Index panel_stride = panel_bytes(DType::bf16, a.w.cols);
  MatmulArgs part = a;
  part.scratch = a.scratch + rounded_rows * rounded_stride(a.w.cols);
  part.x = a.scratch;
  part.ldx = rounded_stride(a.w.cols);
  part.w.cols = rounded_size(a.w.cols);
  for (Index m0 = 0; m0 < a.m; m0 += rounded_rows) {
    part.m = a.m - m0 < rounded_rows ? a.m - m0 : rounded_rows;
    part.y = a.y + m0 * a.ldy;
    for (Index r = 0; r < part.m; ++r)
      round_row(a.x + (m0 + r) * a.ldx, a.w.cols, a.scratch + r * part.ldx);
    if constexpr (has_bf16_products) {
      matmul_of<PairSource>(part, panel_stride);
    } else {
      matmul_of<OddFirstSource>(part, panel_stride);
    }
  }
}

Index rounded_scratch_floats(Index cols) {
  return many_rows_scratch + rounded_rows * rounded_stride(cols);
}

constexpr ProductKernels rounded = {matmul_rounded, rounded_scratch_floats};

}  // namespace
}  // namespace llm::detail
