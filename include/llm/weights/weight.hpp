/// \file
/// A weight matrix at rest: type-erased (dtype, shape, layout, bytes), immutable after loading.
/// Only matmul() looks at the type again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "llm/core/buffer.hpp"
#include "llm/core/thread_pool.hpp"
#include "llm/tensor/kernels.hpp"
#include "llm/tensor/tensor.hpp"
#include "llm/weights/weight_store.hpp"

namespace llm {

/// Which rows of which file tensors form a matrix [outputs, inputs]: the parts are stacked along
/// the outputs, then, when `row_order` is not empty, output i is the stacked row row_order[i].
struct MatrixSource {
  /// One of the tensors that are stacked.
  struct Part {
    const FileTensor* tensor = nullptr;  ///< [outputs, inputs]; [inputs, outputs] if transposed
    bool transposed = false;             ///< plain types only
  };
  std::vector<Part> parts;              ///< all of one dtype and one number of inputs
  std::vector<std::int64_t> row_order;  ///< empty: as stacked

  DType dtype() const;        ///< of all parts
  std::int64_t rows() const;  ///< outputs of all parts, or those that `row_order` names
  std::int64_t cols() const;  ///< inputs
};

/// How a Weight lies in memory.
enum class WeightLayout : std::uint8_t {
  panels,  ///< what the `float` kernels read, see PanelMatrix; f64 is stored as f32
  rows,    ///< the file's own rows, one after another: what the `double` products read
};

/// A matrix [outputs, inputs] of any type in either layout. Immutable: threads may share it.
class Weight {
 public:
  Weight() = default;
  /// Copies the source into the layout, in parallel. `dtype`: the type it is kept in, rounded to
  /// the nearest value (f32, bf16, q8_0, q8_channel, q4_1); default: its own (panels have no f64:
  /// f32). Throws Error (out_of_memory).
  Weight(const MatrixSource& source, WeightLayout layout, ThreadPool& pool,
         std::optional<DType> dtype = std::nullopt);
  /// Sets whether products round activations further, for speed: to 8 bits instead of 16 where the
  /// weight is quantized, to bf16 where it is bf16.
  Weight& set_fast(bool fast) {
    is_fast_ = fast;
    return *this;
  }
  /// See set_fast().
  bool is_fast() const { return is_fast_; }

  /// Bytes that something else keeps alive.
  struct Mapped {
    std::shared_ptr<const void> owner;  ///< keeps them alive
    std::span<const std::byte> bytes;   ///< 64-byte aligned; in rows: anywhere
  };
  /// A matrix that already lies in the layout, used where it is.
  Weight(Mapped mapped, DType dtype, WeightLayout layout, std::int64_t rows, std::int64_t cols);

  /// Whether it holds nothing.
  bool empty() const { return rows_ == 0; }
  std::int64_t rows() const { return rows_; }      ///< outputs
  std::int64_t cols() const { return cols_; }      ///< inputs
  DType dtype() const { return dtype_; }           ///< in memory
  WeightLayout layout() const { return layout_; }  ///< in memory
  /// Size in memory.
  std::size_t bytes() const { return memory_.bytes.size(); }
  /// The bytes themselves.
  std::span<const std::byte> bytes_in_memory() const { return memory_.bytes; }

  /// Row `row` widened to S (float, double): `cols()` values. Also the embedding look-up, so tied
  /// embeddings need one copy.
  template <typename S>
  void read_row(std::int64_t row, S* out) const;

  /// The panels; layout() must be panels.
  detail::PanelMatrix panels() const { return {memory_.bytes.data(), dtype_, rows_, cols_}; }
  /// The rows as a file tensor; layout() must be rows.
  const FileTensor& file_rows() const { return file_rows_; }

 private:
  Mapped memory_;
  DType dtype_ = DType::f32;
  WeightLayout layout_ = WeightLayout::panels;
  bool is_fast_ = false;
  std::int64_t rows_ = 0;
  std::int64_t cols_ = 0;
  FileTensor file_rows_;
};

/// Scratch floats one worker needs for a product with `cols` inputs.
template <typename S>
std::int64_t matmul_scratch(std::int64_t cols);

/// Computes the outputs in `panels` (of 64 outputs each) of the product y = x W^T (+ bias):
/// x [rows, w.cols()], y [rows, w.rows()], bias [w.rows()] or empty; `scratch`
/// matmul_scratch(w.cols()) values, 64-byte aligned. The only dispatch on the weight's dtype. The
/// value of a row does not depend on the other rows.
template <typename S>
void matmul(TensorView<const S> x, const Weight& w, Range panels, std::span<const S> bias,
            TensorView<S> y, std::span<S> scratch);

extern template void Weight::read_row<float>(std::int64_t, float*) const;
extern template void Weight::read_row<double>(std::int64_t, double*) const;
extern template std::int64_t matmul_scratch<float>(std::int64_t);
extern template std::int64_t matmul_scratch<double>(std::int64_t);
extern template void matmul<float>(TensorView<const float>, const Weight&, Range,
                                   std::span<const float>, TensorView<float>, std::span<float>);
extern template void matmul<double>(TensorView<const double>, const Weight&, Range,
                                    std::span<const double>, TensorView<double>, std::span<double>);

}  // namespace llm
