// The tensors of a GGUF file as the weight store sees them.
#include <utility>

#include "core/ggml_types.hpp"
#include "core/gguf.hpp"
#include "llm/core/error.hpp"
#include "weights/weight_file.hpp"

namespace llm::detail {

namespace {

// Numbers of the format; those that weights may have first.
constexpr std::pair<std::uint32_t, DType> known_types[] = {
    {28, DType::f64},   {0, DType::f32},   {1, DType::f16},     {30, DType::bf16},
    {2, DType::q4_0},   {3, DType::q4_1},  {6, DType::q5_0},    {7, DType::q5_1},
    {8, DType::q8_0},   {10, DType::q2_k}, {11, DType::q3_k},   {12, DType::q4_k},
    {13, DType::q5_k},  {14, DType::q6_k}, {20, DType::iq4_nl}, {23, DType::iq4_xs},
    {39, DType::mxfp4}, {24, DType::i8},   {25, DType::i16},    {26, DType::i32},
    {27, DType::i64}};

DType dtype_of(const GgufTensor& tensor, const std::string& file) {
  for (const auto& [number, dtype] : known_types) {
    if (number == tensor.type) return dtype;
  }
  throw Error(ErrorCode::unsupported,
              file + ": tensor " + quote(tensor.name) + " is of type " +
                  ggml_type_name(tensor.type) + ", which is not supported; expected " +
                  supported_gguf_types() + " or an integer type",
              tensor.name);
}

// One part of a model is no model: its tensors would be reported missing one by one.
void refuse_split(const GgufFile& gguf) {
  const std::int64_t parts = gguf.find_int("split.count").value_or(1);
  if (parts <= 1) return;
  throw Error(ErrorCode::unsupported,
              gguf.path().string() + ": is one of " + std::to_string(parts) +
                  " parts of a split GGUF file; merge them into one file first",
              gguf.path().string());
}

}  // namespace

WeightFile open_gguf(std::shared_ptr<const GgufFile> gguf) {
  refuse_split(*gguf);
  WeightFile file;
  file.path = gguf->path();
  for (const GgufTensor& tensor : gguf->tensors()) {
    file.tensors.push_back({tensor.name, dtype_of(tensor, file.path.string()), tensor.shape,
                            tensor.bytes, gguf->bytes()});
  }
  file.mapping = std::move(gguf);
  return file;
}

}  // namespace llm::detail

namespace llm {

std::string supported_gguf_types() {
  std::string names;
  for (const auto& [number, dtype] : detail::known_types) {
    if (!is_floating(dtype) && !is_quantized(dtype)) continue;
    names += (names.empty() ? "" : ", ") + detail::ggml_type_name(number);
  }
  return names;
}

}  // namespace llm
