// The float kernels for AVX-512. Compiled with options of its own: include nothing here
// that could leave an inline function behind for other files (no Eigen, no standard templates).
// clang-format off
#include "kernels/vec_avx512.hpp"  // first: the kernels are written in its terms
// clang-format on
#include "kernels/attend_inl.hpp"
#include "kernels/elementwise_inl.hpp"
#include "kernels/rounded_inl.hpp"
#include "kernels/tables.hpp"
#include "weights/encode_kernels.hpp"

namespace llm::detail {

static constexpr FloatKernels with(std::string_view name, const ProductKernels& rounded_products,
                                   const ProductKernels& quantized) {
  return {name,
          &plain,
          &rounded_products,
          &quantized,
          &encode_avx512,
          attend,
          attend_scratch_floats,
          activate,
          activate_gated,
          rms_norm,
          layer_norm,
          softmax,
          log_sum_exp,
          argmax};
}

constinit const FloatKernels avx512_kernels = with("avx512", rounded, avx512_quantized);
constinit const FloatKernels avx512vnni_kernels = with("avx512vnni", rounded, avx512vnni_quantized);
constinit const FloatKernels avx512bf16_kernels =
    with("avx512bf16", avx512bf16_rounded, avx512vnni_quantized);

}  // namespace llm::detail
