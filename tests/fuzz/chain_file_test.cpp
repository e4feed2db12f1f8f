// Damaged chain files: they end in a plan or in llm::Error, and what can be planned can be run.
#include <cstring>
#include <string>

#include "core/json.hpp"
#include "llm/chain/chain.hpp"
#include "support/mutate.hpp"

namespace {

constexpr std::string_view file =
    R"({"inputs":{"list":["x",{"text":"y","n":2}],"q":"Why?"},"steps":[
{"name":"a","task":"text","map":"list","text":"{{index}}. {{item}} {{list}}"},
{"name":"b","reduce":"a","each":"{{item}}{{list}}","separator":"; "},
{"name":"c","task":"split","text":"{{b}}; {{q}}","separator":";"},
{"name":"d","task":"text","map":"c","text":["{{item}}","\\{{ {{c}}"]},
{"name":"e","reduce":"d","task":"text","text":"{{items}} {{b.text}}"}]})";

void run(const std::string& text) {
  llm::Chain<float> chain(llm::ChainDescription::parse(text, "c.json"), {});
  for (const llm::PlannedStep& planned : chain.plan().steps())
    if (planned.model) return;
  (void)chain.plan().explain();
  (void)chain.run({});
}

TEST(FuzzChain, DamagedFile) {
  run(std::string(file));
  llm::test::Mutator mutate(11);
  int done = 0;
  for (int i = 0; i < 10000; ++i) {
    try {
      run(mutate(std::string(file)));
      ++done;
    } catch (const llm::Error& error) {
      EXPECT_TRUE(error.code() == llm::ErrorCode::invalid_input ||
                  error.code() == llm::ErrorCode::file_not_found)
          << error.what();
      EXPECT_LT(std::strlen(error.what()), 2000u) << error.what();
    }
  }
  EXPECT_GT(done, 100);
}

TEST(FuzzChain, TextsThatDoubleAreRefused) {
  std::string steps = R"({"name":"s0","task":"text","text":"0123456789"})";
  for (int i = 1; i < 200; ++i) {
    const std::string before = "{{s" + std::to_string(i - 1) + "}}";
    steps += R"(,{"name":"s)" + std::to_string(i) + R"(","task":"text","text":")" + before +
             before + "\"}";
  }
  EXPECT_THROW(run("{\"steps\":[" + steps + "]}"), llm::Error);
}

}  // namespace
