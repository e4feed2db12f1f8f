// The tensors of a GGUF file as the weight store sees them.
#include <utility>

#include "core/ggml_types.hpp"
#include "core/gguf.hpp"
#include "llm/core/error.hpp"
#include "weights/weight_file.hpp"

namespace llm::detail {

namespace {

DType dtype_of(const GgufTensor& tensor, const std::string& file) {
  constexpr std::pair<std::uint32_t, DType> known[] = {
      {0, DType::f32},  {1, DType::f16},  {2, DType::q4_0}, {3, DType::q4_1},
      {8, DType::q8_0}, {24, DType::i8},  {25, DType::i16}, {26, DType::i32},
      {27, DType::i64}, {28, DType::f64}, {30, DType::bf16}};
  for (const auto& [number, dtype] : known) {
    if (number == tensor.type) return dtype;
  }
  throw Error(ErrorCode::unsupported,
              file + ": tensor " + quote(tensor.name) + " is of type " +
                  ggml_type_name(tensor.type) +
                  ", which is not supported; expected F64, F32, F16, BF16, Q8_0, Q4_1, Q4_0 or an "
                  "integer type",
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

WeightFile open_gguf(const std::filesystem::path& path) {
  const auto gguf = GgufFile::open(path);
  refuse_split(*gguf);
  WeightFile file;
  file.path = path;
  for (const GgufTensor& tensor : gguf->tensors()) {
    file.tensors.push_back(
        {tensor.name, dtype_of(tensor, path.string()), tensor.shape, tensor.bytes});
  }
  file.mapping = gguf;
  return file;
}

}  // namespace llm::detail
