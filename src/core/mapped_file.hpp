// A file mapped read-only into memory. Movable, unmaps itself.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace llm::detail {

class MappedFile {
 public:
  MappedFile() = default;
  // Throws Error (file_not_found, io). An empty file gives empty bytes.
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const std::filesystem::path& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// Gives the memory of some bytes of a mapped file back to the system; when they are read again,
// they come from the file's cache. `mapping` is all of MappedFile::bytes().
void release_pages(std::span<const std::byte> mapping, std::span<const std::byte> bytes);

// Throws bad_format when the file is the text stub that Git LFS leaves in place of a large file.
void refuse_lfs_pointer(const MappedFile& file);

}  // namespace llm::detail
