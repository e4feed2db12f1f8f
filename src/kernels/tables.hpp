// The tables of kernels that are compiled in, one per instruction set.
#pragma once

#include "llm/tensor/kernels.hpp"

namespace llm::detail {

extern const FloatKernels generic_kernels;
extern const ProductKernels generic_quantized;
#if defined(__x86_64__)
extern const FloatKernels avx2_kernels, avx512_kernels, avx512vnni_kernels, avx512bf16_kernels;
extern const ProductKernels avx2_quantized, avx512_quantized, avx512vnni_quantized;
extern const ProductKernels avx512bf16_rounded;
#elif defined(__aarch64__)
extern const FloatKernels neon_kernels, neondot_kernels, neonbf16_kernels;
extern const ProductKernels neon_quantized, neondot_quantized, neonbf16_rounded;
#endif

}  // namespace llm::detail
