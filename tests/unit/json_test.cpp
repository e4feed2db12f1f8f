// JSON from untrusted files: what is accepted, and that every refusal says why in a short sentence.
#include "core/json.hpp"

#include "support/catch_error.hpp"
#include "support/shared_files.hpp"
#include "support/temp_dir.hpp"

namespace {

using namespace llm::test;
using llm::ErrorCode;
using llm::detail::Json;
using llm::detail::parse_json;

void expect_bad(const std::string& part, std::string_view text) {
  expect_error(ErrorCode::bad_format, part, [&] { parse_json(text, "f.json"); });
}

TEST(Json, BuildsEveryKindOfValue) {
  const Json json = parse_json(
      R"( {"a":[1,-2,2.5,1e-05,true,false,null,"x\n\u00e9\ud83d\ude00",[],{}],"b":{"a":{"a":[[1],[2]]}}} )",
      "f");
  const Json expected = {
      {"a", Json::array({1, -2, 2.5, 1e-05, true, false, nullptr, "x\n\xc3\xa9\xf0\x9f\x98\x80",
                         Json::array(), Json::object()})},
      {"b", {{"a", {{"a", Json::array({Json::array({1}), Json::array({2})})}}}}}};
  EXPECT_EQ(json, expected);
  EXPECT_EQ(parse_json("3", "f"), 3);
  EXPECT_EQ(parse_json("\xef\xbb\xbf[]", "f"), Json::array());  // a byte order mark is skipped
}

TEST(Json, KeepsLargeNumbersAsFarAsTheyGo) {
  EXPECT_EQ(parse_json("18446744073709551615", "f").get<std::uint64_t>(), ~std::uint64_t{0});
  const Json large = parse_json("1000000000000000019884624838656", "f");  // found in real files
  EXPECT_TRUE(large.is_number_float());
  EXPECT_EQ(large.get<double>(), 1e30);
}

TEST(Json, RefusesWhatIsNotANumber) {
  for (const char* const text : {"NaN", "Infinity", "-Infinity", "{\"eps\":NaN}", "01", "1.", ".5",
                                 "+1", "0x10", "1e", "--1"}) {
    expect_bad("f.json: not valid JSON: ", text);
  }
  expect_bad("number overflow parsing '1e999'", "1e999");
  expect_bad("number overflow", "[-1e999]");
}

TEST(Json, RefusesGarbage) {
  for (const char* const text :
       {"", " ", "{", "[1,]", "{\"a\"}", "{\"a\":1,}", "{a:1}", "'a'", "[1]x", "// c\n1",
        "\"a\nb\"", "\"\\x\"", "\"\\ud800\"", "\"\\udc00\\ud800\"", "tru", "]", "}"}) {
    expect_bad("f.json: not valid JSON: ", text);
  }
  expect_bad("NUL byte at position 2", std::string_view("{}\0{", 4));
  expect_bad("NUL byte", std::string_view("\"a\0b\"", 5));
}

TEST(Json, RefusesInvalidUtf8) {
  for (const char* const bytes :
       {"\xff", "\x80", "\xc0\xaf", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80"}) {
    expect_bad("ill-formed UTF-8", std::string("\"") + bytes + "\"");
  }
}

TEST(Json, RefusesDuplicatesHoweverTheyAreWritten) {
  expect_bad("\"a\" occurs twice", R"({"a":1,"a":2})");
  expect_bad("\"a\" occurs twice", R"({"a":{"b":1},"\u0061":2})");
  expect_bad("\"b\" occurs twice", R"([{"a":{"b":1,"c":{"b":3},"b":2}}])");
}

TEST(Json, BoundsTheDepth) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  const auto limit = static_cast<std::size_t>(llm::detail::max_json_depth);
  EXPECT_NO_THROW(parse_json(nested(limit), "f"));
  expect_bad("nested deeper than 100", nested(limit + 1));
  expect_bad("nested deeper than 100", std::string(1'000'000, '['));
  std::string objects;
  for (int i = 0; i < 1000; ++i) objects += "{\"a\":";
  expect_bad("nested deeper than 100", objects);
}

// Members are found by an index where there are many: also after some are gone or were copied.
TEST(Json, KeepsTheOrderOfManyMembers) {
  using llm::detail::OrderedJson;
  std::string text = "{";
  for (int i = 0; i < 1000; ++i)
    text += (i == 0 ? "\"" : ",\"") + std::to_string(i * 7919 % 1000) + "\":" + std::to_string(i);
  text += '}';
  OrderedJson json = llm::detail::parse_ordered_json(text, "f");
  EXPECT_EQ(json.dump(), text);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(json[std::to_string(i * 7919 % 1000)], i);
  const OrderedJson copy = json;
  json.erase("0");
  json.erase("919");
  json["new"] = -1;
  EXPECT_EQ(json.size(), 999u);
  EXPECT_FALSE(json.contains("919"));
  EXPECT_EQ(json["838"], 2);
  EXPECT_EQ(json["new"], -1);
  EXPECT_EQ(json.back(), -1);
  EXPECT_EQ(copy["919"], 1);
  json = copy;
  EXPECT_EQ(json, copy);
  json.clear();
  EXPECT_FALSE(json.contains("838"));
  expect_error(ErrorCode::bad_format, "\"5\" occurs twice", [&] {
    llm::detail::parse_ordered_json(text.substr(0, text.size() - 1) + ",\"5\":0}", "f");
  });
  std::atomic<bool> interrupt = true;
  expect_error(ErrorCode::interrupted,
               "f: ", [&] { llm::detail::parse_ordered_json(text, "f", &interrupt); });
}

TEST(Json, SentencesStayShort) {
  for (const std::string& text :
       {"\"" + std::string(100'000, 'x'), std::string(100'000, '9') + "x",
        std::string(100'000, '9') + "e999999", "{\"" + std::string(100'000, 'k') + "\xff"}) {
    const auto error = catch_error([&] { parse_json(text, "f.json"); });
    EXPECT_LT(std::string(error.what()).size(), 300u);
  }
}

TEST(Json, ReadsFiles) {
  const TempDir dir;
  EXPECT_EQ(llm::detail::read_json_file(dir.write("a.json", "[1]")), Json::array({1}));
  EXPECT_EQ(llm::detail::read_file(dir.path() / "a.json", 3), "[1]");
  expect_error(ErrorCode::bad_format, "is 3 bytes, expected at most 2",
               [&] { llm::detail::read_file(dir.path() / "a.json", 2); });
  expect_error(ErrorCode::file_not_found, "No such file",
               [&] { llm::detail::read_json_file(dir.path() / "b.json"); });
  expect_error(ErrorCode::file_not_found, "folder",
               [&] { llm::detail::read_json_file(dir.path()); });
}

TEST(Json, BoundsTheSizeOfFilesBeforeReadingThem) {
  const TempDir dir;
  const auto file = dir.write("config.json", "{}");
  std::filesystem::resize_file(file, std::size_t{1} << 40);  // sparse: takes no room
  expect_error(ErrorCode::bad_format,
               "config.json: is 1099511627776 bytes, expected at most 8388608",
               [&] { llm::detail::read_json_file(file); });
  expect_error(ErrorCode::bad_format, "expected at most 67108864",
               [&] { llm::detail::read_json_file(file, llm::detail::max_table_bytes); });
}

TEST(Json, ReadsRealFilesAsTheLibraryDoes) {
  if (!std::filesystem::is_directory(shared_files())) GTEST_SKIP() << shared_files();
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(shared_files() / "tokenizers")) {
    if (entry.path().extension() != ".json") continue;
    const std::string text = llm::detail::read_file(entry.path(), llm::detail::max_table_bytes);
    EXPECT_EQ(parse_json(text, "f"), Json::parse(text)) << entry.path();
  }
}

}  // namespace
