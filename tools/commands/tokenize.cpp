// llm-generate tokenize and detokenize: the first and the last station of the line alone. Both work
// on a folder that holds nothing but tokenizer files.
#include <algorithm>
#include <charconv>

#include "commands/row_flags.hpp"
#include "llm/core/error.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "shell/model_path.hpp"
#include "shell/signals.hpp"

namespace llm::shell {
namespace {

// One result per row.
template <typename Action>
RowTask task_of(std::vector<std::string> columns, const Action& action, TextForm text) {
  return {std::move(columns),
          [action](std::span<const Row> rows) {
            std::vector<RowResult> results;
            for (const Row& row : rows) results.emplace_back(action(row));
            return results;
          },
          std::move(text)};
}

OrderedJson encoding_json(const Tokenizer& tokenizer, const Encoding& encoding) {
  OrderedJson tokens = OrderedJson::array(), offsets = OrderedJson::array();
  for (const TokenId id : encoding.ids) tokens.push_back(tokenizer.token(id));
  for (const ByteSpan& span : encoding.offsets) offsets.push_back({span.begin, span.end});
  return {{"ids", encoding.ids}, {"tokens", std::move(tokens)}, {"offsets", std::move(offsets)}};
}

std::string ids_as_text(const Row&, const OrderedJson& result) {
  std::string text;
  for (const OrderedJson& id : result["ids"]) text += (text.empty() ? "" : " ") + id.dump();
  return text;
}

std::vector<TokenId> ids_from_text(const std::string& text, const std::string& place) {
  std::vector<TokenId> ids;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find_first_of(" \t\r\n,", begin), text.size());
    TokenId id = 0;
    const char* const last = text.data() + end;
    const auto read = std::from_chars(text.data() + begin, last, id);
    if (end > begin && (read.ec != std::errc() || read.ptr != last || id < 0))
      throw Error(ErrorCode::invalid_input,
                  place + ": " + quote(text.substr(begin, end - begin)) + " is not a token id");
    if (end > begin) ids.push_back(id);
    begin = end + 1;
  }
  return ids;
}

}  // namespace

int run_tokenize(const Arguments& arguments) {
  CommandLine line("tokenize", "Text to token ids, one line of ids per text.");
  bool plain = false;
  line.model_option(false);
  RowFlags rows(line, {.plain = true});
  line.flag("--no-special-tokens", plain, "Add no special tokens");
  if (const auto done = line.parse(arguments)) return *done;

  const auto tokenizer = Tokenizer::open(find_model(line.model_name()));
  const auto encode = [&](const Row& row) {
    return encoding_json(*tokenizer,
                         tokenizer->encode(row.texts[0], {.add_special_tokens = !plain,
                                                          .interrupt = &interrupt_flag()}));
  };
  return run_rows(rows.job(), task_of({"ids", "tokens", "offsets"}, encode, ids_as_text));
}

int run_detokenize(const Arguments& arguments) {
  CommandLine line("detokenize", "Token ids (12 7 3, or rows with \"ids\") to text.");
  bool keep = false;
  line.model_option(false);
  RowFlags rows(line, {.argument = "IDS", .ids = true, .plain = true});
  line.flag("--keep-special-tokens", keep, "Write special tokens, too");
  if (const auto done = line.parse(arguments)) return *done;

  const auto tokenizer = Tokenizer::open(find_model(line.model_name()));
  const auto decode = [&](const Row& row) {
    const std::vector<TokenId> ids =
        row.fields.contains("ids") ? token_ids(row) : ids_from_text(row.texts[0], row.place);
    return OrderedJson{{"text", tokenizer->decode(ids, {.skip_special_tokens = !keep})}};
  };
  const auto text = [](const Row&, const OrderedJson& result) {
    return result["text"].get<std::string>();
  };
  return run_rows(rows.job(), task_of({"text"}, decode, text));
}

}  // namespace llm::shell
