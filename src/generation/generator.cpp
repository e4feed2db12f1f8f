// Generator: one prompt, all its sequences, or a stream of rows.
#include "llm/generation/generator.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/float_environment.hpp"
#include "llm/generation/scheduler.hpp"

namespace llm {

namespace {

constexpr std::array<std::pair<std::string_view, Overflow>, 4> overflow_names{{
    {"error", Overflow::error},
    {"truncate_left", Overflow::truncate_left},
    {"truncate_right", Overflow::truncate_right},
    {"truncate_middle", Overflow::truncate_middle},
}};

}  // namespace

Overflow overflow_from_name(std::string_view name) {
  std::string spelled(name);
  std::ranges::replace(spelled, '-', '_');
  for (const auto& [known, overflow] : overflow_names) {
    if (spelled == known) return overflow;
  }
  throw Error(ErrorCode::invalid_option,
              "overflow is " + quote(name) +
                  "; expected error, truncate-left, truncate-right or truncate-middle",
              "overflow");
}

std::string_view to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::time:
      return "time";
    case FinishReason::interrupted:
      return "interrupted";
  }
  return "";
}

template <typename S>
Generator<S>::Generator(const LanguageModel<S>& model, const Tokenizer* tokenizer,
                        RunOptions<S> options)
    : model_(model), tokenizer_(tokenizer), options_(std::move(options)) {
  if (options_.batch_size < 1 || options_.prefill_chunk < 1) {
    throw Error(ErrorCode::invalid_option, "batch_size and prefill_chunk must be at least 1, got " +
                                               std::to_string(options_.batch_size) + " and " +
                                               std::to_string(options_.prefill_chunk));
  }
  if (options_.max_input_tokens.value_or(1) < 1) {
    throw Error(
        ErrorCode::invalid_option,
        "max_input_tokens must be at least 1, got " + std::to_string(*options_.max_input_tokens),
        "max_input_tokens");
  }
}

template <typename S>
GenerationResult Generator<S>::generate(std::string_view prompt, const GenerationConfig& config,
                                        const OnText& on_text) const {
  GenerationRequest request;
  request.text = std::string(prompt);
  return first_result(std::move(request), config, on_text);
}

template <typename S>
GenerationResult Generator<S>::generate(std::span<const TokenId> prompt,
                                        const GenerationConfig& config,
                                        const OnText& on_text) const {
  GenerationRequest request;
  request.ids.assign(prompt.begin(), prompt.end());
  return first_result(std::move(request), config, on_text);
}

template <typename S>
GenerationResult Generator<S>::first_result(GenerationRequest request,
                                            const GenerationConfig& config,
                                            const OnText& on_text) const {
  if (on_text) {
    request.on_text = [&on_text](std::int32_t sample, std::string_view piece) {
      return sample != 0 || on_text(piece);
    };
  }
  return std::move(generate_all(std::move(request), config).front());
}

template <typename S>
std::vector<GenerationResult> Generator<S>::generate_all(GenerationRequest request,
                                                         const GenerationConfig& config) const {
  return all_results(std::move(request), config, nullptr);
}

template <typename S>
std::vector<GenerationResult> Generator<S>::generate_all(GenerationRequest request,
                                                         const GenerationConfig& config,
                                                         KeptSequence<S>& kept) const {
  return all_results(std::move(request), config, &kept);
}

template <typename S>
std::vector<GenerationResult> Generator<S>::all_results(GenerationRequest request,
                                                        const GenerationConfig& config,
                                                        KeptSequence<S>* kept) const {
  const detail::FloatEnvironment environment;
  std::optional<GenerationRequest> next = std::move(request);
  std::vector<GenerationResult> results;
  const RequestSource source = [&] { return std::exchange(next, std::nullopt); };
  const ResultSink sink = [&](GenerationResult&& result) { results.push_back(std::move(result)); };
  detail::Scheduler<S>(*this, config, source, sink, kept).run();
  if (results.empty()) results.emplace_back().finish_reason = FinishReason::interrupted;
  if (const auto& error = results.front().error) throw Error(error->code, error->message);
  return results;
}

template <typename S>
void Generator<S>::run(const RequestSource& source, const GenerationConfig& config,
                       const ResultSink& sink) const {
  const detail::FloatEnvironment environment;
  detail::Scheduler<S>(*this, config, source, sink).run();
}

std::vector<std::vector<TokenId>> padded_sequences(std::span<const GenerationResult> results,
                                                   const GenerationConfig& config) {
  std::optional<TokenId> fill = config.pad_token_id;
  // In beam search the reference takes a pad_token_id of 0 for none, and needs an eos to pad.
  if (config.num_beams > 1 && (fill == 0 || config.eos_token_id.empty())) fill.reset();
  if (!fill) fill = config.eos_token_id.empty() ? TokenId{-1} : config.eos_token_id.front();
  std::size_t longest = 0;
  for (const GenerationResult& result : results) {
    longest = std::max(longest, result.sequence.size());
  }
  std::vector<std::vector<TokenId>> rows;
  for (const GenerationResult& result : results) {
    rows.push_back(result.sequence);
    rows.back().resize(longest, *fill);
  }
  return rows;
}

template class Generator<float>;
template class Generator<double>;

}  // namespace llm
