// Results as text, JSON or JSON lines: what comes behind the line, on standard output or in a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "llm/generation/generator.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "shell/output.hpp"

namespace llm::shell {

enum class Format { text, json, jsonl };

class ResultWriter {
 public:
  struct Layout {
    Format format = Format::text;
    bool list = false;            // `json` is a list, not one object
    bool number_samples = false;  // rows say which sample they are
    bool echo = false;            // the prompt is part of what is written
  };
  // `tokenizer` may be null: ids are then written in place of text.
  ResultWriter(Output& out, const Layout& layout, const Tokenizer* tokenizer)
      : out_(out), layout_(layout), tokenizer_(tokenizer) {}

  // The prompt of the next row, in the order of the rows. Needed with `echo`.
  void add_prompt(std::string prompt);
  // A piece of the text of the only row, as soon as it is there; write() must follow.
  void stream(std::string_view piece);
  // One result, in order. A failed one is written as a row with `error`, in the text format as an
  // empty line and a message.
  void write(const GenerationResult& result);
  // Closes a list. Does not finish the output.
  void finish();

  std::int64_t failed_rows() const { return failed_rows_; }
  std::int64_t written_rows() const { return written_rows_; }

 private:
  void write_text(const GenerationResult& result);
  std::string to_json(const GenerationResult& result) const;
  void next_prompt(std::uint64_t row);

  Output& out_;
  Layout layout_;
  const Tokenizer* tokenizer_;
  std::deque<std::string> prompts_;  // of rows not yet written
  std::string prompt_;               // of the row being written
  std::int64_t last_row_ = -1;
  std::size_t streamed_ = 0;  // bytes of the row's text that are written already
  std::int64_t failed_rows_ = 0;
  std::int64_t written_rows_ = 0;
};

}  // namespace llm::shell
