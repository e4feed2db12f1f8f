// Over a text, the distributions of a model beside those of its exact computation: what fewer bits
// cost. Text -> windows of tokens -> rows of logits from both models -> sums.
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "core/float_environment.hpp"
#include "llm/core/error.hpp"
#include "llm/tensor/finite.hpp"
#include "llm/tensor/ops.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "llm/verify.hpp"

namespace llm {
namespace {

namespace fs = std::filesystem;

// What is read together, and which rows of its logits predict which tokens.
struct Window {
  struct Target {
    std::int64_t row;
    TokenId id;
    std::int64_t place;  // of the token in the text
  };
  std::vector<TokenId> source;  // of an encoder-decoder
  std::vector<TokenId> ids;
  std::vector<Target> targets;  // rows ascending
};

// ------------------------------------------------------------------ windows

// The tokens that special-token rules put around a text.
struct Frame {
  std::vector<TokenId> before, after;
};

Frame frame_of(const Tokenizer& tokenizer, ModelKind kind) {
  const std::vector<TokenId> around = tokenizer.encode("").ids;
  if (kind == ModelKind::encoder && around.size() == 2) return {{around[0]}, {around[1]}};
  const auto ends = [&](TokenId id) { return id == tokenizer.special().eos; };
  return {{around.begin(), std::ranges::find_if(around, ends)}, {}};
}

// The token that hides another one; files may name it, or hold it under one of the usual names.
std::optional<TokenId> mask_of(const Tokenizer& tokenizer) {
  if (const auto named = tokenizer.special().mask) return named;
  const auto bert = tokenizer.id("[MASK]");
  return bert ? bert : tokenizer.id("<mask>");
}

class Windows {
 public:
  Windows(const Tokenizer& tokenizer, const TransformerConfig& config,
          const TextQualityOptions& options)
      : tokenizer_(tokenizer),
        config_(config),
        options_(options),
        frame_(frame_of(tokenizer, config.kind)) {}

  std::vector<Window> cut(std::string_view text) {
    if (config_.kind == ModelKind::encoder_decoder) return pairs(text);
    std::vector<TokenId> ids = tokenizer_.encode(text, {.add_special_tokens = false}).ids;
    if (options_.max_tokens > 0) {
      ids.resize(std::min(ids.size(), static_cast<std::size_t>(options_.max_tokens)));
    }
    tokens_ = static_cast<std::int64_t>(ids.size());
    return config_.kind == ModelKind::decoder ? continued(ids) : masked(ids);
  }
  std::int64_t tokens() const { return tokens_; }

 private:
  std::int64_t window_tokens(const StackConfig& stack, std::size_t around) const {
    std::int64_t length = options_.window;
    if (stack.max_position_embeddings > 0) {
      length = std::min(length, stack.max_position_embeddings - static_cast<std::int64_t>(around));
    }
    return std::max<std::int64_t>(length, 1);
  }

  // [begin, end) of each window, and the first token that counts there.
  struct Cut {
    std::int64_t begin, counted, end;
  };
  std::vector<Cut> cuts(std::int64_t length) const {
    const std::int64_t stride = options_.stride > 0 ? std::min(options_.stride, length) : length;
    std::vector<Cut> result;
    std::int64_t done = 0;
    for (std::int64_t begin = 0; done < tokens_; begin += stride) {
      const std::int64_t end = std::min(begin + length, tokens_);
      result.push_back({begin, done, end});
      done = end;
    }
    return result;
  }

  std::vector<Window> continued(std::span<const TokenId> ids) const {
    std::vector<Window> windows;
    for (const Cut& c : cuts(window_tokens(config_.decoder, frame_.before.size()))) {
      Window& window = windows.emplace_back();
      window.ids = frame_.before;
      for (std::int64_t i = c.begin; i < c.end; ++i) {
        const TokenId id = ids[static_cast<std::size_t>(i)];
        const auto row = static_cast<std::int64_t>(window.ids.size()) - 1;
        if (i >= c.counted && row >= 0) window.targets.push_back({row, id, i});
        window.ids.push_back(id);
      }
    }
    return windows;
  }

  std::vector<Window> masked(std::span<const TokenId> ids) const {
    constexpr std::int64_t every = 7;  // about the share that such models are trained with
    const std::optional<TokenId> mask = mask_of(tokenizer_);
    if (!mask) {
      throw Error(ErrorCode::unsupported,
                  "the tokenizer has no mask token, so no text can be "
                  "masked; give the model's own tokenizer");
    }
    std::vector<Window> windows;
    const std::size_t around = frame_.before.size() + frame_.after.size();
    for (const Cut& c : cuts(window_tokens(config_.encoder, around))) {
      Window& window = windows.emplace_back();
      window.ids = frame_.before;
      for (std::int64_t i = c.begin; i < c.end; ++i) {
        const TokenId id = ids[static_cast<std::size_t>(i)];
        const bool hidden = i % every == every / 2 && i >= c.counted;
        const auto row = static_cast<std::int64_t>(window.ids.size());
        if (hidden) window.targets.push_back({row, id, i});
        window.ids.push_back(hidden ? *mask : id);
      }
      window.ids.insert(window.ids.end(), frame_.after.begin(), frame_.after.end());
    }
    return windows;
  }

  std::vector<Window> pairs(std::string_view text) {
    const std::optional<TokenId> start =
        config_.decoder_start_token_id ? config_.decoder_start_token_id : config_.bos_token_id;
    if (!start) {
      throw Error(ErrorCode::unsupported,
                  "config.json names no decoder_start_token_id, with which targets begin");
    }
    std::vector<Window> windows;
    for (std::int64_t number = 1; !text.empty(); ++number) {
      const std::string_view line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(text.size(), line.size() + 1));
      if (line.empty()) continue;
      if (options_.max_tokens > 0 && tokens_ >= options_.max_tokens) break;
      const std::size_t tab = line.find('\t');
      if (tab == std::string_view::npos) {
        throw Error(ErrorCode::invalid_input,
                    "line " + std::to_string(number) +
                        " of the text has no tab; for an encoder-decoder each line is "
                        "source<tab>target");
      }
      windows.push_back(pair(line.substr(0, tab), line.substr(tab + 1), *start));
    }
    return windows;
  }

  Window pair(std::string_view source, std::string_view target, TokenId start) {
    Window window;
    window.source = tokenizer_.encode(source).ids;
    window.ids = {start};
    for (const TokenId id : tokenizer_.encode(target, {.is_target = true}).ids) {
      window.targets.push_back({static_cast<std::int64_t>(window.ids.size()) - 1, id, tokens_++});
      window.ids.push_back(id);
    }
    window.ids.pop_back();
    return window;
  }

  const Tokenizer& tokenizer_;
  const TransformerConfig& config_;
  const TextQualityOptions& options_;
  Frame frame_;
  std::int64_t tokens_ = 0;
};

// ------------------------------------------------------------------ logits

// The rows of one window's logits, some at a time.
template <typename S>
class Logits {
 public:
  explicit Logits(const Model<S>& model) : model_(model) {}

  void begin(const Window& window) {
    ids_ = window.ids;
    if (model_.kind() == ModelKind::encoder) {
      const EncoderInput input{ids_, {}};
      masked_ = model_.run_head({&input, 1}, workspace_).logits;
      return;
    }
    const std::span<const TokenId> source = window.source;
    state_ = std::move(model_.start({&source, 1}, workspace_).front());
  }

  // The next `count` rows; valid until the next call.
  TensorView<const S> next(std::int64_t first, std::int64_t count) {
    if (model_.kind() == ModelKind::encoder) {
      return TensorView<const S>(masked_.view()).rows({first, first + count});
    }
    const StepInput<S> input{
        state_.get(),
        ids_.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)), true};
    return model_.step({&input, 1}, workspace_);
  }

 private:
  const Model<S>& model_;
  Workspace workspace_;
  std::span<const TokenId> ids_;
  std::unique_ptr<SequenceState<S>> state_;
  Tensor<S> masked_;
};

// ------------------------------------------------------------------ sums

class Sums {
 public:
  template <typename R>
  void add(std::span<const float> ours, std::span<const R> exact, const Window::Target& target) {
    const double our_total = static_cast<double>(ops::log_sum_exp(ours));
    const double exact_total = static_cast<double>(ops::log_sum_exp(exact));
    double kl = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) {
      const double log_p = static_cast<double>(exact[i]) - exact_total;
      const double p = std::exp(log_p);
      if (p > 0) kl += p * (log_p - (static_cast<double>(ours[i]) - our_total));
    }
    if (!std::isfinite(our_total + exact_total + kl)) refuse_non_finite("logits");
    kl_ += kl;
    if (kl > quality_.max_kl) {
      quality_.max_kl = kl;
      quality_.max_kl_token = target.place;
    }
    agreed_ += ops::argmax(ours) == ops::argmax(exact) ? 1 : 0;
    const auto target_id = static_cast<std::size_t>(target.id);
    surprise_ += our_total - static_cast<double>(ours[target_id]);
    exact_surprise_ += exact_total - static_cast<double>(exact[target_id]);
    ++quality_.predictions;
  }

  TextQuality result(std::int64_t tokens) const {
    TextQuality result = quality_;
    const auto n = static_cast<double>(result.predictions);
    result.tokens = tokens;
    result.mean_kl = kl_ / n;
    result.top1_agreement = static_cast<double>(agreed_) / n;
    result.perplexity = std::exp(surprise_ / n);
    result.exact_perplexity = std::exp(exact_surprise_ / n);
    return result;
  }
  bool empty() const { return quality_.predictions == 0; }

 private:
  TextQuality quality_;
  double kl_ = 0, surprise_ = 0, exact_surprise_ = 0;
  std::int64_t agreed_ = 0;
};

template <typename R>
void add_window(const Window& window, Logits<float>& ours, Logits<R>& exact, Sums& sums) {
  constexpr std::int64_t rows_at_once = 64;
  if (window.targets.empty()) return;
  ours.begin(window);
  exact.begin(window);
  std::size_t at = 0;
  const std::int64_t rows = window.targets.back().row + 1;
  for (std::int64_t first = 0; first < rows; first += rows_at_once) {
    const std::int64_t count = std::min(rows_at_once, rows - first);
    const TensorView<const float> a = ours.next(first, count);
    const TensorView<const R> b = exact.next(first, count);
    for (; at < window.targets.size() && window.targets[at].row < first + count; ++at) {
      const std::int64_t row = window.targets[at].row - first;
      sums.add(a.row(row), b.row(row), window.targets[at]);
    }
  }
}

void check(const Model<float>& ours, const fs::path& path, std::int64_t exact_vocabulary) {
  const bool predicts =
      ours.head() == HeadKind::language_model || ours.head() == HeadKind::masked_lm;
  if (!predicts) {
    throw Error(ErrorCode::unsupported,
                path.string() + ": its head is " + quote(to_string(ours.head())) +
                    ", which predicts no tokens; texts compare language models and masked LMs",
                path.string());
  }
  if (ours.vocab_size() != exact_vocabulary) {
    throw Error(ErrorCode::tensor_mismatch,
                path.string() + ": has " + std::to_string(ours.vocab_size()) +
                    " tokens, the model it is compared with " + std::to_string(exact_vocabulary) +
                    "; only versions of one model can be compared",
                path.string());
  }
}

template <typename R>
TextQuality compare(const fs::path& path, std::string_view text,
                    const TextQualityOptions& options) {
  const fs::path other = options.against.empty() ? path : options.against;
  const auto ours = Model<float>::load(path, {.threads = options.threads,
                                              .adapters = options.adapters,
                                              .weights = options.weights,
                                              .fast = options.fast});
  LoadOptions exact_options{.threads = options.threads, .adapters = options.adapters};
  if (!options.float64) exact_options.weights = WeightType::f32;
  const auto exact = Model<R>::load(other, exact_options);
  check(*ours, path, exact->vocab_size());
  const auto tokenizer = Tokenizer::open(other);
  Windows windows(*tokenizer, exact->config(), options);
  Logits<float> our_logits(*ours);
  Logits<R> exact_logits(*exact);
  Sums sums;
  for (const Window& window : windows.cut(text)) {
    add_window(window, our_logits, exact_logits, sums);
  }
  if (sums.empty()) {
    throw Error(ErrorCode::invalid_input, "the text has no token to predict; give a longer one");
  }
  return sums.result(windows.tokens());
}

}  // namespace

TextQuality verify_text(const fs::path& model, std::string_view text,
                        const TextQualityOptions& options) {
  const detail::FloatEnvironment environment;
  if (options.window < 2 || options.stride < 0 || options.stride > options.window) {
    throw Error(ErrorCode::invalid_option,
                "window: expected at least 2 tokens and a stride of at most that, got " +
                    std::to_string(options.window) + " and " + std::to_string(options.stride),
                "window");
  }
  return options.float64 ? compare<double>(model, text, options)
                         : compare<float>(model, text, options);
}

}  // namespace llm
