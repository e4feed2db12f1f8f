// A matrix is copied out of its file once, into the order its products read it in.
#include "llm/weights/weight.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "llm/core/error.hpp"
#include "weights/encode.hpp"
#include "weights/pack.hpp"

namespace llm {

DType MatrixSource::dtype() const { return parts.empty() ? DType::f32 : parts[0].tensor->dtype; }

std::int64_t MatrixSource::rows() const {
  if (!row_order.empty()) return static_cast<std::int64_t>(row_order.size());
  std::int64_t sum = 0;
  for (const Part& part : parts) {
    sum += part.transposed ? part.tensor->cols() : part.tensor->rows();
  }
  return sum;
}

std::int64_t MatrixSource::cols() const {
  if (parts.empty()) return 0;
  return parts[0].transposed ? parts[0].tensor->rows() : parts[0].tensor->cols();
}

namespace {

constexpr std::int64_t values_between_releases = 1 << 20;

void check_conversion(const detail::SourceRows& rows, DType dtype) {
  if (dtype == rows.dtype()) return;
  if (detail::can_encode(dtype) && detail::can_be(dtype, rows.cols())) return;
  throw Error(ErrorCode::internal,
              "a weight matrix of " + std::to_string(rows.cols()) + " inputs was to be kept as " +
                  std::string(to_string(dtype)) + ", expected a type that can be written");
}

}  // namespace

Weight::Weight(const MatrixSource& source, WeightLayout layout, ThreadPool& pool,
               std::optional<DType> dtype)
    : layout_(layout) {
  const detail::SourceRows rows(source);
  const bool panels = layout == WeightLayout::panels;
  rows_ = rows.rows();
  cols_ = rows.cols();
  dtype_ = dtype.value_or(panels && rows.dtype() == DType::f64 ? DType::f32 : rows.dtype());
  check_conversion(rows, dtype_);
  const std::int64_t items = panels ? detail::panel_count(rows_) : rows_;
  const std::int64_t item_bytes = panels ? detail::panel_bytes(dtype_, cols_)
                                         : cols_ / block_values(dtype_) * block_bytes(dtype_);
  const auto buffer = std::make_shared<Buffer>(static_cast<std::size_t>(items * item_bytes));
  memory_ = {buffer, {buffer->data(), buffer->size()}};
  const std::int64_t item_rows = panels ? detail::panel_rows : 1;
  pool.run([&](const Worker& worker) {
    const Range share = worker.share(items);
    std::int64_t kept = share.begin;  // from here on the file's pages have not been given back
    for (std::int64_t i = share.begin; i < share.end; ++i) {
      std::byte* out = buffer->data() + i * item_bytes;
      panels ? detail::pack_panel(rows, dtype_, i, out) : detail::pack_row(rows, dtype_, i, out);
      if ((i + 1 - kept) * item_rows * cols_ < values_between_releases) continue;
      rows.release(kept * item_rows, std::min((i + 1) * item_rows, rows_));
      kept = i + 1;
    }
  });
  rows.release();
  if (!panels) file_rows_ = {source.parts[0].tensor->name, dtype_, {rows_, cols_}, memory_.bytes};
}

Weight::Weight(Mapped mapped, DType dtype, WeightLayout layout, std::int64_t rows,
               std::int64_t cols)
    : memory_(std::move(mapped)), dtype_(dtype), layout_(layout), rows_(rows), cols_(cols) {
  if (layout == WeightLayout::rows) file_rows_ = {"", dtype, {rows, cols}, memory_.bytes};
}

template <typename S>
void Weight::read_row(std::int64_t row, S* out) const {
  if (row < 0 || row >= rows_) {
    throw Error(ErrorCode::internal, "row " + std::to_string(row) + " of a weight matrix of " +
                                         std::to_string(rows_) + " rows was asked for");
  }
  if (layout_ == WeightLayout::panels) {
    detail::read_panel_row(panels(), row, out);
  } else {
    read_values(file_rows_, row * cols_, cols_, out);
  }
}

template void Weight::read_row<float>(std::int64_t, float*) const;
template void Weight::read_row<double>(std::int64_t, double*) const;

}  // namespace llm
