// The bytes of a safetensors file from the text of its header, sound or lying.
#pragma once

#include <string>
#include <string_view>

#include "support/write_gguf.hpp"

namespace llm::test {

inline std::string safetensors_bytes(std::string_view header, std::string_view data) {
  return ByteWriter().number<std::uint64_t>(header.size()).raw(header).raw(data).bytes();
}

// A file of one tensor: four U8 values "abcd".
inline std::string one_tensor(const std::string& name) {
  return safetensors_bytes(
      "{\"" + name + "\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "abcd");
}

}  // namespace llm::test
