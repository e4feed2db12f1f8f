// A checkpoint whose matrices are stored in one file as they are in memory: `pack` writes it,
// loading maps it.
// The file is a safetensors file of byte tensors, each padded to 64 bytes so that a matrix is used
// where it is mapped. Their order is that in which the layers are built, which follows from the
// configuration alone. The metadata hold, as JSON, the table of the original tensors (name, type,
// shape), with which a family finds its way as always, and the description of each part.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "llm/weights/weight.hpp"

namespace llm::detail {

// The file's name in a packed folder.
inline constexpr const char* packed_file_name = "packed.safetensors";

// Parts in the order they were added.
class PackedWriter {
 public:
  void add(std::shared_ptr<const Weight> matrix);
  void add(std::vector<float> vector);

  // `duplicates` of `original` are left out of its table. `head` is the name of the head that the
  // layers were built for. Throws Error (io).
  void write(const std::filesystem::path& path, const WeightStore& original,
             const std::set<std::string, std::less<>>& duplicates, const std::string& head) const;

 private:
  struct Part {
    std::shared_ptr<const Weight> matrix;  // or
    std::vector<float> vector;
  };
  std::vector<Part> parts_;
};

// Reads the parts in order.
class PackedWeights {
 public:
  // Throws Error: bad_format, unsupported (another version).
  static std::shared_ptr<const PackedWeights> open(const std::filesystem::path& path);

  // The original tensors by name, without bytes.
  std::shared_ptr<const WeightStore> store() const { return store_; }
  const std::string& head() const { return head_; }

  // Part number `index`. Throws Error (bad_format) when it is not what the layer needs.
  Weight matrix(std::size_t index, std::int64_t rows, std::int64_t cols) const;
  std::span<const float> vector(std::size_t index, std::int64_t size) const;
  std::size_t size() const { return parts_.size(); }

 private:
  struct Part {
    std::span<const std::byte> bytes;
    DType dtype = DType::f32;
    bool is_matrix = false;
    WeightLayout layout = WeightLayout::panels;
    std::int64_t rows = 0, cols = 0;  // of a vector: 1 and its size
  };
  const Part& part(std::size_t index) const;
  [[noreturn]] void fail(const std::string& what) const;

  std::string where_;
  std::string head_;
  std::vector<Part> parts_;
  std::shared_ptr<const WeightStore> file_;  // keeps the bytes mapped
  std::shared_ptr<const WeightStore> store_;
};

}  // namespace llm::detail
