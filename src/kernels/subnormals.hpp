// How the processor treats subnormal numbers.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace llm::detail {
namespace {

#if defined(__x86_64__)
// While it lives subnormal numbers, read or made, are zero.
class SubnormalsAreZero {
 public:
  SubnormalsAreZero() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
  SubnormalsAreZero(const SubnormalsAreZero&) = delete;
  ~SubnormalsAreZero() { _mm_setcsr(before_); }

 private:
  unsigned before_;
};
#elif defined(__aarch64__)
class SubnormalsAreZero {
 public:
  SubnormalsAreZero() {
    asm volatile("mrs %0, fpcr" : "=r"(before_));
    asm volatile("msr fpcr, %0" : : "r"(before_ | 1u << 24));
  }
  SubnormalsAreZero(const SubnormalsAreZero&) = delete;
  ~SubnormalsAreZero() { asm volatile("msr fpcr, %0" : : "r"(before_)); }

 private:
  unsigned long before_ = 0;
};
#else
struct SubnormalsAreZero {
  SubnormalsAreZero() {}
};
#endif

}  // namespace
}  // namespace llm::detail
