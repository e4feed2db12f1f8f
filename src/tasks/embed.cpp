// Hidden states to one vector a text.
#include "llm/tasks/embed.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "chat/text.hpp"
#include "core/float_environment.hpp"
#include "core/folder.hpp"
#include "core/gguf.hpp"
#include "core/gguf_split.hpp"
#include "core/system_error.hpp"
#include "llm/core/error.hpp"
#include "tokenizer/text_input.hpp"
#include "tokenizer/unicode.hpp"

namespace llm {

namespace {

constexpr std::pair<PoolingMode, std::string_view> pooling_names[] = {
    {PoolingMode::mean, "mean"},
    {PoolingMode::cls, "cls"},
    {PoolingMode::last_token, "last"},
    {PoolingMode::max, "max"},
    {PoolingMode::mean_sqrt_len, "mean-sqrt-len"},
    {PoolingMode::weighted_mean, "weighted-mean"},
};

// pooling_type of a GGUF file, as ggml numbers it.
std::optional<PoolingMode> pooling_of_gguf(const std::filesystem::path& path) {
  std::filesystem::path gguf = path;
  if (detail::is_folder(path)) {
    if (detail::is_there(path / "config.json")) return std::nullopt;
    gguf = detail::gguf_in(path);
    if (gguf.empty()) return std::nullopt;
  }
  const auto file = detail::GgufFile::open(gguf);
  const std::string architecture(file->find_string("general.architecture").value_or(""));
  const auto type = file->find_int(architecture + ".pooling_type");
  if (!type || *type == 0) return std::nullopt;  // 0: none
  constexpr PoolingMode types[] = {PoolingMode::mean, PoolingMode::cls, PoolingMode::last_token};
  if (*type >= 1 && *type <= 3) return types[*type - 1];
  throw Error(ErrorCode::unsupported,
              path.string() + ": pooling_type " + std::to_string(*type) +
                  " is not supported, expected mean (1), cls (2) or last (3); choose the pooling",
              path.string());
}

// The folder's max_seq_length within what the model takes.
std::optional<TokenLimit> embedding_limit(const TransformerConfig& config,
                                          const Tokenizer& tokenizer,
                                          const SentenceConfig& sentence) {
  std::optional<TokenLimit> limit = token_limit(config, tokenizer, true);
  const auto most = sentence.max_seq_length;
  if (most && (!limit || *most < limit->tokens)) {
    limit = TokenLimit{*most, "max_seq_length is " + std::to_string(*most)};
  }
  return limit;
}

// Adds one pooled vector to `out`. Sums are taken in double, token after token.
template <typename S>
void append_pooled(PoolingMode mode, TensorView<const S> states, std::int64_t skipped,
                   std::vector<S>& out) {
  const std::int64_t rows = states.rows(), width = states.cols();
  if (mode == PoolingMode::cls || mode == PoolingMode::last_token) {
    const std::span<const S> row = states.row(mode == PoolingMode::cls ? skipped : rows - 1);
    out.insert(out.end(), row.begin(), row.end());
    return;
  }
  const bool max = mode == PoolingMode::max, weighted = mode == PoolingMode::weighted_mean;
  std::vector<double> values(static_cast<std::size_t>(width),
                             max ? -std::numeric_limits<double>::infinity() : 0.0);
  double total = 0.0;
  for (std::int64_t r = skipped; r < rows; ++r) {
    const double weight = weighted ? static_cast<double>(r + 1) : 1.0;
    total += weight;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto x = static_cast<double>(states.row(r)[i]);
      values[i] = max ? std::max(values[i], x) : values[i] + weight * x;
    }
  }
  const double divisor = max ? 1.0 : mode == PoolingMode::mean_sqrt_len ? std::sqrt(total) : total;
  for (const double value : values) out.push_back(static_cast<S>(value / divisor));
}

template <typename S>
void normalize(std::vector<S>& vector) {
  double squares = 0.0;
  for (const S value : vector) squares += static_cast<double>(value) * static_cast<double>(value);
  constexpr double smallest = 1e-12;  // as the reference: a vector of zeros stays one
  const double length = std::max(std::sqrt(squares), smallest);
  for (S& value : vector) value = static_cast<S>(static_cast<double>(value) / length);
}

}  // namespace

SentenceConfig embedding_config(const std::filesystem::path& path) try {
  if (auto found = read_sentence_config(path)) return *std::move(found);
  SentenceConfig sentence;
  sentence.model_path = path;
  if (const auto pooling = pooling_of_gguf(path)) {
    sentence.pooling = {*pooling};
  } else if (read_model_config(path).kind == ModelKind::decoder) {
    sentence.pooling = {PoolingMode::last_token};
  }
  return sentence;
} catch (...) {
  detail::rethrow_as_error(path);
}

PoolingMode pooling_from_name(std::string_view name) {
  std::string known;
  for (const auto& [mode, spelled] : pooling_names) {
    if (name == spelled) return mode;
    known += (known.empty() ? "" : ", ") + std::string(spelled);
  }
  throw Error(ErrorCode::invalid_option,
              "the pooling " + quote(name) + " is not known; expected one of " + known, "pooling");
}

std::string_view to_string(PoolingMode mode) {
  for (const auto& [known, name] : pooling_names) {
    if (known == mode) return name;
  }
  return "";
}

template <typename S>
TextEmbedder<S>::TextEmbedder(const Model<S>& model, const Tokenizer& tokenizer,
                              SentenceConfig config, EmbedOptions options)
    : model_(model),
      tokenizer_(tokenizer),
      config_(std::move(config)),
      options_(std::move(options)),
      encoder_(tokenizer, model.config(), embedding_limit(model.config(), tokenizer, config_),
               options_.input) {
  if (config_.pooling.empty()) {
    throw Error(ErrorCode::invalid_option, "there is no pooling; give one, such as mean",
                "pooling");
  }
  if (config_.truncate_dim.value_or(1) < 1) {
    throw Error(ErrorCode::invalid_option,
                "truncate-dim is " + std::to_string(*config_.truncate_dim) + ", expected 1 or more",
                "truncate-dim");
  }
  if (!config_.include_prompt && !options_.prompt.empty()) skipped_ = prompt_tokens();
}

// Special tokens before it count, one behind it does not.
template <typename S>
std::int64_t TextEmbedder<S>::prompt_tokens() const {
  const Encoding encoding = tokenizer_.encode(detail::strip_spaces(options_.prompt));
  const auto size = static_cast<std::int64_t>(encoding.ids.size());
  return size > 0 && tokenizer_.is_special(encoding.ids.back()) ? size - 1 : size;
}

template <typename S>
std::int64_t TextEmbedder<S>::dimensions() const {
  const TransformerConfig& c = model_.config();
  const StackConfig& stack = c.kind == ModelKind::decoder ? c.decoder : c.encoder;
  const std::int64_t all = stack.hidden_size * static_cast<std::int64_t>(config_.pooling.size());
  return std::min(all, config_.truncate_dim.value_or(all));
}

template <typename S>
TextTokens TextEmbedder<S>::encode(std::string_view text) const {
  std::string whole = options_.prompt + std::string(text);
  detail::check_text(whole);
  whole = detail::strip_spaces(whole);
  if (config_.do_lower_case) whole = detail::jinja::lowered(whole);
  TextTokens tokens = encoder_.encode(TaskText{std::move(whole)}, options_.truncation);
  if (tokens.size() <= skipped_) {
    throw Error(ErrorCode::invalid_input,
                "nothing but the prompt, which takes no part in the embedding, is left of a text; "
                "give a longer text or a shorter prompt");
  }
  return tokens;
}

template <typename S>
std::vector<S> TextEmbedder<S>::pool(TensorView<const S> states) const {
  std::vector<S> vector;
  for (const PoolingMode mode : config_.pooling) append_pooled(mode, states, skipped_, vector);
  if (config_.normalize) normalize(vector);
  const bool cut = dimensions() < static_cast<std::int64_t>(vector.size());
  if (cut) vector.resize(static_cast<std::size_t>(dimensions()));
  if (config_.normalize_embeddings && (cut || !config_.normalize)) normalize(vector);
  check_finite(std::span<const S>(vector), "embeddings");
  return vector;
}

template <typename S>
std::vector<std::vector<S>> TextEmbedder<S>::embed(std::span<const TextTokens> texts) const {
  const detail::FloatEnvironment environment;
  std::vector<std::vector<S>> results(texts.size());
  run_hidden_states(
      model_, texts, options_.batch_tokens,
      [&](std::size_t i, TensorView<const S> states) { results[i] = pool(states); },
      options_.input.interrupt);
  return results;
}

template class TextEmbedder<float>;
template class TextEmbedder<double>;

}  // namespace llm
