// Turns of a conversation, and which tokens end one.
#include "llm/tasks/chat.hpp"

#include <algorithm>
#include <utility>

#include "core/folder.hpp"
#include "core/gguf.hpp"
#include "llm/generation/model_generation_config.hpp"

namespace llm {
namespace {

void add_end(GenerationConfig& config, std::optional<std::int64_t> id) {
  if (!id || *id < 0 || *id > INT32_MAX) return;
  const auto token = static_cast<TokenId>(*id);
  if (std::ranges::count(config.eos_token_id, token) == 0) config.eos_token_id.push_back(token);
}

// Where the turns begin: at the first message that is not the system's, and at each of the user
// behind it.
std::vector<std::ptrdiff_t> turns_of(const std::vector<Message>& messages) {
  const auto first = std::ranges::find_if(
      messages, [](const Message& message) { return message.role != "system"; });
  std::vector<std::ptrdiff_t> turns;
  for (auto at = first; at != messages.end(); ++at) {
    if (at == first || at->role == "user") turns.push_back(at - messages.begin());
  }
  return turns;
}

}  // namespace

GenerationConfig chat_generation_config(const std::filesystem::path& path,
                                        const TransformerConfig& config,
                                        const Tokenizer* tokenizer) {
  GenerationConfig generation = model_generation_config(path, config);
  if (tokenizer != nullptr) add_end(generation, tokenizer->special().eos);
  if (!detail::is_folder(path)) {
    const auto file = detail::GgufFile::open(path);
    for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"})
      add_end(generation, file->find_int(key));
  }
  return generation;
}

bool forget_oldest_turn(std::vector<Message>& messages) {
  const std::vector<std::ptrdiff_t> turns = turns_of(messages);
  if (turns.size() < 2) return false;
  messages.erase(messages.begin() + turns[0], messages.begin() + turns[1]);
  return true;
}

std::size_t forget_oldest_turns(std::vector<Message>& messages,
                                const std::function<bool(const std::vector<Message>&)>& fits) {
  const std::vector<std::ptrdiff_t> turns = turns_of(messages);
  if (turns.size() < 2 || fits(messages)) return 0;
  const auto without = [&](std::size_t count) {
    std::vector<Message> rest(messages.begin(), messages.begin() + turns[0]);
    rest.insert(rest.end(), messages.begin() + turns[count], messages.end());
    return rest;
  };
  std::size_t too_few = 0, enough = turns.size() - 1;
  while (enough - too_few > 1) {
    const std::size_t middle = too_few + (enough - too_few) / 2;
    (fits(without(middle)) ? enough : too_few) = middle;
  }
  messages = without(enough);
  return enough;
}

template <typename S>
Chat<S>::Chat(const Generator<S>& generator, ChatTemplate chat_template, GenerationConfig config,
              ChatOptions options)
    : generator_(generator),
      template_(std::move(chat_template)),
      config_(std::move(config)),
      options_(std::move(options)) {
  if (generator_.tokenizer() == nullptr)
    throw Error(ErrorCode::invalid_option,
                "a chat needs a tokenizer to read the conversation; give the generator one");
  if (generator_.model().is_encoder_decoder())
    throw Error(ErrorCode::invalid_option,
                "a chat needs a decoder, and this model is an encoder-decoder; ask it with one "
                "prompt at a time");
}

template <typename S>
std::vector<TokenId> Chat<S>::encode(const std::string& prompt) const {
  std::vector<TokenId> ids =
      generator_.tokenizer()->encode(prompt, {.add_special_tokens = false}).ids;
  const auto context = generator_.model().max_length();
  if (context && static_cast<std::int64_t>(ids.size()) >= *context)
    throw Error(ErrorCode::context_overflow,
                "the conversation has " + std::to_string(ids.size()) +
                    " tokens, but with one new token the model's context holds at most " +
                    std::to_string(*context - 1) +
                    "; forget its oldest turns, or begin a new conversation");
  return ids;
}

template <typename S>
GenerationResult Chat<S>::reply(const OnText& on_text) {
  GenerationRequest request;
  request.ids = encode(prompt());
  if (on_text) {
    request.on_text = [&on_text](std::int32_t sample, std::string_view piece) {
      return sample != 0 || on_text(piece);
    };
  }
  const auto known = std::ranges::mismatch(kept_.ids, request.ids).in1 - kept_.ids.begin();
  const auto reused = std::min(known, static_cast<std::ptrdiff_t>(request.ids.size()) - 1);
  GenerationResult result =
      std::move(generator_.generate_all(std::move(request), config_, kept_).front());
  reused_ = std::max<std::int64_t>(reused, 0);
  if (result.finish_reason != FinishReason::interrupted || !result.new_ids.empty())
    add("assistant", result.text);
  return result;
}

template class Chat<float>;
template class Chat<double>;

}  // namespace llm
