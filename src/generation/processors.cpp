// The order of the processors, and their instantiation for both scalars.
#include "llm/generation/processors.hpp"

#include "llm/generation/observer.hpp"
#include "llm/generation/sampler.hpp"

namespace llm {

namespace {

template <typename S>
class Chain {
 public:
  template <typename Processor, typename... Args>
  void add_if(bool wanted, Args&&... args) {
    if (wanted) list_.push_back(std::make_shared<Processor>(std::forward<Args>(args)...));
  }
  void add(const ProcessorList<S>& own) { list_.insert(list_.end(), own.begin(), own.end()); }
  ProcessorList<S> take() { return std::move(list_); }

 private:
  ProcessorList<S> list_;
};

template <typename S>
void add_bans(Chain<S>& chain, const GenerationConfig& c) {
  const bool eos = !c.eos_token_id.empty();
  chain.template add_if<EncoderRepetitionPenalty<S>>(c.encoder_repetition_penalty != 1.0,
                                                     c.encoder_repetition_penalty);
  chain.template add_if<RepetitionPenalty<S>>(c.repetition_penalty != 1.0, c.repetition_penalty);
  chain.template add_if<NoRepeatNgram<S>>(c.no_repeat_ngram_size > 0, c.no_repeat_ngram_size);
  chain.template add_if<EncoderNoRepeatNgram<S>>(c.encoder_no_repeat_ngram_size > 0,
                                                 c.encoder_no_repeat_ngram_size);
  chain.template add_if<BadWords<S>>(!c.bad_words_ids.empty(), c.bad_words_ids, c.eos_token_id);
  if (c.min_new_tokens) {
    chain.template add_if<MinNewTokens<S>>(eos && *c.min_new_tokens > 0, *c.min_new_tokens,
                                           c.eos_token_id);
  } else {
    chain.template add_if<MinLength<S>>(eos && c.min_length > 0, c.min_length, c.eos_token_id);
  }
  if (c.forced_bos_token_id) {
    chain.template add_if<ForcedBos<S>>(true, *c.forced_bos_token_id);
  }
  chain.template add_if<ForcedEos<S>>(!c.forced_eos_token_id.empty(), c.forced_eos_token_id);
  chain.template add_if<RemoveInvalidValues<S>>(c.remove_invalid_values);
  chain.template add_if<SuppressTokens<S>>(!c.suppress_tokens.empty(), c.suppress_tokens);
  chain.template add_if<BeginSuppressTokens<S>>(
      !c.begin_suppress_tokens.empty(), c.begin_suppress_tokens, c.forced_bos_token_id.has_value());
}

template <typename S>
void add_warpers(Chain<S>& chain, const GenerationConfig& c) {
  // Beams need a token that is not eos to go on with.
  const std::size_t eos = std::max<std::size_t>(c.eos_token_id.size(), 1);
  const std::size_t keep = c.num_beams > 1 ? eos + 1 : 1;
  chain.template add_if<Temperature<S>>(c.temperature != 1.0, c.temperature);
  chain.template add_if<TopK<S>>(c.top_k > 0, c.top_k, keep);
  chain.template add_if<TopP<S>>(c.top_p < 1.0, c.top_p, keep);
  if (c.min_p) chain.template add_if<MinP<S>>(true, *c.min_p, keep);
  chain.template add_if<TypicalP<S>>(c.typical_p < 1.0, c.typical_p, keep);
}

}  // namespace

template <typename S>
ProcessorList<S> make_processors(const GenerationConfig& config, const ProcessorList<S>& own) {
  Chain<S> chain;
  add_bans(chain, config);
  chain.add(own);
  if (config.do_sample) add_warpers(chain, config);
  chain.template add_if<Renormalize<S>>(config.renormalize_logits);
  return chain.take();
}

template <typename S>
std::vector<Candidate> top_scores(std::span<const S> scores, std::size_t count) {
  std::vector<Candidate> result;
  for (const std::size_t i : detail::top_indices(scores, count)) {
    result.push_back({static_cast<TokenId>(i), static_cast<double>(scores[i])});
  }
  return result;
}

template <typename S>
std::vector<Candidate> top_probabilities(std::span<const S> scores, std::size_t count) {
  std::vector<Candidate> result = top_scores(scores, count);
  const double norm = detail::log_sum_exp(scores);
  for (Candidate& candidate : result) candidate.value = std::exp(candidate.value - norm);
  return result;
}

template ProcessorList<float> make_processors(const GenerationConfig&, const ProcessorList<float>&);
template ProcessorList<double> make_processors(const GenerationConfig&,
                                               const ProcessorList<double>&);
template std::vector<Candidate> top_scores(std::span<const float>, std::size_t);
template std::vector<Candidate> top_scores(std::span<const double>, std::size_t);
template std::vector<Candidate> top_probabilities(std::span<const float>, std::size_t);
template std::vector<Candidate> top_probabilities(std::span<const double>, std::size_t);

}  // namespace llm
