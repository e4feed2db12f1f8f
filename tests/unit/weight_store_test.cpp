// The weight store: which files it finds, how shards fit together, and what values come out.
#include "llm/weights/weight_store.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/float16.hpp"
#include "support/catch_error.hpp"
#include "support/shared_files.hpp"
#include "support/temp_dir.hpp"
#include "support/write_safetensors.hpp"

namespace {

using namespace llm::test;
using llm::DType;
using llm::Error;
using llm::ErrorCode;
using llm::FileTensor;
using llm::WeightStore;

constexpr const char* index_name = "model.safetensors.index.json";

std::string index_of(const std::string& map) {
  return R"({"metadata":{},"weight_map":)" + map + "}";
}

// --- which files ---

TEST(WeightStore, OpensFoldersAndFiles) {
  const TempDir dir;
  const auto file = dir.write("model.safetensors", one_tensor("a"));
  dir.write("other.gguf", "not looked at");
  for (const auto& path : {dir.path(), file}) {
    const auto store = WeightStore::open(path);
    EXPECT_EQ(store->names(), std::vector<std::string>{"a"});
    EXPECT_EQ(store->files(), std::vector<std::filesystem::path>{file});
  }
  const TempDir gguf;
  const std::string bytes = GgufWriter().tensor("g", 0, {1}, "abcd").bytes();
  const auto named = gguf.write("m.gguf", bytes);
  EXPECT_NE(WeightStore::open(gguf.path())->find("g"), nullptr);
  EXPECT_NE(WeightStore::open(named)->find("g"), nullptr);
  EXPECT_NE(WeightStore::open(gguf.write("no-extension", bytes))->find("g"), nullptr);
}

TEST(WeightStore, SaysWhatItLookedForAndFound) {
  const TempDir dir;
  expect_error(ErrorCode::file_not_found, "No such file",
               [&] { WeightStore::open(dir.path() / "missing"); });
  expect_error(ErrorCode::file_not_found,
               "expected model.safetensors, model.safetensors.index.json",
               [&] { WeightStore::open(dir.path()); });
  dir.write("tf_model.h5", "x");
  expect_error(ErrorCode::file_not_found, "found instead: tf_model.h5",
               [&] { WeightStore::open(dir.path()); });
  dir.write("a.gguf", "x");
  dir.write("b.gguf", "x");
  expect_error(ErrorCode::file_not_found, "a.gguf, b.gguf, tf_model.h5",
               [&] { WeightStore::open(dir.path()); });
  expect_error(ErrorCode::unsupported, "expected a folder",
               [&] { WeightStore::open(dir.path() / "tf_model.h5"); });
}

TEST(WeightStore, NamesTheUnsupportedGgufType) {
  const TempDir dir;
  const auto open = [&](std::uint32_t type, const std::string& data) {
    WeightStore::open(dir.write("m.gguf", GgufWriter().tensor("w", type, {256}, data).bytes()));
  };
  expect_error(ErrorCode::unsupported, "\"w\" is of type IQ1_M",
               [&] { open(29, std::string(56, 'x')); });
  expect_error(ErrorCode::unsupported, "\"w\" is of type number 77", [&] { open(77, "x"); });
}

// --- split GGUF files ---

// One part as the format's own tools write it, with a tensor of its own.
std::string gguf_part(std::uint16_t number, std::uint16_t count, std::int32_t total,
                      const std::string& tensor) {
  GgufWriter part;
  if (number == 0) part.key("general.architecture", "llama");
  part.key<std::uint16_t>("split.no", gguf_u16, number);
  part.key<std::uint16_t>("split.count", gguf_u16, count);
  part.key<std::int32_t>("split.tensors.count", gguf_i32, total);
  return part.tensor(tensor, 0, {1}, "abcd").bytes();
}

const std::string first_part = "m-00001-of-00003.gguf", second_part = "m-00002-of-00003.gguf",
                  third_part = "m-00003-of-00003.gguf";

// Three parts of which a test may replace one.
TempDir& write_parts(TempDir& dir) {
  dir.write(first_part, gguf_part(0, 3, 3, "a"));
  dir.write(second_part, gguf_part(1, 3, 3, "b"));
  dir.write(third_part, gguf_part(2, 3, 3, "c"));
  return dir;
}

TEST(SplitGguf, TheFirstPartOpensAll) {
  TempDir dir;
  const auto store = WeightStore::open(write_parts(dir).path() / first_part);
  EXPECT_EQ(store->names(), (std::vector<std::string>{"a", "b", "c"}));
  ASSERT_EQ(store->files().size(), 3u);
  EXPECT_EQ(store->files()[2], dir.path() / third_part);
  ASSERT_EQ(store->find("c")->bytes.size(), 4u);
  EXPECT_EQ(store->find("c")->bytes[3], std::byte{'d'});
  // One part is a whole file.
  const auto whole = dir.write("one.gguf", gguf_part(0, 1, 1, "a"));
  EXPECT_EQ(WeightStore::open(whole)->names().size(), 1u);
}

TEST(SplitGguf, OtherPartsAndTheFolderSayWhichIsTheFirst) {
  TempDir dir;
  write_parts(dir);
  for (const auto& path : {dir.path(), dir.path() / second_part, dir.path() / third_part}) {
    const llm::Error error = catch_error([&] { WeightStore::open(path); });
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    for (const std::string& part : {std::string("split GGUF file"), first_part}) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }
}

TEST(SplitGguf, MissingAndStrangePartsAreNamed) {
  const auto refused = [](ErrorCode code, const std::string& what, const std::string& name,
                          const std::string& bytes) {
    TempDir dir;
    write_parts(dir);
    std::filesystem::remove(dir.path() / name);
    if (!bytes.empty()) dir.write(name, bytes);
    expect_error(code, what, [&] { WeightStore::open(dir.path() / first_part); });
  };
  refused(ErrorCode::file_not_found, second_part + ": this part of a split GGUF file of 3 parts",
          second_part, "");
  refused(ErrorCode::bad_format, second_part + ": split.no is 2, expected 1", second_part,
          gguf_part(2, 3, 3, "b"));
  refused(ErrorCode::bad_format, third_part + ": split.count is 4, expected 3", third_part,
          gguf_part(2, 4, 3, "c"));
  refused(ErrorCode::bad_format, third_part + ": split.tensors.count is 7, expected 3", third_part,
          gguf_part(2, 3, 7, "c"));
  refused(ErrorCode::bad_format, "tensor \"b\" is also in", third_part, gguf_part(2, 3, 3, "b"));
  refused(ErrorCode::bad_format, third_part + ": split.no is absent", third_part,
          GgufWriter().tensor("c", 0, {1}, "abcd").bytes());
  GgufWriter other;
  other.key("general.architecture", "bert");
  other.key<std::uint16_t>("split.no", gguf_u16, 2);
  other.key<std::uint16_t>("split.count", gguf_u16, 3);
  other.key<std::int32_t>("split.tensors.count", gguf_i32, 3);
  refused(ErrorCode::bad_format, "has another general.architecture", third_part, other.bytes());
  refused(ErrorCode::bad_format, "split.tensors.count is 3, expected 9", first_part,
          gguf_part(0, 3, 9, "a"));
  refused(ErrorCode::bad_format, "at byte", third_part, gguf_part(2, 3, 3, "c").substr(0, 60));
}

TEST(SplitGguf, CountsAreNotTrusted) {
  const TempDir dir;
  const auto refused = [&](const std::string& what, const std::string& name, std::int64_t count) {
    const auto file =
        dir.write(name, GgufWriter().key<std::int64_t>("split.count", gguf_i64, count).bytes());
    expect_error(ErrorCode::bad_format, what, [&] { WeightStore::open(file); });
  };
  refused("first of 3 parts of a split GGUF file, whose names must end in", "m.gguf", 3);
  refused("whose names must end in", "m-00001-of-00004.gguf", 3);
  refused("whose names must end in", "m-00002-of-00003.gguf", 3);
  refused("whose names must end in", "m-00001-of-00003.gguf", INT64_MAX);
  refused("whose names must end in", "m-00001-of-00003.gguf", -1);
  const auto total =
      dir.write("m-00001-of-00002.gguf", GgufWriter()
                                             .key<std::uint16_t>("split.count", gguf_u16, 2)
                                             .key<std::int32_t>("split.tensors.count", gguf_i32, 5)
                                             .bytes());
  dir.write("m-00002-of-00002.gguf", gguf_part(1, 2, 5, "b"));
  expect_error(ErrorCode::bad_format, "split.tensors.count is 5, but its parts hold 1",
               [&] { WeightStore::open(total); });
}

// --- shards ---

TEST(WeightStore, JoinsShards) {
  const TempDir dir;
  const auto index = dir.write(index_name, index_of(R"({"b":"2.st","a":"1.st"})"));
  dir.write("1.st", one_tensor("a"));
  dir.write("2.st", one_tensor("b"));
  for (const auto& path : {dir.path(), index}) {
    const auto store = WeightStore::open(path);
    EXPECT_EQ(store->names(), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(store->files().size(), 2u);
    EXPECT_EQ(store->find("b")->bytes.size(), 4u);
  }
}

TEST(WeightStore, RefusesWrongIndexes) {
  const TempDir dir;
  dir.write("1.st", one_tensor("a"));
  dir.write("2.st", one_tensor("a"));
  const auto expect = [&](ErrorCode code, const std::string& part, const std::string& index) {
    dir.write(index_name, index);
    expect_error(code, part, [&] { WeightStore::open(dir.path()); });
  };
  for (const char* const text : {"[]", "{}", R"({"weight_map":3})", R"({"weight_map":{}})"}) {
    expect(ErrorCode::bad_format, "expected an object \"weight_map\"", text);
  }
  expect(ErrorCode::bad_format, "not valid JSON", "{");
  for (const char* const file : {"3", "\"\"", "\".\"", "\"..\"", "\"../1.st\"", "\"/etc/passwd\"",
                                 "\"a\\\\b\"", "\"1.st\\u0000\"", "null"}) {
    expect(ErrorCode::bad_format, "gives tensor \"a\" no plain file name",
           index_of("{\"a\":" + std::string(file) + "}"));
  }
  expect(ErrorCode::file_not_found, "3.st: this shard is missing",
         index_of(R"({"a":"1.st","b":"3.st"})"));
  expect(ErrorCode::bad_format, "1.st: does not hold tensor \"b\"",
         index_of(R"({"a":"1.st","b":"1.st"})"));
  expect(ErrorCode::bad_format, "2.st: does not hold tensor \"b\"",
         index_of(R"({"a":"1.st","b":"2.st"})"));
  dir.write("2.st", safetensors_bytes(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                      R"("b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                                      "ab"));
  expect(ErrorCode::bad_format, "2.st: tensor \"a\" is also in 1.st",
         index_of(R"({"a":"1.st","b":"2.st"})"));
}

// --- values ---

// Same bits, except that one NaN is as good as another.
void expect_same(float got, float expected, const std::string& where) {
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(got)) << where;
  } else {
    EXPECT_EQ(std::bit_cast<std::uint32_t>(got), std::bit_cast<std::uint32_t>(expected)) << where;
  }
}

TEST(ReadValues, DequantizesAsTheGgufPackage) {
  const auto data = std::filesystem::path(LLM_SOURCE_DIR) / "tests" / "unit" / "data";
  const auto gguf = WeightStore::open(data / "types.gguf");
  const auto expected = WeightStore::open(data / "types.safetensors");
  ASSERT_EQ(gguf->names(), expected->names());
  ASSERT_EQ(gguf->names().size(), 17u);
  for (const std::string& name : gguf->names()) {
    const FileTensor& tensor = *gguf->find(name);
    ASSERT_EQ(tensor.shape, expected->find(name)->shape) << name;
    const auto count = tensor.rows() * tensor.cols();
    std::vector<float> values(static_cast<std::size_t>(count)), golden(values.size());
    std::vector<double> wide(values.size()), wide_golden(values.size());
    llm::read_values(tensor, 0, count, values.data());
    llm::read_values(tensor, 0, count, wide.data());
    llm::read_values(*expected->find(name), 0, count, golden.data());
    llm::read_values(*expected->find(name), 0, count, wide_golden.data());
    for (std::size_t i = 0; i < values.size(); ++i) {
      expect_same(values[i], golden[i], name + " " + std::to_string(i));
      if (std::isnan(wide_golden[i])) continue;
      EXPECT_EQ(wide[i], wide_golden[i]) << name << " " << i;
    }
  }
}

TEST(ReadValues, ReadsAnyRangeOfBlocks) {
  const auto file =
      std::filesystem::path(LLM_SOURCE_DIR) / "tests" / "unit" / "data" / "types.gguf";
  const auto store = WeightStore::open(file);
  for (const std::string& name : store->names()) {
    const FileTensor& tensor = *store->find(name);
    const auto count = tensor.rows() * tensor.cols();
    const auto unit = llm::block_values(tensor.dtype);
    std::vector<float> all(static_cast<std::size_t>(count)), part(all.size());
    llm::read_values(tensor, 0, count, all.data());
    llm::read_values(tensor, unit, count - 2 * unit, part.data());
    EXPECT_EQ(std::memcmp(part.data(), all.data() + unit,
                          static_cast<std::size_t>(count - 2 * unit) * sizeof(float)),
              0);
    llm::read_values<float>(tensor, count, 0, nullptr);
    const std::pair<std::int64_t, std::int64_t> wrong[] = {
        {0, count + unit},
        {-unit, unit},
        {unit, -unit},
        {count, unit},
        {unit, std::numeric_limits<std::int64_t>::max() / unit * unit}};
    for (const auto& [first, length] : wrong) {
      EXPECT_THROW(llm::read_values(tensor, first, length, part.data()), Error) << name;
    }
    if (unit == 1) continue;
    EXPECT_THROW(llm::read_values(tensor, 1, unit, part.data()), Error);
    EXPECT_THROW(llm::read_values(tensor, 0, 1, part.data()), Error);
  }
}

TEST(ReadValues, RefusesIntegersAndMissingBytes) {
  const std::byte bytes[8] = {};
  float out[2];
  const FileTensor ids{"ids", DType::i64, {1}, bytes};
  expect_error(ErrorCode::unsupported, "\"ids\" is of type i64",
               [&] { llm::read_values(ids, 0, 1, out); });
  const FileTensor cut{"cut", DType::f64, {2}, bytes};
  expect_error(ErrorCode::internal, "\"cut\"", [&] { llm::read_values(cut, 0, 2, out); });
}

// Every half there is, against the definition.
TEST(ReadValues, WidensEveryHalf) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const float got = llm::detail::f16_to_float(static_cast<std::uint16_t>(bits));
    const auto exponent = static_cast<int>(bits >> 10 & 31);
    const auto fraction = static_cast<double>(bits & 1023);
    EXPECT_EQ(std::signbit(got), bits >> 15 == 1) << bits;
    if (exponent == 31) {
      EXPECT_EQ(std::isnan(got), fraction != 0) << bits;
      EXPECT_EQ(std::isinf(got), fraction == 0) << bits;
    } else {
      const double size =
          exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
      EXPECT_EQ(static_cast<double>(std::fabs(got)), size) << bits;
    }
  }
}

// --- real files ---

TEST(WeightStore, OpensRealCheckpoints) {
  const auto folder = shared_files() / "checkpoints";
  if (!std::filesystem::is_directory(folder)) GTEST_SKIP() << folder << " is not there";
  EXPECT_NE(WeightStore::open(folder / "llama-stories260K")->find("model.embed_tokens.weight"),
            nullptr);
  const auto bart = WeightStore::open(folder / "bart-g2p-en-us");
  ASSERT_FALSE(bart->names().empty());
  for (const std::string& name : bart->names()) {
    const FileTensor& tensor = *bart->find(name);
    std::vector<float> values(static_cast<std::size_t>(tensor.rows() * tensor.cols()));
    llm::read_values(tensor, 0, tensor.rows() * tensor.cols(), values.data());
  }
  const auto gpt2 = WeightStore::open(folder / "gpt2-tarot-aitextgen");
  EXPECT_EQ(gpt2->find("transformer.h.0.attn.bias")->dtype, DType::u8);
}

}  // namespace
