// How this thread rounds. Results must not depend on what the program around the library has set,
// so every entry point that computes makes one of these first, and so does every thread of the
// pool.
#pragma once

#include <cfenv>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace llm::detail {

// While it lives, numbers are rounded to the nearest, subnormal numbers stay, and nothing traps.
// Its end restores what was set before.
class FloatEnvironment {
 public:
  FloatEnvironment() : is_ours_(is_default()) {
    if (is_ours_) return;
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);
  }
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;
  ~FloatEnvironment() {
    if (!is_ours_) std::fesetenv(&before_);
  }

 private:
  // Reading is much quicker than setting, and most programs never change it.
  static bool is_default() {
#if defined(__x86_64__)
    std::uint16_t control = 0;  // of the unit that the C library asks
    asm volatile("fnstcw %0" : "=m"(control));
    constexpr unsigned flags = 0x3f;  // exceptions that have happened; they change nothing
    return (_mm_getcsr() & ~flags) == 0x1f80 && control == 0x037f;
#elif defined(__aarch64__)
    std::uint64_t control = 0;
    asm volatile("mrs %0, fpcr" : "=r"(control));
    return control == 0;
#else
    return false;
#endif
  }

  bool is_ours_;
  std::fenv_t before_{};
};

}  // namespace llm::detail
