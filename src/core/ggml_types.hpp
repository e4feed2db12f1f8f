// The element types a GGUF file may name, with their sizes, whether or not we can compute with
// them: the container is checked for all of them, and a message can name the one that is not
// supported. Source: github.com/ggml-org/ggml, include/ggml.h (enum ggml_type) and src/ggml.c (type
// traits).
#pragma once

#include <cstdint>
#include <string>

namespace llm::detail {

struct GgmlType {
  std::uint32_t number;
  const char* name;            // "Q4_K", as the file format's documents write it
  std::uint32_t block_values;  // values per block, along a row
  std::uint32_t block_bytes;
};

// nullptr when the number is not known.
const GgmlType* find_ggml_type(std::uint32_t number);

// The name, or "number 77" for a type that is not known.
std::string ggml_type_name(std::uint32_t number);

}  // namespace llm::detail
