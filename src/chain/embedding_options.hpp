// How a step embeds texts: what the model's folder says, and what the step's options say instead.
#pragma once

#include "chain/step_runner.hpp"
#include "llm/tasks/embed.hpp"

namespace llm::detail {

// Throws Error.
template <typename S>
TextEmbedder<S> make_chain_embedder(const StepContext& context, const ChainModel<S>& model) {
  const StepOptions& given = context.options;
  SentenceConfig config = embedding_config(model.path);
  if (context.warn) {
    for (const std::string& key : config.unknown_keys) {
      context.warn(key + ": a key that is not known is passed over");
    }
  }
  if (const auto pooling = given.list("pooling")) {
    config.pooling.clear();
    for (const std::string& name : *pooling)
      config.pooling.push_back(given.checked([&] { return pooling_from_name(name); }));
  }
  if (const auto normalize = given.boolean("normalize")) {
    config.normalize_embeddings = *normalize;
    if (!*normalize) config.normalize = false;
  }
  if (const auto kept = given.integer("truncate_dim", 1)) config.truncate_dim = *kept;
  if (const auto length = given.integer("max_seq_length", 1)) config.max_seq_length = *length;
  EmbedOptions options;
  options.input = {.max_input_tokens = given.integer("max_input_tokens", 1),
                   .interrupt = context.interrupt};
  options.truncation = given.cuts(true) ? Truncation::longest_first : Truncation::none;
  const std::string name = given.text("prompt_name").value_or(config.default_prompt_name);
  if (const auto prompt = given.text("prompt")) {
    options.prompt = *prompt;
  } else if (!name.empty()) {
    const auto found = config.prompts.find(name);
    if (found == config.prompts.end())
      bad_chain(given.where(),
                "\"prompt_name\" " + quote(name) + " is not among the model's prompts");
    options.prompt = found->second;
  }
  return TextEmbedder<S>(*model.model, *model.tokenizer, std::move(config), std::move(options));
}

template <typename S>
ChainValue value_of_embedding(const std::vector<S>& vector, const TextTokens& tokens) {
  std::string list = "[";
  for (const S value : vector) list += (list.size() == 1 ? "" : ",") + json_number(value);
  list += "]";
  return {.text = list,
          .fields = {{"embedding", list, true},
                     {"tokens", std::to_string(tokens.size()), true},
                     {"truncated", tokens.truncated ? "true" : "false", true}}};
}

}  // namespace llm::detail
