// Whether tests are built with a sanitizer, which brings an allocator and needs address space of
// its own. GCC tells it by macros, Clang by features.
#pragma once

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LLM_ADDRESS_SANITIZED 1
#elif __has_feature(thread_sanitizer)
#define LLM_THREAD_SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define LLM_ADDRESS_SANITIZED 1
#elif defined(__SANITIZE_THREAD__)
#define LLM_THREAD_SANITIZED 1
#endif

#if defined(LLM_ADDRESS_SANITIZED) || defined(LLM_THREAD_SANITIZED)
#define LLM_SANITIZED 1
#else
#define LLM_SANITIZED 0
#endif

namespace llm::test {

constexpr bool is_sanitized = LLM_SANITIZED;
#ifdef LLM_THREAD_SANITIZED
constexpr bool is_thread_sanitized = true;
#else
constexpr bool is_thread_sanitized = false;
#endif

}  // namespace llm::test
