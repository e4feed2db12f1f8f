// Logits of a masked language model at the masks to the best tokens.
#include "llm/tasks/fill_mask.hpp"

#include <algorithm>
#include <numeric>

#include "core/float_environment.hpp"
#include "llm/tasks/classify.hpp"
#include "tasks/require_head.hpp"

namespace llm {

namespace {

TokenId find_mask(const Tokenizer& tokenizer) {
  if (const auto mask = tokenizer.special().mask) return *mask;
  throw Error(ErrorCode::unsupported,
              "fill-mask needs a mask token, but the tokenizer (" + tokenizer.description() +
                  ") has none; tokenizer_config.json names it as mask_token");
}

// A mask as another model spells it is easily written by mistake.
std::string other_mask(std::string_view text) {
  for (const std::string_view mask : {"[MASK]", "<mask>", "<extra_id_0>"}) {
    if (text.find(mask) != std::string_view::npos) return std::string(mask);
  }
  return {};
}

}  // namespace

template <typename S>
MaskFiller<S>::MaskFiller(const Model<S>& model, const Tokenizer& tokenizer,
                          FillMaskOptions options)
    : model_(model),
      tokenizer_(tokenizer),
      encoder_(tokenizer, model.config(), options.input),
      options_(std::move(options)) {
  detail::require_head(model.config(), HeadKind::masked_lm, "fill-mask");
  mask_ = find_mask(tokenizer);
  if (options_.top_k < 1) {
    throw Error(ErrorCode::invalid_option,
                "top-k is " + std::to_string(options_.top_k) + ", expected 1 or more", "top-k");
  }
  find_targets();
}

template <typename S>
void MaskFiller<S>::find_targets() {
  for (const std::string& target : options_.targets) {
    std::optional<TokenId> id = tokenizer_.id(target);
    if (!id) {
      const Encoding encoding = tokenizer_.encode(target, {.add_special_tokens = false});
      if (!encoding.ids.empty()) id = encoding.ids.front();
      notes_.push_back("the target " + quote(target) + " is no token of the vocabulary, " +
                       (id ? "its first token " + quote(tokenizer_.token(*id)) + " takes its place"
                           : "and it has none to take its place"));
    }
    if (!id || std::find(targets_.begin(), targets_.end(), *id) != targets_.end()) continue;
    if (*id < model_.config().vocab_size) targets_.push_back(*id);
  }
  if (!options_.targets.empty() && targets_.empty()) {
    throw Error(ErrorCode::invalid_option,
                "none of the targets has a token in the vocabulary; give other words", "targets");
  }
}

template <typename S>
std::vector<std::int64_t> MaskFiller<S>::masks_of(const TextTokens& text) const {
  std::vector<std::int64_t> positions;
  for (std::int64_t i = 0; i < text.size(); ++i) {
    if (text.encoding.ids[static_cast<std::size_t>(i)] == mask_) positions.push_back(i);
  }
  return positions;
}

template <typename S>
TextTokens MaskFiller<S>::encode(std::string_view text) const {
  const TextTokens whole = encoder_.encode(text);
  const std::size_t masks = masks_of(whole).size();
  if (masks == 0) {
    const std::string other = other_mask(text), own = tokenizer_.token(mask_);
    throw Error(ErrorCode::invalid_input, "the text " + quote(text) +
                                              " has no mask to fill; this model's is " + own +
                                              (other.empty() ? "" : ", not " + other));
  }
  TextTokens tokens = encoder_.encode(TaskText{std::string(text)}, options_.truncation);
  if (tokens.truncated && masks_of(tokens).size() < masks) {
    throw Error(ErrorCode::context_overflow,
                "a mask is among the tokens that do not fit: the text has " +
                    std::to_string(whole.size()) + " tokens, but " + encoder_.limit()->source +
                    "; shorten the text");
  }
  return tokens;
}

template <typename S>
std::vector<std::vector<std::vector<MaskFill>>> MaskFiller<S>::fill(
    std::span<const TextTokens> texts) const {
  const detail::FloatEnvironment environment;
  std::vector<std::vector<std::vector<MaskFill>>> results(texts.size());
  Workspace workspace;
  workspace.set_interrupt(options_.input.interrupt);
  for (const Range batch : split_batches(texts, options_.batch_tokens)) {
    check_interrupt(options_.input.interrupt);
    std::vector<std::int64_t> rows;
    std::int64_t first = 0;
    for (std::int64_t i = batch.begin; i < batch.end; ++i) {
      const TextTokens& text = texts[static_cast<std::size_t>(i)];
      for (const std::int64_t position : masks_of(text)) rows.push_back(first + position);
      first += text.size();
    }
    const Tensor<S> logits = model_.run_head_at(model_inputs(texts, batch), rows, workspace);
    std::int64_t row = 0;
    for (std::int64_t i = batch.begin; i < batch.end; ++i) {
      const TextTokens& text = texts[static_cast<std::size_t>(i)];
      const std::vector<std::int64_t> positions = masks_of(text);
      for (const std::int64_t position : positions) {
        results[static_cast<std::size_t>(i)].push_back(
            best(text, position, positions.size() == 1, logits.view().row(row++)));
      }
    }
  }
  return results;
}

template <typename S>
std::vector<MaskFill> MaskFiller<S>::best(const TextTokens& text, std::int64_t position,
                                          bool only_mask, std::span<const S> logits) const {
  const std::vector<double> scores =
      scores_of(ScoreFunction::softmax, std::vector<double>(logits.begin(), logits.end()));
  std::vector<TokenId> order = targets_;
  if (order.empty()) {
    order.resize(scores.size());
    std::iota(order.begin(), order.end(), TokenId{0});
  }
  const std::size_t count = std::min(order.size(), static_cast<std::size_t>(options_.top_k));
  const auto score = [&](TokenId id) { return scores.at(static_cast<std::size_t>(id)); };
  std::partial_sort(
      order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
      [&](TokenId a, TokenId b) { return score(a) != score(b) ? score(a) > score(b) : a < b; });
  std::vector<MaskFill> fills;
  for (const TokenId id : std::span(order).first(count)) {
    fills.push_back({id, tokenizer_.decode({&id, 1}, {.skip_special_tokens = false}), score(id),
                     sequence(text, position, id, only_mask)});
  }
  return fills;
}

// As the reference: padding is left out, and special tokens, too, unless other masks would go.
template <typename S>
std::string MaskFiller<S>::sequence(const TextTokens& text, std::int64_t position, TokenId token,
                                    bool only_mask) const {
  std::vector<TokenId> ids = text.encoding.ids;
  ids[static_cast<std::size_t>(position)] = token;
  if (const auto pad = tokenizer_.special().pad) std::erase(ids, *pad);
  return tokenizer_.decode(ids, {.skip_special_tokens = only_mask});
}

template class MaskFiller<float>;
template class MaskFiller<double>;

}  // namespace llm
