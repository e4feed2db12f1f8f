#include "weights/pack.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "core/float16.hpp"
#include "core/mapped_file.hpp"
#include "llm/core/error.hpp"
#include "weights/encode.hpp"
#include "weights/quant_block.hpp"

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
  std::int64_t inside = 0;
  const MatrixSource::Part& part = part_of(output, inside);
  const std::byte* bytes = part.tensor->bytes.data();
  const std::int64_t block = block_bytes(dtype_);
  if (part.transposed) return {bytes + inside * block, part.tensor->cols() * block};
  return {bytes + inside * (cols_ / block_values(dtype_)) * block, block};
}

const MatrixSource::Part& SourceRows::part_of(std::int64_t output, std::int64_t& inside) const {
  const std::int64_t stacked =
      source_.row_order.empty() ? output : source_.row_order[static_cast<std::size_t>(output)];
  const auto end = std::upper_bound(part_end_.begin(), part_end_.end(), stacked);
  inside = stacked - (end == part_end_.begin() ? 0 : *(end - 1));
  return source_.parts[static_cast<std::size_t>(end - part_end_.begin())];
}

void SourceRows::release(std::int64_t begin, std::int64_t end) const {
  std::span<const std::byte> run, mapping;  // rows that follow one another in a file
  for (std::int64_t output = begin; output < end; ++output) {
    std::int64_t inside = 0;
    const MatrixSource::Part& part = part_of(output, inside);
    if (part.transposed || part.tensor->mapping.empty()) continue;
    const auto bytes = static_cast<std::size_t>(cols_ / block_values(dtype_) * block_bytes(dtype_));
    const auto row = part.tensor->bytes.subspan(static_cast<std::size_t>(inside) * bytes, bytes);
    if (!run.empty() && row.data() == run.data() + run.size()) {
      run = {run.data(), run.size() + bytes};
      continue;
    }
    release_pages(mapping, run);
    run = row;
    mapping = part.tensor->mapping;
  }
  release_pages(mapping, run);
}

void SourceRows::release() const {
  for (const MatrixSource::Part& part : source_.parts) {
    if (!part.tensor->mapping.empty()) release_pages(part.tensor->mapping, part.tensor->bytes);
  }
}

// ------------------------------------------------------------------ packing

namespace {

// Where value (k, j) is in a panel of 4-byte or 2-byte values.
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

// Short runs of columns, all rows in turn, so that what is written stays in the cache.
template <typename T>
void pack_plain(const PanelSource& source, std::byte* out) {
  constexpr std::int64_t run = 16;
  for (std::int64_t k0 = 0; k0 < source.cols; k0 += run) {
    const std::int64_t k1 = std::min(k0 + run, source.cols);
    for (std::int64_t j = 0; j < source.count; ++j) {
      const SourceRows::Row row = source.rows[j];
      for (std::int64_t k = k0; k < k1; ++k) {
        store<T>(out + place<T>(k, j) * static_cast<std::int64_t>(sizeof(T)),
                 load<T>(row.first + k * row.step));
      }
    }
  }
}

void pack_quantized(const PanelSource& source, DType dtype, std::byte* out) {
  const PanelBlocks blocks(dtype);
  QuantBlock block;
  for (std::int64_t b = 0; b < source.cols / block_values(dtype); ++b) {
    for (std::int64_t j = 0; j < source.count; ++j) {
      decode_block(dtype, source.rows[j].first + b * block_bytes(dtype), block);
      blocks.pack(block, j, out + b * blocks.bytes());
      if (b == 0) blocks.pack_row_scale(block.row_scale, j, source.cols, out);
    }
  }
}

std::int64_t row_bytes(DType dtype, std::int64_t cols) {
  return cols / block_values(dtype) * block_bytes(dtype);
}

void copy_row(const SourceRows& source, std::int64_t output, std::byte* out) {
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

// An output's values; `copy` is memory for values that are not contiguous.
void read_row_values(const SourceRows& source, std::int64_t output, std::vector<std::byte>& copy,
                     float* values) {
  const SourceRows::Row row = source.row(output);
  std::span<const std::byte> bytes{
      row.first, static_cast<std::size_t>(row_bytes(source.dtype(), source.cols()))};
  if (row.step != block_bytes(source.dtype())) {
    copy.resize(bytes.size());
    copy_row(source, output, copy.data());
    bytes = copy;
  }
  read_values({{}, source.dtype(), {1, source.cols()}, bytes}, 0, source.cols(), values);
}

void convert_row(const SourceRows& source, DType dtype, std::int64_t output, std::byte* out) {
  std::vector<std::byte> copy;
  std::vector<float> values(static_cast<std::size_t>(source.cols()));
  read_row_values(source, output, copy, values.data());
  encode_row(dtype, values, out);
}

// A panel of a quantized type from the values of outputs [first, first + count), some rows at a
// time: enough for the widest vectors, few enough to stay in the cache.
void encode_panel(const SourceRows& source, DType dtype, std::int64_t first, std::int64_t count,
                  std::byte* out) {
  constexpr std::int64_t values_at_once = 16384;
  const std::int64_t cols = source.cols(), row_blocks = cols / block_values(dtype);
  const std::int64_t rows = std::clamp<std::int64_t>(values_at_once / cols, 1, count);
  const PanelBlocks places(dtype);
  EncodedBlocks blocks;
  std::vector<std::byte> copy;
  std::vector<float> values(static_cast<std::size_t>(rows * cols));
  for (std::int64_t begin = 0; begin < count; begin += rows) {
    const std::int64_t n = std::min(rows, count - begin);
    for (std::int64_t j = 0; j < n; ++j) {
      read_row_values(source, first + begin + j, copy, values.data() + j * cols);
    }
    blocks.encode(dtype, std::span(values).first(static_cast<std::size_t>(n * cols)), cols);
    for (std::int64_t j = 0; dtype == DType::q8_channel && j < n; ++j) {
      places.pack_row_scale(blocks.row_scale(static_cast<std::size_t>(j)), begin + j, cols, out);
    }
    for (std::int64_t b = 0; b < row_blocks; ++b) {
      for (std::int64_t j = 0; j < n; ++j) {
        const auto i = static_cast<std::size_t>(j * row_blocks + b);
        places.pack(blocks.scale(i), blocks.minimum(i), blocks.codes(i), begin + j,
                    out + b * places.bytes());
      }
    }
  }
}

}  // namespace

void pack_panel(const SourceRows& source, DType dtype, std::int64_t panel, std::byte* out) {
  PanelSource rows;
  const std::int64_t first = panel * panel_rows;
  rows.count = std::min(panel_rows, source.rows() - first);
  rows.cols = source.cols();
  const bool converts = dtype != source.dtype();
  if (converts && is_quantized(dtype)) {
    return encode_panel(source, dtype, first, rows.count, out);
  }
  std::vector<std::byte> converted;
  if (converts) {
    const std::int64_t bytes = row_bytes(dtype, rows.cols);
    converted.resize(static_cast<std::size_t>(rows.count * bytes));
    for (std::int64_t j = 0; j < rows.count; ++j) {
      rows.rows[j] = {converted.data() + j * bytes, block_bytes(dtype)};
      convert_row(source, dtype, first + j, converted.data() + j * bytes);
    }
  } else {
    for (std::int64_t j = 0; j < rows.count; ++j) rows.rows[j] = source.row(first + j);
  }
  switch (dtype) {
    case DType::f32:
      return pack_plain<float>(rows, out);
    case DType::f16:
    case DType::bf16:
      return pack_plain<std::uint16_t>(rows, out);
    default:
      return pack_quantized(rows, dtype, out);
  }
}

void pack_row(const SourceRows& source, DType dtype, std::int64_t output, std::byte* out) {
  dtype == source.dtype() ? copy_row(source, output, out) : convert_row(source, dtype, output, out);
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
  const std::int64_t count = block_values(dtype);
  const PanelBlocks blocks(dtype);
  QuantBlock block;
  block.row_scale = blocks.row_scale(panel, j, cols);
  float values[256];
  for (std::int64_t b = 0; b < cols / count; ++b) {
    blocks.unpack(panel + b * blocks.bytes(), j, block);
    block_values_of(dtype, block, values);
    std::copy(values, values + count, out + b * count);
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
