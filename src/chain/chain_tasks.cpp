#include "chain/chain_tasks.hpp"

#include <algorithm>

#include "llm/core/error.hpp"

namespace llm::detail {
namespace {

const ChainTask::Names generated = {"new_ids",       "finish_reason", "stop",
                                    "prompt_tokens", "new_tokens",    "truncated",
                                    "seed",          "logprob",       "score"};
const ChainTask::Names repeated = {"rounds",     "ended",     "finish_reason", "stop",
                                   "new_tokens", "truncated", "logprob"};

std::vector<ChainTask> make_tasks() {
  using Head = HeadKind;
  const ChainTask::Names languages = {"prefix",      "src_lang", "source_lang",     "tgt_lang",
                                      "target_lang", "overflow", "max_input_tokens"};
  const ChainTask::Names embedding = {"pooling",      "normalize",       "max_seq_length",
                                      "truncate_dim", "prompt",          "prompt_name",
                                      "overflow",     "max_input_tokens"};
  ChainTask::Names retrieving = embedding;
  retrieving.emplace_back("top_k");
  ChainTask::Names few_shot = generated;
  few_shot.emplace_back("shots");
  std::vector<ChainTask> tasks;
  tasks.push_back({.name = "text", .texts = {"text"}, .has_model = false});
  tasks.push_back({.name = "split",
                   .texts = {"text"},
                   .has_model = false,
                   .has_text = false,
                   .has_items = true});
  tasks.push_back({.name = "generate",
                   .texts = {"prompt"},
                   .options = {"overflow", "max_input_tokens", "add_special_tokens", "stop"},
                   .fields = generated,
                   .generates = true});
  tasks.push_back({.name = "few-shot",
                   .texts = {},
                   .options = {"overflow", "max_input_tokens", "add_special_tokens", "stop",
                               "shots", "select", "select_seed", "label_field"},
                   .fields = few_shot,
                   .generates = true});
  tasks.push_back({.name = "chat",
                   .texts = {"prompt"},
                   .more_texts = {"system"},
                   .options = {"stop"},
                   .fields = generated,
                   .generates = true});
  tasks.push_back(
      {.name = "summarize",
       .texts = {"text"},
       .options = {"prefix", "src_lang", "source_lang", "overflow", "max_input_tokens", "stop"},
       .fields = generated,
       .generates = true});
  tasks.push_back({.name = "translate",
                   .texts = {"text"},
                   .options = languages,
                   .fields = generated,
                   .generates = true});
  tasks.push_back({.name = "classify",
                   .texts = {"text"},
                   .more_texts = {"text_pair"},
                   .options = {"top_k", "function_to_apply", "overflow", "max_input_tokens"},
                   .fields = {"label", "score", "labels", "truncated"},
                   .head = Head::sequence_classification});
  tasks.push_back(
      {.name = "zero-shot",
       .texts = {"text", "labels"},
       .options = {"hypothesis_template", "multi_label", "overflow", "max_input_tokens"},
       .fields = {"label", "score", "sequence", "labels", "scores", "truncated"},
       .head = Head::sequence_classification});
  tasks.push_back(
      {.name = "ner",
       .texts = {"text"},
       .options = {"aggregation_strategy", "ignore_labels", "stride", "overflow",
                   "max_input_tokens"},
       .fields = {"entities", "truncated"},
       .item_fields = {"entity", "entity_group", "score", "index", "word", "start", "end"},
       .has_items = true,
       .head = Head::token_classification});
  tasks.push_back({.name = "qa",
                   .texts = {"question", "context"},
                   .options = {"top_k", "max_answer_len", "handle_impossible_answer",
                               "align_to_words", "max_seq_len", "doc_stride"},
                   .fields = {"answer", "score", "start", "end", "answers"},
                   .head = Head::question_answering});
  tasks.push_back(
      {.name = "fill-mask",
       .texts = {"text"},
       .options = {"top_k", "targets", "overflow", "max_input_tokens", "max_new_tokens"},
       .fields = {"token_str", "score", "sequence", "masks", "truncated"},
       .head = Head::masked_lm});
  tasks.push_back({.name = "score",
                   .texts = {"prompt", "choices"},
                   .options = {"length_normalize", "token_logprobs"},
                   .fields = {"best", "logprob", "score", "choices"}});
  tasks.push_back({.name = "similar",
                   .texts = {"text", "text_pair"},
                   .options = embedding,
                   .fields = {"cosine", "angle", "l2", "truncated"},
                   .head = Head::none});
  tasks.push_back({.name = "embed",
                   .texts = {"text"},
                   .options = embedding,
                   .fields = {"embedding", "tokens", "truncated"},
                   .head = Head::none});
  tasks.push_back({.name = "retrieve",
                   .texts = {"text"},
                   .options = retrieving,
                   .fields = {"nearest"},
                   .has_items = true,
                   .head = Head::none});
  return tasks;
}

}  // namespace

std::span<const ChainTask> chain_tasks() {
  static const std::vector<ChainTask> tasks = make_tasks();
  return tasks;
}

const ChainTask* find_chain_task(std::string_view name) {
  const auto tasks = chain_tasks();
  const auto found = std::ranges::find(tasks, name, &ChainTask::name);
  return found == tasks.end() ? nullptr : &*found;
}

std::vector<std::string_view> value_fields(const ChainTask& task, const ChainStep& step) {
  if (has_several_answers(step)) return {};
  return step.repeat ? repeated : task.fields;
}

std::vector<std::string_view> item_fields(const ChainTask& task, const ChainStep& step) {
  return has_several_answers(step) ? generated : task.item_fields;
}

bool has_several_answers(const ChainStep& step) {
  return std::ranges::any_of(step.options, [](const ChainSetting& option) {
    return (option.name == "num_return_sequences" || option.name == "num-return-sequences") &&
           option.value != "1" && option.value != "null";
  });
}

std::string nearest_or_list(std::string_view name, std::span<const std::string_view> known) {
  const std::string_view nearest = nearest_name(name, known.data(), known.size());
  if (!nearest.empty()) return "; did you mean " + quote(nearest) + "?";
  std::string list;
  for (const std::string_view other : known)
    list += (list.empty() ? "" : ", ") + std::string(other);
  return list.empty() ? "; there is none" : "; expected one of " + list;
}

std::string integer_range(std::int64_t least) {
  return "an integer from " + std::to_string(least) + " to " + std::to_string(max_chain_number);
}

void bad_chain(const std::string& where, const std::string& what) {
  throw Error(ErrorCode::invalid_input, where + ": " + what, where);
}

}  // namespace llm::detail
