// The float kernels for AVX-512. Compiled with options of its own: include nothing here
// that could leave an inline function behind for other files (no Eigen, no standard templates).
// clang-format off
#include "kernels/vec_avx512.hpp"  // first: the kernels are written in its terms
// clang-format on
#include "kernels/float_kernels_inl.hpp"

namespace llm::detail {

constinit const FloatKernels avx512_kernels =
    float_kernels_with("avx512", rounded, avx512_quantized, encode_avx512);
constinit const FloatKernels avx512vnni_kernels =
    float_kernels_with("avx512vnni", rounded, avx512vnni_quantized, encode_avx512);
constinit const FloatKernels avx512bf16_kernels =
    float_kernels_with("avx512bf16", avx512bf16_rounded, avx512vnni_quantized, encode_avx512);

}  // namespace llm::detail
