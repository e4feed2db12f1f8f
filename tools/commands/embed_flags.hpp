// The flags about embeddings, which embed and similar share, and the model that makes them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "commands/task_flags.hpp"
#include "llm/tasks/embed.hpp"

namespace llm::shell {

// A model opened for embedding, from the folder its settings name.
template <typename S>
struct EmbeddingModel {
  std::unique_ptr<Model<S>> model;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<TextEmbedder<S>> embedder;
};

class EmbedFlags {
 public:
  EmbedFlags(CommandLine& line, RowShape shape);

  TaskFlags& task() { return task_; }
  const TaskFlags& task() const { return task_; }

  // After parsing. Throws Error.
  template <typename S>
  EmbeddingModel<S> open() const {
    SentenceConfig config = sentence_config();
    EmbedOptions options;
    options.prompt = prompt(config);
    options.input = task_.input();
    options.truncation = task_.cuts() ? Truncation::longest_first : Truncation::none;
    LoadOptions load = task_.model().load_options();
    load.head = HeadKind::none;
    EmbeddingModel<S> opened;
    opened.model = Model<S>::load(config.model_path, load);
    opened.tokenizer = Tokenizer::open(config.model_path);
    opened.embedder = std::make_unique<TextEmbedder<S>>(*opened.model, *opened.tokenizer,
                                                        std::move(config), std::move(options));
    return opened;
  }

 private:
  SentenceConfig sentence_config() const;
  std::string prompt(const SentenceConfig& config) const;

  TaskFlags task_;
  std::vector<std::string> pooling_;
  std::string normalize_, prompt_, prompt_name_;
  std::int64_t max_seq_length_ = 0, truncate_dim_ = 0;
};

}  // namespace llm::shell
