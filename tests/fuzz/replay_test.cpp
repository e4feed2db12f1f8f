// The fuzz targets without a fuzzer: sound inputs are accepted, inputs that once were findings and
// damaged ones are refused with an Error that a person can read.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz/structure_mutator.hpp"
#include "fuzz/targets.hpp"
#include "support/paths.hpp"

namespace {

using llm::fuzz::Target;

class Fuzz : public testing::TestWithParam<Target> {};

TEST_P(Fuzz, AcceptsItsSeeds) {
  const auto seeds = GetParam().seeds();
  EXPECT_FALSE(seeds.empty());
  if (GetParam().name == std::string("chat-template")) return;  // some are there to be refused
  for (const auto& parts : seeds) {
    const auto refused = llm::fuzz::run(GetParam(), llm::fuzz::folder_bytes(parts));
    EXPECT_FALSE(refused) << *refused;
  }
}

TEST_P(Fuzz, FindingsStayMended) {
  const auto folder = llm::test::source_dir() / "tests" / "fuzz" / "findings" / GetParam().name;
  if (!std::filesystem::exists(folder)) return;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().filename().string());
    std::ifstream in(entry.path(), std::ios::binary);
    EXPECT_NO_THROW(
        llm::fuzz::run(GetParam(), std::string(std::istreambuf_iterator<char>(in), {})));
  }
}

TEST_P(Fuzz, DamagedSeedsEndInAnError) {
  constexpr int inputs = 100;
  constexpr std::size_t most_bytes = 20'000;  // larger ones take the fuzzer's time, not the suite's
  llm::test::Mutator random(1);
  std::vector<std::string> corpus;
  for (const auto& parts : GetParam().seeds()) {
    std::string bytes = llm::fuzz::folder_bytes(parts);
    if (bytes.size() < most_bytes) corpus.push_back(std::move(bytes));
  }
  for (int i = 0; i < inputs && !corpus.empty(); ++i) {
    llm::fuzz::StructureMutator mutate(static_cast<std::uint64_t>(i), std::ref(random));
    const std::string damaged = mutate.folder(corpus[random.below(corpus.size())]);
    EXPECT_NO_THROW(llm::fuzz::run(GetParam(), damaged)) << damaged;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Fuzz,
                         testing::ValuesIn(llm::fuzz::targets().begin(),
                                           llm::fuzz::targets().end()),
                         [](const auto& test) {
                           std::string name = test.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
