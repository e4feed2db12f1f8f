// The float kernels for NEON, which every 64-bit ARM has.
// clang-format off
#include "kernels/vec_neon.hpp"  // first: the kernels are written in its terms
// clang-format on
#include "kernels/float_kernels_inl.hpp"

namespace llm::detail {

constinit const FloatKernels neon_kernels =
    float_kernels_with("neon", rounded, neon_quantized, encode_generic);
constinit const FloatKernels neondot_kernels =
    float_kernels_with("neondot", rounded, neondot_quantized, encode_generic);
constinit const FloatKernels neonbf16_kernels =
    float_kernels_with("neonbf16", neonbf16_rounded, neondot_quantized, encode_generic);

}  // namespace llm::detail
