// mmap behind MappedFile. All readers of weights and vocabularies get their bytes here.
#include "core/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/system_error.hpp"
#include "llm/core/error.hpp"

namespace llm::detail {

namespace {

// Closes a descriptor at the end of the scope; the mapping stays.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  // O_NONBLOCK: a named pipe is refused below; opening it must not wait.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.number() < 0) fail_reading(path, "opened", errno);
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) fail_reading(path, "read", errno);
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorCode::file_not_found,
                path.string() + (S_ISDIR(status.st_mode) ? ": is a folder, expected a file"
                                                         : ": is not a regular file"),
                path.string());
  }
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) return;  // mmap refuses a length of 0
  void* const start = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.number(), 0);
  if (start == MAP_FAILED) fail_reading(path, "mapped into memory", errno);
  data_ = static_cast<const std::byte*>(start);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void release_pages(std::span<const std::byte> mapping, std::span<const std::byte> bytes) {
  // Linux also maps what is around a page that is read, up to this many bytes. What lies before has
  // been read already, so give it back too; what lies behind goes back with the next bytes.
  constexpr std::uintptr_t unit = 64 << 10;
  const auto first = reinterpret_cast<std::uintptr_t>(mapping.data());
  const auto begin = std::max(first, reinterpret_cast<std::uintptr_t>(bytes.data()) / unit * unit);
  const auto end = reinterpret_cast<std::uintptr_t>(bytes.data() + bytes.size()) / unit * unit;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

void refuse_lfs_pointer(const MappedFile& file) {
  constexpr std::string_view pointer = "version https://git-lfs.github.com/";
  const auto bytes = file.bytes();
  if (bytes.size() < pointer.size() ||
      std::memcmp(bytes.data(), pointer.data(), pointer.size()) != 0) {
    return;
  }
  throw Error(ErrorCode::bad_format,
              file.path().string() +
                  ": is a Git LFS pointer instead of the file it stands for; run `git lfs pull` in "
                  "its folder",
              file.path().string());
}

}  // namespace llm::detail
