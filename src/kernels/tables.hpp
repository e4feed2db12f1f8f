// The tables of kernels that are compiled in, one per instruction set.
#pragma once

#include "llm/tensor/kernels.hpp"

namespace llm::detail {

extern const FloatKernels generic_kernels;
#if defined(__x86_64__)
extern const FloatKernels avx2_kernels;
extern const FloatKernels avx512_kernels;
#endif

}  // namespace llm::detail
