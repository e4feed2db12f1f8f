// Products with quantized weights for any machine.
// clang-format off
#include "kernels/vec_generic.hpp"  // first: the kernels are written in its terms
// clang-format on
#include "kernels/quantized_inl.hpp"
#include "kernels/tables.hpp"

namespace llm::detail {

constinit const ProductKernels generic_quantized = {matmul_quantized, quantized_scratch_floats};

}  // namespace llm::detail
