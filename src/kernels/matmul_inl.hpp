// Products with packed panels, written once over Vec. Every output is one chain of fma over k
// ascending, whatever the number of rows, the register tile or the path:
//  - few rows: each weight vector is loaded, dequantized in registers and used for all rows;
//  - many rows: a block of columns of a panel is expanded to float once and multiplied with all
//    rows of a block of x; the sums between blocks of columns wait in y.
#pragma once

#include <cstddef>
#include <cstdint>

#include "llm/tensor/kernels.hpp"

#if defined(__clang__)
#define LLM_UNROLL _Pragma("unroll")
#else
#define LLM_UNROLL _Pragma("GCC unroll 32")
#endif

namespace llm::detail {
namespace {

using Index = std::int64_t;

constexpr Index panel_width = 64;

// ------------------------------------------------------------------ the tile: R rows x V vectors

// f(Rows<rows>) for a number of rows known at run time only.
template <int R>
struct Rows {
  static constexpr int value = R;
};
template <int R = tile_rows, typename F>
LLM_INLINE void with_rows(Index rows, F f) {
  if (rows == R) return f(Rows<R>());
  if constexpr (R > 1) with_rows<R - 1>(rows, f);
}

template <int R, int V>
LLM_INLINE void clear(Vec (&sum)[R][V]) {
  LLM_UNROLL for (int r = 0; r < R; ++r) {
    LLM_UNROLL for (int v = 0; v < V; ++v) sum[r][v] = zero();
  }
}

template <int R, int V>
LLM_INLINE void add_products(Vec (&sum)[R][V], const float* x, Index x_row, const Vec (&w)[V]) {
  LLM_UNROLL for (int r = 0; r < R; ++r) {
    const Vec xr = set1(x[r * x_row]);
    LLM_UNROLL for (int v = 0; v < V; ++v) sum[r][v] = fma(xr, w[v], sum[r][v]);
  }
}

// sum[r][v] += x[r][k] * w[k][16v ...] for k ascending.
template <int R, int V>
LLM_INLINE void multiply_add(Vec (&sum)[R][V], const float* x, Index x_row, const float* w,
                             Index w_row, Index count) {
  for (Index k = 0; k < count; ++k) {
    Vec wk[V];
    LLM_UNROLL for (int v = 0; v < V; ++v) wk[v] = load(w + k * w_row + 16 * v);
    add_products<R, V>(sum, x + k, x_row, wk);
  }
}

// Sums <-> memory [R][ld], `columns` of which exist.
template <int R, int V>
LLM_INLINE void load_sums(Vec (&sum)[R][V], const float* y, Index ld, Index columns) {
  LLM_UNROLL for (int r = 0; r < R; ++r) {
    LLM_UNROLL for (int v = 0; v < V; ++v) {
      const Index left = columns - 16 * v;
      if (left >= 16) {
        sum[r][v] = load(y + r * ld + 16 * v);
      } else {
        sum[r][v] = left > 0 ? load_first(y + r * ld + 16 * v, left) : zero();
      }
    }
  }
}
template <int R, int V>
LLM_INLINE void store_sums(const Vec (&sum)[R][V], float* y, Index ld, Index columns) {
  LLM_UNROLL for (int r = 0; r < R; ++r) {
    LLM_UNROLL for (int v = 0; v < V; ++v) {
      const Index left = columns - 16 * v;
      if (left >= 16) {
        store(y + r * ld + 16 * v, sum[r][v]);
      } else if (left > 0) {
        store_first(y + r * ld + 16 * v, left, sum[r][v]);
      }
    }
  }
}
template <int R, int V>
LLM_INLINE void add_bias(Vec (&sum)[R][V], const float* bias, Index columns) {
  Vec b[1][V];
  load_sums<1, V>(b, bias, 0, columns);
  LLM_UNROLL for (int r = 0; r < R; ++r) {
    LLM_UNROLL for (int v = 0; v < V; ++v) sum[r][v] = add(sum[r][v], b[0][v]);
  }
}

// ------------------------------------------------------------------ sources: one per weight type

// A source reads `unit` columns at a time: columns<V>(block, vector, count, use) calls
// use(column, w) for the columns 0 .. count-1 of a unit, ascending, with the weights of V vectors
// of outputs from `vector` on.
struct F32Source {
  static constexpr Index unit = 1;
  static constexpr Index unit_bytes = panel_width * 4;
  template <int V, typename Use>
  LLM_INLINE void columns(const std::byte* block, int vector, Index, Use use) {
    Vec w[V];
    LLM_UNROLL for (int v = 0; v < V; ++v) {
      w[v] = load(reinterpret_cast<const float*>(block) + 16 * (vector + v));
    }
    use(0, w);
  }
};

template <bool is_bf16>
struct HalfSource {
  static constexpr Index unit = 2;
  static constexpr Index unit_bytes = panel_width * 4;
  template <int V, typename Use>
  LLM_INLINE void columns(const std::byte* block, int vector, Index count, Use use) {
    Vec even[V], odd[V];
    LLM_UNROLL for (int v = 0; v < V; ++v) {
      const IntVec pairs = load_int(block + 64 * (vector + v));
      even[v] = is_bf16 ? bf16_even(pairs) : f16_even(pairs);
      odd[v] = is_bf16 ? bf16_odd(pairs) : f16_odd(pairs);
    }
    use(0, even);
    if (count > 1) use(1, odd);
  }
};

template <int V>
LLM_INLINE void load_scales(Vec (&scale)[V], const std::byte* halves, int vector) {
  LLM_UNROLL for (int v = 0; v < V; ++v) scale[v] = load_f16(halves + 32 * (vector + v));
}
template <int V>
LLM_INLINE void load_ints(IntVec (&ints)[V], const std::byte* bytes, int vector) {
  LLM_UNROLL for (int v = 0; v < V; ++v) ints[v] = load_int(bytes + 64 * (vector + v));
}

struct Q8Source {
  static constexpr Index unit = 32;
  static constexpr Index unit_bytes = panel_width * (32 + 2);
  template <int byte, int V, typename Use>
  LLM_INLINE void column(Index k, const IntVec (&ints)[V], const Vec (&d)[V], Use use) {
    Vec w[V];
    LLM_UNROLL for (int v = 0; v < V; ++v) w[v] = mul(d[v], int8_at<byte>(ints[v]));
    use(k + byte, w);
  }
  template <int V, typename Use>
  LLM_INLINE void columns(const std::byte* block, int vector, Index, Use use) {
    Vec d[V];
    load_scales<V>(d, block + panel_width * 32, vector);
    for (Index k = 0; k < 32; k += 4) {
      IntVec ints[V];
      load_ints<V>(ints, block + k * panel_width, vector);
      column<0, V>(k, ints, d, use);
      column<1, V>(k, ints, d, use);
      column<2, V>(k, ints, d, use);
      column<3, V>(k, ints, d, use);
    }
  }
};

// with_minimum: w = d q + m, else w = d (q - 8). d q has at most 15 significant bits, so both ways
// to compute d q + m round once.
template <bool with_minimum>
struct Q4Source {
  static constexpr Index unit = 32;
  static constexpr Index unit_bytes = panel_width * (16 + 2 + (with_minimum ? 2 : 0));
  static constexpr int zero_point = with_minimum ? 0 : 8;
  template <int i, int V, typename Use>
  LLM_INLINE void column(Index k, const IntVec (&ints)[V], const NibbleTable& table,
                         const Vec (&d)[V], const Vec (&m)[V], Use use) {
    Vec w[V];
    LLM_UNROLL for (int v = 0; v < V; ++v) {
      const Vec q = nibble_at<8 * (i % 4) + 4 * (i / 4), zero_point>(ints[v], table);
      w[v] = with_minimum ? fma(d[v], q, m[v]) : mul(d[v], q);
    }
    use(k + i, w);
  }
  template <int V, typename Use>
  LLM_INLINE void columns(const std::byte* block, int vector, Index, Use use) {
    const NibbleTable table = nibble_table<zero_point>();
    Vec d[V], m[V];
    load_scales<V>(d, block + panel_width * 16, vector);
    if (with_minimum) load_scales<V>(m, block + panel_width * 18, vector);
    for (Index k = 0; k < 32; k += 8) {
      IntVec ints[V];
      load_ints<V>(ints, block + k * (panel_width / 2), vector);
      column<0, V>(k, ints, table, d, m, use);
      column<1, V>(k, ints, table, d, m, use);
      column<2, V>(k, ints, table, d, m, use);
      column<3, V>(k, ints, table, d, m, use);
      column<4, V>(k, ints, table, d, m, use);
      column<5, V>(k, ints, table, d, m, use);
      column<6, V>(k, ints, table, d, m, use);
      column<7, V>(k, ints, table, d, m, use);
    }
  }
};

constexpr Index slice_width = 16 * tile_vectors;

// Columns [k0, k1) of a panel as float: [64 / slice_width][k1 - k0][slice_width].
template <typename Source>
void expand(const std::byte* panel, Index k0, Index k1, float* out) {
  constexpr int V = tile_vectors;
  for (Index k = k0; k < k1; k += Source::unit) {
    for (Index n = 0; n < panel_width; n += slice_width) {
      float* to = out + n * (k1 - k0) + (k - k0) * slice_width;
      Source::template columns<V>(
          panel + k / Source::unit * Source::unit_bytes, static_cast<int>(n / 16),
          k1 - k, [&](Index i, const Vec(&w)[V]) __attribute__((always_inline)) {
            LLM_UNROLL for (int v = 0; v < V; ++v) store(to + i * slice_width + 16 * v, w[v]);
          });
    }
  }
}

// ------------------------------------------------------------------ few rows

// The panel whose first output is n0, times R rows of x.
template <typename Source, int R>
void few_rows_panel(const MatmulArgs& a, const std::byte* panel, Index n0) {
  constexpr int V = row_vectors<R>;
  constexpr Index slice = 16 * V;
  // Slices narrower than the panel take turns in short blocks. Each block is fetched ahead, in
  // order: the hardware does not see through their strides.
  constexpr Index units_at_once = 32 / Source::unit;
  const Index units = (a.w.cols + Source::unit - 1) / Source::unit;
  const Index block = V == 4 ? units : units_at_once;
  const Index width = a.w.rows - n0 < panel_width ? a.w.rows - n0 : panel_width;
  alignas(64) float waiting[R * panel_width];
  for (Index u0 = 0; u0 < units; u0 += block) {
    const Index u1 = u0 + block < units ? u0 + block : units;
    const Index u2 = u1 + block < units ? u1 + block : units;
    for (Index at = u1 * Source::unit_bytes; at < u2 * Source::unit_bytes; at += 64) {
      __builtin_prefetch(panel + at);
    }
    for (Index n = 0; n < width; n += slice) {
      Vec sum[R][V];
      clear<R, V>(sum);
      if (u0 > 0) load_sums<R, V>(sum, waiting + n, panel_width, slice);
      for (Index u = u0; u < u1; ++u) {
        const float* xu = a.x + u * Source::unit;
        Source::template columns<V>(
            panel + u * Source::unit_bytes, static_cast<int>(n / 16), a.w.cols - u * Source::unit,
            [&](Index k, const Vec(&w)[V])
                __attribute__((always_inline)) { add_products<R, V>(sum, xu + k, a.ldx, w); });
      }
      if (u1 < units) {
        store_sums<R, V>(sum, waiting + n, panel_width, slice);
      } else {
        if (a.bias) add_bias<R, V>(sum, a.bias + n0 + n, width - n);
        store_sums<R, V>(sum, a.y + n0 + n, a.ldy, width - n);
      }
    }
  }
}

// The same for a plain type where a tile is narrower than the panel: reading a panel from memory in
// strides is slow, so a few columns at a time are laid out for the tile first.
template <typename Source, int R>
void few_rows_copied_panel(const MatmulArgs& a, const std::byte* panel, Index n0) {
  constexpr int V = tile_vectors;
  constexpr Index block = 32;
  const Index width = a.w.rows - n0 < panel_width ? a.w.rows - n0 : panel_width;
  alignas(64) float copy[block * panel_width];
  alignas(64) float waiting[R * panel_width];
  for (Index k0 = 0; k0 < a.w.cols; k0 += block) {
    const Index k1 = k0 + block < a.w.cols ? k0 + block : a.w.cols;
    expand<Source>(panel, k0, k1, copy);
    for (Index n = 0; n < width; n += slice_width) {
      Vec sum[R][V];
      clear<R, V>(sum);
      if (k0 > 0) load_sums<R, V>(sum, waiting + n, panel_width, slice_width);
      multiply_add<R, V>(sum, a.x + k0, a.ldx, copy + n * (k1 - k0), slice_width, k1 - k0);
      if (k1 < a.w.cols) {
        store_sums<R, V>(sum, waiting + n, panel_width, slice_width);
      } else {
        if (a.bias) add_bias<R, V>(sum, a.bias + n0 + n, width - n);
        store_sums<R, V>(sum, a.y + n0 + n, a.ldy, width - n);
      }
    }
  }
}

template <typename Source>
void few_rows(const MatmulArgs& a) {
  const Index stride = (a.w.cols + Source::unit - 1) / Source::unit * Source::unit_bytes;
  with_rows(a.m, [&](auto rows) {
    constexpr int R = decltype(rows)::value;
    constexpr bool copied = row_vectors<R> < 4 && R > 1 && Source::unit <= 2;
    for (Index p = a.panel_begin; p < a.panel_end; ++p) {
      const std::byte* panel = a.w.data + p * stride;
      if constexpr (copied) {
        few_rows_copied_panel<Source, R>(a, panel, p * panel_width);
      } else {
        few_rows_panel<Source, R>(a, panel, p * panel_width);
      }
    }
  });
}

// ------------------------------------------------------------------ many rows

// A block of x and one of weights fit the second-level cache together; a narrow slice of the
// weights fits the first.
constexpr Index block_columns = tile_vectors == 4 ? 512 : 256;
constexpr Index block_rows = 96;
// A row of the copy of x: not a power of two, else the rows of a tile would share cache sets.
constexpr Index x_stride = block_columns + 16;
constexpr Index many_rows_scratch = block_rows * x_stride + block_columns * panel_width;

// One step of one tile: rows of packed x, a slice of the weights, sums in y.
struct TileStep {
  const float* x;
  const float* w;
  Index columns;  // of x and w
  const float* bias;
  float* y;
  Index ldy;
  Index width;  // outputs that exist
  bool first;
};

template <int R>
void tile_step(const TileStep& s) {
  constexpr int V = tile_vectors;
  Vec sum[R][V];
  if (s.first) {
    clear<R, V>(sum);
  } else {
    load_sums<R, V>(sum, s.y, s.ldy, s.width);
  }
  multiply_add<R, V>(sum, s.x, x_stride, s.w, slice_width, s.columns);
  if (s.bias) add_bias<R, V>(sum, s.bias, s.width);
  store_sums<R, V>(sum, s.y, s.ldy, s.width);
}

// Size of the next block of rows when `left` rows are to be split into nearly equal tiles.
LLM_INLINE Index next_tile(Index left) {
  const Index tiles = (left + tile_rows - 1) / tile_rows;
  return (left + tiles - 1) / tiles;
}

// All rows of a block of x times one panel, columns [k0, k1).
void block_panel(const MatmulArgs& a, Index panel, Index m0, Index m1, Index k0, Index k1,
                 const float* x, const float* w) {
  for (Index n = 0; n < panel_width; n += slice_width) {
    const Index output = panel * panel_width + n;
    if (output >= a.w.rows) return;
    TileStep s;
    s.w = w + n * (k1 - k0);
    s.columns = k1 - k0;
    s.bias = a.bias && k1 == a.w.cols ? a.bias + output : nullptr;
    s.ldy = a.ldy;
    s.width = a.w.rows - output;
    s.first = k0 == 0;
    for (Index m = m0; m < m1;) {
      const Index rows = next_tile(m1 - m);
      s.x = x + (m - m0) * x_stride;
      s.y = a.y + m * a.ldy + output;
      with_rows(rows, [&](auto r) { tile_step<decltype(r)::value>(s); });
      m += rows;
    }
  }
}

template <typename Source>
void many_rows(const MatmulArgs& a) {
  constexpr bool in_place = Source::unit == 1 && slice_width == panel_width;  // nothing to expand
  const Index stride = (a.w.cols + Source::unit - 1) / Source::unit * Source::unit_bytes;
  float* x = a.scratch;
  float* expanded = a.scratch + block_rows * x_stride;
  for (Index m0 = 0; m0 < a.m; m0 += block_rows) {
    const Index m1 = m0 + block_rows < a.m ? m0 + block_rows : a.m;
    for (Index k0 = 0; k0 < a.w.cols; k0 += block_columns) {
      const Index k1 = k0 + block_columns < a.w.cols ? k0 + block_columns : a.w.cols;
      for (Index m = m0; m < m1; ++m) {
        __builtin_memcpy(x + (m - m0) * x_stride, a.x + m * a.ldx + k0,
                         static_cast<std::size_t>(k1 - k0) * sizeof(float));
      }
      for (Index p = a.panel_begin; p < a.panel_end; ++p) {
        const std::byte* panel = a.w.data + p * stride;
        const float* w = expanded;
        if constexpr (in_place) {
          w = reinterpret_cast<const float*>(panel + k0 * Source::unit_bytes);
        } else {
          expand<Source>(panel, k0, k1, expanded);
        }
        block_panel(a, p, m0, m1, k0, k1, x, w);
      }
    }
  }
}

template <typename Source>
void matmul_of(const MatmulArgs& a) {
  if (a.m > tile_rows) {
    many_rows<Source>(a);
  } else {
    few_rows<Source>(a);
  }
}

void matmul(const MatmulArgs& a) {
  if (a.m <= 0 || a.panel_begin >= a.panel_end) return;
  switch (a.w.dtype) {
    case DType::f32:
      return matmul_of<F32Source>(a);
    case DType::f16:
      return matmul_of<HalfSource<false>>(a);
    case DType::bf16:
      return matmul_of<HalfSource<true>>(a);
    case DType::q8_0:
      return matmul_of<Q8Source>(a);
    case DType::q4_0:
      return matmul_of<Q4Source<false>>(a);
    case DType::q4_1:
      return matmul_of<Q4Source<true>>(a);
    default:
      return;  // no Weight has another type in panels
  }
}

Index matmul_scratch_floats(Index) { return many_rows_scratch; }

}  // namespace
}  // namespace llm::detail
