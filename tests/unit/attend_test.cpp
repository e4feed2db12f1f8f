// Attention over pages on every instruction set: against double loops, and that a row's bits depend
// on its own query, keys and range only.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

#include "support/kernel_cases.hpp"

namespace llm {
namespace {

using detail::FloatKernels;
using test::random_floats;

enum class Kind { floats, bf16 };
constexpr Kind kinds[] = {Kind::floats, Kind::bf16};

// Keys and values of one head in pages, as the cache holds them. What is not written is NaN.
class Pages {
 public:
  Pages(std::int64_t keys, std::int64_t head_dim, unsigned seed, Kind what = Kind::floats)
      : Pages(keys, head_dim, random_floats(keys * head_dim, seed),
              random_floats(keys * head_dim, seed + 1), what) {
    write_all();
  }
  // Of the values [keys, head_dim], none of which is written yet.
  Pages(std::int64_t keys, std::int64_t head_dim, std::vector<float> k_values,
        std::vector<float> v_values, Kind what)
      : kind(what),
        k(std::move(k_values)),
        v(std::move(v_values)),
        keys_(keys),
        head_dim_(head_dim) {
    if (kind == Kind::bf16) {
      for (float& value : k) value = detail::bf16_to_float(detail::double_to_bf16(value));
      for (float& value : v) value = detail::bf16_to_float(detail::double_to_bf16(value));
    }
    constexpr std::uint32_t nan = 0x7fff7fff;
    const std::size_t pages = size_t(keys + 63) / 64;
    k_storage_.assign(pages, std::vector<std::uint32_t>(size_t(64 * head_dim), nan));
    v_storage_.assign(
        pages, std::vector<std::uint32_t>(size_t(64 * detail::padded_head_dim(head_dim)), nan));
    for (const auto& page : k_storage_) k_pages.push_back(page.data());
    for (const auto& page : v_storage_) v_pages.push_back(page.data());
  }
  Pages(const Pages&) = delete;

  void write_all() {
    for (std::int64_t t = 0; t < keys_; ++t) write(t);
  }

  void write(std::int64_t t) {
    const std::int64_t padded = detail::padded_head_dim(head_dim_), slot = t % 64;
    std::vector<std::uint32_t>& kp = k_storage_[size_t(t / 64)];
    std::vector<std::uint32_t>& vp = v_storage_[size_t(t / 64)];
    for (std::int64_t d = 0; d < head_dim_; ++d) {
      const auto key = std::bit_cast<std::uint32_t>(k[size_t(t * head_dim_ + d)]);
      const auto value = std::bit_cast<std::uint32_t>(v[size_t(t * head_dim_ + d)]);
      if (kind == Kind::floats) {
        kp[size_t(d * 64 + slot)] = key;
        vp[size_t(slot * padded + d)] = value;
      } else {
        write_half(kp[size_t(d / 2 * 64 + slot)], d % 2, key);
        write_half(vp[size_t(slot / 2 * padded + d)], slot % 2, value);
      }
    }
  }

  const Kind kind;
  std::vector<float> k, v;  // [keys, head_dim]
  std::vector<const void*> k_pages, v_pages;

 private:
  // One bf16 of a pair.
  static void write_half(std::uint32_t& pair, std::int64_t half, std::uint32_t value) {
    pair =
        half == 0 ? (pair & 0xffff0000u) | value >> 16 : (pair & 0xffffu) | (value & 0xffff0000u);
  }

  std::int64_t keys_, head_dim_;
  std::vector<std::vector<std::uint32_t>> k_storage_, v_storage_;
};

struct Rows {
  std::int64_t head_dim;
  float scale;
  std::vector<float> q;  // [rows, head_dim + 1]
  std::vector<std::int32_t> lo, hi;
  std::vector<std::vector<float>> bias;  // empty, or per row
  float softcap = 0;
  std::int64_t count() const { return std::int64_t(lo.size()); }
};

constexpr float log2_e = 1.44269504f;

// Calls attend for the rows [first, last).
std::vector<float> run(const FloatKernels& kernels, const Pages& pages, const Rows& rows,
                       std::int64_t first, std::int64_t last) {
  const std::int64_t ld = rows.head_dim + 1;
  std::vector<float> out(size_t((last - first) * ld), 7.0f);
  std::vector<const float*> bias;
  for (const auto& line : rows.bias) bias.push_back(line.data());
  Buffer scratch = test::float_scratch(kernels.attend_scratch_floats(rows.head_dim));
  detail::AttendArgs<float> args;
  args.q = rows.q.data() + first * ld;
  args.ldq = ld;
  args.rows = last - first;
  args.head_dim = rows.head_dim;
  args.q_scale = rows.scale * log2_e;
  args.softcap = rows.softcap * log2_e;
  args.k_pages = pages.k_pages.data();
  args.v_pages = pages.v_pages.data();
  args.is_bf16 = pages.kind == Kind::bf16;
  args.lo = rows.lo.data() + first;
  args.hi = rows.hi.data() + first;
  args.bias = bias.empty() ? nullptr : bias.data() + first;
  args.out = out.data();
  args.ldo = ld;
  args.scratch = reinterpret_cast<float*>(scratch.data());
  kernels.attend(args);
  return out;
}
std::vector<float> run(const FloatKernels& kernels, const Pages& pages, const Rows& rows) {
  return run(kernels, pages, rows, 0, rows.count());
}

std::vector<double> expected_row(const Pages& pages, const Rows& rows, std::int64_t r) {
  const std::int64_t hd = rows.head_dim;
  const std::size_t at = size_t(r);
  std::vector<double> scores, out(size_t(hd), 0.0);
  double largest = -1e300, sum = 0;
  for (std::int64_t t = rows.lo[at]; t < rows.hi[at]; ++t) {
    double s = 0;
    for (std::int64_t d = 0; d < hd; ++d) {
      s += double(rows.q[size_t(r * (hd + 1) + d)]) * pages.k[size_t(t * hd + d)];
    }
    s *= rows.scale;
    if (!rows.bias.empty()) s += rows.bias[at][size_t(t)] / double(log2_e);
    if (rows.softcap != 0) s = rows.softcap * std::tanh(s / rows.softcap);
    scores.push_back(s);
    largest = std::max(largest, s);
  }
  for (double& s : scores) sum += s = std::exp(s - largest);
  for (std::int64_t t = rows.lo[at]; t < rows.hi[at]; ++t) {
    for (std::int64_t d = 0; d < hd; ++d) {
      out[size_t(d)] += scores[size_t(t - rows.lo[at])] / sum * pages.v[size_t(t * hd + d)];
    }
  }
  return out;
}

// `count` rows that are the last ones of a causal prompt of `keys` keys, seeing at most `window`.
Rows causal_rows(std::int64_t count, std::int64_t keys, std::int64_t head_dim,
                 std::int64_t window = 1 << 20, bool bias = false) {
  Rows rows{head_dim, 1.0f / std::sqrt(float(head_dim)), {}, {}, {}, {}, 0};
  rows.q = random_floats(count * (head_dim + 1), 99);
  for (std::int64_t r = 0; r < count; ++r) {
    const std::int64_t hi = keys - count + r + 1;
    rows.hi.push_back(std::int32_t(hi));
    rows.lo.push_back(std::int32_t(std::max<std::int64_t>(0, hi - window)));
    if (bias) rows.bias.push_back(random_floats((hi + 63) / 64 * 64, unsigned(r)));
  }
  return rows;
}

// Scores of size s carry an error of about head_dim eps s, which the exponential makes relative;
// the sum over the keys adds at most keys eps of the largest value. Both are a few 1e-6 here.
void expect_near_double(const FloatKernels& kernels, const Pages& pages, const Rows& rows,
                        const std::string& what) {
  const std::vector<float> out = run(kernels, pages, rows);
  for (std::int64_t r = 0; r < rows.count(); ++r) {
    const std::vector<double> expected = expected_row(pages, rows, r);
    for (std::int64_t d = 0; d < rows.head_dim; ++d) {
      ASSERT_NEAR(out[size_t(r * (rows.head_dim + 1) + d)], expected[size_t(d)], 2e-5)
          << kernels.name << " " << what << " row " << r;
    }
    ASSERT_EQ(out[size_t(r * (rows.head_dim + 1) + rows.head_dim)], 7.0f) << what;
  }
}

TEST(Attend, AgreesWithDoubleLoops) {
  for (const FloatKernels* kernels : test::available_kernels()) {
    for (const std::int64_t head_dim : {1, 7, 16, 33, 64, 80, 96, 128, 160}) {
      for (const std::int64_t keys : {1, 63, 64, 65, 200}) {
        const Kind kind = kinds[(keys + head_dim) % 2];
        const Pages pages(keys, head_dim, unsigned(keys), kind);
        for (const std::int64_t count : {1, 2, 3, 5, 6, 7, 20}) {
          if (count > keys) continue;
          const std::string what = std::to_string(head_dim) + " " + std::to_string(keys);
          expect_near_double(*kernels, pages, causal_rows(count, keys, head_dim), what);
          expect_near_double(*kernels, pages, causal_rows(count, keys, head_dim, 40),
                             what + " window");
          Rows biased = causal_rows(count, keys, head_dim, 90, true);
          expect_near_double(*kernels, pages, biased, what + " bias");
          biased.softcap = 0.75f;
          expect_near_double(*kernels, pages, biased, what + " softcap");
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

// Scores up to +-80: the running maximum rises again and again and must never overflow.
TEST(Attend, LargeScores) {
  for (const FloatKernels* kernels : test::available_kernels()) {
    const Pages pages(300, 64, 5, kinds[kernels->name.size() % 2]);
    Rows rows = causal_rows(9, 300, 64);
    rows.scale = 3.0f;
    const std::vector<float> out = run(*kernels, pages, rows);
    for (std::int64_t r = 0; r < rows.count(); ++r) {
      const std::vector<double> expected = expected_row(pages, rows, r);
      for (std::int64_t d = 0; d < 64; ++d) {
        ASSERT_NEAR(out[size_t(r * 65 + d)], expected[size_t(d)], 3e-4);
      }
    }
  }
}

TEST(Attend, ARowDependsOnNothingElse) {
  for (const FloatKernels* kernels : test::available_kernels()) {
    for (const std::int64_t head_dim : {24, 64, 100}) {
      for (const bool bias : {false, true}) {
        const Pages pages(400, head_dim, 8, kinds[(head_dim + bias) / 2 % 2]);
        Rows rows = causal_rows(300, 400, head_dim, 150, bias);
        if (head_dim == 24) rows.softcap = 0.75f;
        const std::vector<float> all = run(*kernels, pages, rows);
        for (const std::int64_t group : {1, 2, 3, 4, 5, 6, 7, 13, 64, 97}) {
          for (std::int64_t first = 0; first < rows.count(); first += group) {
            const std::int64_t last = std::min(rows.count(), first + group);
            const std::vector<float> part = run(*kernels, pages, rows, first, last);
            ASSERT_TRUE(std::equal(part.begin(), part.end(), all.begin() + first * (head_dim + 1)))
                << kernels->name << " group " << group;
          }
        }
      }
    }
  }
}

// What the page holds behind the keys a row sees changes nothing: a prompt in one piece equals the
// same prompt appended key by key.
TEST(Attend, LaterKeysDoNotMatter) {
  for (const FloatKernels* kernels : test::available_kernels()) {
    for (const Kind kind : kinds) {
      const Pages whole(200, 64, 8, kind);
      const Rows rows = causal_rows(200, 200, 64);
      const std::vector<float> all = run(*kernels, whole, rows);
      Pages growing(200, 64, whole.k, whole.v, kind);
      for (std::int64_t t = 0; t < 200; ++t) {
        growing.write(t);
        const std::vector<float> one = run(*kernels, growing, rows, t, t + 1);
        ASSERT_TRUE(std::equal(one.begin(), one.end(), all.begin() + t * 65)) << kernels->name;
      }
    }
  }
}

// Numbers that are bf16 already give the same bits from pages of either kind.
TEST(Attend, PagesOfBothKindsAgreeToTheBit) {
  for (const FloatKernels* kernels : test::available_kernels()) {
    for (const std::int64_t head_dim : {7, 64, 80}) {
      const Pages narrow(200, head_dim, 8, Kind::bf16);
      Pages wide(200, head_dim, narrow.k, narrow.v, Kind::floats);
      wide.write_all();
      for (const std::int64_t count : {1, 2, 3, 6, 50}) {
        const Rows rows = causal_rows(count, 200, head_dim, 130);
        EXPECT_TRUE(test::same_bits(run(*kernels, narrow, rows), run(*kernels, wide, rows)))
            << kernels->name << " " << head_dim << " " << count;
      }
    }
  }
}

TEST(Attend, AllLevelsWithFmaAgreeToTheBit) {
  const auto levels = test::fma_kernels();
  if (levels.size() < 2) GTEST_SKIP() << "needs AVX-512";
  for (const std::int64_t head_dim : {5, 40, 64, 128}) {
    for (const std::int64_t count : {1, 2, 3, 4, 5, 6, 100}) {
      for (const bool bias : {false, true}) {
        const Pages pages(300, head_dim, 8, kinds[(count + bias) % 2]);
        const Rows rows = causal_rows(count, 300, head_dim, 130, bias);
        EXPECT_TRUE(test::same_bits(run(*levels[0], pages, rows), run(*levels[1], pages, rows)))
            << head_dim << " " << count;
      }
    }
  }
}

}  // namespace
}  // namespace llm
