// Safetensors files: what is read and written, and a refusal for every way a header can lie.
#include <signal.h>
#include <sys/resource.h>

#include <array>
#include <fstream>
#include <iterator>

#include "llm/weights/weight_store.hpp"
#include "support/catch_error.hpp"
#include "support/temp_dir.hpp"
#include "support/write_safetensors.hpp"

namespace {

using namespace llm::test;
using llm::DType;
using llm::Error;
using llm::ErrorCode;
using llm::FileTensor;
using llm::WeightStore;

std::shared_ptr<const WeightStore> open(const std::string& bytes) {
  const TempDir dir;  // the mapping outlives the file's name
  return WeightStore::open(dir.write("model.safetensors", bytes));
}

void expect_bad_safetensors(const std::string& part, const std::string& bytes) {
  expect_error(ErrorCode::bad_format, part, [&] { open(bytes); });
}

// A header of one tensor "t" with these fields.
std::string header(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"t":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

void expect_bad_tensor(const std::string& part, const std::string& dtype, const std::string& shape,
                       const std::string& offsets, std::size_t data = 8) {
  expect_bad_safetensors(part,
                         safetensors_bytes(header(dtype, shape, offsets), std::string(data, 'd')));
}

std::string text_of(const FileTensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()};
}

TEST(Safetensors, ReadsTensorsAndMetadataUnaligned) {
  const float values[2] = {1.0f, -2.5f};
  std::string data = "abc";
  data.append(reinterpret_cast<const char*>(values), sizeof values).append("ss");
  const auto store = open(safetensors_bytes(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[1,2],"data_offsets":[3,11]},)"
      R"("a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
      R"("scalar":{"dtype":"BF16","shape":[],"data_offsets":[11,13]},)"
      R"("void":{"dtype":"I64","shape":[7,0,2],"data_offsets":[13,13]}}   )",
      data));
  EXPECT_EQ(store->names(), (std::vector<std::string>{"a", "b", "scalar", "void"}));
  EXPECT_EQ(store->metadata().at("format"), "pt");
  EXPECT_EQ(store->find("c"), nullptr);
  EXPECT_EQ(text_of(*store->find("a")), "abc");
  const FileTensor& b = *store->find("b");
  EXPECT_EQ(b.dtype, DType::f32);
  EXPECT_EQ(b.rows(), 1);
  EXPECT_EQ(b.cols(), 2);
  std::array<double, 2> read{};
  llm::read_values(b, 0, 2, read.data());
  EXPECT_EQ(read, (std::array<double, 2>{1.0, -2.5}));
  EXPECT_EQ(store->find("scalar")->rows(), 1);
  EXPECT_EQ(store->find("scalar")->cols(), 1);
  EXPECT_EQ(store->find("void")->rows(), 0);
}

TEST(Safetensors, ReadsAnEmptyFile) {
  EXPECT_TRUE(open(safetensors_bytes("{}", ""))->names().empty());
}

TEST(Safetensors, KnowsTheTypes) {
  const std::array<std::pair<const char*, DType>, 10> types{{{"F64", DType::f64},
                                                             {"F32", DType::f32},
                                                             {"F16", DType::f16},
                                                             {"BF16", DType::bf16},
                                                             {"I64", DType::i64},
                                                             {"I32", DType::i32},
                                                             {"I16", DType::i16},
                                                             {"I8", DType::i8},
                                                             {"U8", DType::u8},
                                                             {"BOOL", DType::boolean}}};
  for (const auto& [name, dtype] : types) {
    const auto size = static_cast<std::size_t>(llm::block_bytes(dtype));
    const auto store = open(safetensors_bytes(
        header('"' + std::string(name) + '"', "[1]", "[0," + std::to_string(size) + "]"),
        std::string(size, 'x')));
    EXPECT_EQ(store->find("t")->dtype, dtype);
  }
  for (const char* const name : {"F8_E4M3", "U16", "C64", "f32", ""}) {
    const Error error = catch_error([&] {
      open(safetensors_bytes(header('"' + std::string(name) + '"', "[4]", "[0,4]"), "abcd"));
    });
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_NE(std::string(error.what()).find("\"t\" is of type \"" + std::string(name)),
              std::string::npos);
  }
}

TEST(Safetensors, RefusesWrongHeaders) {
  expect_bad_safetensors("truncated", "");
  expect_bad_safetensors("truncated", "1234567");
  expect_bad_safetensors("git lfs pull",
                         "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
  for (const std::uint64_t lie : {std::uint64_t{3}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    expect_bad_safetensors("header is said to have", ByteWriter().number(lie).raw("{}").bytes());
  }
  expect_bad_safetensors("does not begin with", safetensors_bytes("", ""));
  expect_bad_safetensors("does not begin with", safetensors_bytes("[]", ""));
  expect_bad_safetensors("not valid JSON", safetensors_bytes("{", ""));
  expect_bad_safetensors("not valid JSON", safetensors_bytes("{}x", ""));
  expect_bad_safetensors("not valid JSON", safetensors_bytes("{\"\xff\":1}", ""));
  expect_bad_safetensors("nested deeper",
                         safetensors_bytes(R"({"a":)" + std::string(100000, '[') + "}", ""));
  expect_bad_safetensors("occurs twice", safetensors_bytes(R"({"a":1,"a":1})", ""));
  expect_bad_safetensors("__metadata__ is not", safetensors_bytes(R"({"__metadata__":[]})", ""));
  expect_bad_safetensors("not a string", safetensors_bytes(R"({"__metadata__":{"a":1}})", ""));
}

TEST(Safetensors, RefusesAHeaderAboveTheLimit) {
  const std::uint64_t size = 100'000'001;
  expect_bad_safetensors("at most 100000000",
                         ByteWriter().number(size).raw(std::string(size, ' ')).bytes());
}

TEST(Safetensors, RefusesWrongTensors) {
  expect_bad_safetensors("not described by an object", safetensors_bytes(R"({"t":[]})", ""));
  expect_bad_safetensors("has no dtype",
                         safetensors_bytes(R"({"t":{"shape":[],"data_offsets":[0,1]}})", ""));
  expect_bad_tensor("has no dtype", "3", "[4]", "[0,4]");
  expect_bad_safetensors("the shape",
                         safetensors_bytes(R"({"t":{"dtype":"U8","data_offsets":[0,0]}})", ""));
  for (const char* const shape : {"4", "[-1]", "[1.5]", "[1.0]", "[\"4\"]", "[[4]]", "[null]",
                                  "[1e3]", "[9223372036854775808]", "[99999999999999999999]"}) {
    expect_bad_tensor("the shape of tensor \"t\" is not", "\"U8\"", shape, "[0,4]");
  }
  for (const char* const offsets : {"[]", "[0]", "[0,4,4]", "[4,0]"}) {
    expect_bad_tensor("are not [begin, end]", "\"U8\"", "[4]", offsets);
  }
  expect_bad_tensor("the data_offsets of tensor", "\"U8\"", "[4]", "[-4,0]");
  expect_bad_tensor("only 8 bytes", "\"U8\"", "[9]", "[0,9]");
  expect_bad_tensor("only 8 bytes", "\"U8\"", "[4]", "[9223372036854775800,9223372036854775804]");
  expect_bad_tensor("has 4 bytes, but its shape and type need 16", "\"F32\"", "[4]", "[0,4]");
  expect_bad_tensor("need 0", "\"F32\"", "[0]", "[0,4]");
  expect_bad_tensor("too large", "\"F32\"", "[4611686018427387904,4]", "[0,8]");
  expect_bad_tensor("too large", "\"F32\"", "[0,4611686018427387904,4]", "[0,0]");
  expect_bad_tensor("too large", "\"U8\"", "[4294967296,4294967296]", "[0,0]");
}

TEST(Safetensors, RefusesHolesAndOverlap) {
  expect_bad_tensor("begins at byte 4, expected 0", "\"U8\"", "[4]", "[4,8]");
  expect_bad_tensor("end at byte 4", "\"U8\"", "[4]", "[0,4]");
  expect_bad_safetensors("end at byte 0", safetensors_bytes("{}", "d"));
  const auto two = [](const std::string& a, const std::string& b) {
    return safetensors_bytes(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + a +
                                 R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}",
                             std::string(9, 'd'));
  };
  expect_bad_safetensors("\"b\" begins at byte 3, expected 4", two("[0,4]", "[3,7]"));
  expect_bad_safetensors("\"b\" begins at byte 5, expected 4", two("[0,4]", "[5,9]"));
  expect_bad_safetensors("begins at byte 0, expected 4", two("[0,4]", "[0,4]"));
}

// --- writing ---

FileTensor tensor(const std::string& name, DType dtype, std::vector<std::int64_t> shape,
                  std::string_view bytes) {
  return {name, dtype, std::move(shape), std::as_bytes(std::span(bytes))};
}

TEST(WriteSafetensors, WhatIsWrittenIsRead) {
  const TempDir dir;
  const auto path = dir.write("out.safetensors", "old");
  const std::vector<FileTensor> tensors{tensor("z.u8", DType::u8, {3}, "abc"),
                                        tensor("a.f32", DType::f32, {2}, "12345678"),
                                        tensor("m.f64", DType::f64, {1, 1}, "ABCDEFGH"),
                                        tensor("empty", DType::f16, {0, 4}, ""),
                                        tensor("scalar \"\xc3\xa9\"", DType::i16, {}, "ss"),
                                        tensor("q", DType::boolean, {1}, "\1")};
  llm::write_safetensors(path, tensors, {{"llm-reference", "{\"a\":1}"}});
  const auto store = WeightStore::open(path);
  EXPECT_EQ(store->names().size(), tensors.size());
  EXPECT_EQ(store->metadata().at("llm-reference"), "{\"a\":1}");
  for (const FileTensor& written : tensors) {
    const FileTensor* const read = store->find(written.name);
    ASSERT_NE(read, nullptr) << written.name;
    EXPECT_EQ(read->dtype, written.dtype);
    EXPECT_EQ(read->shape, written.shape);
    EXPECT_EQ(text_of(*read), text_of(written));
    // The mapping begins at a page, so addresses show that the data is aligned.
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(read->bytes.data()) %
                  static_cast<std::uintptr_t>(llm::block_bytes(read->dtype)),
              0u);
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
}

TEST(WriteSafetensors, TheSameTensorsGiveTheSameBytesInAnyOrder) {
  const TempDir dir;
  std::vector<FileTensor> tensors{tensor("b", DType::u8, {1}, "b"),
                                  tensor("a", DType::u8, {1}, "a")};
  llm::write_safetensors(dir.path() / "1", tensors, {});
  std::swap(tensors[0], tensors[1]);
  llm::write_safetensors(dir.path() / "2", tensors, {});
  std::array<std::string, 2> text;
  for (const int i : {0, 1}) {
    std::ifstream in(dir.path() / std::to_string(i + 1));
    text[static_cast<std::size_t>(i)] = {std::istreambuf_iterator<char>(in), {}};
  }
  EXPECT_EQ(text[0], text[1]);
  EXPECT_LT(text[0].find("\"a\""), text[0].find("\"b\""));
  EXPECT_EQ(text[0].substr(text[0].size() - 2), "ab");
  EXPECT_EQ((text[0].size() - 2) % 8, 0u);
}

TEST(WriteSafetensors, FollowsALink) {
  const TempDir dir;
  dir.write("target", "old");
  std::filesystem::create_symlink("target", dir.path() / "link.safetensors");
  llm::write_safetensors(dir.path() / "link.safetensors", {}, {});
  EXPECT_TRUE(std::filesystem::is_symlink(dir.path() / "link.safetensors"));
  EXPECT_EQ(std::filesystem::file_size(dir.path() / "target"), 64u);  // "{}" padded
}

TEST(WriteSafetensors, RefusesWhatTheFormatCannotHold) {
  const TempDir dir;
  const auto write = [&](std::vector<FileTensor> tensors, std::map<std::string, std::string> meta) {
    llm::write_safetensors(dir.path() / "out", tensors, meta);
  };
  const FileTensor a = tensor("a", DType::u8, {1}, "a");
  expect_error(ErrorCode::invalid_input, "twice", [&] { write({a, a}, {}); });
  expect_error(ErrorCode::invalid_input, "reserved",
               [&] { write({tensor("__metadata__", DType::u8, {1}, "a")}, {}); });
  expect_error(ErrorCode::invalid_input, "has 3 bytes",
               [&] { write({tensor("t", DType::u8, {4}, "abc")}, {}); });
  expect_error(ErrorCode::unsupported, "of type q8_0",
               [&] { write({tensor("t", DType::q8_0, {32}, std::string(34, 'q'))}, {}); });
  expect_error(ErrorCode::invalid_input, "UTF-8",
               [&] { write({tensor("\xff", DType::u8, {1}, "a")}, {}); });
  expect_error(ErrorCode::invalid_input, "UTF-8", [&] { write({}, {{"k", "\xff"}}); });
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(WriteSafetensors, SaysWhyAndLeavesTheDestinationAlone) {
  const TempDir dir;
  expect_error(ErrorCode::invalid_option, "No such file",
               [&] { llm::write_safetensors(dir.path() / "no" / "out", {}, {}); });
  std::filesystem::create_directory(dir.path() / "folder");
  expect_error(ErrorCode::invalid_option, "directory",
               [&] { llm::write_safetensors(dir.path() / "folder", {}, {}); });
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
  if (std::filesystem::is_character_file("/dev/full")) {
    expect_error(ErrorCode::io, "No space left",
                 [] { llm::write_safetensors("/dev/full", {}, {}); });
    EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
  }
}

// A limit on the size of files stands for a full disk: the write fails half-way.
TEST(WriteSafetensors, AWriteThatFailsHalfWayLeavesNothingBehind) {
  const TempDir dir;
  const auto path = dir.write("out.safetensors", "old");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 4096;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string data(10000, 'x');
  Error error(ErrorCode::internal, "nothing thrown");
  try {
    llm::write_safetensors(path, std::vector{tensor("t", DType::u8, {10000}, data)}, {});
  } catch (const Error& thrown) {
    error = thrown;
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(error.code(), ErrorCode::io);
  EXPECT_NE(std::string(error.what()).find("File too large"), std::string::npos) << error.what();
  EXPECT_EQ(std::filesystem::file_size(path), 3u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
}

}  // namespace
