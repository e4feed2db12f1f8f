#include "llm/core/buffer.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "llm/core/error.hpp"

namespace llm {

Buffer::Buffer(std::size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  // Large blocks lie in 2 MiB pages: fewer TLB misses while weights are streamed.
  constexpr std::size_t huge_page = std::size_t{2} << 20;
  const bool large = bytes >= huge_page;
  const std::size_t alignment = large ? huge_page : 64;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  if (rounded >= bytes) data_ = static_cast<std::byte*>(std::aligned_alloc(alignment, rounded));
  if (!data_) {
    throw Error(ErrorCode::out_of_memory,
                "cannot allocate " + std::to_string(bytes >> 20) +
                    " MiB of memory; free memory, or use a smaller model or batch");
  }
  if (large) madvise(data_, rounded, MADV_HUGEPAGE);  // a hint: failure changes nothing but speed
  std::memset(data_, 0, bytes);
}

Buffer::~Buffer() { std::free(data_); }

}  // namespace llm
