// A program for tests/compare_tokenizers.py: JSON lines in, JSON lines out, through one tokenizer.
//   tokenize_rows TOKENIZER < rows
// A row {"text": T} gives {"ids", "offsets" (bytes), "decoded", "decoded_all"}; {"ids": [...]}
// gives
// {"decoded", "decoded_all"}; an llm::Error gives {"error"}. "pair", "special", "target" and
// "language" are optional. {"file": F, "lines": true or false} encodes the lines of a file one by
// one or the whole file and gives {"seconds", "tokens"}.
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "llm/core/error.hpp"
#include "llm/tokenizer/tokenizer.hpp"

namespace {

using Json = nlohmann::json;

Json measure(const llm::Tokenizer& tokenizer, const Json& row) {
  std::ifstream in(row["file"].get<std::string>(), std::ios::binary);
  std::vector<std::string> texts;
  if (row.value("lines", true)) {
    for (std::string line; std::getline(in, line);) texts.push_back(line);
  } else {
    texts.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  std::size_t tokens = 0;
  const auto start = std::chrono::steady_clock::now();
  for (const std::string& text : texts) tokens += tokenizer.encode(text).ids.size();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  return {{"seconds", taken.count()}, {"tokens", tokens}};
}

Json run(const llm::Tokenizer& tokenizer, const Json& row) {
  if (row.contains("file")) return measure(tokenizer, row);
  Json out;
  std::vector<llm::TokenId> ids;
  if (row.contains("text")) {
    const llm::EncodeOptions options{.add_special_tokens = row.value("special", true),
                                     .is_target = row.value("target", false),
                                     .language = row.value("language", std::string())};
    const auto text = row["text"].get<std::string>();
    const llm::Encoding encoding =
        row.contains("pair") ? tokenizer.encode_pair(text, row["pair"].get<std::string>(), options)
                             : tokenizer.encode(text, options);
    ids = encoding.ids;
    Json offsets = Json::array();
    for (const llm::ByteSpan& span : encoding.offsets) offsets.push_back({span.begin, span.end});
    out = {{"ids", ids}, {"offsets", offsets}, {"type_ids", encoding.type_ids}};
  } else {
    ids = row["ids"].get<std::vector<llm::TokenId>>();
  }
  out["decoded"] = tokenizer.decode(ids);
  out["decoded_all"] = tokenizer.decode(ids, {.skip_special_tokens = false});
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  if (argc != 2) {
    std::cerr << "usage: tokenize_rows TOKENIZER < rows\n";
    return 2;
  }
  try {
    const auto tokenizer = llm::Tokenizer::open(argv[1]);
    for (std::string line; std::getline(std::cin, line);) {
      Json out;
      try {
        out = run(*tokenizer, Json::parse(line));
      } catch (const llm::Error& error) {
        out = {{"error", error.what()}};
      }
      std::cout << out.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
    }
  } catch (const llm::Error& error) {
    std::cerr << error.what() << '\n';
    return 3;
  }
  return 0;
}
