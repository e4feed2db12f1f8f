// Weights at rest: every type and layout gives back the rows of its source.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>

#include "llm/core/error.hpp"
#include "support/catch_error.hpp"
#include "support/kernel_cases.hpp"
#include "support/temp_dir.hpp"
#include "weights/encode.hpp"
#include "weights/encode_kernels.hpp"

namespace llm {
namespace {

using test::RandomTensor;

constexpr WeightLayout layouts[] = {WeightLayout::panels, WeightLayout::rows};

template <typename S>
std::vector<S> row_of(const Weight& w, std::int64_t row) {
  std::vector<S> out(static_cast<std::size_t>(w.cols()));
  w.read_row(row, out.data());
  return out;
}

// Rows of all parts, one after another.
std::vector<std::vector<double>> stacked_rows(const MatrixSource& source) {
  std::vector<std::vector<double>> rows;
  for (const MatrixSource::Part& part : source.parts) {
    const FileTensor& t = *part.tensor;
    std::vector<double> flat(static_cast<std::size_t>(t.rows() * t.cols()));
    read_values(t, 0, t.rows() * t.cols(), flat.data());
    const std::size_t outputs = std::size_t(part.transposed ? t.cols() : t.rows());
    const std::size_t inputs = std::size_t(part.transposed ? t.rows() : t.cols());
    for (std::size_t n = 0; n < outputs; ++n) {
      std::vector<double>& row = rows.emplace_back(inputs);
      for (std::size_t k = 0; k < inputs; ++k) {
        row[k] = part.transposed ? flat[k * outputs + n] : flat[n * inputs + k];
      }
    }
  }
  return rows;
}

void expect_rows(const MatrixSource& source) {
  const std::vector<std::vector<double>> stacked = stacked_rows(source);
  ThreadPool pool(3);
  for (const WeightLayout layout : layouts) {
    const Weight w(source, layout, pool);
    ASSERT_EQ(w.rows(), source.rows());
    ASSERT_EQ(w.cols(), source.cols());
    ASSERT_EQ(w.layout(), layout);
    for (std::int64_t n = 0; n < w.rows(); ++n) {
      const std::size_t from =
          std::size_t(source.row_order.empty() ? n : source.row_order[std::size_t(n)]);
      const std::vector<double>& expected = stacked[from];
      const std::vector<float> narrow(expected.begin(), expected.end());
      ASSERT_EQ(row_of<float>(w, n), narrow);
      if (source.dtype() != DType::f64 || layout == WeightLayout::rows) {
        ASSERT_EQ(row_of<double>(w, n), expected) << to_string(source.dtype()) << " row " << n;
      }
    }
  }
}

std::vector<DType> all_types() {
  std::vector<DType> types(std::begin(test::weight_types), std::end(test::weight_types));
  types.push_back(DType::f64);
  return types;
}
// Columns that every type can have.
constexpr std::int64_t any_cols = 256;

TEST(Weight, GivesBackEveryRow) {
  for (const DType dtype : all_types()) {
    for (const std::int64_t rows : {1, 63, 64, 65, 130}) {
      for (const std::int64_t cols : {32, 96, 33, 1, 256, 768}) {
        if (cols % block_values(dtype) != 0) continue;
        const RandomTensor tensor(dtype, rows, cols, unsigned(rows + cols));
        MatrixSource source;
        source.parts = {{&tensor.get(), false}};
        expect_rows(source);
      }
    }
  }
}

TEST(Weight, StacksPartsAndPermutesRows) {
  for (const DType dtype : all_types()) {
    const RandomTensor a(dtype, 40, any_cols, 1), b(dtype, 5, any_cols, 2),
        c(dtype, 70, any_cols, 3);
    MatrixSource source;
    source.parts = {{&a.get(), false}, {&b.get(), false}, {&c.get(), false}};
    expect_rows(source);
    for (std::int64_t i = 0; i < 115; ++i) source.row_order.push_back(i * 7 % 115);
    expect_rows(source);
    source.row_order = {114, 40, 39, 0, 44, 45, 45};  // fewer, and one twice
    expect_rows(source);
  }
}

TEST(Weight, TransposesPlainTypes) {
  for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::bf16}) {
    const RandomTensor a(dtype, 33, 70, 4), b(dtype, 9, 33, 5);
    MatrixSource source;
    source.parts = {{&a.get(), true}, {&b.get(), false}};
    expect_rows(source);
    for (std::int64_t i = 79; i-- > 0;) source.row_order.push_back(i);
    expect_rows(source);
  }
}

TEST(Weight, RowsAreTheBytesOfTheFile) {
  for (const DType dtype : all_types()) {
    const RandomTensor tensor(dtype, 3, any_cols, 6);
    const Weight w = test::packed(tensor.get(), WeightLayout::rows);
    const FileTensor& copy = w.file_rows();
    EXPECT_EQ(copy.shape, tensor.get().shape);
    EXPECT_EQ(copy.dtype, dtype);
    EXPECT_TRUE(std::equal(copy.bytes.begin(), copy.bytes.end(), tensor.get().bytes.begin(),
                           tensor.get().bytes.end()));
  }
}

// Largest and mean squared difference between the rows of `w` and those of the source.
struct Difference {
  double largest = 0, mean_square = 0;
};
Difference difference(const Weight& w, const RandomTensor& source) {
  const std::vector<double> values = source.values();
  Difference result;
  for (std::int64_t n = 0; n < w.rows(); ++n) {
    const std::vector<double> row = row_of<double>(w, n);
    for (std::size_t k = 0; k < row.size(); ++k) {
      const double d = std::abs(row[k] - values[std::size_t(n) * row.size() + k]);
      result.largest = std::max(result.largest, d);
      result.mean_square += d * d / double(values.size());
    }
  }
  return result;
}

Weight kept_as(const FileTensor& tensor, DType dtype, WeightLayout layout) {
  ThreadPool pool(2);
  MatrixSource source;
  source.parts = {{&tensor, false}};
  return Weight(source, layout, pool, dtype);
}

TEST(Weight, IsKeptInAnotherType) {
  // Standard normal values: of 32 the largest is 2.1 on average and below 6 always here.
  const RandomTensor tensor(DType::f32, 70, 256, 8);
  for (const WeightLayout layout : layouts) {
    const auto kept = [&](DType dtype) {
      const Weight w = kept_as(tensor.get(), dtype, layout);
      EXPECT_EQ(w.dtype(), dtype);
      return difference(w, tensor);
    };
    EXPECT_EQ(kept(DType::f32).largest, 0);
    EXPECT_LE(kept(DType::bf16).largest, 4 * 0x1p-8);  // values below 8
    // Half a step, and the rounding of the scale to 11 bits.
    EXPECT_LE(kept(DType::q8_0).largest, 6.0 / 127 / 2 + 6 * 0x1p-11);
    EXPECT_LE(kept(DType::q8_channel).largest, 6.0 / 127 / 2 * (1 + 0x1p-15));  // scale: float
    // A step of range / 15 with evenly spread errors has a mean square of step^2 / 12; for 32
    // normal values (range 4.1 on average) 0.0063, from which the fit takes some.
    EXPECT_LE(kept(DType::q4_1).mean_square, 0.0063);
  }
}

// Of a block: the scale and minimum of its smallest and largest value, and codes by them.
double square_error_of_range(const float* x) {
  const auto [low, high] = std::minmax_element(x, x + 32);
  const double step = (double(*high) - *low) / 15;
  double sum = 0;
  for (int k = 0; k < 32; ++k) {
    const double off = *low + step * std::round((x[k] - *low) / step) - x[k];
    sum += off * off;
  }
  return sum;
}

TEST(Encode, FitsBetterThanTheRangeOfValues) {
  const std::vector<float> values = test::random_floats(32 * 1000, 21);
  std::vector<std::byte> bytes(1000 * 20);
  detail::encode_row(DType::q4_1, values, bytes.data());
  std::vector<float> decoded(values.size());
  read_values({{}, DType::q4_1, {1000, 32}, bytes}, 0, 32 * 1000, decoded.data());
  double fitted = 0, range = 0;
  for (std::size_t i = 0; i < values.size(); i += 32) {
    for (std::size_t k = i; k < i + 32; ++k) {
      fitted += std::pow(double(decoded[k]) - values[k], 2);
    }
    range += square_error_of_range(&values[i]);
  }
  EXPECT_LT(fitted, 0.85 * range);
}

// Values that lie on 16 evenly spaced places already are not moved by more than the rounding of
// scales to 11 bits.
TEST(Encode, KeepsWhatIsEncodedAlready) {
  std::vector<float> values(4 * 32), again(values.size());
  for (int k = 0; k < 4 * 32; ++k) {
    values[std::size_t(k)] = 0.013f * float(k * 7 % 16) - 0.02f * float(k / 32);
  }
  std::vector<std::byte> bytes(4 * 20);
  detail::encode_row(DType::q4_1, values, bytes.data());
  read_values({{}, DType::q4_1, {4, 32}, bytes}, 0, 4 * 32, again.data());
  for (std::size_t k = 0; k < values.size(); ++k) {
    EXPECT_NEAR(again[k], values[k], 15 * 0.013f * 0x1p-10f) << k;
  }
}

// Numbers of blocks that fill no vector, and blocks that are flat, huge, tiny or not finite.
TEST(Encode, EveryInstructionSetGivesTheSameBits) {
  std::vector<const detail::EncodeKernels*> tables;
  for (const detail::FloatKernels* kernels : test::available_kernels()) {
    tables.push_back(kernels->encode);
  }
  for (const std::int64_t count : {1, 3, 16, 37}) {
    std::vector<float> values = test::random_floats(32 * count, unsigned(count));
    const std::size_t last = std::size_t(count - 1) * 32;
    values[last] = std::numeric_limits<float>::infinity();
    if (count > 3) {
      std::fill_n(values.begin(), 32, 0.75f);
      for (int k = 32; k < 64; ++k) values[std::size_t(k)] *= 1e30f;
      for (int k = 64; k < 96; ++k) values[std::size_t(k)] *= 1e-20f;
    }
    const auto results = [&](const detail::EncodeKernels& kernels) {
      const auto n = std::size_t(count);
      std::vector<float> largest(n), scales(n), minimums(n);
      std::vector<std::int8_t> codes(n * 32);
      kernels.largest_magnitudes(values.data(), count, largest.data());
      kernels.fit_lines(values.data(), count, scales.data(), minimums.data());
      kernels.round_to_codes(values.data(), count, {largest.data(), scales.data(), -90, 111},
                             codes.data());
      std::vector<std::uint32_t> bits;
      for (const auto* floats : {&largest, &scales, &minimums}) {
        for (const float f : *floats) {
          bits.push_back(std::isnan(f) ? 0x7fc00000u : std::bit_cast<std::uint32_t>(f));
        }
      }
      bits.insert(bits.end(), codes.begin(), codes.end());
      return bits;
    };
    for (const auto* kernels : tables) EXPECT_EQ(results(*kernels), results(*tables[0])) << count;
  }
}

// What a file's mapping takes of this process's memory, in bytes.
std::size_t resident_bytes(const std::filesystem::path& file) {
  std::ifstream maps("/proc/self/smaps");
  bool ours = false;
  std::size_t kilobytes = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.find('-') < line.find(' ')) ours = line.ends_with(file.filename().string());
    if (ours && line.starts_with("Rss:")) kilobytes += std::stoul(line.substr(4));
  }
  return kilobytes << 10;
}

TEST(Weight, GivesTheFilesMemoryBack) {
  const test::TempDir dir;
  const std::filesystem::path file = dir.path() / "model.safetensors";
  const RandomTensor a(DType::f32, 4096, 512, 11), b(DType::f32, 512, 4096, 12);
  FileTensor first = a.get(), second = b.get();
  first.name = "a";
  second.name = "b";
  write_safetensors(file, std::vector<FileTensor>{first, second}, {});
  const auto store = WeightStore::open(file);
  ThreadPool pool(2);
  for (const WeightLayout layout : layouts) {
    for (const bool shuffled : {false, true}) {
      MatrixSource mapped, copied;
      mapped.parts = {{store->find("a"), false}, {store->find("b"), true}};
      copied.parts = {{&a.get(), false}, {&b.get(), true}};
      for (std::int64_t i = 0; shuffled && i < 8192; ++i) {
        mapped.row_order.push_back(i * 5 % 8192);
      }
      copied.row_order = mapped.row_order;
      const Weight w(mapped, layout, pool, DType::q8_0);
      EXPECT_LT(resident_bytes(file), std::size_t{1} << 20);
      const Weight expected(copied, layout, pool, DType::q8_0);
      EXPECT_TRUE(std::ranges::equal(w.bytes_in_memory(), expected.bytes_in_memory()));
    }
  }
}

TEST(Weight, KeepsAnyTypeAndOrderInAnother) {
  ThreadPool pool(2);
  for (const DType from : {DType::f64, DType::f16, DType::bf16, DType::q6_k}) {
    const RandomTensor tensor(from, 40, 256, 9);
    MatrixSource source;
    source.parts = {{&tensor.get(), false}};
    for (std::int64_t i = 40; i-- > 0;) source.row_order.push_back(i);
    for (const DType to : {DType::f32, DType::q8_0, DType::q8_channel}) {
      const Weight panels(source, WeightLayout::panels, pool, to);
      const Weight rows(source, WeightLayout::rows, pool, to);
      for (std::int64_t n = 0; n < 40; ++n) {
        EXPECT_EQ(row_of<float>(panels, n), row_of<float>(rows, n)) << to_string(from);
      }
    }
  }
}

// The nearest of 255 evenly spaced values, with the same spacing along a row: no part of it, and no
// neighbour, matters.
TEST(Weight, OfOneScalePerOutput) {
  std::vector<float> values = test::random_floats(3 * 96, 5);
  std::fill_n(values.begin() + 96, 96, 0.0f);
  values[200] = 1e-38f;
  values[250] = -40.0f;
  const FileTensor tensor{"w", DType::f32, {3, 96}, std::as_bytes(std::span(values))};
  const Weight w = kept_as(tensor, DType::q8_channel, WeightLayout::panels);
  for (std::size_t n = 0; n < 3; ++n) {
    const std::span<const float> source = std::span(values).subspan(n * 96, 96);
    float largest = 0;
    for (const float value : source) largest = std::max(largest, std::abs(value));
    const std::vector<float> row = row_of<float>(w, std::int64_t(n));
    for (std::size_t k = 0; k < 96; ++k) {
      const float scale = largest / 127;
      const float code = largest > 0 ? std::nearbyint(source[k] * (127 / largest)) : 0;
      EXPECT_EQ(row[k], code * scale) << n << " " << k;
    }
  }
}

TEST(Weight, KeepsSpecialValuesVisible) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> values(64, 0.25f);
    values[40] = bad;
    FileTensor tensor{"w", DType::f32, {1, 64}, std::as_bytes(std::span(values))};
    for (const DType dtype : {DType::q8_0, DType::q8_channel, DType::q4_1}) {
      const Weight w = kept_as(tensor, dtype, WeightLayout::panels);
      const std::vector<float> row = row_of<float>(w, 0);
      if (dtype != DType::q8_channel) {
        EXPECT_NEAR(row[0], 0.25f, 1e-3) << to_string(dtype);
      }
      EXPECT_TRUE(std::isnan(row[40])) << to_string(dtype);
    }
  }
}

TEST(Weight, RefusesATypeItCannotWrite) {
  const RandomTensor tensor(DType::f32, 4, 40, 1);
  for (const DType dtype : {DType::q8_0, DType::q8_channel, DType::q4_k, DType::i8}) {
    EXPECT_EQ(test::catch_error([&] { kept_as(tensor.get(), dtype, WeightLayout::rows); }).code(),
              ErrorCode::internal);
  }
}

TEST(Weight, StaysValidWhenMoved) {
  const RandomTensor tensor(DType::q4_1, 70, 64, 7);
  for (const WeightLayout layout : layouts) {
    Weight w = test::packed(tensor.get(), layout);
    const std::vector<float> before = row_of<float>(w, 69);
    const Weight moved = std::move(w);
    EXPECT_EQ(row_of<float>(moved, 69), before);
  }
}

TEST(Weight, PanelBytesAreWholeCacheLines) {
  for (const DType dtype : test::weight_types) {
    for (const std::int64_t cols : {256, 768}) {
      EXPECT_EQ(detail::panel_bytes(dtype, cols) % 64, 0) << to_string(dtype);
    }
  }
  for (const DType dtype : {DType::f32, DType::q8_0, DType::q4_0, DType::q4_1}) {
    EXPECT_EQ(detail::panel_bytes(dtype, 576), 64 * 576 / block_values(dtype) * block_bytes(dtype));
  }
  EXPECT_EQ(detail::panel_bytes(DType::q8_channel, 576), 64 * (576 + 4));
  EXPECT_EQ(detail::panel_bytes(DType::q4_k, 512), 2 * 64 * (144 + 4));  // 6-bit factors as bytes
  EXPECT_EQ(detail::panel_bytes(DType::f16, 33), 34 * 128);
}

TEST(Weight, RefusesWhatDoesNotFitTogether) {
  ThreadPool pool(1);
  const RandomTensor a(DType::f32, 4, 64, 1), b(DType::f32, 4, 32, 1), c(DType::f16, 4, 64, 1),
      q(DType::q8_0, 64, 64, 1);
  const auto code = [&](std::vector<MatrixSource::Part> parts,
                        std::vector<std::int64_t> order = {}) {
    MatrixSource source;
    source.parts = std::move(parts);
    source.row_order = std::move(order);
    return test::catch_error([&] { Weight(source, WeightLayout::panels, pool); }).code();
  };
  EXPECT_EQ(code({}), ErrorCode::internal);
  EXPECT_EQ(code({{&a.get(), false}, {&b.get(), false}}), ErrorCode::tensor_mismatch);
  EXPECT_EQ(code({{&a.get(), false}, {&c.get(), false}}), ErrorCode::tensor_mismatch);
  EXPECT_EQ(code({{&q.get(), true}}), ErrorCode::tensor_mismatch);
  EXPECT_EQ(code({{&a.get(), false}}, {4}), ErrorCode::tensor_mismatch);
  EXPECT_EQ(code({{&a.get(), false}}, {-1}), ErrorCode::tensor_mismatch);
  FileTensor odd = q.get();
  odd.shape = {128, 48};
  EXPECT_EQ(code({{&odd, false}}), ErrorCode::tensor_mismatch);
  FileTensor integers = a.get();
  integers.dtype = DType::i32;
  EXPECT_EQ(code({{&integers, false}}), ErrorCode::unsupported);
  FileTensor cut = a.get();
  cut.bytes = cut.bytes.first(100);
  EXPECT_EQ(code({{&cut, false}}), ErrorCode::tensor_mismatch);
}

TEST(Weight, RefusesARowItDoesNotHave) {
  const RandomTensor tensor(DType::f32, 4, 8, 1);
  const Weight w = test::packed(tensor.get());
  std::vector<float> out(8);
  EXPECT_EQ(test::catch_error([&] { w.read_row(4, out.data()); }).code(), ErrorCode::internal);
  EXPECT_EQ(test::catch_error([&] { w.read_row(-1, out.data()); }).code(), ErrorCode::internal);
}

}  // namespace
}  // namespace llm
