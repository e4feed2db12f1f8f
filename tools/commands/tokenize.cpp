// llm-generate tokenize and detokenize: the first and the last station of the line alone. Both work
// on a folder that holds nothing but tokenizer files.
#include <charconv>

#include "commands/options.hpp"
#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "shell/exit_code.hpp"
#include "shell/input.hpp"
#include "shell/model_path.hpp"

namespace llm::shell {
namespace {

using OrderedJson = nlohmann::ordered_json;

struct TokenizeFlags {
  std::string text, file, lines, input, field = "text";
  bool has_text = false, json = false, jsonl = false, plain = false;
};

void write_json(Output& out, const OrderedJson& row) {
  out.write(row.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + '\n');
}

// Calls `action` with every row there is, in order.
template <typename Action>
void for_each_row(const TokenizeFlags& flags, const Action& action) {
  if (!flags.input.empty()) {
    RowReader reader(flags.input, flags.field);
    while (const std::optional<InputRow> row = reader.next()) action(*row);
  } else if (!flags.lines.empty()) {
    LineReader reader(flags.lines);
    while (std::optional<std::string> line = reader.next())
      action(InputRow{
          '"' + std::to_string(reader.line_number()) + '"', reader.place(), std::move(line), {}});
  } else if (!flags.file.empty() || !flags.has_text) {
    const std::string path = flags.file.empty() ? "-" : flags.file;
    if (flags.file.empty() && !stdin_is_piped())
      throw Error(ErrorCode::invalid_option,
                  "nothing is given to work on: an argument, a pipe, -f, --lines or --input");
    action(InputRow{"\"1\"", path, without_last_newline(read_input(path)), {}});
  } else {
    action(InputRow{"\"1\"", "the argument", flags.text, {}});
  }
}

// Adds where the row is from to what is wrong with it.
template <typename Action>
auto with_place(const InputRow& row, const Action& action) {
  try {
    return action();
  } catch (const Error& error) {
    throw Error(error.code(), row.place + ": " + error.what(), row.place);
  }
}

OrderedJson encoding_json(const Tokenizer& tokenizer, const InputRow& row,
                          const Encoding& encoding) {
  OrderedJson tokens = OrderedJson::array(), offsets = OrderedJson::array();
  for (const TokenId id : encoding.ids) tokens.push_back(tokenizer.token(id));
  for (const ByteSpan& span : encoding.offsets) offsets.push_back({span.begin, span.end});
  return {{"id", OrderedJson::parse(row.id)},
          {"ids", encoding.ids},
          {"tokens", std::move(tokens)},
          {"offsets", std::move(offsets)}};
}

std::string ids_as_text(const std::vector<TokenId>& ids) {
  std::string text;
  for (const TokenId id : ids) text += (text.empty() ? "" : " ") + std::to_string(id);
  return text + '\n';
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

// The flags of both commands; `plain` is the one about special tokens.
CLI::Option* add_flags(CommandLine& line, TokenizeFlags& flags, const std::string& plain,
                       const std::string& plain_help) {
  line.model_option(false);
  CLI::Option* const text = line.app().add_option("TEXT", flags.text, "What to work on");
  line.option("-f,--file", flags.file, "The whole file (without its last line end)");
  line.option("--lines", flags.lines, "Every line of the file; - is stdin");
  line.option("--input", flags.input, "JSON lines; - is stdin");
  line.flag("--json", flags.json, "Write JSON")
      ->excludes(line.flag("--jsonl", flags.jsonl, "Write one object a line"));
  line.flag(plain, flags.plain, plain_help);
  line.output_options();
  return text;
}

}  // namespace

int run_tokenize(const Arguments& arguments) {
  CommandLine line("tokenize", "Text to token ids, one line of ids per text.");
  TokenizeFlags flags;
  CLI::Option* const text = add_flags(line, flags, "--no-special-tokens", "Add no special tokens");
  line.option("--field", flags.field, "Name of the text in a row of --input");
  if (const auto done = line.parse(arguments)) return *done;
  flags.has_text = text->count() > 0;

  const auto tokenizer = Tokenizer::open(find_model(line.model_name()));
  Output out(line.output_path(), line.force());
  for_each_row(flags, [&](const InputRow& row) {
    if (!row.text)
      throw Error(ErrorCode::invalid_input, row.place + ": the row has no " + quote(flags.field));
    const Encoding encoding = with_place(
        row, [&] { return tokenizer->encode(*row.text, {.add_special_tokens = !flags.plain}); });
    if (flags.json || flags.jsonl) {
      write_json(out, encoding_json(*tokenizer, row, encoding));
    } else {
      out.write(ids_as_text(encoding.ids));
    }
  });
  out.finish();
  return exit_ok;
}

int run_detokenize(const Arguments& arguments) {
  CommandLine line("detokenize", "Token ids (12 7 3, or rows with \"ids\") to text.");
  TokenizeFlags flags;
  CLI::Option* const text =
      add_flags(line, flags, "--keep-special-tokens", "Write special tokens, too");
  if (const auto done = line.parse(arguments)) return *done;
  flags.has_text = text->count() > 0;

  const auto tokenizer = Tokenizer::open(find_model(line.model_name()));
  Output out(line.output_path(), line.force());
  flags.field.clear();  // a row's text is of no use here
  for_each_row(flags, [&](const InputRow& row) {
    const std::vector<TokenId> ids = row.text ? ids_from_text(*row.text, row.place) : row.ids;
    const std::string decoded = tokenizer->decode(ids, {.skip_special_tokens = !flags.plain});
    if (flags.json || flags.jsonl) {
      write_json(out, {{"id", OrderedJson::parse(row.id)}, {"text", decoded}});
    } else {
      out.write(decoded + '\n');
    }
  });
  out.finish();
  return exit_ok;
}

}  // namespace llm::shell
