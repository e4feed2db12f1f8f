/// \file
/// Conversations with a model. A Chat holds the messages, has them written by the model's own chat
/// template, generates the next one, and keeps what the model has read, so that each turn computes
/// only what is new:
///   messages -> ChatTemplate -> text -> Tokenizer -> ids -> [what is kept] -> Generator -> message
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "llm/generation/generator.hpp"
#include "llm/nn/transformer_config.hpp"
#include "llm/prompt/chat_template.hpp"

namespace llm {

/// The options of generation that a model's files recommend for conversations: as
/// model_generation_config(), and all tokens that end a turn end the answer: those of the
/// tokenizer's own files (eos_token) and of a GGUF file (eot_token_id, eom_token_id) as well.
/// Throws Error.
GenerationConfig chat_generation_config(const std::filesystem::path& path,
                                        const TransformerConfig& config,
                                        const Tokenizer* tokenizer);

/// Removes the oldest turn of a conversation: the first message that is not the system's and all
/// behind it up to the next message of the user. False, and nothing is removed, when there is only
/// one turn.
bool forget_oldest_turn(std::vector<Message>& messages);

/// Removes as few of the oldest turns as make `fits` true of the rest, or all but the last when
/// none do; a conversation that fits when longer is taken to fit when shorter. Returns the number
/// of turns that are gone. `fits` is asked O(log n) times.
std::size_t forget_oldest_turns(std::vector<Message>& messages,
                                const std::function<bool(const std::vector<Message>&)>& fits);

/// One conversation. Not thread-safe; any number of them may share a Generator.
template <typename S>
class Chat {
 public:
  /// Receives text as it is generated; return false to end the answer.
  using OnText = typename Generator<S>::OnText;

  /// `generator` must outlive the chat. Throws Error (invalid_option) when it has no tokenizer or
  /// its model is no decoder.
  Chat(const Generator<S>& generator, ChatTemplate chat_template, GenerationConfig config = {},
       ChatOptions options = {});

  /// Adds a message.
  void add(Message message) { messages_.push_back(std::move(message)); }
  /// Adds a message of that role.
  void add(std::string role, std::string content) {
    messages_.push_back({std::move(role), std::move(content), {}});
  }
  /// The conversation so far.
  const std::vector<Message>& messages() const { return messages_; }
  /// The messages may be changed in any way; what the model has read is used as far as it fits.
  std::vector<Message>& messages() { return messages_; }

  /// The conversation as the model will read it. Throws what ChatTemplate::render() throws.
  std::string prompt() const { return template_.render(messages_, options_); }

  /// Generates the answer to the last message and adds it as the assistant's message (not when it
  /// was interrupted before the first token). The same bits as Generator::generate() on prompt(),
  /// without special tokens added. Throws Error; the messages are then unchanged:
  /// context_overflow when the conversation has become too long (forget_oldest_turn() helps), and
  /// what prompt() throws.
  GenerationResult reply(const OnText& on_text = {});

  /// Tokens of the conversation that the last reply() did not have to compute.
  std::int64_t reused_tokens() const { return reused_; }

 private:
  std::vector<TokenId> encode(const std::string& prompt) const;

  const Generator<S>& generator_;
  ChatTemplate template_;
  GenerationConfig config_;
  ChatOptions options_;
  std::vector<Message> messages_;
  KeptSequence<S> kept_;
  std::int64_t reused_ = 0;
};

extern template class Chat<float>;
extern template class Chat<double>;

}  // namespace llm
