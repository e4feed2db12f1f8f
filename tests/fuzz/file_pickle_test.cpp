// Damaged files of torch.save: opening one and reading all of it ends in success or in llm::Error.
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "llm/weights/weight_store.hpp"
#include "support/mutate.hpp"
#include "support/paths.hpp"
#include "support/temp_dir.hpp"
#include "support/write_pytorch_bin.hpp"

namespace {

using namespace llm::test;
using llm::WeightStore;

std::string data(const std::string& name) {
  return llm::detail::read_file(source_dir() / "tests" / "unit" / "data" / name, 1 << 20);
}

// True when it could be opened. A wrong span shows under the address sanitizer.
bool try_file(const TempDir& dir, const std::string& bytes) {
  try {
    const auto store = WeightStore::open(dir.write("pytorch_model.bin", bytes));
    unsigned sum = 0;
    for (const std::string& name : store->names()) {
      for (const std::byte byte : store->find(name)->bytes) sum += std::to_integer<unsigned>(byte);
    }
    EXPECT_LT(sum, 0xffff'ffff);
    return true;
  } catch (const llm::Error& error) {
    EXPECT_NE(error.code(), llm::ErrorCode::internal) << error.what();
    EXPECT_LT(std::strlen(error.what()), 2000u);
    return false;
  }
}

class DamagedTorchFile : public testing::TestWithParam<const char*> {};

TEST_P(DamagedTorchFile, OpensOrThrows) {
  const TempDir dir;
  const std::string whole = data(GetParam());
  ASSERT_TRUE(try_file(dir, whole));
  for (std::size_t size = 0; size < whole.size(); size += 3) {
    EXPECT_FALSE(try_file(dir, whole.substr(0, size))) << size;
  }
  Mutator mutate(4);
  int opened = 0;
  for (int i = 0; i < 6000; ++i) opened += try_file(dir, mutate(whole));
  EXPECT_GT(opened, 100);  // damage to names and data must not all be refused
}

INSTANTIATE_TEST_SUITE_P(All, DamagedTorchFile,
                         testing::Values("torch_zip.bin", "torch_legacy.bin", "torch_nested.bin",
                                         "torch_module.bin"),
                         [](const auto& test) {
                           const std::string name = test.param;
                           return name.substr(0, name.find('.'));
                         });

// With a sound archive around it, so that the pickle is always reached.
TEST(FuzzPickle, DamagedPickle) {
  const TempDir dir;
  const std::string archive = data("torch_zip.bin");
  const std::size_t begin = archive.find(
      "\x80\x02"
      "ccollections");
  const std::string whole = archive.substr(begin, archive.find("u.PK", begin) + 2 - begin);
  Mutator mutate(5);
  for (int i = 0; i < 8000; ++i) try_file(dir, pytorch_bin(mutate(whole)));
}

}  // namespace
