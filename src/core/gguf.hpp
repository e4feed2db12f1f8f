// The GGUF container (versions 2 and 3): metadata and the table of tensors, not interpreted. The
// weight store uses it (tensors, metadata -> config), and the tokenizer (vocabulary). Format:
// github.com/ggml-org/ggml, docs/gguf.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/mapped_file.hpp"

namespace llm::detail {

struct GgufValue;
using GgufStrings = std::vector<std::string_view>;  // views into the mapped file
// A metadata value. Integers of all widths become int64/uint64, floats become double; arrays of
// numbers become vectors, arrays of arrays are refused.
struct GgufValue {
  std::variant<bool, std::int64_t, std::uint64_t, double, std::string_view, GgufStrings,
               std::vector<std::int64_t>, std::vector<double>, std::vector<bool>>
      value;
};

// One row of the tensor table. `shape` is row-major (outermost first), the reverse of the file's.
struct GgufTensor {
  std::string name;
  std::uint32_t type = 0;  // ggml type number
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;  // checked to lie inside the file
};

class GgufFile {
 public:
  // Throws Error (file_not_found; bad_format with the offset and what was expected; unsupported for
  // a part of a split file other than the first, since only the first part describes the model).
  static std::shared_ptr<const GgufFile> open(const std::filesystem::path& path);
  // The same for any part.
  static std::shared_ptr<const GgufFile> open_part(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  const std::map<std::string, GgufValue, std::less<>>& metadata() const { return metadata_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  // The whole file as mapped.
  std::span<const std::byte> bytes() const { return file_.bytes(); }
  // The same file without its tensors.
  std::vector<std::byte> without_tensors() const;

  // Typed look-ups. find_* return nullptr / nullopt when the key is absent and throw bad_format
  // when the value has another type.
  std::optional<std::int64_t> find_int(std::string_view key) const;
  std::optional<double> find_float(std::string_view key) const;  // accepts integers
  std::optional<bool> find_bool(std::string_view key) const;
  std::optional<std::string_view> find_string(std::string_view key) const;
  const GgufStrings* find_strings(std::string_view key) const;
  const std::vector<std::int64_t>* find_ints(std::string_view key) const;
  const std::vector<double>* find_floats(std::string_view key) const;

 private:
  MappedFile file_;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<GgufTensor> tensors_;
  std::size_t metadata_end_ = 0;  // where the table of tensors begins
};

}  // namespace llm::detail
