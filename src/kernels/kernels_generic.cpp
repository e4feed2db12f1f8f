// The float kernels for any machine.
// clang-format off
#include "kernels/vec_generic.hpp"  // first: the kernels are written in its terms
// clang-format on
#include "kernels/attend_inl.hpp"
#include "kernels/elementwise_inl.hpp"
#include "kernels/rounded_inl.hpp"
#include "kernels/tables.hpp"
#include "weights/encode_kernels.hpp"

namespace llm::detail {

constinit const FloatKernels generic_kernels = {
    "generic",
    &plain,
    &rounded,
    &generic_quantized,
    &encode_generic,
    attend,
    attend_scratch_floats,
    activate,
    activate_gated,
    rms_norm,
    layer_norm,
    softmax,
    log_sum_exp,
    argmax,
};

}  // namespace llm::detail
