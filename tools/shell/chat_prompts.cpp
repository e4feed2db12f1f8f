#include "shell/chat_prompts.hpp"

#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "llm/tasks/chat.hpp"
#include "shell/console.hpp"

namespace llm::shell {

TextTask ChatPrompts::open(const std::filesystem::path& path, const TransformerConfig& config,
                           const Tokenizer* tokenizer) {
  if (config.kind != ModelKind::decoder)
    throw Error(ErrorCode::unsupported,
                path.string() + ": is not a decoder, and only decoders hold conversations; use " +
                    (config.kind == ModelKind::encoder ? "fill-mask, classify or embed"
                                                       : "generate, summarize or translate"),
                path.string());
  if (tokenizer == nullptr)
    throw Error(ErrorCode::unsupported, path.string() + ": has no tokenizer, which chat needs",
                path.string());
  tokenizer_ = tokenizer;
  context_ = config.decoder.max_position_embeddings;
  return {.config = chat_generation_config(path, config, tokenizer)};
}

bool ChatPrompts::fits(const std::string& prompt) const {
  if (context_ == 0) return true;
  const auto ids = tokenizer_->encode(prompt, {.add_special_tokens = false}).ids;
  return static_cast<std::int64_t>(ids.size()) < context_;
}

std::string ChatPrompts::prompt(std::vector<Message> messages, const std::string& place) const {
  if (forget_ && context_ > 0) {
    const std::size_t forgotten = forget_oldest_turns(
        messages, [this](const auto& rest) { return fits(template_.render(rest, options_)); });
    warn_of_forgotten_turns(place, forgotten);
  }
  return template_.render(messages, options_);
}

bool forgets_turns(const std::string& overflow) {
  switch (overflow_from_name(overflow)) {
    case Overflow::error:
      return false;
    case Overflow::truncate_left:
      return true;
    case Overflow::truncate_right:
    case Overflow::truncate_middle:
      break;
  }
  throw Error(ErrorCode::invalid_option,
              "--overflow " + overflow +
                  " would cut within a conversation; give truncate-left, which forgets its oldest "
                  "turns, or error",
              "--overflow");
}

void warn_of_forgotten_turns(const std::string& place, std::size_t turns) {
  if (turns == 0) return;
  console().warning(
      place + " is longer than the model's context: the " +
      (turns == 1 ? "oldest turn was" : std::to_string(turns) + " oldest turns were") +
      " left out");
}

std::string messages_json(const std::vector<Message>& messages) {
  using detail::OrderedJson;
  OrderedJson list = OrderedJson::array();
  for (const Message& message : messages) {
    OrderedJson json = {{"role", message.role}};
    if (message.content) json["content"] = *message.content;
    if (!message.extra.empty()) json.update(OrderedJson::parse(message.extra));
    list.push_back(std::move(json));
  }
  return list.dump(1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace llm::shell
