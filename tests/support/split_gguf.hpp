// Splits a GGUF file in two as the format's own tools do: the first part keeps all keys.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "core/gguf.hpp"
#include "support/temp_dir.hpp"
#include "support/write_gguf.hpp"

namespace llm::test {

// Tensors [begin, end) of `file` behind `keys`, whose number is `key_count`.
inline std::string gguf_half(const detail::GgufFile& file, std::string_view keys,
                             std::uint64_t key_count, std::uint16_t number, std::size_t begin,
                             std::size_t end) {
  constexpr std::size_t alignment = 32;
  ByteWriter out, table, data;
  for (std::size_t i = begin; i < end; ++i) {
    const detail::GgufTensor& tensor = file.tensors()[i];
    data.pad_to(alignment);
    table.string(tensor.name).number(static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto it = tensor.shape.rbegin(); it != tensor.shape.rend(); ++it) {
      table.number(static_cast<std::uint64_t>(*it));
    }
    table.number(tensor.type).number<std::uint64_t>(data.bytes().size());
    data.raw({reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()});
  }
  out.raw("GGUF").number<std::uint32_t>(3).number<std::uint64_t>(end - begin);
  out.number<std::uint64_t>(key_count + 3).raw(keys);
  out.string("split.no").number<std::uint32_t>(gguf_u16).number(number);
  out.string("split.count").number<std::uint32_t>(gguf_u16).number<std::uint16_t>(2);
  out.string("split.tensors.count").number<std::uint32_t>(gguf_i32);
  out.number(static_cast<std::int32_t>(file.tensors().size()));
  return out.raw(table.bytes()).pad_to(alignment).raw(data.bytes()).bytes();
}

// Writes m-00001-of-00002.gguf and m-00002-of-00002.gguf; returns the first.
inline std::filesystem::path split_gguf(const std::filesystem::path& path, const TempDir& dir) {
  constexpr std::size_t header = 24;
  const auto file = detail::GgufFile::open(path);
  const std::vector<std::byte> head = file->without_tensors();
  const std::string_view keys(reinterpret_cast<const char*>(head.data()) + header,
                              head.size() - header);
  const std::size_t half = file->tensors().size() / 2;
  dir.write("m-00002-of-00002.gguf", gguf_half(*file, {}, 0, 1, half, file->tensors().size()));
  return dir.write("m-00001-of-00002.gguf",
                   gguf_half(*file, keys, file->metadata().size(), 0, 0, half));
}

}  // namespace llm::test
