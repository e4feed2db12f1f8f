// Products with quantized weights for NEON.
// clang-format off
#include "kernels/vec_neon.hpp"  // first: the kernels are written in its terms
// clang-format on
#include "kernels/quantized_inl.hpp"
#include "kernels/tables.hpp"

namespace llm::detail {

constinit const ProductKernels neon_quantized = {matmul_quantized, quantized_scratch_floats};

}  // namespace llm::detail
