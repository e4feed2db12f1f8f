#include "support/tokenizer_files.hpp"

#include <array>
#include <cstdio>

#include "tokenizer/byte_alphabet.hpp"

namespace llm::test {
namespace {

// Fields of a protocol buffer: a key (number and kind), then the value.
std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7U) out += static_cast<char>(value | 0x80U);
  return out + static_cast<char>(value);
}
std::string bytes_field(unsigned number, const std::string& value) {
  return varint(number << 3U | 2U) + varint(value.size()) + value;
}
std::string int_field(unsigned number, std::uint64_t value) {
  return varint(number << 3U) + varint(value);
}
std::string float_field(unsigned number, float value) {
  return varint(number << 3U | 5U) + ByteWriter().number(value).bytes();
}

}  // namespace

GgufWriter byte_level_gguf(const std::string& pre) {
  std::vector<std::string> tokens;
  for (unsigned byte = 0; byte < 256; ++byte) {
    tokens.push_back(detail::spell_bytes(std::string(1, static_cast<char>(byte))));
  }
  tokens.insert(tokens.end(), {"he", "hel", "lo", "<end>"});
  std::vector<std::int32_t> types(tokens.size(), 1);
  types.back() = 3;
  GgufWriter file;
  file.key("tokenizer.ggml.model", "gpt2").key("tokenizer.ggml.pre", pre);
  file.strings("tokenizer.ggml.tokens", tokens);
  file.array("tokenizer.ggml.token_type", gguf_i32, types);
  file.strings("tokenizer.ggml.merges", {"h e", "he l", "l o"});
  file.key<std::uint32_t>("tokenizer.ggml.bos_token_id", gguf_u32, 259);
  file.key("tokenizer.chat_template", "{{ messages }}");
  return file;
}

GgufWriter sentencepiece_gguf() {
  const std::string space = "\xE2\x96\x81";
  std::vector<std::string> tokens = {"<unk>", "<s>",       "</s>", space,       "a",
                                     "b",     space + "a", "ab",   space + "ab"};
  std::vector<std::int32_t> types = {2, 3, 3, 1, 1, 1, 1, 1, 1};
  std::vector<float> scores = {0, 0, 0, -10, -11, -12, -2, -1, -3};
  for (unsigned byte = 0; byte < 256; ++byte) {
    tokens.push_back(detail::byte_fallback_token(static_cast<unsigned char>(byte)));
    types.push_back(6);
    scores.push_back(0);
  }
  GgufWriter file;
  file.key("tokenizer.ggml.model", "llama").strings("tokenizer.ggml.tokens", tokens);
  file.array("tokenizer.ggml.token_type", gguf_i32, types);
  file.array("tokenizer.ggml.scores", gguf_f32, scores);
  file.key<std::uint32_t>("tokenizer.ggml.bos_token_id", gguf_u32, 1);
  return file;
}

std::string sentencepiece_model(const std::vector<std::pair<std::string, int>>& pieces, bool bpe,
                                bool space_is_suffix) {
  std::string model;
  float score = 0;
  for (const auto& [text, type] : pieces) {
    model += bytes_field(1, bytes_field(1, text) + float_field(2, score -= 1) +
                                int_field(3, static_cast<std::uint64_t>(type)));
  }
  model += bytes_field(2, int_field(3, bpe ? 2 : 1) + int_field(24, space_is_suffix ? 1 : 0) +
                              int_field(35, bpe ? 1 : 0));
  return model + bytes_field(3, bytes_field(1, "identity"));
}

}  // namespace llm::test
