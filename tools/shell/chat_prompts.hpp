// Conversations as prompts: for one turn, and for rows of `messages`.
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
  // only as much of it as the model's context holds, and a warning. `place` names it in the
  // warning. Throws Error.
  std::string prompt(std::vector<Message> messages, const std::string& place) const;
  // Whether the model's context holds it and one token more.
  bool fits(const std::string& prompt) const;

 private:
  ChatTemplate template_;
  ChatOptions options_;
  bool forget_;
  const Tokenizer* tokenizer_ = nullptr;
  std::int64_t context_ = 0;  // 0: unbounded
};

// What --overflow means for a conversation, which is cut only between turns: whether to forget the
// oldest turns. Throws Error (invalid_option) for what would cut inside a turn.
bool forgets_turns(const std::string& overflow);

// The warning "the 2 oldest turns were forgotten".
void warn_of_forgotten_turns(const std::string& place, std::size_t turns);

// The messages as JSON, in the form that --messages reads.
std::string messages_json(const std::vector<Message>& messages);

}  // namespace llm::shell
