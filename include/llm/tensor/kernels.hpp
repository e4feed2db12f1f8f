/// \file
/// The machine-specific inner loops of `float`, behind one table of functions: one implementation
/// per instruction set (generic C++, AVX2+FMA, AVX-512), chosen once at run time.
///
/// The order of every sum is part of the contract, so that a row's result depends on that row
/// alone, and AVX2 and AVX-512 agree to the bit:
///  - matmul of plain types: y[m][n] = fma chain over k ascending, started from 0; then + bias[n]
///    (one rounding).
///  - the same of bf16 weights with `fast`: x is rounded to bf16 (nearest, ties to even); the chain
///    runs over pairs of columns ascending, of a pair the odd column first; numbers below 2^-126
///    count as zero.
///  - matmul of quantized types: every 32 activations of a row are rounded to 16-bit integers x'
///    (`fast`: 8-bit) with the scale s = max |x| / 32767 (127) (nearest, ties to even, after a
///    multiplication with 32767 / max |x|; a group whose max is below 2^-100 is zero). The weights
///    of a group g are d_g q + m_g with integers q. Then y = a chain over the groups ascending,
///    started from 0, of y = fma(d_g * s, float(sum of q x'), y), then y = fma(m_g, s * float(sum
///    of x'), y) if there are minimums; the integer sums are exact. Then + bias[n].
///  - the same of q8_channel, whose outputs have one scale d: y = a chain over groups of 32 of
///    y = fma(s, float(sum of q x'), y), then y * d. With `fast` all of a row shares one s:
///    y = float(sum of q x' over all columns) * (d * s). Then + bias[n].
///  - attend: see AttendArgs.
///  - elementwise functions and sums use separate multiplications and additions only (no fma), sums
///    run over 16 lanes (lane = index mod 16, ascending) added by the tree
///    l[i] += l[i+8], l[i] += l[i+4], l[i] += l[i+2], l[0] + l[1]; they agree on every machine.
/// The generic level has no fma (multiplication and addition round separately), so its products
/// differ in the last bits from those of the other levels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "llm/core/dtype.hpp"

namespace llm {

/// Pointwise functions between the two matrices of a feed-forward block.
/// Names of config.json: gelu; gelu_new = gelu_pytorch_tanh = gelu_fast; quick_gelu; relu;
/// relu2, the square of relu; silu = swish; tanh; sigmoid.
enum class Activation : std::uint8_t {
  gelu,
  gelu_tanh,
  quick_gelu,
  relu,
  relu2,
  silu,
  tanh,
  sigmoid
};

namespace detail {

/// Outputs per panel.
inline constexpr std::int64_t panel_rows = 64;

/// A weight matrix [rows = outputs, cols = inputs] in panels of 64 outputs; the last panel is
/// filled up with zero rows. Inside a panel, sequentially:
///   f32         [cols][64]
///   bf16, f16   [ceil(cols/2)][64][2], an odd last column is padded with zero
///   quantized   the codes of 32 columns: bytes [8][64][4] (column 4c + b) or nibbles [4][64][4]
///               (low half column 8c + b, high half 8c + 4 + b), followed by 64 fp16 scales, then
///               64 fp16 minimums if the type has them. q5_0 and q5_1 are stored as bytes.
///   _k, _xs     per 256 columns: 64 fp16 scales (then minimums), then 8 times the codes of 32
///               columns, a signed byte per group of 16 or 32 columns and output that multiplies
///               the scale [groups][64] (then the same for the minimums).
///               q5_k and q6_k are stored as bytes, the others as nibbles.
///   q8_channel  the codes of all columns as above, then 64 float scales
struct PanelMatrix {
  const std::byte* data = nullptr;  ///< 64-byte aligned
  DType dtype = DType::f32;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};

/// Bytes of one panel; a multiple of 64.
std::int64_t panel_bytes(DType dtype, std::int64_t cols);
/// Whether rows of `cols` values can be of this type: in whole blocks, and those that have one
/// scale so few that a sum of products of two bytes fits 32 bits.
constexpr bool can_be(DType dtype, std::int64_t cols) {
  return cols % block_values(dtype) == 0 && (dtype != DType::q8_channel || cols <= 1 << 17);
}
constexpr std::int64_t panel_count(std::int64_t rows) {
  return (rows + panel_rows - 1) / panel_rows;
}

/// y[m][n] = sum_k x[m][k] * w[n][k] (+ bias[n]) for all m and the outputs of some panels.
struct MatmulArgs {
  const float* x = nullptr;  ///< [m, cols], row stride ldx
  std::int64_t ldx = 0;
  std::int64_t m = 0;
  PanelMatrix w;
  std::int64_t panel_begin = 0, panel_end = 0;
  const float* bias = nullptr;  ///< [rows] or null
  float* y = nullptr;           ///< [m, rows], row stride ldy; column n is output n
  std::int64_t ldy = 0;
  float* scratch = nullptr;  ///< the kernel's scratch floats, 64-byte aligned
  bool fast = false;         ///< activations of 8 bits, not 16, beside quantized weights; of bf16,
                             ///< not float, beside bf16
};

/// Attention of some query rows over one key/value head of one sequence.
///
/// Keys and values lie in pages of 64 positions; page t holds positions 64t .. 64t+63:
///   k_pages[t]: [head_dim][64] (transposed),  v_pages[t]: [64][padded_head_dim(head_dim)] floats,
/// or, with is_bf16, pairs of bf16 that are multiplied as the floats they stand for:
///   k_pages[t]: [ceil(head_dim/2)][64][2],  v_pages[t]: [32][padded_head_dim(head_dim)][2].
/// Row r attends to the keys lo[r] <= key < hi[r]; keys and values that no row attends to may be
/// anything. The defining order
/// of one row (absolute positions only):
///   q' = q * q_scale (q_scale = scale * log2 e);  s_k = fma chain over d ascending from bias_k or
///   0; with a softcap s_k = tanh(s_k / softcap) * softcap.
///   For pages ascending: m' = max(m, max s); c = 2^(m-m'); l = l*c, O = O*c (skipped if
///   m' == m);
///     p_k = 2^(s_k - m'); l[lane] += (p[lane] + p[lane+16]) + (p[lane+32] + p[lane+48]);
///     O_d = fma(p_k, V_kd, O_d), k ascending
///   out = O * (1 / tree sum of l) + 0
template <typename S>
struct AttendArgs {
  const S* q = nullptr;  ///< [rows, head_dim], row stride ldq
  std::int64_t ldq = 0;
  std::int64_t rows = 0;  ///< any number
  std::int64_t head_dim = 0;
  S q_scale = 1;
  S softcap = 0;                         ///< bound of the scores, times log2 e; 0: none
  const void* const* k_pages = nullptr;  ///< indexed by absolute page
  const void* const* v_pages = nullptr;
  bool is_bf16 = false;              ///< `float` only
  const std::int32_t* lo = nullptr;  ///< [rows]
  const std::int32_t* hi = nullptr;  ///< [rows], lo < hi
  const S* const* bias = nullptr;    ///< null, or [rows] pointers: bias[r][key], already times
                                     ///< log2 e; readable for all keys of the pages touched
  S* out = nullptr;                  ///< [rows, head_dim], row stride ldo
  std::int64_t ldo = 0;
  S* scratch = nullptr;  ///< attend_scratch_floats(head_dim) floats, 64-byte aligned
};

/// head_dim rounded up to 16: the row stride of V in a page.
constexpr std::int64_t padded_head_dim(std::int64_t head_dim) { return (head_dim + 15) / 16 * 16; }

/// Products with weights of some types.
struct ProductKernels {
  void (*matmul)(const MatmulArgs&);
  /// Of MatmulArgs::scratch; grows with cols.
  std::int64_t (*scratch_floats)(std::int64_t cols);
};

struct EncodeKernels;  // src/weights/encode_kernels.hpp

struct FloatKernels {
  std::string_view name;            ///< as LLM_ISA takes it: "generic", "avx2", ...
  const ProductKernels* plain;      ///< f32, f16, bf16; activations as they are
  const ProductKernels* rounded;    ///< bf16, with MatmulArgs::fast
  const ProductKernels* quantized;  ///< all others, in integers
  const EncodeKernels* encode;      ///< float weights to quantized ones, while loading

  const ProductKernels& products(DType dtype, bool fast) const {
    if (is_quantized(dtype)) return *quantized;
    return dtype == DType::bf16 && fast ? *rounded : *plain;
  }
  void (*attend)(const AttendArgs<float>&);
  std::int64_t (*attend_scratch_floats)(std::int64_t head_dim);
  /// y[i] = f(x[i]); x == y allowed.
  void (*activate)(Activation, const float* x, std::int64_t n, float* y);
  /// y[i] = f(gate[i]) * up[i]; y may be gate or up.
  void (*activate_gated)(Activation, const float* gate, const float* up, std::int64_t n, float* y);
  /// y = weight * (x * rsqrt(mean(x^2) + eps)).  weight [n]; x == y allowed.
  void (*rms_norm)(const float* x, const float* weight, float eps, std::int64_t n, float* y);
  /// y = (x - mean) * rsqrt(var + eps) * weight + bias; two passes; bias may be null; x == y
  /// allowed.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps,
                     std::int64_t n, float* y);
  /// x[i] = exp(x[i] - max x) / sum; -inf entries become 0. Returns log(sum exp(x)) of the input.
  float (*softmax)(float* x, std::int64_t n);
  /// log(sum exp(x)).
  float (*log_sum_exp)(const float* x, std::int64_t n);
  /// Index of the largest value, the first of equals; NaN never wins.
  std::int64_t (*argmax)(const float* x, std::int64_t n);
};

/// The table for this CPU. The environment variable LLM_ISA (a name above) forces a level;
/// an unknown one, or one this CPU lacks, is an Error (invalid_option) at the first use.
const FloatKernels& float_kernels();
/// The table of a level by name; nullptr when it is not compiled in or this CPU lacks it.
const FloatKernels* find_float_kernels(std::string_view name);

}  // namespace detail
}  // namespace llm
