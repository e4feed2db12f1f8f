// Products with packed panels of plain types, written once over Vec. Every output is one chain of
// fma over k ascending, whatever the number of rows, the register tile or the path:
//  - few rows: each weight vector is loaded, widened in registers and used for all rows;
//  - many rows: a block of columns of a panel is expanded to float once and multiplied with all
//    rows of a block of x; the sums between blocks of columns wait in y.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/inline.hpp"
#include "llm/tensor/kernels.hpp"

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

// What is done with 32 bits of x and of w: here both are a float.
struct FloatStep {
  LLM_INLINE Vec add_product(Vec sum, Vec x, Vec w) { return fma(x, w, sum); }
};

template <int R, int V, typename Step = FloatStep>
LLM_INLINE void add_products(Vec (&sum)[R][V], const float* x, Index x_row, const Vec (&w)[V]) {
  LLM_UNROLL for (int r = 0; r < R; ++r) {
    const Vec xr = set1(x[r * x_row]);
    LLM_UNROLL for (int v = 0; v < V; ++v) sum[r][v] = Step::add_product(sum[r][v], xr, w[v]);
  }
}

// sum[r][v] += x[r][k] * w[k][16v ...] for k ascending.
template <int R, int V, typename Step = FloatStep>
LLM_INLINE void multiply_add(Vec (&sum)[R][V], const float* x, Index x_row, const float* w,
                             Index w_row, Index count) {
  for (Index k = 0; k < count; ++k) {
    Vec wk[V];
    LLM_UNROLL for (int v = 0; v < V; ++v) wk[v] = load(w + k * w_row + 16 * v);
    add_products<R, V, Step>(sum, x + k, x_row, wk);
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

// A source reads `unit` columns at a time: columns<V>(panel, u, vector, count, use) calls
// use(column, w) for the columns 0 .. count-1 of unit u, ascending, with the weights of V vectors
// of outputs from `vector` on. offset(u) is where unit u begins.
struct F32Source {
  using Step = FloatStep;
  static constexpr Index unit = 1;
  LLM_INLINE constexpr Index offset(Index u) { return u * panel_width * 4; }
  template <int V, typename Use>
  LLM_INLINE void columns(const std::byte* panel, Index u, int vector, Index, Use use) {
    const float* row = reinterpret_cast<const float*>(panel + offset(u));
    Vec w[V];
    LLM_UNROLL for (int v = 0; v < V; ++v) w[v] = load(row + 16 * (vector + v));
    use(0, w);
  }
};

// `odd_first`: the columns of a pair change places; there must be both.
template <bool is_bf16, bool odd_first = false>
struct HalfSource {
  using Step = FloatStep;
  static constexpr Index unit = 2;
  LLM_INLINE constexpr Index offset(Index u) { return u * panel_width * 4; }
  template <int V, typename Use>
  LLM_INLINE void columns(const std::byte* panel, Index u, int vector, Index count, Use use) {
    Vec even[V], odd[V];
    LLM_UNROLL for (int v = 0; v < V; ++v) {
      const IntVec pairs = load_int(panel + offset(u) + 64 * (vector + v));
      even[v] = is_bf16 ? bf16_even(pairs) : f16_even(pairs);
      odd[v] = is_bf16 ? bf16_odd(pairs) : f16_odd(pairs);
    }
    use(0, odd_first ? odd : even);
    if (odd_first || count > 1) use(1, odd_first ? even : odd);
  }
};

constexpr Index slice_width = 16 * tile_vectors;

using Expand = void (*)(const std::byte* panel, Index k0, Index k1, float* out);

// Columns [k0, k1) of a panel as float: [64 / slice_width][k1 - k0][slice_width].
template <typename Source>
void expand(const std::byte* panel, Index k0, Index k1, float* out) {
  constexpr int V = tile_vectors;
  for (Index k = k0; k < k1; k += Source::unit) {
    for (Index n = 0; n < panel_width; n += slice_width) {
      float* to = out + n * (k1 - k0) + (k - k0) * slice_width;
      Source::template columns<V>(
          panel, k / Source::unit, static_cast<int>(n / 16),
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
    for (Index at = Source::offset(u1); at < Source::offset(u2); at += 64) {
      __builtin_prefetch(panel + at);
    }
    for (Index n = 0; n < width; n += slice) {
      Vec sum[R][V];
      clear<R, V>(sum);
      if (u0 > 0) load_sums<R, V>(sum, waiting + n, panel_width, slice);
      for (Index u = u0; u < u1; ++u) {
        const float* xu = a.x + u * Source::unit;
        Source::template columns<V>(
            panel, u, static_cast<int>(n / 16), a.w.cols - u * Source::unit,
            [&](Index k, const Vec(&w)[V]) __attribute__((always_inline)) {
              add_products<R, V, typename Source::Step>(sum, xu + k, a.ldx, w);
            });
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

// The same where tiles read what was laid out for them first, a few columns at a time: plain types
// whose panel is wider than a tile (reading it from memory in strides is slow).
template <typename Step, int R>
void few_rows_expanded_panel(const MatmulArgs& a, const std::byte* panel, Index n0, Expand expand) {
  constexpr int V = tile_vectors;
  constexpr Index block = 32;
  const Index width = a.w.rows - n0 < panel_width ? a.w.rows - n0 : panel_width;
  alignas(64) float copy[block * panel_width];
  alignas(64) float waiting[R * panel_width];
  for (Index k0 = 0; k0 < a.w.cols; k0 += block) {
    const Index k1 = k0 + block < a.w.cols ? k0 + block : a.w.cols;
    expand(panel, k0, k1, copy);
    for (Index n = 0; n < width; n += slice_width) {
      Vec sum[R][V];
      clear<R, V>(sum);
      if (k0 > 0) load_sums<R, V>(sum, waiting + n, panel_width, slice_width);
      multiply_add<R, V, Step>(sum, a.x + k0, a.ldx, copy + n * (k1 - k0), slice_width, k1 - k0);
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
void few_rows(const MatmulArgs& a, Index stride) {
  with_rows(a.m, [&](auto rows) {
    constexpr int R = decltype(rows)::value;
    for (Index p = a.panel_begin; p < a.panel_end; ++p) {
      const std::byte* panel = a.w.data + p * stride;
      if constexpr (R > 1 && row_vectors<R> < 4) {
        few_rows_expanded_panel<typename Source::Step, R>(a, panel, p * panel_width,
                                                          expand<Source>);
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

template <typename Step, int R>
void tile_step(const TileStep& s) {
  constexpr int V = tile_vectors;
  Vec sum[R][V];
  if (s.first) {
    clear<R, V>(sum);
  } else {
    load_sums<R, V>(sum, s.y, s.ldy, s.width);
  }
  multiply_add<R, V, Step>(sum, s.x, x_stride, s.w, slice_width, s.columns);
  if (s.bias) add_bias<R, V>(sum, s.bias, s.width);
  store_sums<R, V>(sum, s.y, s.ldy, s.width);
}

// Size of the next block of rows when `left` rows are to be split into nearly equal tiles.
LLM_INLINE Index next_tile(Index left) {
  const Index tiles = (left + tile_rows - 1) / tile_rows;
  return (left + tiles - 1) / tiles;
}

// All rows of a block of x times one panel, columns [k0, k1).
template <typename Step>
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
      with_rows(rows, [&](auto r) { tile_step<Step, decltype(r)::value>(s); });
      m += rows;
    }
  }
}

// `expand`: null when the panel lies as the tiles read it, k by k.
template <typename Step>
void many_rows(const MatmulArgs& a, Index stride, Expand expand) {
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
        if (expand) expand(panel, k0, k1, expanded);
        const float* in_place = reinterpret_cast<const float*>(panel) + k0 * panel_width;
        block_panel<Step>(a, p, m0, m1, k0, k1, x, expand ? expanded : in_place);
      }
    }
  }
}

template <typename Source>
void matmul_of(const MatmulArgs& a, Index stride) {
  constexpr bool in_place = Source::unit == 1 && slice_width == panel_width;
  if (a.m > tile_rows) {
    many_rows<typename Source::Step>(a, stride, in_place ? nullptr : expand<Source>);
  } else {
    few_rows<Source>(a, stride);
  }
}

void matmul_plain(const MatmulArgs& a) {
  if (a.m <= 0 || a.panel_begin >= a.panel_end) return;
  const Index stride = panel_bytes(a.w.dtype, a.w.cols);
  switch (a.w.dtype) {
    case DType::f32:
      return matmul_of<F32Source>(a, stride);
    case DType::f16:
      return matmul_of<HalfSource<false>>(a, stride);
    case DType::bf16:
      return matmul_of<HalfSource<true>>(a, stride);
    default:
      return;  // no plain type
  }
}

Index plain_scratch_floats(Index) { return many_rows_scratch; }

constexpr ProductKernels plain = {matmul_plain, plain_scratch_floats};

}  // namespace
}  // namespace llm::detail
