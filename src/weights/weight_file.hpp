// One file of tensors of any format: the weight store is made of these. A new format is one more
// open_* function.
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
// Opens the other parts too, if this is the first part of a split file.
std::vector<WeightFile> open_gguf(const std::shared_ptr<const GgufFile>& gguf);
// A file of torch.save. Reads its pickle without running anything in it.
WeightFile open_pytorch_bin(const std::filesystem::path& path);
// Whether a file begins like one of torch.save.
bool is_pytorch_bin(std::span<const std::byte> bytes);

// The tensors of a GGUF file that has been parsed.
std::shared_ptr<const WeightStore> open_gguf_store(const std::shared_ptr<const GgufFile>& gguf);

// Bytes of a row-major tensor; nullopt when a dimension is negative, the size overflows, or a row
// is not a whole number of blocks.
std::optional<std::uint64_t> byte_size(DType dtype, const std::vector<std::int64_t>& shape);

}  // namespace llm::detail
