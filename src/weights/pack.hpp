// From the rows of file tensors to panels and back; PanelMatrix describes the layouts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "llm/tensor/kernels.hpp"
#include "llm/weights/weight.hpp"

namespace llm::detail {

/// The outputs of a MatrixSource, one by one. The constructor checks everything that packing relies
/// on, and throws Error (tensor_mismatch, unsupported).
class SourceRows {
 public:
  explicit SourceRows(const MatrixSource& source);

  /// One output: `count` blocks of block_bytes(dtype) bytes, `step` bytes apart.
  struct Row {
    const std::byte* first;
    std::int64_t step;
  };
  Row row(std::int64_t output) const;

  /// Gives back the memory of mapped files from which outputs [begin, end) were read. Called when
  /// they have been copied, so that a file is never in memory as a whole. For outputs that are
  /// columns of their tensor, the whole tensor goes.
  void release(std::int64_t begin, std::int64_t end) const;
  void release() const;

  DType dtype() const { return dtype_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }

 private:
  // The tensor of an output, and its number there.
  const MatrixSource::Part& part_of(std::int64_t output, std::int64_t& inside) const;

  const MatrixSource& source_;
  std::vector<std::int64_t> part_end_;  // for each part: the number of outputs up to its end
  DType dtype_ = DType::f32;
  std::int64_t rows_ = 0;
  std::int64_t cols_ = 0;
};

/// Fills panel number `panel` (zero before) of a matrix that is kept as `dtype`: the source's type,
/// or one that encode_row() writes.
void pack_panel(const SourceRows& source, DType dtype, std::int64_t panel, std::byte* out);

/// One output as a row of a file of that type.
void pack_row(const SourceRows& source, DType dtype, std::int64_t output, std::byte* out);

/// Row `row` of packed panels, widened.
template <typename S>
void read_panel_row(const PanelMatrix& matrix, std::int64_t row, S* out);

}  // namespace llm::detail
