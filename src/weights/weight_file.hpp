// One file of tensors, whatever its format: what the weight store is put together from. A new
// format is one more open_* function.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "llm/weights/weight_store.hpp"

namespace llm::detail {

class GgufFile;

struct WeightFile {
  std::filesystem::path path;
  std::vector<FileTensor> tensors;              // names are unique, bytes lie inside the file
  std::map<std::string, std::string> metadata;  // what safetensors calls __metadata__
  std::shared_ptr<const void> mapping;          // keeps the bytes alive
};

WeightFile open_safetensors(const std::filesystem::path& path);
// With the other parts beside it, where it is the first part of a split file.
std::vector<WeightFile> open_gguf(std::shared_ptr<const GgufFile> gguf);
// What torch.save wrote. Reads the pickle inside without running anything of it.
WeightFile open_pytorch_bin(const std::filesystem::path& path);
// Whether a file begins as such a one does.
bool is_pytorch_bin(std::span<const std::byte> bytes);

// The tensors of a GGUF file that was parsed already.
std::shared_ptr<const WeightStore> open_gguf_store(std::shared_ptr<const GgufFile> gguf);

// Bytes of a row-major tensor; nothing when a dimension is negative, the size overflows, or a row
// is no whole number of blocks.
std::optional<std::uint64_t> byte_size(DType dtype, const std::vector<std::int64_t>& shape);

}  // namespace llm::detail
