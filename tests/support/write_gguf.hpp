// Builds the bytes of small GGUF files, sound ones and (through the raw counts) lying ones.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llm::test {

// Appends the bytes of numbers and length-prefixed strings.
class ByteWriter {
 public:
  template <typename T>
  ByteWriter& number(T value) {
    char raw[sizeof(T)];
    std::memcpy(raw, &value, sizeof(T));
    bytes_.append(raw, sizeof(T));
    return *this;
  }
  ByteWriter& string(std::string_view text) {
    number<std::uint64_t>(text.size());
    bytes_ += text;
    return *this;
  }
  ByteWriter& raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  ByteWriter& pad_to(std::size_t alignment) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment, '\0');
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Value type numbers of the format.
enum GgufType : std::uint32_t {
  gguf_u8,
  gguf_i8,
  gguf_u16,
  gguf_i16,
  gguf_u32,
  gguf_i32,
  gguf_f32,
  gguf_bool,
  gguf_string,
  gguf_array,
  gguf_u64,
  gguf_i64,
  gguf_f64
};

class GgufWriter {
 public:
  std::uint32_t version = 3;
  std::size_t alignment = 32;                 // of the data section; the key is up to the caller
  std::optional<std::uint64_t> key_count;     // a lie, when set
  std::optional<std::uint64_t> tensor_count;  // a lie, when set

  template <typename T>
  GgufWriter& key(std::string_view name, GgufType type, T value) {
    keys_.string(name).number<std::uint32_t>(type).number(value);
    ++keys_written_;
    return *this;
  }
  GgufWriter& key(std::string_view name, std::string_view value) {
    keys_.string(name).number<std::uint32_t>(gguf_string).string(value);
    ++keys_written_;
    return *this;
  }
  template <typename T>
  GgufWriter& array(std::string_view name, GgufType type, const std::vector<T>& values) {
    array_head(name, type, values.size());
    for (const T value : values) keys_.number(value);
    return *this;
  }
  GgufWriter& strings(std::string_view name, const std::vector<std::string>& values) {
    array_head(name, gguf_string, values.size());
    for (const std::string& value : values) keys_.string(value);
    return *this;
  }
  // `shape` innermost first, as the file has it. The data goes to the next aligned offset, or to
  // `offset`, where that is given, without being written.
  GgufWriter& tensor(std::string_view name, std::uint32_t type,
                     const std::vector<std::uint64_t>& shape, std::string_view data,
                     std::optional<std::uint64_t> offset = std::nullopt) {
    if (!offset) data_.pad_to(alignment);
    table_.string(name).number(static_cast<std::uint32_t>(shape.size()));
    for (const std::uint64_t size : shape) table_.number(size);
    table_.number(type).number(offset.value_or(data_.bytes().size()));
    if (!offset) data_.raw(data);
    ++tensors_written_;
    return *this;
  }

  std::string bytes() const {
    ByteWriter file;
    file.raw("GGUF").number(version);
    file.number(tensor_count.value_or(tensors_written_)).number(key_count.value_or(keys_written_));
    file.raw(keys_.bytes()).raw(table_.bytes());
    if (tensors_written_ > 0) file.pad_to(alignment).raw(data_.bytes());
    return file.bytes();
  }

 private:
  void array_head(std::string_view name, GgufType type, std::size_t size) {
    keys_.string(name).number<std::uint32_t>(gguf_array).number<std::uint32_t>(type);
    keys_.number<std::uint64_t>(size);
    ++keys_written_;
  }

  ByteWriter keys_, table_, data_;
  std::uint64_t keys_written_ = 0;
  std::uint64_t tensors_written_ = 0;
};

}  // namespace llm::test
