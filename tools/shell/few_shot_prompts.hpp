// The prompts of few-shot: for each row one for every number of shots, as text or as a conversation
// in the model's own form, with as many examples as fit.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "llm/prompt/chat_template.hpp"
#include "llm/prompt/few_shot_builder.hpp"
#include "shell/generation_job.hpp"
#include "shell/row.hpp"

namespace llm::shell {

struct FewShotPrompt {
  FewShotBuilder::Shots shots;
  std::size_t asked = 0;  // shots; more than there are if some were left out
  std::string text;
};

class FewShotPrompts {
 public:
  struct Options {
    std::vector<std::size_t> shots;  // numbers of shots; each gives a prompt
    bool fit = false;                // leave out the first examples of a prompt that is too long
    std::optional<ChatTemplate> chat = {};  // prompts are conversations
  };
  FewShotPrompts(FewShotBuilder builder, Options options);

  const FewShotBuilder& builder() const { return builder_; }
  const Options& options() const { return options_; }

  // One prompt for each number of shots. Throws Error about the row. Warns once when a row is one
  // of the examples shown, and when examples are left out.
  std::vector<FewShotPrompt> make(const Row& row, const PromptRoom& room);
  // A prompt with these examples.
  std::string text(const FewShotBuilder::Shots& shots, const FieldRow& query) const;
  // The beginning of all prompts with the most shots; empty when they share no examples.
  std::string shared() const;
  // A query with `value` in all its fields.
  FieldRow made_up_query(const std::string& value) const;
  // The fields that prompts put in front of their results, and their names.
  OrderedJson fields(const FewShotPrompt& prompt) const;
  std::vector<std::string> columns() const;

 private:
  void warn_about_shown(const FewShotBuilder::Shots& shots, const FieldRow& query);

  FewShotBuilder builder_;
  Options options_;
  bool warned_shown_ = false, warned_dropped_ = false;
};

// The row's fields that can be part of a text.
FieldRow to_field_row(const Row& row);

}  // namespace llm::shell
