// Fields and text of generated rows.
#include "shell/generation_row.hpp"

namespace llm::shell {
namespace {

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

}  // namespace

std::vector<std::string> GenerationLayout::columns() const {
  std::vector<std::string> names = first;
  if (sample) names.emplace_back("sample");
  if (prompt) names.emplace_back("prompt");
  for (const char* name : {"text", "new_ids", "finish_reason", "stop", "prompt_tokens",
                           "new_tokens", "truncated", "seed", "logprob"})
    names.emplace_back(name);
  if (score) names.emplace_back("score");
  if (logprobs) names.emplace_back("logprobs");
  return names;
}

OrderedJson to_fields(const GenerationResult& result, const std::string& prompt,
                      const GenerationLayout& layout, const Tokenizer* tokenizer) {
  OrderedJson fields;
  if (layout.sample) fields["sample"] = result.sample;
  if (layout.prompt) fields["prompt"] = prompt;
  fields["text"] = result.text;
  fields["new_ids"] = result.new_ids;
  fields["finish_reason"] = to_string(result.finish_reason);
  fields["stop"] = result.stop.empty() ? OrderedJson() : OrderedJson(result.stop);
  fields["prompt_tokens"] = result.prompt_tokens;
  fields["new_tokens"] = result.new_tokens;
  fields["truncated"] = result.truncated;
  fields["seed"] = result.seed;
  fields["logprob"] = result.logprob;
  if (result.score) fields["score"] = *result.score;
  if (layout.logprobs) fields["logprobs"] = logprobs_json(result, tokenizer);
  return fields;
}

std::string to_text(const OrderedJson& fields, bool has_tokenizer) {
  if (has_tokenizer) {
    const auto prompt = fields.find("prompt");
    const std::string before = prompt == fields.end() ? "" : prompt->get<std::string>();
    return before + fields["text"].get<std::string>();
  }
  std::string text;
  for (const OrderedJson& id : fields["new_ids"]) text += (text.empty() ? "" : " ") + id.dump();
  return text;
}

}  // namespace llm::shell
