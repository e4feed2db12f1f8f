#include "shell/result_writer.hpp"

#include "core/json.hpp"
#include "shell/console.hpp"

namespace llm::shell {
namespace {

using OrderedJson = nlohmann::ordered_json;

std::string dump(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

std::string spelled(const Tokenizer* tokenizer, TokenId id) {
  return tokenizer == nullptr ? std::string() : tokenizer->token(id);
}

OrderedJson logprobs_json(const GenerationResult& result, const Tokenizer* tokenizer) {
  OrderedJson steps = OrderedJson::array();
  for (const TokenLogprobs& step : result.logprobs) {
    OrderedJson top = OrderedJson::array();
    for (const Candidate& candidate : step.top)
      top.push_back({{"id", candidate.id},
                     {"token", spelled(tokenizer, candidate.id)},
                     {"logprob", candidate.value}});
    steps.push_back({{"id", step.id},
                     {"token", spelled(tokenizer, step.id)},
                     {"logprob", step.logprob},
                     {"top", std::move(top)}});
  }
  return steps;
}

std::string ids_as_text(const std::vector<TokenId>& ids) {
  std::string text;
  for (const TokenId id : ids) text += (text.empty() ? "" : " ") + std::to_string(id);
  return text;
}

}  // namespace

void ResultWriter::add_prompt(std::string prompt) {
  if (layout_.echo) prompts_.push_back(std::move(prompt));
}

void ResultWriter::next_prompt(std::uint64_t row) {
  if (static_cast<std::int64_t>(row) == last_row_) return;
  last_row_ = static_cast<std::int64_t>(row);
  if (prompts_.empty()) return;
  prompt_ = std::move(prompts_.front());
  prompts_.pop_front();
}

void ResultWriter::stream(std::string_view piece) {
  next_prompt(0);
  if (streamed_ == 0) out_.write(prompt_);
  streamed_ += piece.size();
  out_.write(piece);
  out_.flush();
}

void ResultWriter::write(const GenerationResult& result) {
  next_prompt(result.row);
  if (layout_.format == Format::text) {
    write_text(result);
  } else {
    if (layout_.list) out_.write(written_rows_ == 0 ? "[" : ",\n ");
    out_.write(to_json(result));
    if (!layout_.list) out_.write("\n");
  }
  ++written_rows_;
  if (result.error) ++failed_rows_;
  out_.flush();  // whoever reads along sees each row when it is done
}

void ResultWriter::write_text(const GenerationResult& result) {
  if (result.error) {
    console().error("row " + std::to_string(result.row + 1) + ": " + result.error->message);
  } else if (tokenizer_ == nullptr) {
    out_.write(ids_as_text(result.new_ids));
  } else {
    if (streamed_ == 0) out_.write(prompt_);
    out_.write(std::string_view(result.text).substr(std::min(streamed_, result.text.size())));
  }
  out_.write("\n");
}

std::string ResultWriter::to_json(const GenerationResult& result) const {
  OrderedJson row;
  row["id"] = OrderedJson::parse(result.id);  // kept as JSON, so that numbers stay numbers
  if (result.error) {
    row["error"] = result.error->message;
    row["error_code"] = to_string(result.error->code);
    return dump(row);
  }
  if (layout_.number_samples) row["sample"] = result.sample;
  if (layout_.echo) row["prompt"] = prompt_;
  row["text"] = result.text;
  row["new_ids"] = result.new_ids;
  row["finish_reason"] = to_string(result.finish_reason);
  row["stop"] = result.stop.empty() ? OrderedJson() : OrderedJson(result.stop);
  row["prompt_tokens"] = result.prompt_tokens;
  row["new_tokens"] = result.new_tokens;
  row["truncated"] = result.truncated;
  row["seed"] = result.seed;
  row["logprob"] = result.logprob;
  if (result.score) row["score"] = *result.score;
  if (!result.logprobs.empty()) row["logprobs"] = logprobs_json(result, tokenizer_);
  return dump(row);
}

void ResultWriter::finish() {
  if (layout_.list) out_.write(written_rows_ == 0 ? "[]\n" : "]\n");
}

}  // namespace llm::shell
