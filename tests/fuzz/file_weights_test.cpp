// Damaged weight files: opening one and reading all of it ends in success or in llm::Error.
#include <cstring>
#include <string>

#include "llm/core/error.hpp"
#include "llm/weights/weight_store.hpp"
#include "support/mutate.hpp"
#include "support/temp_dir.hpp"
#include "support/write_safetensors.hpp"

namespace {

using namespace llm::test;
using llm::FileTensor;
using llm::WeightStore;

std::string small_gguf() {
  GgufWriter w;
  w.key<std::uint32_t>("general.alignment", gguf_u32, 32).key("general.architecture", "llama");
  w.key<float>("llama.eps", gguf_f32, 1e-5f).key<std::uint8_t>("b", gguf_bool, 1);
  w.array<float>("scores", gguf_f32, {0, -1, -2}).array<std::int32_t>("types", gguf_i32, {1, 2, 3});
  w.strings("tokens", {"a", "bc", ""}).array<std::uint8_t>("flags", gguf_bool, {0, 1});
  w.tensor("f32", 0, {3, 2}, std::string(24, 'f')).tensor("f16", 1, {2}, "hhhh");
  w.tensor("q4_0", 2, {32, 2}, std::string(36, 'q')).tensor("q8_0", 8, {32}, std::string(34, 'p'));
  return w.bytes();
}

constexpr std::string_view small_header =
    R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
    R"("b.c":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]},)"
    R"("e":{"dtype":"I64","shape":[0,5],"data_offsets":[22,22]},)"
    R"("s":{"dtype":"F64","shape":[],"data_offsets":[22,30]}})";
const std::string small_data(30, 'd');

// Reads everything a store says it has; a wrong span shows under the address sanitizer.
void read_all(const WeightStore& store) {
  for (const std::string& name : store.names()) {
    const FileTensor& tensor = *store.find(name);
    unsigned sum = 0;
    for (const std::byte byte : tensor.bytes) sum += std::to_integer<unsigned>(byte);
    const auto count = tensor.rows() * tensor.cols();
    ASSERT_LE(sum, 255u * tensor.bytes.size());
    ASSERT_LE(count / llm::block_values(tensor.dtype) * llm::block_bytes(tensor.dtype),
              static_cast<std::int64_t>(tensor.bytes.size()));
    if (!llm::is_floating(tensor.dtype) && !llm::is_quantized(tensor.dtype)) continue;
    std::vector<double> values(static_cast<std::size_t>(count));
    llm::read_values(tensor, 0, count, values.data());
  }
}

// True when it could be opened.
bool try_file(const TempDir& dir, const std::string& name, const std::string& bytes) {
  try {
    read_all(*WeightStore::open(dir.write(name, bytes)));
    return true;
  } catch (const llm::Error& error) {
    EXPECT_NE(error.code(), llm::ErrorCode::internal) << error.what();
    EXPECT_LT(std::strlen(error.what()), 2000u);
    return false;
  }
}

TEST(FuzzWeights, DamagedGguf) {
  const TempDir dir;
  const std::string whole = small_gguf();
  ASSERT_TRUE(try_file(dir, "m.gguf", whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(try_file(dir, "m.gguf", whole.substr(0, size))) << size;
  }
  Mutator mutate(1);
  int opened = 0;
  for (int i = 0; i < 8000; ++i) opened += try_file(dir, "m.gguf", mutate(whole));
  EXPECT_GT(opened, 100);  // damage to names and data must not all be refused
}

TEST(FuzzWeights, DamagedSafetensors) {
  const TempDir dir;
  const std::string whole = safetensors_bytes(small_header, small_data);
  ASSERT_TRUE(try_file(dir, "m.safetensors", whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(try_file(dir, "m.safetensors", whole.substr(0, size))) << size;
  }
  Mutator mutate(2);
  for (int i = 0; i < 4000; ++i) try_file(dir, "m.safetensors", mutate(whole));
  int opened = 0;
  for (int i = 0; i < 8000; ++i) {  // with the right length, so that the JSON is read
    const std::string header = mutate(std::string(small_header));
    opened += try_file(dir, "m.safetensors", safetensors_bytes(header, small_data));
  }
  EXPECT_GT(opened, 20);
}

TEST(FuzzWeights, DamagedIndex) {
  const TempDir dir;
  dir.write("1.st", one_tensor("a"));
  dir.write("2.st", one_tensor("b"));
  const std::string name = "model.safetensors.index.json";
  const std::string whole = R"({"metadata":{"total_size":8},"weight_map":{"a":"1.st","b":"2.st"}})";
  ASSERT_TRUE(try_file(dir, name, whole));
  Mutator mutate(3);
  for (int i = 0; i < 4000; ++i) try_file(dir, name, mutate(whole));
}

}  // namespace
