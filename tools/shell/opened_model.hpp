// A model that is opened for generating, with its options: what the model's files say, and over
// that what the user says.
#pragma once

#include <filesystem>
#include <memory>

#include "llm/model/model.hpp"
#include "llm/tasks/text_task.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "shell/generation_job.hpp"

namespace llm::shell {

template <typename S>
struct OpenedModel {
  // Throws Error. Warns about options without effect; with -v says what was loaded.
  explicit OpenedModel(const GenerationJob& job);

  const GenerationConfig& config() const { return task.config; }

  std::filesystem::path path;
  std::unique_ptr<Tokenizer> tokenizer;  // null: prompts are token ids
  std::unique_ptr<Model<S>> model;
  TextTask task;
};

extern template struct OpenedModel<float>;
extern template struct OpenedModel<double>;

}  // namespace llm::shell
