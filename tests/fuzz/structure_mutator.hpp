// Damages inputs the way their formats are built, so that damage reaches what lies behind the first
// check: JSON as a tree, safetensors with the right length of its header, the fields of GGUF, the
// opcodes of pickles, protocol buffers with the right lengths around what was changed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "support/mutate.hpp"

namespace llm::fuzz {

class StructureMutator {
 public:
  // `bytes`: damages bytes without knowing what they are.
  using ByteMutator = std::function<std::string(std::string)>;
  StructureMutator(std::uint64_t seed, ByteMutator bytes)
      : random_(seed), bytes_(std::move(bytes)) {}

  // Damages one of the files of a folder's input (see folder_input.hpp), by its extension.
  std::string folder(const std::string& input);

  std::string json(const std::string& text);
  std::string safetensors(const std::string& file);
  std::string gguf(const std::string& file);
  std::string pickle(const std::string& stream);
  std::string protocol_buffer(const std::string& message, int depth = 0);
  std::string chat_template(std::string source);
  std::string lines(const std::string& text);

 private:
  std::string part(const std::string& name, const std::string& bytes);
  bool one_in(std::size_t n) { return random_.below(n) == 0; }

  test::Mutator random_;
  ByteMutator bytes_;
};

}  // namespace llm::fuzz
