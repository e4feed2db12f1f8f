// The float kernels for NEON, which every 64-bit ARM has.
// clang-format off
#include "kernels/vec_neon.hpp"  // first: the kernels are written in its terms
// clang-format on
#include "kernels/attend_inl.hpp"
#include "kernels/elementwise_inl.hpp"
#include "kernels/rounded_inl.hpp"
#include "kernels/tables.hpp"

namespace llm::detail {

static constexpr FloatKernels with(std::string_view name, const ProductKernels& quantized) {
  return {name,     &plain,         &rounded, &quantized, attend,  attend_scratch_floats,
          activate, activate_gated, rms_norm, layer_norm, softmax, log_sum_exp,
          argmax};
}

constinit const FloatKernels neon_kernels = with("neon", neon_quantized);
constinit const FloatKernels neondot_kernels = with("neondot", neondot_quantized);

}  // namespace llm::detail
