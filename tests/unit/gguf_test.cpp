// The GGUF container: every value type, and a refusal for every way a file can lie.
#include "core/gguf.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <string>

#include "support/catch_error.hpp"
#include "support/shared_files.hpp"
#include "support/temp_dir.hpp"
#include "support/write_gguf.hpp"

namespace {

using namespace llm::test;
using llm::Error;
using llm::ErrorCode;
using llm::detail::GgufFile;

constexpr std::uint32_t type_f32 = 0, type_q4_0 = 2, type_q4_k = 12;
constexpr std::uint64_t huge = std::uint64_t{1} << 62;

std::shared_ptr<const GgufFile> open_gguf(const std::string& bytes) {
  const TempDir dir;
  return GgufFile::open(dir.write("test.gguf", bytes));
}

void expect_bad_gguf(const std::string& part, const std::string& bytes) {
  expect_error(ErrorCode::bad_format, part, [&] { open_gguf(bytes); });
}

TEST(Gguf, ReadsEveryScalarType) {
  for (const std::uint32_t version : {2u, 3u}) {
    GgufWriter w;
    w.version = version;
    w.key<std::uint8_t>("u8", gguf_u8, 200).key<std::int8_t>("i8", gguf_i8, -100);
    w.key<std::uint16_t>("u16", gguf_u16, 60000).key<std::int16_t>("i16", gguf_i16, -30000);
    w.key<std::uint32_t>("u32", gguf_u32, 4000000000).key<std::int32_t>("i32", gguf_i32, -7);
    w.key<std::uint64_t>("u64", gguf_u64, huge).key<std::int64_t>("i64", gguf_i64, -8);
    w.key<float>("f32", gguf_f32, 0.5f).key<double>("f64", gguf_f64, 0.1);
    w.key<std::uint8_t>("yes", gguf_bool, 1).key<std::uint8_t>("no", gguf_bool, 0);
    w.key("text", "caf\xc3\xa9").key("empty", "");
    const auto file = open_gguf(w.bytes());
    EXPECT_EQ(file->metadata().size(), 14u);
    EXPECT_EQ(file->find_int("u8"), 200);
    EXPECT_EQ(file->find_int("i8"), -100);
    EXPECT_EQ(file->find_int("u16"), 60000);
    EXPECT_EQ(file->find_int("i16"), -30000);
    EXPECT_EQ(file->find_int("u32"), 4000000000);
    EXPECT_EQ(file->find_int("i32"), -7);
    EXPECT_EQ(file->find_int("u64"), static_cast<std::int64_t>(huge));
    EXPECT_EQ(file->find_int("i64"), -8);
    EXPECT_EQ(file->find_float("f32"), 0.5);
    EXPECT_EQ(file->find_float("f64"), 0.1);
    EXPECT_EQ(file->find_float("u8"), 200.0);
    EXPECT_EQ(file->find_float("i32"), -7.0);
    EXPECT_EQ(file->find_bool("yes"), true);
    EXPECT_EQ(file->find_bool("no"), false);
    EXPECT_EQ(file->find_string("empty"), "");
    EXPECT_EQ(file->find_int("absent"), std::nullopt);
    EXPECT_EQ(file->find_float("absent"), std::nullopt);
    EXPECT_EQ(file->find_string("absent"), std::nullopt);
  }
}

TEST(Gguf, ReadsArrays) {
  GgufWriter w;
  w.array<std::int32_t>("i32", gguf_i32, {1, -2, 3}).array<std::uint8_t>("u8", gguf_u8, {255});
  w.array<std::uint64_t>("u64", gguf_u64, {5}).array<std::int8_t>("none", gguf_i8, {});
  w.array<float>("f32", gguf_f32, {0.5f, -1.5f}).array<double>("f64", gguf_f64, {0.1});
  w.array<std::uint8_t>("bools", gguf_bool, {1, 0}).strings("s", {"a", "", "bc"});
  const TempDir dir;  // the strings are views into the mapped file
  const auto file = GgufFile::open(dir.write("test.gguf", w.bytes()));
  EXPECT_EQ(*file->find_ints("i32"), (std::vector<std::int64_t>{1, -2, 3}));
  EXPECT_EQ(*file->find_ints("u8"), (std::vector<std::int64_t>{255}));
  EXPECT_EQ(*file->find_ints("u64"), (std::vector<std::int64_t>{5}));
  EXPECT_TRUE(file->find_ints("none")->empty());
  EXPECT_EQ(*file->find_floats("f32"), (std::vector<double>{0.5, -1.5}));
  EXPECT_EQ(*file->find_floats("f64"), (std::vector<double>{0.1}));
  EXPECT_EQ(*file->find_strings("s"), (llm::detail::GgufStrings{"a", "", "bc"}));
  EXPECT_EQ(file->find_strings("absent"), nullptr);
  const auto& bools = std::get<std::vector<bool>>(file->metadata().at("bools").value);
  EXPECT_EQ(bools, (std::vector<bool>{true, false}));
}

TEST(Gguf, LookUpOfAnotherTypeNamesTheKey) {
  GgufWriter w;
  w.key("text", "x").key<std::uint64_t>("big", gguf_u64, ~std::uint64_t{0});
  const auto file = open_gguf(w.bytes());
  expect_error(ErrorCode::bad_format, "\"text\" is not an integer",
               [&] { file->find_int("text"); });
  expect_error(ErrorCode::bad_format, "\"big\" is not an integer", [&] { file->find_int("big"); });
  expect_error(ErrorCode::bad_format, "not a number", [&] { file->find_float("text"); });
  expect_error(ErrorCode::bad_format, "not a boolean", [&] { file->find_bool("text"); });
  expect_error(ErrorCode::bad_format, "not a string", [&] { file->find_string("big"); });
  expect_error(ErrorCode::bad_format, "array of strings", [&] { file->find_strings("text"); });
  expect_error(ErrorCode::bad_format, "array of integers", [&] { file->find_ints("text"); });
  expect_error(ErrorCode::bad_format, "array of numbers", [&] { file->find_floats("text"); });
}

TEST(Gguf, ReadsTensors) {
  GgufWriter w;
  w.alignment = 64;
  w.key<std::uint32_t>("general.alignment", gguf_u32, 64);
  w.tensor("a", type_f32, {3, 2}, std::string(24, 'a')).tensor("s", type_f32, {}, "ssss");
  w.tensor("q", type_q4_0, {64, 1}, std::string(36, 'q')).tensor("z", type_f32, {0, 5}, "");
  w.tensor("k", type_q4_k, {256}, std::string(144, 'k')).tensor("?", 999, {7}, "x");
  const auto file = open_gguf(w.bytes());
  ASSERT_EQ(file->tensors().size(), 6u);
  const auto& a = file->tensors()[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(a.bytes.size(), 24u);
  EXPECT_EQ(static_cast<char>(a.bytes[0]), 'a');
  EXPECT_TRUE(file->tensors()[1].shape.empty());
  EXPECT_EQ(file->tensors()[1].bytes.size(), 4u);
  EXPECT_EQ(file->tensors()[2].bytes.size(), 36u);
  EXPECT_EQ(file->tensors()[3].bytes.size(), 0u);
  EXPECT_EQ(file->tensors()[4].bytes.size(), 144u);
  EXPECT_EQ(file->tensors()[5].type, 999u);
  EXPECT_EQ(file->tensors()[5].bytes.size(), 0u);
}

TEST(Gguf, RefusesWrongHeaders) {
  expect_bad_gguf("begin with \"GGUF\"", "");
  expect_bad_gguf("begin with \"GGUF\"", "GGUF");
  expect_bad_gguf("begin with \"GGUF\"", "ggml" + GgufWriter().bytes().substr(4));
  expect_bad_gguf("git lfs pull",
                  "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
  GgufWriter w;
  for (const std::uint32_t version : {0u, 1u, 4u}) {
    w.version = version;
    expect_error(ErrorCode::unsupported, "GGUF version " + std::to_string(version),
                 [&] { open_gguf(w.bytes()); });
  }
  w.version = 3u << 24;
  expect_error(ErrorCode::unsupported, "big-endian", [&] { open_gguf(w.bytes()); });
}

TEST(Gguf, RefusesCountsBeyondTheFile) {
  for (const std::uint64_t lie : {std::uint64_t{1}, huge, ~std::uint64_t{0}}) {
    GgufWriter keys, tensors;
    keys.key_count = lie;
    expect_bad_gguf("number of keys", keys.bytes());
    tensors.tensor_count = lie;
    expect_bad_gguf(lie == 1 ? "1, but only" : "number of tensors", tensors.bytes());
    const ByteWriter string =
        ByteWriter().string("k").number<std::uint32_t>(gguf_string).number(lie);
    expect_bad_gguf("a string", GgufWriter().bytes().substr(0, 16) +
                                    ByteWriter().number<std::uint64_t>(1).bytes() + string.bytes());
    for (const GgufType type : {gguf_u8, gguf_f64, gguf_bool, gguf_string}) {
      ByteWriter array;
      array.string("k").number<std::uint32_t>(gguf_array).number<std::uint32_t>(type).number(lie);
      expect_bad_gguf("length of an array", GgufWriter().bytes().substr(0, 16) +
                                                ByteWriter().number<std::uint64_t>(1).bytes() +
                                                array.bytes());
    }
  }
}

TEST(Gguf, RefusesWrongValues) {
  expect_bad_gguf("value's type", GgufWriter().key<std::uint64_t>("k", GgufType{13}, 0).bytes());
  expect_bad_gguf("item type", GgufWriter().array<std::uint64_t>("k", GgufType{13}, {0}).bytes());
  expect_bad_gguf("boolean", GgufWriter().key<std::uint8_t>("k", gguf_bool, 2).bytes());
  expect_bad_gguf("boolean", GgufWriter().array<std::uint8_t>("k", gguf_bool, {1, 3}).bytes());
  expect_bad_gguf("does not fit",
                  GgufWriter().array<std::uint64_t>("k", gguf_u64, {~std::uint64_t{0}}).bytes());
  expect_bad_gguf("\"k\" occurs twice", GgufWriter().key("k", "aaaaaaaa").key("k", "b").bytes());
  expect_error(ErrorCode::unsupported, "array of arrays", [] {
    open_gguf(GgufWriter().array<std::uint64_t>("k", gguf_array, {0, 0}).bytes());
  });
}

TEST(Gguf, RefusesWrongAlignment) {
  for (const std::uint32_t lie : {0u, 24u, 0x80000000u}) {
    GgufWriter w;
    w.key<std::uint32_t>("general.alignment", gguf_u32, lie).tensor("t", type_f32, {1}, "abcd");
    expect_bad_gguf("general.alignment", w.bytes());
  }
  expect_bad_gguf("general.alignment", GgufWriter().key("general.alignment", "32").bytes());
}

TEST(Gguf, RefusesWrongTensors) {
  const std::string data(64, 'x');
  expect_bad_gguf(
      "\"t\" occurs twice",
      GgufWriter().tensor("t", type_f32, {1}, "abcd").tensor("t", type_f32, {1}, "abcd").bytes());
  expect_bad_gguf("5 dimensions",
                  GgufWriter().tensor("t", type_f32, {1, 1, 1, 1, 1}, "abcd").bytes());
  expect_bad_gguf("too large", GgufWriter().tensor("t", type_f32, {huge, huge}, data).bytes());
  expect_bad_gguf("too large", GgufWriter().tensor("t", type_f32, {0, huge, huge}, data).bytes());
  expect_bad_gguf("too large",
                  GgufWriter().tensor("t", type_f32, {~std::uint64_t{0}}, data).bytes());
  expect_bad_gguf("more than the file", GgufWriter().tensor("t", type_f32, {huge}, data).bytes());
  expect_bad_gguf("multiple of 32 for the type Q4_0",
                  GgufWriter().tensor("t", type_q4_0, {33}, data).bytes());
  expect_bad_gguf("multiple of 256 for the type Q4_K",
                  GgufWriter().tensor("t", type_q4_k, {32, 8}, std::string(144, 'x')).bytes());
  expect_bad_gguf(
      "multiple of the alignment",
      GgufWriter().tensor("a", type_f32, {16}, data).tensor("t", type_f32, {1}, "", 4).bytes());
  expect_bad_gguf("truncated", GgufWriter().tensor("t", type_f32, {17}, data).bytes());
  for (const std::uint64_t offset : {std::uint64_t{96}, ~std::uint64_t{31}}) {
    expect_bad_gguf("truncated", GgufWriter()
                                     .tensor("a", type_f32, {16}, data)
                                     .tensor("t", type_f32, {1}, "", offset)
                                     .bytes());
  }
  expect_bad_gguf(
      "overlaps that of tensor \"a\"",
      GgufWriter().tensor("a", type_f32, {16}, data).tensor("t", type_f32, {1}, "", 32).bytes());
}

TEST(Gguf, EveryTruncationIsRefused) {
  GgufWriter w;
  w.key("general.name", "x").array<float>("f", gguf_f32, {1, 2}).strings("s", {"a", "b"});
  w.tensor("t", type_f32, {2, 2}, std::string(16, 't'));
  const std::string whole = w.bytes();
  open_gguf(whole);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW(open_gguf(whole.substr(0, size)), Error) << size;
  }
}

TEST(Gguf, OpensRealVocabularies) {
  const auto folder = shared_files() / "vectors" / "llamacpp";
  if (!std::filesystem::is_directory(folder)) GTEST_SKIP() << folder << " is not there";
  const std::array<std::pair<const char*, std::size_t>, 3> files{
      {{"ggml-vocab-gpt-2.gguf", 50257},
       {"ggml-vocab-llama-spm.gguf", 32000},
       {"ggml-vocab-bert-bge.gguf", 30522}}};
  for (const auto& [name, tokens] : files) {
    const auto file = GgufFile::open(folder / name);
    EXPECT_TRUE(file->tensors().empty());
    ASSERT_NE(file->find_strings("tokenizer.ggml.tokens"), nullptr) << name;
    EXPECT_EQ(file->find_strings("tokenizer.ggml.tokens")->size(), tokens);
    EXPECT_EQ(file->find_ints("tokenizer.ggml.token_type")->size(), tokens);
  }
}

}  // namespace
