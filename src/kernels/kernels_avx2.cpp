// The float kernels for AVX2 + FMA + F16C. Compiled with options of its own: include nothing here
// that could leave an inline function behind for other files (no Eigen, no standard templates).
// clang-format off
#include "kernels/vec_avx2.hpp"  // first: the kernels are written in its terms
// clang-format on
#include "kernels/float_kernels_inl.hpp"

namespace llm::detail {

constinit const FloatKernels avx2_kernels =
    float_kernels_with("avx2", rounded, avx2_quantized, encode_avx2);

}  // namespace llm::detail
