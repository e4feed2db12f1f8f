#include "llm/core/error.hpp"

#include <array>
#include <string>

#include "core/json.hpp"

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

TEST(Json, RejectsDepthDuplicatesAndGarbage) {
  using llm::detail::parse_json;
  EXPECT_THROW(parse_json(std::string(100000, '['), "f"), llm::Error);
  EXPECT_THROW(parse_json(R"({"a":1,"a":2})", "f"), llm::Error);
  EXPECT_THROW(parse_json("{", "f"), llm::Error);
  EXPECT_EQ(parse_json(R"({"a":{"a":2}})", "f")["a"]["a"], 2);
}

}  // namespace
