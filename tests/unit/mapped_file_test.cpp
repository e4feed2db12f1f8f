// MappedFile: what it maps and how it refuses.
#include "core/mapped_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "support/catch_error.hpp"
#include "support/temp_dir.hpp"

namespace {

using llm::ErrorCode;
using llm::detail::MappedFile;
using llm::test::expect_error;
using llm::test::TempDir;

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, MapsAndMoves) {
  const TempDir dir;
  MappedFile first(dir.write("a", "hello"));
  EXPECT_EQ(text_of(first), "hello");
  MappedFile second(std::move(first));
  EXPECT_EQ(text_of(second), "hello");
  EXPECT_EQ(second.path(), dir.path() / "a");
  MappedFile third(dir.write("b", "other"));
  third = std::move(second);
  EXPECT_EQ(text_of(third), "hello");
  third = MappedFile();
  EXPECT_TRUE(third.bytes().empty());
}

TEST(MappedFile, EmptyFileGivesNoBytes) {
  const TempDir dir;
  EXPECT_TRUE(MappedFile(dir.write("empty", "")).bytes().empty());
}

TEST(MappedFile, RefusesWithTheReason) {
  const TempDir dir;
  expect_error(ErrorCode::file_not_found, "No such file",
               [&] { MappedFile(dir.path() / "missing"); });
  expect_error(ErrorCode::file_not_found, "is a folder", [&] { MappedFile file(dir.path()); });
  const auto pipe = dir.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  expect_error(ErrorCode::file_not_found, "not a regular file", [&] { MappedFile file(pipe); });
}

TEST(MappedFile, RefusesWhatItMayNotRead) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const TempDir dir;
  const auto file = dir.write("secret", "x");
  std::filesystem::permissions(file, std::filesystem::perms::none);
  expect_error(ErrorCode::file_not_found, "Permission denied", [&] { MappedFile mapped(file); });
}

TEST(MappedFile, KnowsLfsPointers) {
  const TempDir dir;
  const MappedFile file(
      dir.write("m", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"));
  expect_error(ErrorCode::bad_format, "git lfs pull",
               [&] { llm::detail::refuse_lfs_pointer(file); });
}

}  // namespace
