// The float kernels for any machine.
// clang-format off
#include "kernels/vec_generic.hpp"  // first: the kernels are written in its terms
// clang-format on
#include "kernels/float_kernels_inl.hpp"

namespace llm::detail {

constinit const FloatKernels generic_kernels =
    float_kernels_with("generic", rounded, generic_quantized, encode_generic);

}  // namespace llm::detail
