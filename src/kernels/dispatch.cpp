// Chooses the table of kernels for this CPU, once.
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#include <cstdlib>
#include <string>

#include "kernels/quant_format.hpp"
#include "kernels/tables.hpp"
#include "llm/core/error.hpp"
#include "llm/tensor/kernels.hpp"

namespace llm::detail {
namespace {

#if defined(__x86_64__)
// Not every compiler's __builtin_cpu_supports knows this one.
bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}
#elif defined(__aarch64__)
bool has_dot_products() {
#if defined(__ARM_FEATURE_DOTPROD)
  return true;
#elif defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
  return false;
#endif
}
bool has_bf16_products() {
#if defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
  return true;
#elif defined(__linux__)
  return (getauxval(AT_HWCAP2) & HWCAP2_BF16) != 0;
#else
  return false;
#endif
}
#endif

// Best first.
constexpr std::string_view levels[] = {"neonbf16",   "neondot", "neon", "avx512bf16",
                                       "avx512vnni", "avx512",  "avx2", "generic"};

const FloatKernels& choose() {
  const char* forced = std::getenv("LLM_ISA");
  std::string available;
  for (const std::string_view level : levels) {
    const FloatKernels* kernels = find_float_kernels(level);
    if (kernels == nullptr) continue;
    if (forced == nullptr || *forced == '\0' || forced == level) return *kernels;
    available += (available.empty() ? "" : ", ") + std::string(level);
  }
  throw Error(ErrorCode::invalid_option,
              "the environment variable LLM_ISA is " + quote(forced) +
                  ", expected an instruction set of this machine (" + available +
                  "); correct or unset it",
              "LLM_ISA");
}

}  // namespace

const FloatKernels* find_float_kernels(std::string_view name) {
#if defined(__x86_64__)
  if (has_avx512() && __builtin_cpu_supports("avx512vnni")) {
    if (name == "avx512bf16" && __builtin_cpu_supports("avx512bf16")) return &avx512bf16_kernels;
    if (name == "avx512vnni") return &avx512vnni_kernels;
  }
  if (name == "avx512" && has_avx512()) return &avx512_kernels;
  if (name == "avx2" && has_avx2()) return &avx2_kernels;
#elif defined(__aarch64__)
  if (name == "neonbf16" && has_dot_products() && has_bf16_products()) return &neonbf16_kernels;
  if (name == "neondot" && has_dot_products()) return &neondot_kernels;
  if (name == "neon") return &neon_kernels;
#endif
  return name == "generic" ? &generic_kernels : nullptr;
}

const FloatKernels& float_kernels() {
  static const FloatKernels& chosen = choose();
  return chosen;
}

std::int64_t panel_bytes(DType dtype, std::int64_t cols) {
  switch (dtype) {
    case DType::f32:
      return cols * panel_rows * 4;
    case DType::f16:
    case DType::bf16:
      return (cols + 1) / 2 * panel_rows * 4;
    default: {
      const QuantFormat format = quant_format(dtype);
      return cols / block_values(dtype) * format.block_bytes() + format.tail_bytes();
    }
  }
}

}  // namespace llm::detail
