// All element types that a GGUF file may name, with their sizes, supported or not: the container is
// checked for all of them, and a message can name the one that is not supported. Source:
// github.com/ggml-org/ggml, include/ggml.h (enum ggml_type) and src/ggml.c (type traits).
#pragma once

#include <cstdint>
#include <string>

namespace llm::detail {

struct GgmlType {
  std::uint32_t number;
  const char* name;            // "Q4_K", as in the format's documents
  std::uint32_t block_values;  // values per block, along a row
  std::uint32_t block_bytes;
};

// nullptr for an unknown number.
const GgmlType* find_ggml_type(std::uint32_t number);

// The name, or "number 77" for an unknown type.
std::string ggml_type_name(std::uint32_t number);

}  // namespace llm::detail
