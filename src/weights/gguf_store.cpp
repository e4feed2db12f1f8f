// The tensors of a GGUF file for the weight store.
#include <utility>

#include "core/folder.hpp"
#include "core/ggml_types.hpp"
#include "core/gguf.hpp"
#include "core/gguf_split.hpp"
#include "llm/core/error.hpp"
#include "weights/weight_file.hpp"

namespace llm::detail {

namespace {

// Type numbers of the format; first those that weights may have.
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

WeightFile tensors_of(std::shared_ptr<const GgufFile> gguf) {
  WeightFile file;
  file.path = gguf->path();
  for (const GgufTensor& tensor : gguf->tensors()) {
    file.tensors.push_back({tensor.name, dtype_of(tensor, file.path.string()), tensor.shape,
                            tensor.bytes, gguf->bytes()});
  }
  file.mapping = std::move(gguf);
  return file;
}

[[noreturn]] void fail_part(const std::filesystem::path& part, const std::string& what,
                            ErrorCode code = ErrorCode::bad_format) {
  throw Error(code, part.string() + ": " + what, part.string());
}

// How many parts the model has, according to the first one; the others are found by their names.
std::int64_t parts_of(const GgufFile& first) {
  const std::int64_t count = first.find_int("split.count").value_or(1);
  if (count == 0 || count == 1) return 1;  // 0: the format's own tools take it for 1
  const auto name = split_name(first.path());
  if (!name || name->number != 1 || name->count != count) {
    fail_part(first.path(),
              "is the first of " + std::to_string(count) +
                  " parts of a split GGUF file, whose names must end in -00001-of-NNNNN.gguf, with "
                  "that number of parts, for the others to be found");
  }
  return count;
}

// Part `number`, counted from 1.
WeightFile open_part(const GgufFile& first, std::int64_t number, std::int64_t count) {
  const auto path = split_part(first.path(), *split_name(first.path()), number);
  if (!is_there(path)) {
    fail_part(path,
              "this part of a split GGUF file of " + std::to_string(count) +
                  " parts is missing; all must lie in one folder",
              ErrorCode::file_not_found);
  }
  auto part = GgufFile::open_part(path);
  const auto is = [&](const char* key, std::int64_t expected) {
    const auto found = part->find_int(key);
    if (found == expected) return;
    fail_part(path, std::string(key) + " is " + (found ? std::to_string(*found) : "absent") +
                        ", expected " + std::to_string(expected) + " beside " +
                        first.path().filename().string() + "; it is no part of the same model");
  };
  is("split.no", number - 1);
  is("split.count", count);
  if (const auto total = first.find_int("split.tensors.count")) is("split.tensors.count", *total);
  const auto architecture = part->find_string("general.architecture");
  if (architecture && architecture != first.find_string("general.architecture")) {
    fail_part(path, "has another general.architecture than " + first.path().filename().string() +
                        "; it is no part of the same model");
  }
  return tensors_of(std::move(part));
}

void check_total(const GgufFile& first, const std::vector<WeightFile>& files) {
  const auto total = first.find_int("split.tensors.count");
  std::size_t found = 0;
  for (const WeightFile& file : files) found += file.tensors.size();
  if (!total || std::cmp_equal(found, *total)) return;
  fail_part(first.path(), "split.tensors.count is " + std::to_string(*total) +
                              ", but its parts hold " + std::to_string(found) +
                              " tensors; they are not of one model, or damaged");
}

}  // namespace

std::vector<WeightFile> open_gguf(const std::shared_ptr<const GgufFile>& gguf) {
  const std::int64_t count = parts_of(*gguf);
  std::vector<WeightFile> files;
  files.push_back(tensors_of(gguf));
  for (std::int64_t number = 2; number <= count; ++number) {
    files.push_back(open_part(*gguf, number, count));
  }
  if (count > 1) check_total(*gguf, files);
  return files;
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
