/// \file
/// The tensors of a model folder or GGUF file by name, mapped into memory and checked. Nothing is
/// copied or converted here. Second step of loading: folder -> WeightStore -> WeightBinder.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/core/dtype.hpp"

namespace llm {

/// A tensor in a file: type-erased, row-major, borrowed from the WeightStore.
struct FileTensor {
  std::string name;                 ///< in the file
  DType dtype = DType::f32;         ///< element type
  std::vector<std::int64_t> shape;  ///< outermost first
  /// The values. May be unaligned: there are published files whose data start at an odd offset.
  std::span<const std::byte> bytes;
  /// The read-only file mapping that holds `bytes`: its pages may be given back, and are read again
  /// when needed. Empty: `bytes` are in other memory.
  std::span<const std::byte> mapping = {};

  std::int64_t rows() const;  ///< product of all dimensions but the last (1 for a vector)
  std::int64_t cols() const;  ///< last dimension
};

/// Reads `count` values starting at value `first` of the flat tensor, widened to S (float, double).
/// Quantized types are dequantized exactly as the `gguf` Python package does (in float32), and
/// `first` and `count` must then be multiples of the block. Throws Error (unsupported) for integer
/// types.
template <typename S>
void read_values(const FileTensor& tensor, std::int64_t first, std::int64_t count, S* out);

/// All tensors of one checkpoint. Immutable: any number of threads may use one. Keeps the files
/// mapped.
class WeightStore {
 public:
  virtual ~WeightStore() = default;

  /// Opens a folder (the first of `model.safetensors`, `model.safetensors.index.json` with its
  /// shards, `pytorch_model.bin`, `pytorch_model.bin.index.json` with its shards, one `.gguf` file)
  /// or one such file; the first part of a split `.gguf` opens them all. The store of a packed
  /// folder lists its original tensors without their bytes. Nothing inside a `.bin` file is run.
  /// Throws Error: file_not_found, bad_format (what, where, expected, got), unsupported (a tensor
  /// type we cannot read, or something a pickle would run, named).
  static std::shared_ptr<const WeightStore> open(const std::filesystem::path& path);

  /// nullptr when there is no tensor of that name.
  virtual const FileTensor* find(std::string_view name) const = 0;
  /// All names, sorted.
  virtual const std::vector<std::string>& names() const = 0;
  /// The `__metadata__` of a safetensors file (first shard); empty for GGUF.
  virtual const std::map<std::string, std::string>& metadata() const = 0;
  /// The files, for messages and `info`.
  virtual const std::vector<std::filesystem::path>& files() const = 0;
};

/// The element types of weights that a GGUF file may have, as the format names them: "F32, Q4_K".
std::string supported_gguf_types();

/// One tensor to write: name, dtype, shape and bytes (row-major, little endian).
using TensorToWrite = FileTensor;

/// Writes a safetensors file under a temporary name and renames it. Throws Error with the reason
/// the system gives: invalid_option when there can be no such file, io when writing fails (disk
/// full,
/// ...); the destination is then untouched.
void write_safetensors(const std::filesystem::path& path, std::span<const TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata);

extern template void read_values<float>(const FileTensor&, std::int64_t, std::int64_t, float*);
extern template void read_values<double>(const FileTensor&, std::int64_t, std::int64_t, double*);

}  // namespace llm
