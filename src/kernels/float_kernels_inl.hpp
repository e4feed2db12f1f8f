// The table of an instruction set: the kernels this file was compiled with, and products that may
// come from elsewhere.
#pragma once

#include "kernels/attend_inl.hpp"
#include "kernels/elementwise_inl.hpp"
#include "kernels/rounded_inl.hpp"
#include "kernels/tables.hpp"
#include "weights/encode_kernels.hpp"

namespace llm::detail {
namespace {

constexpr FloatKernels float_kernels_with(std::string_view name,
                                          const ProductKernels& rounded_products,
                                          const ProductKernels& quantized,
                                          const EncodeKernels& encode) {
  return {name,
          &plain,
          &rounded_products,
          &quantized,
          &encode,
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

}  // namespace
}  // namespace llm::detail
