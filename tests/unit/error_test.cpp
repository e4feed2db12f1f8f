#include "llm/core/error.hpp"

#include <array>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "support/paths.hpp"

namespace {

TEST(Error, NearestNameFindsTyposOnly) {
  constexpr std::array<std::string_view, 3> names{"top_k", "top_p", "temperature"};
  EXPECT_EQ(llm::nearest_name("temprature", names.data(), names.size()), "temperature");
  EXPECT_EQ(llm::nearest_name("completely_different", names.data(), names.size()), "");
}

TEST(Error, QuoteEscapesAndCuts) {
  EXPECT_EQ(llm::quote("a\n\"b"), "\"a\\x0a\\\"b\"");
  EXPECT_EQ(llm::quote(std::string(100, 'x'), 3), "\"xxx...\"");
}

TEST(Error, NearestNameOfManyLongNames) {
  std::vector<std::string> texts(100'000, std::string(1000, 'x'));
  texts[500] = "temperature";
  const std::vector<std::string_view> names(texts.begin(), texts.end());
  EXPECT_EQ(llm::nearest_name("temprature", names.data(), names.size()), "temperature");
}

// What depends on the locale of the program, or prints.
TEST(Sources, AskNoLocale) {
  const std::regex banned(
      R"(\b(strto(d|f|ld)\b|sto(d|f|ld)\(|atof\(|\w*scanf|\w*printf.*%[-+0-9.*]*[aefgAEFG]|)"
      R"(setlocale|strcoll|strftime\(|std::locale|std::to(lower|upper)\(|)"
      R"(is(alpha|alnum|digit|xdigit|space|upper|lower|punct|print|cntrl|graph)\(static_cast))");
  std::size_t files = 0;
  for (const char* folder : {"src", "include"}) {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(llm::test::source_dir() / folder)) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".cpp" && extension != ".hpp") continue;
      ++files;
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) {
        const std::string code = line.substr(0, line.find("//"));
        if (code.find("std::locale::classic()") != std::string::npos) continue;
        EXPECT_FALSE(std::regex_search(code, banned)) << entry.path() << ": " << line;
      }
    }
  }
  EXPECT_GT(files, 200U);
}

TEST(Error, NothingPrintableCommandsATerminal) {
  EXPECT_EQ(llm::printable("caf\u00e9 \u6771\U0001f600 \\ \""), "caf\u00e9 \u6771\U0001f600 \\ \"");
  EXPECT_EQ(llm::printable("a\nb\tc\rd"), "a\\nb\\tc\\rd");
  EXPECT_EQ(llm::printable("a\nb\tc\rd", "\t\n"), "a\nb\tc\\rd");
  EXPECT_EQ(llm::printable("\033]52;c;QQ==\a\177"), "\\u001b]52;c;QQ==\\u0007\\u007f");
  EXPECT_EQ(llm::printable(std::string("\0x", 2)), "\\u0000x");
  EXPECT_EQ(llm::printable("\xc2\x9b"
                           "31m"),
            "\\u009b31m");  // C1 in UTF-8
  EXPECT_EQ(llm::printable("\x9b"
                           "31m\xff"),
            "\\x9b31m\\xff");  // and as bytes
  EXPECT_EQ(llm::printable("\u202etxt\u2066\u2069\u2028"), "\\u202etxt\\u2066\\u2069\\u2028");
  EXPECT_EQ(llm::printable("\xed\xa0\x80\xc0\x8a\xf5\xe2\x82"),  // no UTF-8
            "\\xed\\xa0\\x80\\xc0\\x8a\\xf5\\xe2\\x82");
  EXPECT_EQ(llm::printable(llm::printable("\033\xff\n")), llm::printable("\033\xff\n"));
  const llm::Error error(llm::ErrorCode::io, "a\nllm-generate: note: forged\033[2J");
  EXPECT_STREQ(error.what(), "a\\nllm-generate: note: forged\\u001b[2J");
}

TEST(Json, RejectsDepthDuplicatesAndGarbage) {
  using llm::detail::parse_json;
  EXPECT_THROW(parse_json(std::string(100000, '['), "f"), llm::Error);
  EXPECT_THROW(parse_json(R"({"a":1,"a":2})", "f"), llm::Error);
  EXPECT_THROW(parse_json("{", "f"), llm::Error);
  EXPECT_EQ(parse_json(R"({"a":{"a":2}})", "f")["a"]["a"], 2);
}

}  // namespace
