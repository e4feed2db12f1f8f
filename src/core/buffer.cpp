#include "llm/core/buffer.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "llm/core/error.hpp"

namespace llm {
namespace {

// Large blocks begin at a multiple of 2 MiB, so that they can be in pages of that size: fewer TLB
// misses while weights are read.
constexpr std::size_t huge_page = std::size_t{2} << 20;

bool is_large(std::size_t bytes) { return bytes >= huge_page; }

// Fresh pages: they are zero, and take no memory before they are written.
std::byte* map_pages(std::size_t bytes) {
  if (bytes + huge_page < bytes) return nullptr;
  void* const all = ::mmap(nullptr, bytes + huge_page, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (all == MAP_FAILED) return nullptr;
  auto* const first = static_cast<std::byte*>(all);
  const std::size_t address = reinterpret_cast<std::uintptr_t>(first);
  const std::size_t before = (huge_page - address % huge_page) % huge_page;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t kept = (bytes + page - 1) / page * page;
  if (before > 0) ::munmap(first, before);
  if (kept < bytes + huge_page - before) {
    ::munmap(first + before + kept, bytes + huge_page - before - kept);
  }
  // Whole pages only: the rest of the last page would be memory that nobody uses. This is a hint:
  // when it fails, only speed changes.
  ::madvise(first + before, bytes / huge_page * huge_page, MADV_HUGEPAGE);
  return first + before;
}

std::byte* allocate_zeros(std::size_t bytes) {
  if (is_large(bytes)) return map_pages(bytes);
  constexpr std::size_t alignment = 64;
  void* const memory =
      std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory) std::memset(memory, 0, bytes);
  return static_cast<std::byte*>(memory);
}

}  // namespace

Buffer::Buffer(std::size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  data_ = allocate_zeros(bytes);
  if (data_) return;
  throw Error(ErrorCode::out_of_memory,
              "cannot allocate " + std::to_string(bytes >> 20) +
                  " MiB of memory; free memory, or use a smaller model or batch");
}

Buffer::~Buffer() {
  if (is_large(size_)) {
    if (data_) ::munmap(data_, size_);
  } else {
    std::free(data_);
  }
}

}  // namespace llm
