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
#else
struct SubnormalsAreZero {
  SubnormalsAreZero() {}
};
#endif

}  // namespace
}  // namespace llm::detail
