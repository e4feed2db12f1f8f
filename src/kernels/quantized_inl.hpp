// Products with quantized weights in integers, written once over Vec and IntVec.
//
// The activations of a row are rounded to 16 bits (or 8, the fast way), with one scale per 32
// columns; the products of a group of columns are summed exactly in int32, and each group's sum is
// scaled and added to the output's chain, groups ascending. Integer sums do not depend on their
// order, so only that chain defines the bits: no tile, block or number of rows can change them, nor
// whether the machine has products of bytes or takes the way of 16 bits for both.
//
// Weights with one scale per output need no scale inside the chain. With 8 bits the activations of
// a row then share one scale, too, and there is no chain: one exact sum over all columns.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/inline.hpp"
#include "kernels/quant_format.hpp"
#include "llm/tensor/kernels.hpp"

namespace llm::detail {
namespace {

using Index = std::int64_t;

constexpr Index unit_columns = 32;            // share a scale of the activations
constexpr float smallest_scaled = 0x1p-100f;  // groups of activations below are taken for zero

// ------------------------------------------------------------------ activations

// Bits of the rounded activations. Eight in the width of sixteen: for one row, which waits for the
// weights alone, that way was measured to be faster (33 against 25 GB/s).
enum class Bits { sixteen, eight, eight_wide };
constexpr float largest_code(Bits bits) { return bits == Bits::sixteen ? 32767.0f : 127.0f; }
// Whether codes of activations are bytes in memory; else they are 16 bits wide whatever they hold.
constexpr bool as_bytes(Bits bits) { return has_byte_products && bits == Bits::eight; }
// Whether a row of activations has one scale, and a product one sum.
constexpr bool one_sum(const QuantFormat& f, Bits bits) {
  return f.per_channel && bits != Bits::sixteen;
}

// How a row of activations lies in scratch:
//   codes   int16 [cols], in every 4 columns the order 0 2 1 3: two 16-bit values that meet the
//           even or the odd bytes of a 32-bit lane of weights; or int8 [cols] in their order
//   scales  float [cols / 32], or one
//   sums    4 bytes per group of weights: int32 -zero_point * sum(codes), where the codes of the
//           weights have a zero point, or float scale * sum(codes), where they have a minimum; one
//           for the row where it has one scale
struct RowLayout {
  explicit RowLayout(Index cols)
      : scales(2 * cols), sums(scales + cols / unit_columns * 4), bytes(stride(sums + cols / 4)) {}
  // Whole cache lines, an odd number of them: the rows of a tile must not share cache sets.
  static Index stride(Index size) { return ((size + 63) / 64 | 1) * 64; }
  Index scales, sums, bytes;
};

// Rows that are rounded at once: as many as leave room for a panel in the second-level cache.
constexpr Index row_budget = 384 * 1024, least_rows = 12, most_rows = 96;
Index rows_at_once(Index cols) {
  const Index rows = row_budget / (2 * cols) / 12 * 12;
  return rows < least_rows ? least_rows : rows > most_rows ? most_rows : rows;
}

// What a code of 0 in a product stands for, negated. Where products of bytes need codes of weights
// that are not negative, signed ones are moved up.
constexpr int zero_point(const QuantFormat& f, Bits bits) {
  if (f.minimum) return 0;
  if (f.nibbles && is_counting(f.values)) return -nibble_value(f.values, 0);
  return as_bytes(bits) ? byte_offset : 0;
}

LLM_INLINE std::int32_t load_int32(const std::byte* bytes) {
  std::int32_t value;
  __builtin_memcpy(&value, bytes, 4);
  return value;
}
LLM_INLINE float load_float(const std::byte* bytes) {
  float value;
  __builtin_memcpy(&value, bytes, 4);
  return value;
}

// The larger of `so_far` and 32 absolute values, lane by lane. Their bits order as the values do,
// NaN last.
LLM_INLINE IntVec largest_of(const float* x, IntVec so_far) {
  return max_int(so_far, max_int(bits_of(abs(load(x))), bits_of(abs(load(x + 16)))));
}

// The scale of activations (NaN or infinite if one of them is), and what multiplies them.
template <Bits bits>
LLM_INLINE float scale_of(IntVec magnitudes, float& inverse) {
  const std::int32_t magnitude = largest_lane(magnitudes);
  float largest;
  __builtin_memcpy(&largest, &magnitude, 4);
  inverse = largest >= smallest_scaled ? largest_code(bits) / largest : 0.0f;
  return largest < smallest_scaled ? 0.0f : largest / largest_code(bits);
}

// 32 activations -> codes.
template <Bits bits>
LLM_INLINE void round_unit(const float* x, float inverse, std::byte* codes, IntVec (&rounded)[2]) {
  LLM_UNROLL for (int i = 0; i < 2; ++i) {
    // The minimum gives values that are not finite a code, too; their scale tells.
    rounded[i] = round_to_int(min(mul(load(x + 16 * i), set1(inverse)), set1(largest_code(bits))));
    if constexpr (as_bytes(bits)) {
      store_bytes(codes + 16 * i, rounded[i]);
    } else {
      store_pairs(codes + 32 * i, rounded[i]);
    }
  }
}

template <QuantFormat F, Bits bits>
void round_row_in_units(const float* x, Index cols, const RowLayout& layout, std::byte* row) {
  constexpr Index code_size = as_bytes(bits) ? 1 : 2;
  float* scales = reinterpret_cast<float*>(row + layout.scales);
  std::byte* sums = row + layout.sums;
  for (Index u = 0; u < cols / unit_columns; ++u, x += unit_columns) {
    IntVec rounded[2];
    float inverse;
    const float scale = scales[u] = scale_of<bits>(largest_of(x, set1_int(0)), inverse);
    round_unit<bits>(x, inverse, row + u * unit_columns * code_size, rounded);
    if constexpr (F.minimum || zero_point(F, bits) != 0) {
      const std::int32_t halves[2] = {sum_int_lanes(rounded[0]), sum_int_lanes(rounded[1])};
      const std::int32_t of_groups[2] = {F.group == 16 ? halves[0] : halves[0] + halves[1],
                                         halves[1]};
      for (int g = 0; g < unit_columns / F.group; ++g, sums += 4) {
        const float with_scale = scale * static_cast<float>(of_groups[g]);
        const std::int32_t start = -zero_point(F, bits) * of_groups[g];
        if constexpr (F.minimum) {
          __builtin_memcpy(sums, &with_scale, 4);
        } else {
          __builtin_memcpy(sums, &start, 4);
        }
      }
    }
  }
}

template <QuantFormat F, Bits bits>
void round_row_as_one(const float* x, Index cols, const RowLayout& layout, std::byte* row) {
  constexpr Index code_size = as_bytes(bits) ? 1 : 2;
  IntVec magnitudes = set1_int(0), sums = set1_int(0);
  for (Index k = 0; k < cols; k += unit_columns) magnitudes = largest_of(x + k, magnitudes);
  float inverse;
  const float scale = scale_of<bits>(magnitudes, inverse);
  for (Index k = 0; k < cols; k += unit_columns) {
    IntVec rounded[2];
    round_unit<bits>(x + k, inverse, row + k * code_size, rounded);
    // Adds the lower 16 bits of lanes, which hold the code.
    for (const IntVec& codes : rounded) sums = dot_pairs(sums, codes, set1_int(1));
  }
  const std::int32_t start = -zero_point(F, bits) * sum_int_lanes(sums);
  __builtin_memcpy(row + layout.scales, &scale, 4);
  __builtin_memcpy(row + layout.sums, &start, 4);
}

template <QuantFormat F, Bits bits>
void round_row(const float* x, Index cols, const RowLayout& layout, std::byte* row) {
  if constexpr (one_sum(F, bits)) return round_row_as_one<F, bits>(x, cols, layout, row);
  return round_row_in_units<F, bits>(x, cols, layout, row);
}

// ------------------------------------------------------------------ weights

// Where the codes of 32 columns lie in a panel.
template <QuantFormat F>
LLM_INLINE const std::byte* unit_codes(const std::byte* panel, Index unit) {
  if constexpr (!F.nested) return panel + unit * F.block_bytes();
  return panel + unit / 8 * F.block_bytes() + F.head_bytes() +
         unit % 8 * (F.code_bytes() + F.group_bytes());
}

// The scales of a group of columns for V vectors of outputs, and the minimums if there are some.
template <QuantFormat F, int V>
LLM_INLINE void group_scales(const std::byte* panel, Index unit, int group, int vector, Vec (&d)[V],
                             Vec (&m)[V]) {
  const std::byte* bytes = unit_codes<F>(panel, unit) + F.code_bytes() + 64 * group;
  const std::byte* halves = F.nested ? panel + unit / 8 * F.block_bytes() : bytes;
  LLM_UNROLL for (int v = 0; v < V; ++v) {
    const std::byte* at = halves + 32 * (vector + v);
    d[v] = F.bf16_scales ? load_bf16(at) : load_f16(at);
    if constexpr (F.minimum) m[v] = load_f16(at + 128);
    if constexpr (F.nested) {
      const std::byte* factor = bytes + 16 * (vector + v);
      d[v] = mul(d[v], load_int8(factor));
      if constexpr (F.minimum) m[v] = mul(m[v], load_int8(factor + 64 * (32 / F.group)));
    }
  }
}

// Pair p of the columns that one load of codes holds: columns 4 (p / 2) + p % 2 and two further,
// as 16-bit values.
template <QuantFormat F, int p>
LLM_INLINE IntVec code_pairs(IntVec bytes, const ByteTable& table) {
  if constexpr (!F.nibbles) {
    return p == 0 ? even_bytes(bytes) : odd_bytes(bytes);
  } else if constexpr (is_counting(F.values)) {
    if constexpr (p == 3) return shift_right_16<12>(bytes);
    return and_int(shift_right_16 < p == 0 ? 0 : p == 1 ? 8 : 4 > (bytes), set1_int(0x000f000f));
  } else {
    const IntVec nibbles = p < 2 ? bytes : shift_right_16<4>(bytes);
    const IntVec values = look_up(table, and_int(nibbles, set1_int(0x0f0f0f0f)));
    return p % 2 == 0 ? even_bytes(values) : odd_bytes(values);
  }
}

// Quad q of the columns that one load of codes holds: columns 4q .. 4q + 3, as bytes that
// dot_quads() takes.
template <QuantFormat F, int q>
LLM_INLINE IntVec code_quads(IntVec bytes, const ByteTable& table) {
  if constexpr (!F.nibbles) {
    return F.minimum ? bytes : flip_signs(bytes);
  } else {
    const IntVec nibbles = and_int(q == 0 ? bytes : shift_right_16<4>(bytes), set1_int(0x0f0f0f0f));
    if constexpr (is_counting(F.values)) return nibbles;
    return flip_signs(look_up(table, nibbles));
  }
}

// ------------------------------------------------------------------ one tile

// R rows of activations and the 64 outputs of a panel.
struct QuantTile {
  const std::byte* rows;
  RowLayout layout;
  const std::byte* panel;
  Index units;  // of 32 columns
  const float* bias;
  float* y;
  Index ldy;
  Index width;  // outputs that exist
};

// acc[r][v] += the products of pair or quad number `place` of one load of codes; x begins with its
// first column.
template <QuantFormat F, Bits bits, int place, int R, int V>
LLM_INLINE void add_columns(IntVec (&acc)[R][V], const std::byte* codes, const ByteTable& table,
                            const std::byte* x, Index stride) {
  IntVec w[V];
  LLM_UNROLL for (int v = 0; v < V; ++v) {
    const IntVec loaded = load_int(codes + 64 * v);
    if constexpr (as_bytes(bits)) {
      w[v] = code_quads<F, place>(loaded, table);
    } else {
      w[v] = code_pairs<F, place>(loaded, table);
    }
  }
  LLM_UNROLL for (int r = 0; r < R; ++r) {
    const IntVec xr = set1_int(load_int32(x + r * stride + 4 * place));
    LLM_UNROLL for (int v = 0; v < V; ++v) {
      acc[r][v] = as_bytes(bits) ? dot_quads(acc[r][v], w[v], xr) : dot_pairs(acc[r][v], w[v], xr);
    }
  }
}

// acc[r][v] = where the sums of a group (of a row, group 0) begin.
template <QuantFormat F, Bits bits, int R, int V>
LLM_INLINE void start_sums(IntVec (&acc)[R][V], const QuantTile& t, Index group) {
  LLM_UNROLL for (int r = 0; r < R; ++r) {
    IntVec start = set1_int(0);
    if constexpr (zero_point(F, bits) != 0) {
      start = set1_int(load_int32(t.rows + r * t.layout.bytes + t.layout.sums + 4 * group));
    }
    LLM_UNROLL for (int v = 0; v < V; ++v) acc[r][v] = start;
  }
}

// acc += the exact sums of a group of columns for V vectors of outputs from `vector` on.
template <QuantFormat F, Bits bits, int R, int V>
LLM_INLINE void add_sums(IntVec (&acc)[R][V], const QuantTile& t, const ByteTable& table,
                         Index unit, int group, int vector) {
  constexpr Index at_once = F.nibbles ? 8 : 4;
  const Index stride = t.layout.bytes;
  const std::byte* codes = unit_codes<F>(t.panel, unit) + 64 * vector;
  for (Index k = group * F.group; k < (group + 1) * F.group; k += at_once) {
    const std::byte* bytes = codes + k / at_once * 256;
    const std::byte* x = t.rows + (as_bytes(bits) ? 1 : 2) * (unit * unit_columns + k);
    // Columns of one load of codes in pairs or quads.
    constexpr int places = F.nibbles ? (as_bytes(bits) ? 2 : 4) : (as_bytes(bits) ? 1 : 2);
    add_columns<F, bits, 0, R, V>(acc, bytes, table, x, stride);
    if constexpr (places > 1) add_columns<F, bits, 1, R, V>(acc, bytes, table, x, stride);
    if constexpr (places > 2) {
      add_columns<F, bits, 2, R, V>(acc, bytes, table, x, stride);
      add_columns<F, bits, 3, R, V>(acc, bytes, table, x, stride);
    }
  }
}

// sum[r][vector ...] += what a group of columns contributes.
template <QuantFormat F, Bits bits, int R, int V>
LLM_INLINE void add_group(Vec (&sum)[R][4], const QuantTile& t, const ByteTable& table, Index unit,
                          int group, int vector) {
  IntVec acc[R][V];
  const Index place = unit * (unit_columns / F.group) + group;
  start_sums<F, bits, R, V>(acc, t, place);
  add_sums<F, bits, R, V>(acc, t, table, unit, group, vector);
  Vec d[V], m[V];
  if constexpr (!F.per_channel) group_scales<F, V>(t.panel, unit, group, vector, d, m);
  LLM_UNROLL for (int r = 0; r < R; ++r) {
    const std::byte* row = t.rows + r * t.layout.bytes;
    const Vec scale = set1(load_float(row + t.layout.scales + 4 * unit));
    LLM_UNROLL for (int v = 0; v < V; ++v) {
      Vec& s = sum[r][vector + v];
      s = fma(F.per_channel ? scale : mul(d[v], scale), to_float(acc[r][v]), s);
    }
    if constexpr (F.minimum) {
      const Vec x_sum = set1(load_float(row + t.layout.sums + 4 * place));
      LLM_UNROLL for (int v = 0; v < V; ++v) {
        Vec& s = sum[r][vector + v];
        s = fma(m[v], x_sum, s);
      }
    }
  }
}

// The scales of 16 outputs of a panel.
template <QuantFormat F>
LLM_INLINE Vec channel_scales(const QuantTile& t, int vector) {
  return load(reinterpret_cast<const float*>(t.panel + t.units * F.block_bytes()) + 16 * vector);
}

// y[r][16 * vector ...] = sums (+ bias), as far as there are outputs.
template <int R>
LLM_INLINE void store_outputs(const QuantTile& t, int vector, const Vec (&sums)[R]) {
  const Index left = t.width - 16 * vector;
  if (left <= 0) return;
  const Vec bias = t.bias ? load_first(t.bias + 16 * vector, left) : zero();
  LLM_UNROLL for (int r = 0; r < R; ++r) {
    store_first(t.y + r * t.ldy + 16 * vector, left, t.bias ? add(sums[r], bias) : sums[r]);
  }
}

template <QuantFormat F, Bits bits, int R>
void panel_times_rows(const QuantTile& t) {
  constexpr int V = quant_vectors<R>;
  const ByteTable table = byte_table<F.values>();
  Vec sum[R][4];
  LLM_UNROLL for (int r = 0; r < R; ++r) {
    LLM_UNROLL for (int v = 0; v < 4; ++v) sum[r][v] = zero();
  }
  for (Index u = 0; u < t.units; ++u) {
    for (int vector = 0; vector < 4; vector += V) {
      LLM_UNROLL for (int group = 0; group < unit_columns / F.group; ++group) {
        add_group<F, bits, R, V>(sum, t, table, u, group, vector);
      }
    }
  }
  for (int v = 0; v < 4; ++v) {
    Vec outputs[R];
    LLM_UNROLL for (int r = 0; r < R; ++r) {
      outputs[r] = F.per_channel ? mul(sum[r][v], channel_scales<F>(t, v)) : sum[r][v];
    }
    store_outputs(t, v, outputs);
  }
}

// The same where a product is one sum.
template <QuantFormat F, Bits bits, int R>
void panel_times_rows_at_once(const QuantTile& t) {
  constexpr int V = quant_vectors<R>;
  const ByteTable table = byte_table<F.values>();
  for (int vector = 0; vector < 4; vector += V) {
    IntVec acc[R][V];
    start_sums<F, bits, R, V>(acc, t, 0);
    for (Index u = 0; u < t.units; ++u) add_sums<F, bits, R, V>(acc, t, table, u, 0, vector);
    LLM_UNROLL for (int v = 0; v < V; ++v) {
      const Vec d = channel_scales<F>(t, vector + v);
      Vec outputs[R];
      LLM_UNROLL for (int r = 0; r < R; ++r) {
        const Vec scale = set1(load_float(t.rows + r * t.layout.bytes + t.layout.scales));
        outputs[r] = mul(to_float(acc[r][v]), mul(d, scale));
      }
      store_outputs(t, vector + v, outputs);
    }
  }
}

// ------------------------------------------------------------------ products

template <QuantFormat F, Bits bits, int R>
void panel_times_some(Index rows, const QuantTile& t) {
  if (rows == R) {
    if constexpr (one_sum(F, bits)) return panel_times_rows_at_once<F, bits, R>(t);
    return panel_times_rows<F, bits, R>(t);
  }
  if constexpr (R > 1) panel_times_some<F, bits, R - 1>(rows, t);
}

// The rows [m0, m1), which were rounded, times some panels, at most R rows in a tile.
template <QuantFormat F, Bits bits, int R>
void multiply_block(const MatmulArgs& a, const RowLayout& layout, const std::byte* rows, Index m0,
                    Index m1) {
  const Index panel_size = panel_bytes(a.w.dtype, a.w.cols);
  for (Index p = a.panel_begin; p < a.panel_end; ++p) {
    const Index output = p * 64;
    for (Index m = m0; m < m1;) {
      const Index tiles = (m1 - m + R - 1) / R;
      const Index count = (m1 - m + tiles - 1) / tiles;  // nearly equal tiles
      panel_times_some<F, bits, R>(
          count,
          {rows + (m - m0) * layout.bytes, layout, a.w.data + p * panel_size,
           a.w.cols / unit_columns, a.bias ? a.bias + output : nullptr, a.y + m * a.ldy + output,
           a.ldy, a.w.rows - output < 64 ? a.w.rows - output : 64});
      m += count;
    }
  }
}

template <QuantFormat F, Bits bits, int R = quant_rows>
void multiply_rounded(const MatmulArgs& a) {
  const RowLayout layout(a.w.cols);
  std::byte* rows = reinterpret_cast<std::byte*>(a.scratch);
  const Index block = rows_at_once(a.w.cols);
  for (Index m0 = 0; m0 < a.m; m0 += block) {
    const Index m1 = m0 + block < a.m ? m0 + block : a.m;
    for (Index m = m0; m < m1; ++m) {
      round_row<F, bits>(a.x + m * a.ldx, a.w.cols, layout, rows + (m - m0) * layout.bytes);
    }
    multiply_block<F, bits, R>(a, layout, rows, m0, m1);
  }
}

template <DType dtype>
void multiply_quantized(const MatmulArgs& a) {
  constexpr QuantFormat F = quant_format(dtype);
  if (!a.fast) return multiply_rounded<F, Bits::sixteen>(a);
  if (has_byte_products && a.m == 1) return multiply_rounded<F, Bits::eight_wide, 1>(a);
  multiply_rounded<F, Bits::eight, F.per_channel ? one_sum_rows : quant_rows>(a);
}

void matmul_quantized(const MatmulArgs& a) {
  if (a.m <= 0 || a.panel_begin >= a.panel_end) return;
  switch (a.w.dtype) {
    case DType::q5_0:  // lies in panels as q8_0 does
    case DType::q8_0:
      return multiply_quantized<DType::q8_0>(a);
    case DType::q8_channel:
      return multiply_quantized<DType::q8_channel>(a);
    case DType::q4_0:
      return multiply_quantized<DType::q4_0>(a);
    case DType::q4_1:
      return multiply_quantized<DType::q4_1>(a);
    case DType::q5_1:
      return multiply_quantized<DType::q5_1>(a);
    case DType::iq4_nl:
      return multiply_quantized<DType::iq4_nl>(a);
    case DType::mxfp4:
      return multiply_quantized<DType::mxfp4>(a);
    case DType::q2_k:
      return multiply_quantized<DType::q2_k>(a);
    case DType::q3_k:
      return multiply_quantized<DType::q3_k>(a);
    case DType::q4_k:
      return multiply_quantized<DType::q4_k>(a);
    case DType::q5_k:
      return multiply_quantized<DType::q5_k>(a);
    case DType::q6_k:
      return multiply_quantized<DType::q6_k>(a);
    case DType::iq4_xs:
      return multiply_quantized<DType::iq4_xs>(a);
    default:
      return;  // no quantized type
  }
}

// Enough for any smaller number of columns, too: of those, the fewer may have more rows at once. Up
// to most_rows their codes fill the budget, and scales and sums add less than a quarter to it.
Index quantized_scratch_floats(Index cols) {
  const Index bytes = RowLayout((cols + 255) / 256 * 256).bytes;
  const Index all = most_rows * bytes, largest_block = row_budget + row_budget / 4;
  const Index several = all < largest_block ? all : largest_block;
  return (several > least_rows * bytes ? several : least_rows * bytes) / 4;
}

}  // namespace
}  // namespace llm::detail
