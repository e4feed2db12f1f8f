// Reading and writing files of rows: what is written is read again as it was, and no file, however
// damaged, does more harm than bad rows.
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "llm/core/error.hpp"
#include "shell/row_reader.hpp"
#include "shell/row_writer.hpp"
#include "support/mutate.hpp"
#include "support/temp_dir.hpp"

namespace llm::shell {
namespace {

using test::TempDir;

std::vector<Row> read_rows(const std::string& path, InputFormat format,
                           std::vector<RowReader::Field> fields = {}) {
  RowReader reader(path, {.format = format, .fields = std::move(fields)});
  std::vector<Row> rows;
  while (std::optional<Row> row = reader.next()) rows.push_back(std::move(*row));
  return rows;
}

// Texts of the characters that formats treat specially.
std::string awkward_text(std::mt19937& random) {
  static constexpr std::string_view pieces[] = {"\"", "\"\"", ",", "\t", "\n", "\r\n",
                                                "\r", " ",    "a", "é",  "\\", "{{x}}"};
  std::string text;
  for (std::size_t count = random() % 6; count > 0; --count)
    text += pieces[random() % std::size(pieces)];
  return text;
}

// Bytes of memory that are no file's.
std::size_t own_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:")) return std::stoul(line.substr(8)) * 1024;
  return 0;
}

TEST(RowFiles, AllIdsAreComparedInConstantMemory) {
  constexpr std::uint64_t count = 600'000;
  SeenIds seen;
  const std::size_t before = own_memory();
  std::uint64_t known = 0;
  for (std::uint64_t line = 1; line <= count; ++line)
    known += seen.add("row " + std::to_string(line), line).has_value();
  EXPECT_EQ(known, 0u);
  EXPECT_LT(own_memory(), before + (std::size_t{6} << 20));  // they take 19 MB
  for (const std::uint64_t line : {std::uint64_t{1}, count / 3, count})
    EXPECT_EQ(seen.add("row " + std::to_string(line), count + 1), line);
  EXPECT_EQ(seen.add("row 0", count + 1), std::nullopt);
}

TEST(RowFiles, CellsAreReadAsTheyWereWritten) {
  const TempDir folder;
  std::mt19937 random(1);
  for (const auto& [format, input] :
       {std::pair{Format::csv, InputFormat::csv}, std::pair{Format::tsv, InputFormat::tsv},
        std::pair{Format::jsonl, InputFormat::jsonl}}) {
    RowWriter writer({.format = format, .columns = {"a,b", "c\t\"d\""}, .text = {}}, 0);
    std::string file;
    std::vector<OrderedJson> expected;
    for (int i = 0; i < 300; ++i) {
      Row row;
      row.id = OrderedJson(std::to_string(i)).dump();
      OrderedJson fields = {{"a,b", awkward_text(random)}, {"c\t\"d\"", awkward_text(random)}};
      expected.push_back(fields);
      file += writer.bytes(row, RowResult(std::move(fields)));
    }
    const auto rows = read_rows(folder.write("rows", file).string(), input);
    ASSERT_EQ(rows.size(), expected.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      EXPECT_FALSE(rows[i].error) << rows[i].error->message;
      EXPECT_EQ(rows[i].id, '"' + std::to_string(i) + '"');
      for (const auto& [name, value] : expected[i].items())
        EXPECT_EQ(rows[i].fields[name], value) << i;
    }
  }
}

TEST(RowFiles, DamagedOnesAreBadRowsAtWorst) {
  const TempDir folder;
  const std::string files[] = {
      "id,text\n1,one\n2,\"two, \"\"2\"\"\"\n3,\"thr\nee\"\n", "id\ttext\n1\tone\n2\t\"two\"\n",
      "{\"id\":1,\"text\":\"one\"}\n{\"id\":2,\"text\":\"two\",\"list\":[1,{\"a\":null}]}\n",
      "one\ntwo\n\nthree\r\n"};
  test::Mutator mutate(3);
  for (std::size_t format = 0; format < 4; ++format) {
    for (int i = 0; i < 500; ++i) {
      const std::string path = folder.write("rows", mutate(files[format])).string();
      try {
        for (const Row& row : read_rows(path, static_cast<InputFormat>(format), {{"text", {}}})) {
          EXPECT_EQ(row.texts.size(), row.error ? row.texts.size() : 1u);
          if (!row.error) continue;
          EXPECT_TRUE(row.error->message.starts_with(row.place)) << row.error->message;
        }
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::invalid_input) << error.what();  // of the header
      }
    }
  }
}

TEST(RowFiles, MemoryDoesNotGrowWithTheFile) {
  const TempDir folder;
  std::string file = "text\n";
  for (int i = 0; i < 20000; ++i) file += "\"row, " + std::to_string(i) + "\"\n";
  RowReader reader(folder.write("rows.csv", file).string(),
                   {.format = InputFormat::csv, .fields = {{"text", {}}}});
  std::uint64_t count = 0;
  double before = 0;
  while (const std::optional<Row> row = reader.next()) {
    EXPECT_EQ(row->texts[0], "row, " + std::to_string(count));
    EXPECT_EQ(row->line, ++count + 1);
    EXPECT_GE(*reader.fraction(), before);
    before = *reader.fraction();
  }
  EXPECT_EQ(count, 20000u);
  EXPECT_NEAR(before, 1, 1e-3);
}

}  // namespace
}  // namespace llm::shell
