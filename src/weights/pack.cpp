#include "weights/pack.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "core/float16.hpp"
#include "llm/core/error.hpp"

namespace llm::detail {
namespace {

// File data may begin at any address.
template <typename T>
T load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}
template <typename T>
void store(std::byte* bytes, T value) {
  std::memcpy(bytes, &value, sizeof(T));
}

struct PartShape {
  std::int64_t rows;
  std::int64_t cols;
};
PartShape shape_of(const MatrixSource::Part& part) {
  const FileTensor& t = *part.tensor;
  return part.transposed ? PartShape{t.cols(), t.rows()} : PartShape{t.rows(), t.cols()};
}

[[noreturn]] void mismatch(const FileTensor& t, const std::string& sentence) {
  throw Error(ErrorCode::tensor_mismatch, "tensor " + quote(t.name) + " " + sentence, t.name);
}

void check_part(const MatrixSource::Part& part, DType dtype, std::int64_t cols) {
  const FileTensor& t = *part.tensor;
  const PartShape shape = shape_of(part);
  if (!is_floating(t.dtype) && !is_quantized(t.dtype)) {
    throw Error(ErrorCode::unsupported,
                "tensor " + quote(t.name) + " is of type " + std::string(to_string(t.dtype)) +
                    ", expected a floating point or quantized type for a weight matrix",
                t.name);
  }
  if (t.dtype != dtype) {
    mismatch(t, "is of type " + std::string(to_string(t.dtype)) + ", expected " +
                    std::string(to_string(dtype)) + " like the matrix it is stacked with");
  }
  if (shape.cols != cols) {
    mismatch(t, "has " + std::to_string(shape.cols) + " inputs, expected " + std::to_string(cols) +
                    " like the matrix it is stacked with");
  }
  if (part.transposed && is_quantized(dtype)) {
    mismatch(t, "is quantized along its outputs, expected along its inputs");
  }
  if (cols % block_values(dtype) != 0) {
    mismatch(t, "has " + std::to_string(cols) + " inputs, expected a multiple of " +
                    std::to_string(block_values(dtype)) + " for type " +
                    std::string(to_string(dtype)));
  }
  const auto bytes = static_cast<std::int64_t>(t.bytes.size());
  const std::int64_t expected = shape.rows * (cols / block_values(dtype)) * block_bytes(dtype);
  if (bytes != expected) {
    mismatch(t, "has " + std::to_string(bytes) + " bytes, expected " + std::to_string(expected));
  }
}

}  // namespace

SourceRows::SourceRows(const MatrixSource& source) : source_(source) {
  if (source.parts.empty()) {
    throw Error(ErrorCode::internal, "a weight matrix was asked for without naming a tensor");
  }
  dtype_ = source.parts.front().tensor->dtype;
  cols_ = shape_of(source.parts.front()).cols;
  for (const MatrixSource::Part& part : source.parts) {
    check_part(part, dtype_, cols_);
    rows_ += shape_of(part).rows;
    part_end_.push_back(rows_);
  }
  if (source.row_order.empty()) return;
  for (const std::int64_t row : source.row_order) {
    if (row < 0 || row >= rows_) {
      mismatch(*source.parts.front().tensor, "has " + std::to_string(rows_) +
                                                 " outputs, but output " + std::to_string(row) +
                                                 " is asked for");
    }
  }
  rows_ = static_cast<std::int64_t>(source.row_order.size());
}

SourceRows::Row SourceRows::row(std::int64_t output) const {
  const std::int64_t stacked =
      source_.row_order.empty() ? output : source_.row_order[static_cast<std::size_t>(output)];
  const auto end = std::upper_bound(part_end_.begin(), part_end_.end(), stacked);
  const std::int64_t inside = stacked - (end == part_end_.begin() ? 0 : *(end - 1));
  const MatrixSource::Part& part = source_.parts[static_cast<std::size_t>(end - part_end_.begin())];
  const std::byte* bytes = part.tensor->bytes.data();
  const std::int64_t block = block_bytes(dtype_);
  if (part.transposed) return {bytes + inside * block, part.tensor->cols() * block};
  return {bytes + inside * (cols_ / block_values(dtype_)) * block, block};
}

// ------------------------------------------------------------------ packing

namespace {

// Where value (k, j) of a panel of 4-byte or 2-byte values lies.
template <typename T>
std::int64_t place(std::int64_t k, std::int64_t j) {
  if constexpr (sizeof(T) == 4) return k * panel_rows + j;
  return (k / 2 * panel_rows + j) * 2 + k % 2;
}

// The rows of one panel, at most 64.
struct PanelSource {
  SourceRows::Row rows[panel_rows];
  std::int64_t count;
  std::int64_t cols;
};

// Short runs of columns of all rows in turn, so that what is written stays in cache.
template <typename In, typename Out>
void pack_plain(const PanelSource& source, std::byte* out) {
  constexpr std::int64_t run = 16;
  for (std::int64_t k0 = 0; k0 < source.cols; k0 += run) {
    const std::int64_t k1 = std::min(k0 + run, source.cols);
    for (std::int64_t j = 0; j < source.count; ++j) {
      const SourceRows::Row row = source.rows[j];
      for (std::int64_t k = k0; k < k1; ++k) {
        const auto value = static_cast<Out>(load<In>(row.first + k * row.step));
        store<Out>(out + place<Out>(k, j) * static_cast<std::int64_t>(sizeof(Out)), value);
      }
    }
  }
}

// A block of q8_0: scale, 32 bytes.
void pack_q8_0(const std::byte* in, std::int64_t j, std::byte* out) {
  for (std::int64_t c = 0; c < 8; ++c) {
    std::memcpy(out + (c * panel_rows + j) * 4, in + 2 + 4 * c, 4);
  }
  std::memcpy(out + 32 * panel_rows + 2 * j, in, 2);
}

// A block of q4_0 (scale) or q4_1 (scale, minimum): then 16 bytes, the low halves are the values
// 0..15, the high halves 16..31.
void pack_q4(const std::byte* in, bool with_minimum, std::int64_t j, std::byte* out) {
  const std::byte* nibbles = in + (with_minimum ? 4 : 2);
  for (std::int64_t c = 0; c < 4; ++c) {
    const int shift = c < 2 ? 0 : 4;
    const std::byte* eight = nibbles + 8 * (c % 2);
    const std::uint32_t first = (load<std::uint32_t>(eight) >> shift) & 0x0f0f0f0fu;
    const std::uint32_t second = (load<std::uint32_t>(eight + 4) >> shift) & 0x0f0f0f0fu;
    store<std::uint32_t>(out + (c * panel_rows + j) * 4, first | second << 4);
  }
  std::memcpy(out + 16 * panel_rows + 2 * j, in, 2);
  if (with_minimum) std::memcpy(out + 18 * panel_rows + 2 * j, in + 2, 2);
}

void pack_quantized(const PanelSource& source, DType dtype, std::byte* out) {
  const std::int64_t bytes = block_bytes(dtype);
  for (std::int64_t b = 0; b < source.cols / block_values(dtype); ++b) {
    for (std::int64_t j = 0; j < source.count; ++j) {
      const std::byte* in = source.rows[j].first + b * bytes;
      std::byte* block = out + b * bytes * panel_rows;
      if (dtype == DType::q8_0) {
        pack_q8_0(in, j, block);
      } else {
        pack_q4(in, dtype == DType::q4_1, j, block);
      }
    }
  }
}

}  // namespace

void pack_panel(const SourceRows& source, std::int64_t panel, std::byte* out) {
  PanelSource rows;
  const std::int64_t first = panel * panel_rows;
  rows.count = std::min(panel_rows, source.rows() - first);
  rows.cols = source.cols();
  for (std::int64_t j = 0; j < rows.count; ++j) rows.rows[j] = source.row(first + j);
  switch (source.dtype()) {
    case DType::f64:
      return pack_plain<double, float>(rows, out);
    case DType::f32:
      return pack_plain<float, float>(rows, out);
    case DType::f16:
    case DType::bf16:
      return pack_plain<std::uint16_t, std::uint16_t>(rows, out);
    default:
      return pack_quantized(rows, source.dtype(), out);
  }
}

void pack_row(const SourceRows& source, std::int64_t output, std::byte* out) {
  const SourceRows::Row row = source.row(output);
  const std::int64_t block = block_bytes(source.dtype());
  const std::int64_t blocks = source.cols() / block_values(source.dtype());
  if (row.step == block) {
    std::memcpy(out, row.first, static_cast<std::size_t>(blocks * block));
    return;
  }
  for (std::int64_t k = 0; k < blocks; ++k) {
    std::memcpy(out + k * block, row.first + k * row.step, static_cast<std::size_t>(block));
  }
}

// ------------------------------------------------------------------ reading back

namespace {

template <typename T, typename S, typename Widen>
void read_plain(const std::byte* panel, std::int64_t j, std::int64_t cols, S* out, Widen widen) {
  for (std::int64_t k = 0; k < cols; ++k) {
    const auto at = place<T>(k, j) * static_cast<std::int64_t>(sizeof(T));
    out[k] = static_cast<S>(widen(load<T>(panel + at)));
  }
}

template <typename S>
void read_quantized(const std::byte* panel, DType dtype, std::int64_t j, std::int64_t cols,
                    S* out) {
  const bool bytes = dtype == DType::q8_0;
  const std::int64_t values = bytes ? 32 : 16;  // bytes of values per output in a block
  for (std::int64_t b = 0; b < cols / 32; ++b) {
    const std::byte* block = panel + b * panel_rows * block_bytes(dtype);
    const std::byte* scales = block + values * panel_rows + 2 * j;
    const float d = f16_to_float(load<std::uint16_t>(scales));
    const float m =
        dtype == DType::q4_1 ? f16_to_float(load<std::uint16_t>(scales + 2 * panel_rows)) : 0.0f;
    for (std::int64_t i = 0; i < 32; ++i) {
      float w;
      if (bytes) {
        w = d * static_cast<float>(load<std::int8_t>(block + (i / 4 * panel_rows + j) * 4 + i % 4));
      } else {
        const auto pair = load<std::uint8_t>(block + (i / 8 * panel_rows + j) * 4 + i % 4);
        const int q = i % 8 < 4 ? pair & 15 : pair >> 4;
        w = dtype == DType::q4_1 ? d * static_cast<float>(q) + m : d * static_cast<float>(q - 8);
      }
      out[32 * b + i] = static_cast<S>(w);
    }
  }
}

}  // namespace

template <typename S>
void read_panel_row(const PanelMatrix& w, std::int64_t row, S* out) {
  const std::byte* panel = w.data + row / panel_rows * panel_bytes(w.dtype, w.cols);
  const std::int64_t j = row % panel_rows;
  switch (w.dtype) {
    case DType::f32:
      return read_plain<float>(panel, j, w.cols, out, [](float x) { return x; });
    case DType::f16:
      return read_plain<std::uint16_t>(panel, j, w.cols, out, f16_to_float);
    case DType::bf16:
      return read_plain<std::uint16_t>(panel, j, w.cols, out, bf16_to_float);
    default:
      return read_quantized(panel, w.dtype, j, w.cols, out);
  }
}

template void read_panel_row<float>(const PanelMatrix&, std::int64_t, float*);
template void read_panel_row<double>(const PanelMatrix&, std::int64_t, double*);

}  // namespace llm::detail
