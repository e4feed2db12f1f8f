// Attention over pages of keys and values, written once over Vec; AttendArgs defines the order of
// every sum. Rows are taken in passes, so that a page is read from cache by all rows of a pass, and
// within a pass in blocks that fit the register tile; how rows are grouped changes no bit. Pages of
// bf16 are widened in registers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/elementwise_inl.hpp"
#include "kernels/matmul_inl.hpp"
#include "llm/tensor/kernels.hpp"

namespace llm::detail {
namespace {

constexpr Index page_keys = 64;
constexpr Index pass_rows = 96;
constexpr float infinity = __builtin_inff();

// 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits.
constexpr float round_to_integer = 12582912.0f;

// 2^x for x <= 0, with fma; 0 below -126. 2^f = 1 + f P(f) on |f| <= 1/2, P the minimax polynomial
// of the relative error (2^-28.9); see fit_polynomials.py. Largest error measured: 0.94 ulp.
LLM_INLINE Vec exp2_negative(Vec x) {
  const Vec rounded = add(x, set1(round_to_integer));
  const Vec f = sub(x, sub(rounded, set1(round_to_integer)));
  Vec p = set1(0.00015353328f);
  p = fma(p, f, set1(0.00133989f));
  p = fma(p, f, set1(0.009618438f));
  p = fma(p, f, set1(0.055503324f));
  p = fma(p, f, set1(0.24022648f));
  p = fma(p, f, set1(0.6931472f));
  p = fma(p, f, set1(1.0f));
  return select_less(x, set1(-126.0f), zero(), add_exponent(p, rounded));
}

// The state of the rows of one pass, in scratch.
struct AttendPass {
  Index rows;
  Index head_dim;
  Index padded;      // head_dim rounded up to 16
  float* q;          // [rows][padded]
  float* out;        // [rows][padded] sums of p V
  float* lane_sums;  // [rows][16]
  float* maximum;    // [rows]
  float* p;          // [tile_rows][page_keys] scores, then probabilities, of one block
  const std::int32_t* lo;
  const std::int32_t* hi;
  const float* const* bias;
  float softcap;
};

// One page as 32-bit units: a float, or with `pairs` two bf16 that are neighbours in the sums.
struct Tiles {
  const float* keys;
  const float* values;
};

// The keys of one page a row sees, as positions in the page; empty when end <= begin.
struct KeyRange {
  Index begin, end;
};
LLM_INLINE KeyRange keys_of(const AttendPass& a, Index row, Index page) {
  const Index begin = a.lo[row] - page * page_keys, end = a.hi[row] - page * page_keys;
  return {begin > 0 ? begin : 0, end < page_keys ? end : page_keys};
}

// sum[r][v] += x[r][k] * tile[k][16v ...] for k ascending. (Fetching the next tile meanwhile is no
// gain: between the products of a model it costs 10 to 20 %.)
template <bool pairs, int R, int V>
LLM_INLINE void add_tile(Vec (&sum)[R][V], const float* x, Index x_row, const float* tile,
                         Index tile_row, Index count) {
  for (Index k = 0; k < count; k += pairs ? 2 : 1) {
    Vec w[V];
    LLM_UNROLL for (int v = 0; v < V; ++v) {
      w[v] = pairs ? bf16_even(load_int(tile + 16 * v)) : load(tile + 16 * v);
    }
    add_products<R, V>(sum, x + k, x_row, w);
    if (pairs && k + 1 < count) {
      LLM_UNROLL for (int v = 0; v < V; ++v) w[v] = bf16_odd(load_int(tile + 16 * v));
      add_products<R, V>(sum, x + k + 1, x_row, w);
    }
    tile += tile_row;
  }
}

// p[r][key] = bias + q[r] . k[key] for the keys from n on, as many whole tiles as end before `end`.
template <bool pairs, int R, int V>
LLM_INLINE Index score_keys(const AttendPass& a, Index row, Index page, const Tiles& tiles,
                            Index end, Index n) {
  for (; n + 16 * V <= end; n += 16 * V) {
    Vec sum[R][V];
    clear<R, V>(sum);
    if (a.bias) {
      LLM_UNROLL for (int r = 0; r < R; ++r) {
        const KeyRange range = keys_of(a, row + r, page);
        if (range.begin >= range.end) continue;
        LLM_UNROLL for (int v = 0; v < V; ++v) {
          sum[r][v] = load(a.bias[row + r] + page * page_keys + n + 16 * v);
        }
      }
    }
    add_tile<pairs, R, V>(sum, a.q + row * a.padded, a.padded, tiles.keys + n, page_keys,
                          a.head_dim);
    store_sums<R, V>(sum, a.p + n, page_keys, 16 * V);
  }
  return n;
}

// The scores of the first `last` keys of a page, and of some behind them that nobody reads.
template <bool pairs, int R>
LLM_INLINE void score_rows(const AttendPass& a, Index row, Index page, const Tiles& tiles,
                           Index last) {
  constexpr int V = row_vectors<R>;
  // With few rows narrow tiles are no faster than the whole page.
  const Index end = R >= 4 ? (last + 15) / 16 * 16 : page_keys;
  Index n = score_keys<pairs, R, V>(a, row, page, tiles, end, 0);
  if constexpr (V > 2) n = score_keys<pairs, R, 2>(a, row, page, tiles, end, n);
  if constexpr (V > 1) score_keys<pairs, R, 1>(a, row, page, tiles, end, n);
}

// Scores of one row, bounded.
void cap_row(float softcap, float* p) {
  const Vec cap = set1(softcap);
  for (Index n = 0; n < page_keys; n += 16) store(p + n, mul(tanh(div(load(p + n), cap)), cap));
}

// Scores of one row to probabilities relative to the row's running maximum.
void update_row(const AttendPass& a, Index row, float* p, KeyRange range) {
  Vec s[4];
  LLM_UNROLL for (int v = 0; v < 4; ++v) {
    s[v] = load(p + 16 * v);
    if (range.begin > 0 || range.end < page_keys) {
      s[v] = keep_range(s[v], range.begin - 16 * v, range.end - 16 * v, set1(-infinity));
    }
  }
  const float largest = max_lane(max(max(s[0], s[1]), max(s[2], s[3])));
  float* lane_sums = a.lane_sums + row * 16;
  Vec sums = load(lane_sums);
  if (largest > a.maximum[row]) {
    const Vec factor = exp2_negative(set1(a.maximum[row] - largest));
    a.maximum[row] = largest;
    sums = mul(sums, factor);
    float* out = a.out + row * a.padded;
    for (Index d = 0; d < a.padded; d += 16) store(out + d, mul(load(out + d), factor));
  }
  const Vec maximum = set1(a.maximum[row]);
  LLM_UNROLL for (int v = 0; v < 4; ++v) {
    s[v] = exp2_negative(sub(s[v], maximum));
    store(p + 16 * v, s[v]);
  }
  store(lane_sums, add(sums, add(add(s[0], s[1]), add(s[2], s[3]))));
}

// out[r] += sum over the first `count` keys of p[r][key] * values[key], from dimension d on.
template <bool pairs, int R, int V>
LLM_INLINE Index add_values(const AttendPass& a, Index row, const Tiles& tiles, Index count,
                            Index d) {
  for (; d + 16 * V <= a.padded; d += 16 * V) {
    Vec sum[R][V];
    float* out = a.out + row * a.padded + d;
    load_sums<R, V>(sum, out, a.padded, 16 * V);
    add_tile<pairs, R, V>(sum, a.p, page_keys, tiles.values + d, a.padded, count);
    store_sums<R, V>(sum, out, a.padded, 16 * V);
  }
  return d;
}

// One block of R rows with one page.
template <bool pairs, int R>
void attend_block(const AttendPass& a, Index row, Index page, const Tiles& tiles) {
  Index last = 0;  // keys after it are seen by no row
  for (int r = 0; r < R; ++r) {
    const KeyRange range = keys_of(a, row + r, page);
    if (range.begin < range.end && range.end > last) last = range.end;
  }
  if (last == 0) return;
  score_rows<pairs, R>(a, row, page, tiles, last);
  for (int r = 0; r < R; ++r) {
    float* p = a.p + r * page_keys;
    const KeyRange range = keys_of(a, row + r, page);
    if (range.begin < range.end) {
      if (a.softcap != 0) cap_row(a.softcap, p);
      update_row(a, row + r, p, range);
    } else {
      for (Index n = 0; n < page_keys; n += 16) store(p + n, zero());
    }
  }
  constexpr int V = row_vectors<R>;
  Index d = add_values<pairs, R, V>(a, row, tiles, last, 0);
  if constexpr (V > 2) d = add_values<pairs, R, 2>(a, row, tiles, last, d);
  if constexpr (V > 1) add_values<pairs, R, 1>(a, row, tiles, last, d);
}

void begin_pass(const AttendPass& a, const AttendArgs<float>& args, Index first) {
  for (Index r = 0; r < a.rows; ++r) {
    const float* q = args.q + (first + r) * args.ldq;
    for (Index d = 0; d < a.head_dim; ++d) a.q[r * a.padded + d] = q[d] * args.q_scale;
    for (Index d = 0; d < a.padded; ++d) a.out[r * a.padded + d] = 0.0f;
    store(a.lane_sums + r * 16, zero());
    a.maximum[r] = -infinity;
  }
}

void end_pass(const AttendPass& a, const AttendArgs<float>& args, Index first) {
  for (Index r = 0; r < a.rows; ++r) {
    const Vec factor = set1(1.0f / sum_lanes(load(a.lane_sums + r * 16)));
    float* to = args.out + (first + r) * args.ldo;
    for (Index d = 0; d < a.head_dim; d += 16) {
      const Vec value = add(mul(load(a.out + r * a.padded + d), factor), zero());
      store_first(to + d, a.head_dim - d, value);
    }
  }
}

template <bool pairs>
void run_pass(const AttendPass& a, const AttendArgs<float>& args) {
  Index lo = a.lo[0], hi = a.hi[0];
  for (Index r = 1; r < a.rows; ++r) {
    if (a.lo[r] < lo) lo = a.lo[r];
    if (a.hi[r] > hi) hi = a.hi[r];
  }
  for (Index page = lo / page_keys; page * page_keys < hi; ++page) {
    const Tiles tiles{static_cast<const float*>(args.k_pages[page]),
                      static_cast<const float*>(args.v_pages[page])};
    for (Index row = 0; row < a.rows;) {
      const Index rows = next_tile(a.rows - row);
      with_rows(rows,
                [&](auto r) { attend_block<pairs, decltype(r)::value>(a, row, page, tiles); });
      row += rows;
    }
  }
}

void attend(const AttendArgs<float>& args) {
  AttendPass a;
  a.head_dim = args.head_dim;
  a.padded = (args.head_dim + 15) / 16 * 16;
  a.softcap = args.softcap;
  a.q = args.scratch;
  a.out = a.q + pass_rows * a.padded;
  a.lane_sums = a.out + pass_rows * a.padded;
  a.maximum = a.lane_sums + pass_rows * 16;
  a.p = a.maximum + pass_rows;
  for (Index first = 0; first < args.rows; first += pass_rows) {
    a.rows = args.rows - first < pass_rows ? args.rows - first : pass_rows;
    a.lo = args.lo + first;
    a.hi = args.hi + first;
    a.bias = args.bias ? args.bias + first : nullptr;
    begin_pass(a, args, first);
    if (args.is_bf16) {
      run_pass<true>(a, args);
    } else {
      run_pass<false>(a, args);
    }
    end_pass(a, args, first);
  }
}

Index attend_scratch_floats(Index head_dim) {
  const Index padded = (head_dim + 15) / 16 * 16;
  return pass_rows * (2 * padded + 16 + 1) + tile_rows * page_keys;
}

}  // namespace
}  // namespace llm::detail
