// The float kernels for AVX2 + FMA + F16C. Compiled with options of its own: include nothing here
// that could leave an inline function behind for other files (no Eigen, no standard templates).
// clang-format off
#include "kernels/vec_avx2.hpp"  // first: the kernels are written in its terms
// clang-format on
#include "kernels/attend_inl.hpp"
#include "kernels/elementwise_inl.hpp"
#include "kernels/rounded_inl.hpp"
#include "kernels/tables.hpp"
#include "weights/encode_kernels.hpp"

namespace llm::detail {

constinit const FloatKernels avx2_kernels = {
    "avx2",
    &plain,
    &rounded,
    &avx2_quantized,
    &encode_avx2,
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
