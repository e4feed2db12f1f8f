// Conversations as prompts: what one turn and rows of `messages` have in common.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "llm/generation/generator.hpp"
#include "llm/nn/transformer_config.hpp"
#include "llm/prompt/chat_template.hpp"
#include "llm/tasks/text_task.hpp"
#include "llm/tokenizer/tokenizer.hpp"

namespace llm::shell {

class ChatPrompts {
 public:
  // `forget`: the oldest turns of a conversation that is too long.
  ChatPrompts(ChatTemplate chat_template, ChatOptions options, bool forget)
      : template_(std::move(chat_template)), options_(std::move(options)), forget_(forget) {}

  const ChatTemplate& chat_template() const { return template_; }
  const ChatOptions& options() const { return options_; }
  bool forget() const { return forget_; }

  // For GenerationJob::task: the options for conversations. Remembers what prompt() needs.
  TextTask open(const std::filesystem::path& path, const TransformerConfig& config,
                const Tokenizer* tokenizer);

  // The conversation as the model reads it, to be encoded without special tokens; with `forget`
  // so much of it as the model's context holds, and a warning. `place` names it in the warning.
  // Throws Error.
  std::string prompt(std::vector<Message> messages, const std::string& place) const;

 private:
  bool fits(const std::string& prompt) const;

  ChatTemplate template_;
  ChatOptions options_;
  bool forget_;
  const Tokenizer* tokenizer_ = nullptr;
  std::int64_t context_ = 0;  // 0: unbounded
};

// What --overflow means for a conversation, which is cut between turns only: whether to forget the
// oldest ones. Throws Error (invalid_option) for what would cut within one.
bool forgets_turns(const std::string& overflow);

// "the 2 oldest turns were forgotten", as a warning.
void warn_of_forgotten_turns(const std::string& place, int turns);

// The messages as JSON, as --messages reads them.
std::string messages_json(const std::vector<Message>& messages);

}  // namespace llm::shell
