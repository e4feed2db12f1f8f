// Damaged JSON: parsing ends in a value or in llm::Error with a short sentence of valid UTF-8.
#include <cstring>
#include <string>

#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "support/mutate.hpp"

namespace {

using llm::detail::Json;
using llm::detail::parse_json;

constexpr std::string_view config =
    R"({"model_type":"llama","hidden_size":64,"rms_norm_eps":1e-05,"rope_scaling":{"factor":8.0,)"
    R"("rope_type":"llama3"},"eos_token_id":[1,2],"tie_word_embeddings":false,"x":null,)"
    R"("text":"caf\u00e9 \ud83d\ude00 \u0000 \n","model_max_length":1000000000000000019884624838656})";

TEST(FuzzJson, DamagedConfig) {
  const Json whole = parse_json(config, "config.json");
  llm::test::Mutator mutate(4);
  int parsed = 0;
  for (int i = 0; i < 20000; ++i) {
    try {
      const Json json = parse_json(mutate(std::string(config)), "config.json");
      ASSERT_EQ(parse_json(json.dump(), "again"), json);
      ++parsed;
    } catch (const llm::Error& error) {
      EXPECT_EQ(error.code(), llm::ErrorCode::bad_format);
      EXPECT_LT(std::strlen(error.what()), 300u) << error.what();
      EXPECT_NO_THROW(Json(error.what()).dump());  // throws for invalid UTF-8
    }
  }
  EXPECT_GT(parsed, 100);
}

TEST(FuzzJson, EveryTruncationIsRefused) {
  for (std::size_t size = 0; size < config.size(); ++size) {
    EXPECT_THROW(parse_json(config.substr(0, size), "config.json"), llm::Error) << size;
  }
}

}  // namespace
