// The float kernels for NEON, which every 64-bit ARM has.
// clang-format off
#include "kernels/vec_neon.hpp"  // first: the kernels are written in its terms
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
          &encode_generic,
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

constinit const FloatKernels neon_kernels = with("neon", rounded, neon_quantized);
constinit const FloatKernels neondot_kernels = with("neondot", rounded, neondot_quantized);
constinit const FloatKernels neonbf16_kernels =
    with("neonbf16", neonbf16_rounded, neondot_quantized);

}  // namespace llm::detail
