// What all kernels are written with: inlining and unrolling that do not depend on the compiler's
// taste.
#pragma once

#define LLM_INLINE static inline __attribute__((always_inline))

#if defined(__clang__)
#define LLM_UNROLL _Pragma("unroll")
#else
#define LLM_UNROLL _Pragma("GCC unroll 32")
#endif
