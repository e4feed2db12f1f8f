// Rows in and out: formats, fields, bad rows, shards. Shown with tokenize, which needs no model.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "cli/run_command.hpp"
#include "core/json.hpp"
#include "support/json_rows.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::cli_rows {
namespace {

using detail::OrderedJson;

// tokenize on rows from standard input.
Outcome tokenize(const std::string& input, std::vector<std::string> more) {
  std::vector<std::string> arguments = {"tokenize", "-m", llama, "--input", "-"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run(arguments, input);
}

std::vector<OrderedJson> ids_of(const std::vector<OrderedJson>& rows) {
  std::vector<OrderedJson> ids;
  for (const OrderedJson& row : rows) ids.push_back(row["ids"]);
  return ids;
}

TEST(Rows, AreTheSameInEveryFormat) {
  const std::string jsonl =
      "{\"id\":\"a\",\"text\":\"one, \\\"two\\\"\"}\n\n{\"id\":\"b\",\"text\":\"three\\nfour\"}\r\n"
      "{\"id\":\"c\",\"text\":\"\xc3\xa9\"}";
  const std::string csv =
      "\xef\xbb\xbfid,text\r\na,\"one, \"\"two\"\"\"\r\n\r\nb,\"three\nfour\"\r\nc,\xc3\xa9";
  const std::string tsv = "id\ttext\na\t\"one, \"\"two\"\"\"\nb\t\"three\nfour\"\nc\t\xc3\xa9\n";
  const Outcome expected = tokenize(jsonl, {"--jsonl"});
  ASSERT_EQ(expected.exit_code, 0) << expected.err;
  ASSERT_EQ(ordered_rows_of(expected.out).size(), 3u);
  EXPECT_EQ(tokenize(csv, {"--jsonl", "--input-format", "csv"}).out, expected.out);
  EXPECT_EQ(tokenize(tsv, {"--jsonl", "--input-format", "tsv"}).out, expected.out);
  const TempDir folder;
  for (const auto& [name, text] :
       {std::pair{"r.jsonl", jsonl}, std::pair{"r.csv", csv}, std::pair{"r.tsv", tsv}}) {
    const std::string file = folder.write(name, text).string();
    EXPECT_EQ(run({"tokenize", "-m", llama, "--input", file, "--jsonl"}).out, expected.out) << name;
  }
  const auto lines =
      ordered_rows_of(tokenize("x\r\n\ny", {"--input-format", "lines", "--jsonl"}).out);
  ASSERT_EQ(lines.size(), 3u);  // a blank line is a row, too
  EXPECT_EQ(lines[2]["id"], "3");
}

TEST(Rows, OfEveryOutputFormatCanBeReadAgain) {
  const std::string input =
      "{\"id\":7,\"text\":\"a,b\",\"n\":1.5,\"l\":[1]}\n"
      "{\"id\":\"x\",\"text\":\"a\\tb\\n\\\"c\\\"\",\"n\":null,\"l\":{\"a\":\"b\"}}\n";
  const auto expected = ordered_rows_of(tokenize(input, {"--jsonl", "--keep", "all"}).out);
  ASSERT_EQ(expected.size(), 2u);
  EXPECT_EQ(expected[0]["text"], "a,b");
  EXPECT_EQ(expected[0]["n"], 1.5);
  EXPECT_EQ(expected[1]["l"], OrderedJson::parse("{\"a\":\"b\"}"));
  for (const std::string format : {"csv", "tsv"}) {
    const Outcome out = tokenize(input, {"--format", format, "--keep", "text,n,l"});
    EXPECT_EQ(tokenize(input, {"--format", format, "--keep", "all"}).out, out.out);
    const Outcome again = tokenize(out.out, {"--input-format", format, "--jsonl", "--keep", "n,l"});
    const auto rows = ordered_rows_of(again.out);
    ASSERT_EQ(rows.size(), 2u) << again.err;
    EXPECT_EQ(ids_of(rows), ids_of(expected));
    EXPECT_EQ(rows[0]["n"], "1.5");
    EXPECT_EQ(rows[0]["id"], "7");
    EXPECT_EQ(rows[1]["n"], "");
    EXPECT_EQ(rows[1]["l"], "{\"a\":\"b\"}");
  }
  const Outcome list = tokenize(input, {"--json", "--keep", "all"});
  EXPECT_EQ(OrderedJson::parse(list.out), OrderedJson(expected));
}

TEST(Rows, KeepFieldsUnderTheirNames) {
  const std::string input = "{\"key\":\"k\",\"id\":3,\"text\":\"a\",\"ids\":\"mine\",\"z\":true}\n";
  const OrderedJson row = ordered_rows_of(tokenize(input, {"--keep", "z,ids", "--jsonl"}).out)[0];
  EXPECT_EQ(row["z"], true);
  EXPECT_EQ(row["input_ids"], "mine");  // the result has `ids`
  EXPECT_TRUE(row["ids"].is_array());
  EXPECT_FALSE(row.contains("key"));
  const OrderedJson other =
      ordered_rows_of(tokenize(input, {"--keep", "all", "--id-field", "key", "--jsonl"}).out)[0];
  EXPECT_EQ(other["id"], "k");
  EXPECT_EQ(other["input_id"], 3);
  // A new name is nobody else's.
  const std::string alike = R"({"text":"a","ids":[1],"input_ids":2})";
  for (const char* keep : {"all", "ids,input_ids"}) {
    const OrderedJson both =
        ordered_rows_of(tokenize(alike, {"--keep", keep, "--jsonl", "--field", "text"}).out)[0];
    EXPECT_EQ(both["input_input_ids"], OrderedJson({1})) << both;
    EXPECT_EQ(both["input_ids"], 2) << both;
  }
  const Outcome missing = tokenize(input, {"--keep", "zz", "--jsonl"});
  EXPECT_EQ(missing.exit_code, 5);
  EXPECT_NE(missing.out.find("did you mean"), std::string::npos) << missing.out;
  EXPECT_EQ(tokenize(input, {"--keep", "z", "--format", "text"}).exit_code, 2);
}

TEST(Rows, KeepTakesNoTextForANameOfAField) {
  const Outcome one = run({"tokenize", "-m", llama, "--jsonl", "--keep", "text", "hello"});
  ASSERT_EQ(one.exit_code, 0) << one.err;
  const OrderedJson row = ordered_rows_of(one.out)[0];
  EXPECT_EQ(row["text"], "hello");
  EXPECT_TRUE(row["ids"].is_array());
}

TEST(Rows, KeepNothingThatHasNoColumn) {
  const std::string input = "{\"text\":\"a\",\"n\":1}\n{\"text\":\"b\",\"m\":2}\n";
  const Outcome cells = tokenize(input, {"--keep", "all", "--format", "csv"});
  EXPECT_EQ(cells.exit_code, 5);
  EXPECT_NE(cells.out.find("line 2: the row has a field \"\"m\"\""), std::string::npos)
      << cells.out;
  EXPECT_EQ(tokenize(input, {"--keep", "all", "--jsonl"}).exit_code, 0);
}

TEST(Rows, BadOnesAreRowsWithErrors) {
  const std::string csv = "id,text\na,one\nb\nc,\"x\"y\nd,\xff\ne,\"two\nlines\"\nf,1,2\ng,three\n";
  const Outcome result = tokenize(csv, {"--input-format", "csv", "--jsonl"});
  EXPECT_EQ(result.exit_code, 5);
  EXPECT_EQ(result.err, "llm-generate: 4 of 7 rows failed\n");
  const auto rows = ordered_rows_of(result.out);
  ASSERT_EQ(rows.size(), 7u);
  const std::pair<int, std::string> errors[] = {{3, "expected 2 cells as in the header, got 1"},
                                                {4, "a quote within it must be doubled"},
                                                {5, "not UTF-8 at byte 3"},
                                                {8, "expected 2 cells as in the header, got 3"}};
  std::size_t at = 0;
  for (const OrderedJson& row : rows) {
    if (!row.contains("error")) continue;
    EXPECT_EQ(row["line"], errors[at].first);
    const std::string place = "standard input, line " + row["line"].dump() + ": ";
    EXPECT_TRUE(row["error"].get<std::string>().starts_with(place)) << row;
    EXPECT_NE(row["error"].get<std::string>().find(errors[at++].second), std::string::npos) << row;
  }
  EXPECT_EQ(at, 4u);
  for (const std::size_t good : {0u, 4u, 6u}) EXPECT_TRUE(rows[good].contains("ids"));

  const Outcome strict = tokenize(csv, {"--input-format", "csv", "--jsonl", "--strict"});
  EXPECT_EQ(strict.exit_code, 4);
  EXPECT_EQ(ordered_rows_of(strict.out).size(), 1u);
  EXPECT_NE(strict.err.find("error: standard input, line 3: "), std::string::npos) << strict.err;
  const Outcome cells = tokenize(csv, {"--input-format", "csv", "--format", "csv"});
  EXPECT_EQ(std::count(cells.out.begin(), cells.out.end(), '\n'), 8);
}

// The line is written over and over and is gone in the end.
TEST(Rows, ShowHowFarTheyAreOnATerminal) {
  const TempDir folder;
  std::string input;
  for (int i = 0; i < 30000; ++i) input += "{\"text\":\"once upon a time\"}\n";
  Command command;
  command.arguments = {"-m",      llama,     "--num-beams",
                       "8",       "-n",      "100",
                       "--jsonl", "--input", folder.write("rows.jsonl", input).string()};
  command.terminal_error = true;
  command.interrupt_after_error = " left";  // it would take minutes
  const Outcome shown = run(command);
  EXPECT_EQ(shown.exit_code, 130);
  EXPECT_TRUE(std::regex_search(
      shown.err, std::regex("\r\x1b\\[K[0-9]+ rows, [0-9.]+ rows/s, "
                            "([0-9]+:)?[0-9]+:[0-9][0-9] left\r")))  // hours on a busy machine
      << shown.err;
  EXPECT_NE(shown.err.find("\r\x1b[Kllm-generate: interrupted after"), std::string::npos)
      << shown.err;
  EXPECT_EQ(shown.out.find('\r'), std::string::npos);
}

TEST(Rows, FilesThatAreNone) {
  const auto refused = [](const std::string& input, const std::string& format,
                          const std::string& part, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--input-format", format, "--jsonl"});
    const Outcome result = tokenize(input, more);
    EXPECT_EQ(result.exit_code, 4) << input;
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find(part), std::string::npos) << part << "\n" << result.err;
  };
  refused("", "csv", "is empty");
  refused("", "jsonl", "there are no rows in it");
  refused("\n\n", "jsonl", "there are no rows in it");
  refused("", "lines", "there are no rows in it");
  refused("id,text\n", "csv", "there are no rows in it");
  refused("id,txt\n1,a\n", "csv", "there is no column \"text\"; did you mean \"txt\"?");
  refused("text\na\n", "csv", "there is no column \"label\"", {"--keep", "label"});
  refused("text\na\n", "csv", "there is no column \"key\"", {"--id-field", "key"});
  refused("a,a\n", "csv", "is there twice");
  refused("a,\n", "csv", "a column has no name");
  refused("a,\"text\n1,2\n", "csv", "never closed");
  refused(std::string("\xff\xfet\0", 4), "csv", "is UTF-16");
  refused("te\xfft\n", "csv", "is not UTF-8 at byte 3");
}

TEST(Rows, UnclosedQuoteIsOneBadRow) {
  const Outcome result =
      tokenize("text\nfine\n\"open\nmore\n", {"--input-format", "csv", "--jsonl"});
  EXPECT_EQ(result.exit_code, 5);
  const auto rows = ordered_rows_of(result.out);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_NE(rows[1]["error"].get<std::string>().find("line 3: the quoted cell"), std::string::npos);
}

TEST(Rows, IdsThatAreThereTwiceAreRefused) {
  std::string input;
  for (int i = 0; i < 1000; ++i)
    input += "{\"id\":" + std::to_string(i % 997) + ",\"key\":" + std::to_string(i) +
             ",\"text\":\"a\"}\n";
  const Outcome twice = tokenize(input, {"--jsonl"});
  EXPECT_EQ(twice.exit_code, 5);
  EXPECT_EQ(twice.err, "llm-generate: 3 of 1000 rows failed\n");
  EXPECT_NE(twice.out.find("line 998: the id 0 is that of line 1, too"), std::string::npos);
  EXPECT_EQ(tokenize(input, {"--jsonl", "--id-field", "key"}).exit_code, 0);
}

TEST(Rows, ShardsShareThem) {
  std::string input;
  for (int i = 0; i < 10; ++i) input += "{\"text\":\"row " + std::to_string(i) + "\"}\n";
  const auto whole = ordered_rows_of(tokenize(input, {"--jsonl"}).out);
  std::vector<OrderedJson> parts(10);
  for (int shard = 1; shard <= 3; ++shard) {
    const Outcome out = tokenize(input, {"--jsonl", "--shard", std::to_string(shard) + "/3"});
    std::size_t at = static_cast<std::size_t>(shard) - 1;
    for (const OrderedJson& row : ordered_rows_of(out.out)) {
      parts[at] = row;
      at += 3;
    }
  }
  EXPECT_EQ(parts, whole);
  for (const char* shard : {"0/3", "4/3", "1", "/", "1/0", "-1/2", "1/x"})
    EXPECT_EQ(tokenize(input, {"--shard", shard}).exit_code, 2) << shard;
}

TEST(Rows, FormatFollowsTheNameOfTheOutput) {
  const TempDir folder;
  const auto write = [&](const std::string& name) {
    const std::string file = (folder.path() / name).string();
    EXPECT_EQ(run({"tokenize", "-m", llama, "-o", file, "Once"}).exit_code, 0);
    std::ifstream in(file, std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(in), {}};
  };
  EXPECT_TRUE(write("a.jsonl").starts_with("{\"id\":\"1\",\"ids\":["));
  EXPECT_TRUE(write("a.csv").starts_with("id,ids,tokens,offsets,error,error_code,line\n1,"));
  EXPECT_TRUE(write("a.tsv").starts_with("id\tids\t"));
  EXPECT_NE(write("a.txt")[0], '{');
  EXPECT_EQ(run({"tokenize", "-m", llama, "--format", "xml", "Once"}).exit_code, 2);
  EXPECT_EQ(run({"tokenize", "-m", llama, "--json", "--jsonl", "Once"}).exit_code, 2);
}

TEST(Rows, AnArgumentLeavesThePipeAlone) {
  EXPECT_EQ(run({"tokenize", "-m", llama, "Once"}, "upon\n").out,
            run({"tokenize", "-m", llama, "Once"}).out);
}

}  // namespace
}  // namespace llm::test::cli_rows
