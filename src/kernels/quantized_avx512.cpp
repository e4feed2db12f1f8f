// Products with quantized weights for AVX-512. Compiled with options of its own: include nothing
// here that could leave an inline function behind for other files (no Eigen, no standard
// templates).
// clang-format off
#include "kernels/vec_avx512.hpp"  // first: the kernels are written in its terms
// clang-format on
#include "kernels/quantized_inl.hpp"
#include "kernels/tables.hpp"

namespace llm::detail {

constinit const ProductKernels avx512_quantized = {matmul_quantized, quantized_scratch_floats};

}  // namespace llm::detail
