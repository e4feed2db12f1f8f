// A hash table with linear probing in pages that the system may write to disk.
#include "shell/seen_ids.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <new>
#include <random>
#include <string>

#include "shell/row.hpp"

namespace llm::shell {
namespace {

constexpr std::size_t first_size = 1 << 10;
constexpr std::size_t most_in_memory = std::size_t{1} << 22;  // bytes

// A file without a name with room for so many bytes; -1 if that is not possible. The room must be
// real: if it were only promised, the program would end when a page is written.
int open_unnamed(std::size_t bytes) {
  std::error_code error;
  std::string path = std::filesystem::temp_directory_path(error) / "llm-generate.XXXXXX";
  const int file = error ? -1 : ::mkostemp(path.data(), O_CLOEXEC);
  if (file < 0) return -1;
  ::unlink(path.c_str());
  if (::posix_fallocate(file, 0, static_cast<off_t>(bytes)) == 0) return file;
  ::close(file);
  return -1;
}

// All zeros.
void* map_pages(std::size_t bytes) {
  constexpr int access = PROT_READ | PROT_WRITE;
  const int file = bytes > most_in_memory ? open_unnamed(bytes) : -1;
  void* pages = MAP_FAILED;
  if (file >= 0) {
    pages = ::mmap(nullptr, bytes, access, MAP_SHARED, file, 0);
    ::close(file);
  }
  if (pages == MAP_FAILED)
    pages = ::mmap(nullptr, bytes, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  return pages;
}

}  // namespace

SeenIds::SeenIds() {
  std::random_device device;
  spread_ = (std::uint64_t{device()} << 32 | device()) | 1;
}

SeenIds::~SeenIds() {
  if (slots_ != nullptr) ::munmap(slots_, size_ * sizeof(Slot));
}

std::optional<std::uint64_t> SeenIds::add(std::string_view id, std::uint64_t line) {
  Digest digest;
  digest.add(id);
  if (4 * used_ >= 3 * size_) grow();
  Slot& slot = find(digest.value());
  if (slot.line != 0) return slot.line;
  slot = {digest.value(), line};
  ++used_;
  return std::nullopt;
}

// The slot of that hash, or the empty slot where it belongs.
SeenIds::Slot& SeenIds::find(std::uint64_t hash) const {
  std::size_t at = ((hash * spread_) >> 32) & (size_ - 1);
  while (slots_[at].line != 0 && slots_[at].hash != hash) at = (at + 1) & (size_ - 1);
  return slots_[at];
}

void SeenIds::grow() {
  const std::size_t old_size = size_, size = size_ == 0 ? first_size : 2 * size_;
  Slot* const old = slots_;
  slots_ = static_cast<Slot*>(map_pages(size * sizeof(Slot)));
  size_ = size;
  for (std::size_t i = 0; i < old_size; ++i)
    if (old[i].line != 0) find(old[i].hash) = old[i];
  if (old != nullptr) ::munmap(old, old_size * sizeof(Slot));
}

}  // namespace llm::shell
