// Flags to what a folder says about its embeddings.
#include "commands/embed_flags.hpp"

#include "llm/core/error.hpp"
#include "shell/console.hpp"

namespace llm::shell {

EmbedFlags::EmbedFlags(CommandLine& line, RowShape shape) : task_(line, std::move(shape), true) {
  line.option("--pooling", pooling_,
              "One vector of all tokens': mean, cls, last, max, mean-sqrt-len or weighted-mean; "
              "several one after the other: mean,cls (default: as the folder says)")
      ->delimiter(',')
      ->allow_extra_args(false);
  line.switch_option("--normalize", normalize_,
                     "Vectors of length 1 (default: as the folder says)");
  line.option("--truncate-dim", truncate_dim_,
              "Values of a vector that are kept, the first ones (default: as the folder says)")
      ->check(CLI::Range(1, 1 << 30));
  line.option("--max-seq-length", max_seq_length_,
              "Tokens of a text that are read (default: as the folder says)")
      ->check(CLI::Range(1, 1 << 30));
  line.option("--prompt", prompt_, "Put before every text, as in \"query: \"");
  line.option("--prompt-name", prompt_name_,
              "The same, by its name in the folder: query, document");
}

SentenceConfig EmbedFlags::sentence_config() const {
  SentenceConfig config = embedding_config(task_.model().path());
  for (const std::string& key : config.unknown_keys) {
    console().warning(key + ": a key that is not known is passed over");
  }
  if (!pooling_.empty()) config.pooling.clear();
  for (const std::string& name : pooling_) config.pooling.push_back(pooling_from_name(name));
  if (!normalize_.empty()) {
    config.normalize_embeddings = normalize_ == "true";
    if (!config.normalize_embeddings) config.normalize = false;
  }
  if (truncate_dim_ > 0) config.truncate_dim = truncate_dim_;
  if (max_seq_length_ > 0) config.max_seq_length = max_seq_length_;
  return config;
}

std::string EmbedFlags::prompt(const SentenceConfig& config) const {
  if (!prompt_.empty() && !prompt_name_.empty()) {
    throw Error(ErrorCode::invalid_option,
                "--prompt and --prompt-name exclude each other; give one", "--prompt");
  }
  if (!prompt_.empty()) return prompt_;
  const std::string& name = prompt_name_.empty() ? config.default_prompt_name : prompt_name_;
  if (name.empty()) return {};
  const auto found = config.prompts.find(name);
  if (found != config.prompts.end()) return found->second;
  std::string known;
  for (const auto& [other, text] : config.prompts) known += (known.empty() ? "" : ", ") + other;
  throw Error(ErrorCode::invalid_option,
              "--prompt-name " + quote(name) + " is not among the folder's prompts (" +
                  (known.empty() ? "it has none" : known) + "); --prompt TEXT gives any",
              "--prompt-name");
}

}  // namespace llm::shell
