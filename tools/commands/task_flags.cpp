// Flags of encoders' tasks.
#include "commands/task_flags.hpp"

#include "llm/core/error.hpp"
#include "shell/signals.hpp"

namespace llm::shell {

TaskFlags::TaskFlags(CommandLine& line, RowShape shape, bool cuts)
    : line_(line),
      model_(line),
      rows_(line, std::move(shape)),
      overflow_(cuts ? "truncate-right" : "error") {
  line_
      .option("--overflow", overflow_,
              "Text longer than the model takes: error, or truncate-right (reported); default: " +
                  overflow_)
      ->group("Run");
  max_input_tokens_flag(line_, max_input_tokens_);
}

InputOptions TaskFlags::input() const {
  return {.max_input_tokens = max_input_tokens_, .interrupt = &interrupt_flag()};
}

void TaskFlags::add_pair() {
  pair_option_ = line_.option("--text-pair", pair_, "The second text of a pair (of all rows)")
                     ->group("Input and output");
  line_.option("--text-pair-field", pair_field_, "Name of the second text in a row of --input")
      ->group("Input and output");
}

RowJob TaskFlags::job() const {
  RowJob job = rows_.job();
  // One pass over a text is all there is to do: more of them together keep all cores busy.
  constexpr std::int64_t rows_together = 64;
  if (line_.app().get_option("--batch-size")->count() == 0) job.batch_size = rows_together;
  return job;
}

bool TaskFlags::cuts() const {
  if (overflow_ == "truncate-right" || overflow_ == "truncate_right") return true;
  if (overflow_ == "error") return false;
  throw Error(ErrorCode::invalid_option,
              "--overflow " + quote(overflow_) + ": expected error or truncate-right",
              "--overflow");
}

std::optional<std::string> TaskFlags::pair(const Row& row) const {
  if (pair_option_->count() > 0) return pair_;
  const auto field = row.fields.find(pair_field_);
  if (field == row.fields.end() || field->is_null()) return std::nullopt;
  auto text = text_field(row, pair_field_);
  if (!text) {
    throw Error(ErrorCode::invalid_input,
                row.place + ": " + quote(pair_field_) + " is no text: " + dump(*field), row.place);
  }
  return text;
}

}  // namespace llm::shell
