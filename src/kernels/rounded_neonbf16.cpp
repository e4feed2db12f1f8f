// Products with bf16 weights and activations for NEON with BF16. Compiled with options of its own:
// include nothing here that could leave an inline function behind for other files (no Eigen, no
// standard templates).
// clang-format off
#include "kernels/vec_neon.hpp"  // first: the kernels are written in its terms
// clang-format on
#include "kernels/rounded_inl.hpp"
#include "kernels/tables.hpp"

namespace llm::detail {

constinit const ProductKernels neonbf16_rounded = rounded;

}  // namespace llm::detail
