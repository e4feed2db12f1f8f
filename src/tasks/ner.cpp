// Windows of texts through a model that labels tokens.
#include "llm/tasks/ner.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/float_environment.hpp"
#include "llm/core/error.hpp"
#include "tasks/entities.hpp"
#include "tasks/require_head.hpp"
#include "tasks/softmax.hpp"

namespace llm {
namespace {

using detail::TaggedToken;

constexpr std::array<std::pair<std::string_view, Aggregation>, 5> aggregation_names{{
    {"none", Aggregation::none},
    {"simple", Aggregation::simple},
    {"first", Aggregation::first},
    {"average", Aggregation::average},
    {"max", Aggregation::max},
}};

template <typename S>
std::vector<double> probabilities(std::span<const S> logits) {
  std::vector<double> scores(logits.begin(), logits.end());
  detail::softmax(scores);
  return scores;
}

// Tokens that are spelled with a prefix within a word are told by it; of others, those go on that
// stand behind no space.
bool goes_on(const Tokenizer& tokenizer, std::string_view text, const std::string& spelled,
             ByteSpan bytes) {
  if (!tokenizer.continuing_prefix().empty())
    return count_code_points(spelled) !=
           count_code_points(text.substr(bytes.begin, bytes.end - bytes.begin));
  if (bytes.begin == 0) return false;
  return text[bytes.begin - 1] != ' ' && !(bytes.begin < text.size() && text[bytes.begin] == ' ');
}

template <typename S>
std::vector<TaggedToken> tagged_tokens(const TextTokens& window, TensorView<const S> logits,
                                       const Tokenizer& tokenizer, std::string_view text) {
  std::vector<TaggedToken> tokens;
  for (std::int64_t i = window.first.begin; i < window.first.end; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const TokenId id = window.encoding.ids[at];
    TaggedToken token{tokenizer.token(id), probabilities(logits.row(i)),
                      window.encoding.offsets[at], i};
    if (id == tokenizer.special().unk) {
      token.word = text.substr(token.bytes.begin, token.bytes.end - token.bytes.begin);
    } else {
      token.is_subword = goes_on(tokenizer, text, token.word, token.bytes);
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

std::vector<std::string> label_names(const TransformerConfig& config, std::int64_t count) {
  std::vector<std::string> names;
  for (std::int64_t k = 0; k < count; ++k) {
    const auto named = config.id2label.find(k);
    names.push_back(named == config.id2label.end() ? "LABEL_" + std::to_string(k) : named->second);
  }
  return names;
}

// Characters of all spans; most of them stand behind each other.
void count_characters(std::string_view text, std::vector<Entity>& entities) {
  std::size_t at = 0, characters = 0;
  const auto characters_before = [&](std::size_t byte) {
    if (byte < at) {  // back, where windows share tokens
      characters -= count_code_points(text.substr(byte, at - byte));
    } else {
      characters += count_code_points(text.substr(at, byte - at));
    }
    at = byte;
    return characters;
  };
  for (Entity& entity : entities) {
    entity.span.start = characters_before(entity.span.bytes.begin);
    entity.span.end = characters_before(entity.span.bytes.end);
  }
}

}  // namespace

Aggregation aggregation_from_name(std::string_view name) {
  for (const auto& [known, aggregation] : aggregation_names)
    if (name == known) return aggregation;
  throw Error(ErrorCode::invalid_option,
              "aggregation " + quote(name) +
                  " does not exist; expected none, simple, first, average or max",
              "aggregation");
}

template <typename S>
EntityTagger<S>::EntityTagger(const Model<S>& model, const Tokenizer& tokenizer, NerOptions options)
    : model_(model),
      tokenizer_(tokenizer),
      options_(std::move(options)),
      encoder_(tokenizer, model.config(), options_.input) {
  detail::require_head(model.config(), HeadKind::token_classification, "ner");
  if (!options_.stride) return;
  if (options_.aggregation == Aggregation::none)
    throw Error(ErrorCode::invalid_option,
                "stride needs an aggregation (simple, first, average or max) to bring entities of "
                "several windows together",
                "stride");
  const auto room = encoder_.limit() ? encoder_.limit()->tokens - encoder_.added(false) : INT64_MAX;
  if (*options_.stride < 0 || *options_.stride >= room)
    throw Error(ErrorCode::invalid_option,
                "stride is " + std::to_string(*options_.stride) +
                    ", expected at least 0 and less than the " + std::to_string(room) +
                    " tokens of text that a window holds",
                "stride");
}

// Ranges of the text's own tokens; each begins `stride` tokens before the one before it ends.
template <typename S>
std::vector<Range> EntityTagger<S>::windows(const TextTokens& tokens) const {
  const std::int64_t count = tokens.first.size();
  if (!options_.stride || !encoder_.limit()) return {{0, count}};
  const std::int64_t room = encoder_.limit()->tokens - encoder_.added(false);
  std::vector<Range> ranges;
  do {
    const std::int64_t begin = ranges.empty() ? 0 : ranges.back().end - *options_.stride;
    ranges.push_back({begin, std::min(begin + room, count)});
  } while (ranges.back().end < count);
  return ranges;
}

template <typename S>
std::vector<TaggedText> EntityTagger<S>::tag(std::span<const std::string> texts) const {
  const detail::FloatEnvironment environment;
  const Truncation truncation = options_.truncate ? Truncation::only_first : Truncation::none;
  std::vector<TextTokens> inputs;
  std::vector<std::size_t> text_of;  // of each input
  std::vector<TaggedText> results(texts.size());
  for (std::size_t t = 0; t < texts.size(); ++t) {
    const TextTokens tokens = options_.stride ? encoder_.encode(texts[t])
                                              : encoder_.encode(TaskText{texts[t]}, truncation);
    results[t].truncated = tokens.truncated;
    for (const Range window : windows(tokens)) {
      check_interrupt(options_.input.interrupt);
      inputs.push_back(encoder_.cut(tokens, window));
      text_of.push_back(t);
    }
  }
  run_head(
      model_, std::span<const TextTokens>(inputs), options_.batch_tokens,
      [&](std::size_t i, TensorView<const S> logits) {
        const std::string& text = texts[text_of[i]];
        const auto labels = label_names(model_.config(), logits.cols());
        auto found = detail::group_tokens(tagged_tokens(inputs[i], logits, tokenizer_, text),
                                          options_.aggregation, labels, tokenizer_);
        std::erase_if(found, [&](const Entity& entity) {
          return std::ranges::count(options_.ignore_labels, entity.label) > 0;
        });
        auto& entities = results[text_of[i]].entities;
        entities.insert(entities.end(), found.begin(), found.end());
      },
      options_.input.interrupt);
  for (std::size_t t = 0; t < texts.size(); ++t) {
    auto& entities = results[t].entities;
    count_characters(texts[t], entities);
    if (std::ranges::count(text_of, t) > 1)
      entities = detail::resolve_overlaps(std::move(entities));
  }
  return results;
}

template class EntityTagger<float>;
template class EntityTagger<double>;

}  // namespace llm
