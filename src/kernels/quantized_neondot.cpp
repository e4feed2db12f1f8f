// Products with quantized weights for NEON with dot products. Compiled with options of its own:
// include nothing here that could leave an inline function behind for other files (no Eigen, no
// standard templates).
// clang-format off
#include "kernels/vec_neon.hpp"  // first: the kernels are written in its terms
// clang-format on
#include "kernels/quantized_inl.hpp"
#include "kernels/tables.hpp"

namespace llm::detail {

constinit const ProductKernels neondot_quantized = {matmul_quantized, quantized_scratch_floats};

}  // namespace llm::detail
