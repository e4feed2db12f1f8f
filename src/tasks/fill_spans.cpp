// T5's sentinels: gaps are found in the text, the answer is cut at them.
#include "llm/tasks/fill_spans.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/float_environment.hpp"
#include "llm/core/error.hpp"
#include "llm/model/uses.hpp"
#include "llm/tasks/batches.hpp"
#include "llm/tasks/text_tokens.hpp"
#include "llm/tensor/finite.hpp"

namespace llm {

namespace {

std::string sentinel_name(std::size_t number) {
  return "<extra_id_" + std::to_string(number) + ">";
}

// The sentinel's number, where the token is one.
std::optional<std::size_t> sentinel_number(const Tokenizer& tokenizer, TokenId id) {
  const std::string name = tokenizer.token(id);
  constexpr std::string_view start = "<extra_id_";
  constexpr std::size_t most_digits = 6;
  if (!name.starts_with(start) || name.back() != '>') return std::nullopt;
  const std::string digits = name.substr(start.size(), name.size() - start.size() - 1);
  if (digits.empty() || digits.size() > most_digits ||
      digits.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  std::size_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

// Log-probability of `id` in a row of logits.
template <typename S>
double logprob_of(std::span<const S> logits, TokenId id) {
  const auto largest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0.0;
  for (const S value : logits) sum += std::exp(static_cast<double>(value) - largest);
  const double logprob =
      static_cast<double>(logits[static_cast<std::size_t>(id)]) - largest - std::log(sum);
  if (std::isnan(logprob)) refuse_non_finite("logits");
  return logprob;
}

// The text with the words in its gaps.
std::string in_place(const SpanText& text, std::span<const std::optional<SpanFill>> fills) {
  std::string result;
  std::size_t at = 0;
  for (std::size_t i = 0; i < text.gaps.size(); ++i) {
    if (!fills[i]) continue;
    const ByteSpan place = text.gaps[i].place;
    result += text.text.substr(at, place.begin - at) + fills[i]->token_str;
    at = place.end;
  }
  return result + text.text.substr(at);
}

}  // namespace

template <typename S>
SpanFiller<S>::SpanFiller(const Model<S>& model, const Tokenizer& tokenizer,
                          GenerationConfig config, std::int64_t top_k, InputOptions input)
    : model_(model), tokenizer_(tokenizer), config_(std::move(config)), input_(input) {
  const TransformerConfig& c = model.config();
  if (c.kind != ModelKind::encoder_decoder || c.head != HeadKind::language_model ||
      !tokenizer.id(sentinel_name(0))) {
    throw Error(ErrorCode::unsupported,
                "filling gaps needs a masked-lm head, or an encoder-decoder whose vocabulary has " +
                    sentinel_name(0) + " (T5), but this model (" + c.model_type +
                    ") has neither; it can be used for " + describe_uses(c));
  }
  if (top_k < 1) {
    throw Error(ErrorCode::invalid_option,
                "top-k is " + std::to_string(top_k) + ", expected 1 or more", "top-k");
  }
  config_.num_return_sequences = top_k;
  config_.num_beams = std::max(config_.num_beams, top_k);
}

template <typename S>
SpanText SpanFiller<S>::encode(std::string_view text) const {
  const TextEncoder encoder(tokenizer_, model_.config(),
                            token_limit(model_.config(), tokenizer_, true), input_);
  const TextTokens tokens = encoder.encode(TaskText{std::string(text)}, Truncation::none);
  SpanText result{std::string(text), tokens.encoding.ids, {}, -1};
  std::size_t largest = 0;
  for (std::int64_t i = tokens.first.begin; i < tokens.first.end; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const TokenId id = tokens.encoding.ids[at];
    const auto number = sentinel_number(tokenizer_, id);
    if (!number) continue;
    const bool twice = std::any_of(result.gaps.begin(), result.gaps.end(),
                                   [&](const auto& gap) { return gap.sentinel == id; });
    if (twice) {
      throw Error(ErrorCode::invalid_input, "the text " + quote(text) + " has the gap " +
                                                sentinel_name(*number) + " twice; number the gaps");
    }
    // The token may take in the spaces around the sentinel, which are no part of the gap.
    const std::string name = sentinel_name(*number);
    const ByteSpan whole = tokens.encoding.offsets[at];
    const std::size_t begin = text.find(name, whole.begin);
    result.gaps.push_back(
        {id, begin == std::string_view::npos ? whole : ByteSpan{begin, begin + name.size()}});
    largest = std::max(largest, *number);
  }
  if (result.gaps.empty()) {
    throw Error(ErrorCode::invalid_input,
                "the text " + quote(text) + " has no gap to fill; this model's gaps are " +
                    sentinel_name(0) + ", " + sentinel_name(1) + " and so on");
  }
  result.end = tokenizer_.id(sentinel_name(largest + 1)).value_or(-1);
  return result;
}

template <typename S>
GenerationRequest SpanFiller<S>::request(const SpanText& text) const {
  GenerationRequest request;
  request.ids = text.ids;
  GenerationConfig config = config_;
  if (text.end >= 0) config.eos_token_id.push_back(text.end);
  constexpr std::int64_t tokens_of_gap = 16;  // with its sentinel
  if (!config.max_new_tokens) {
    config.max_new_tokens = tokens_of_gap * static_cast<std::int64_t>(text.gaps.size()) + 2;
  }
  request.config = std::make_shared<const GenerationConfig>(std::move(config));
  return request;
}

template <typename S>
std::vector<std::vector<SpanAnswer>> SpanFiller<S>::fill(std::span<const SpanText> texts) const {
  const detail::FloatEnvironment environment;
  std::vector<std::vector<SpanAnswer>> answers(texts.size());
  std::size_t next = 0;
  const Generator<S> generator(model_, &tokenizer_, {.interrupt = input_.interrupt});
  generator.run(
      [&]() -> std::optional<GenerationRequest> {
        if (next == texts.size()) return std::nullopt;
        return request(texts[next++]);
      },
      config_,
      [&](GenerationResult&& result) {
        if (result.error) throw Error(result.error->code, result.error->message);
        if (result.finish_reason == FinishReason::interrupted) return;
        const auto row = static_cast<std::size_t>(result.row);
        answers.at(row).push_back(answer(texts[row], result.sequence));
      });
  check_interrupt(input_.interrupt);
  return answers;
}

template <typename S>
SpanAnswer SpanFiller<S>::answer(const SpanText& text, std::span<const TokenId> sequence) const {
  SpanAnswer answer;
  answer.fills.resize(text.gaps.size());
  const std::vector<double> logprob = logprobs(text, sequence);
  SpanFill* open = nullptr;  // of the gap whose words are being read
  for (std::size_t i = 1; i < sequence.size() && !ends(text, sequence[i]); ++i) {
    const auto gap = std::find_if(text.gaps.begin(), text.gaps.end(), [&](const SpanText::Gap& g) {
      return g.sentinel == sequence[i];
    });
    if (gap != text.gaps.end()) {
      auto& fill = answer.fills[static_cast<std::size_t>(gap - text.gaps.begin())];
      open = fill ? nullptr : &fill.emplace();  // what is said twice counts once
    } else if (open) {
      open->tokens.push_back(sequence[i]);
      open->score += logprob[i];
    }
  }
  for (std::optional<SpanFill>& fill : answer.fills) {
    if (!fill) continue;
    fill->token_str = tokenizer_.decode(fill->tokens);
    fill->score = std::exp(fill->score);
  }
  answer.sequence = in_place(text, answer.fills);
  return answer;
}

template <typename S>
bool SpanFiller<S>::ends(const SpanText& text, TokenId id) const {
  const std::vector<TokenId>& eos = config_.eos_token_id;
  return id == text.end || std::find(eos.begin(), eos.end(), id) != eos.end();
}

// Log-probability of each token of the decoder's sequence behind the first.
template <typename S>
std::vector<double> SpanFiller<S>::logprobs(const SpanText& text,
                                            std::span<const TokenId> sequence) const {
  Workspace workspace;
  const std::span<const TokenId> source(text.ids);
  const auto states = model_.start({&source, 1}, workspace);
  const StepInput<S> input{states.front().get(), sequence.first(sequence.size() - 1), true};
  const TensorView<const S> logits = model_.step({&input, 1}, workspace);
  std::vector<double> result(sequence.size(), 0.0);
  for (std::size_t i = 1; i < sequence.size(); ++i) {
    result[i] = logprob_of(logits.row(static_cast<std::int64_t>(i) - 1), sequence[i]);
  }
  return result;
}

template class SpanFiller<float>;
template class SpanFiller<double>;

}  // namespace llm
