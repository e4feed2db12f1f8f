// A second transformer, written from the papers as plainly as they are: dense loops over whole
// sequences, one sequence at a time, without cache, batch, threads or packed weights. Shares with
// the library nothing but the description of a model (TransformerConfig) and the place of its
// weights (ModelSource).
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "llm/model/model_source.hpp"
#include "llm/nn/transformer_config.hpp"

namespace llm::test {

using Row = std::vector<double>;
using Rows = std::vector<Row>;  // one for each token

inline std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// Value i of a tensor in f64, f32, f16 or bf16.
inline double stored_value(const FileTensor& tensor, std::int64_t i) {
  const auto number = [&]<typename T>(T value) {
    std::memcpy(&value, tensor.bytes.data() + at(i) * sizeof(T), sizeof(T));
    return value;
  };
  if (tensor.dtype == DType::f64) return number(double());
  if (tensor.dtype == DType::f32) return static_cast<double>(number(float()));
  const std::uint32_t bits = number(std::uint16_t());
  if (tensor.dtype == DType::bf16) return static_cast<double>(std::bit_cast<float>(bits << 16));
  const double sign = bits >> 15 ? -1.0 : 1.0;  // IEEE 754 binary16, finite
  const int exponent = static_cast<int>(bits >> 10 & 31);
  const double fraction = static_cast<double>(bits & 1023) / 1024;
  return exponent == 0 ? sign * std::ldexp(fraction, -14)
                       : sign * std::ldexp(1 + fraction, exponent - 15);
}

inline Row stored_row(const FileTensor& tensor, std::int64_t row) {
  Row values(at(tensor.shape.back()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = stored_value(tensor, row * tensor.shape.back() + static_cast<std::int64_t>(i));
  }
  return values;
}

inline double dot(const double* a, const double* b, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// y = W x + b, the parts one below the other.
class DenseLinear {
 public:
  explicit DenseLinear(const LinearSource& source) {
    for (const LinearSource::Part& part : source.parts) {
      const FileTensor& w = *part.weight;
      const std::int64_t inputs = w.shape[part.transposed ? 0 : 1];
      for (std::int64_t i = 0; i < part.outputs; ++i) {
        const std::int64_t output = part.row_order.empty() ? i : part.row_order[at(i)];
        Row& row = rows_.emplace_back(at(inputs));
        for (std::int64_t k = 0; k < inputs; ++k) {
          row[at(k)] =
              stored_value(w, part.transposed ? k * w.shape[1] + output : output * inputs + k);
        }
        bias_.push_back(part.bias ? stored_value(*part.bias, output) : 0.0);
      }
    }
  }
  bool empty() const { return rows_.empty(); }
  Row operator()(const Row& x) const {
    Row y = bias_;
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += dot(rows_[i].data(), x.data(), x.size());
    return y;
  }

 private:
  Rows rows_;
  Row bias_;
};

// Layer normalization (arXiv:1607.06450) or root mean square normalization (arXiv:1910.07467).
class DenseNorm {
 public:
  DenseNorm(const StackConfig& c, const NormSource& source) : kind_(c.norm), eps_(c.norm_eps) {
    const std::vector<std::int64_t>& order = source.value_order;
    const std::int64_t rows = source.weight ? source.weight->rows() : 1;
    for (std::int64_t row = 0; source.weight && row < rows; ++row) {
      weights_.push_back(stored_row(*source.weight, row));
      for (double& value : weights_.back()) value += source.offset;
      const Row stored = weights_.back();
      for (std::size_t i = 0; i < order.size(); ++i) weights_.back()[i] = stored[at(order[i])];
      if (source.bias) biases_.push_back(stored_row(*source.bias, row));
    }
    if (source.unweighted > 0) weights_.emplace_back(at(source.unweighted), 1.0);
  }
  bool empty() const { return weights_.empty(); }
  // Values that are normed together.
  std::size_t size() const { return weights_.front().size(); }
  // With weights of several rows those of `row`.
  Row operator()(Row x, std::size_t row = 0) const {
    if (empty()) return x;
    const Row& weight = weights_[weights_.size() > 1 ? row : 0];
    const auto n = static_cast<double>(x.size());
    double mean = 0, variance = 0;
    if (kind_ == NormKind::layer_norm) {
      for (const double v : x) mean += v / n;
    }
    for (const double v : x) variance += (v - mean) * (v - mean) / n;
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = (x[i] - mean) / std::sqrt(variance + eps_) * weight[i];
      if (!biases_.empty()) x[i] += biases_[weights_.size() > 1 ? row : 0][i];
    }
    return x;
  }

 private:
  NormKind kind_;
  double eps_;
  Rows weights_, biases_;
};

// A value within -/+ `cap` (arXiv:2408.00118); 0: as it is.
inline double capped(double value, double cap) {
  return cap == 0 ? value : cap * std::tanh(value / cap);
}

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

inline double dense_activation(Activation f, double x) {
  switch (f) {
    case Activation::gelu:  // x * P(X <= x), X normal (arXiv:1606.08415)
      return x * 0.5 * std::erfc(-x / std::sqrt(2.0));
    case Activation::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * std::pow(x, 3))));
    case Activation::quick_gelu:
      return x * sigmoid(1.702 * x);
    case Activation::relu:
      return std::max(x, 0.0);
    case Activation::relu2:
      return std::max(x, 0.0) * std::max(x, 0.0);
    case Activation::silu:
      return x * sigmoid(x);
    case Activation::tanh:
      return std::tanh(x);
    case Activation::sigmoid:
      return sigmoid(x);
  }
  return NAN;
}

// What is added to the score of a key at `distance` = key - query.
class DenseBias {
 public:
  DenseBias(const StackConfig& c, const StackSource& source, std::int64_t layer) : c_(c) {
    const auto* relative = std::get_if<RelativeBias>(&c.positions);
    if (relative) table_ = source.relative_bias[at(relative->per_layer ? layer : 0)];
  }
  double operator()(std::int64_t head, std::int64_t distance) const {
    if (const auto* alibi = std::get_if<AlibiPositions>(&c_.positions)) {
      return alibi->slopes[at(head)] * static_cast<double>(distance);
    }
    if (!table_) return 0;
    const auto& relative = std::get<RelativeBias>(c_.positions);
    return stored_value(*table_, bucket(relative, distance) * c_.num_attention_heads + head);
  }

 private:
  // arXiv:1910.10683, section 2.1: half of the buckets for one distance each, the others ever
  // wider up to max_distance; those of both directions apart where a query looks both ways.
  static std::int64_t bucket(const RelativeBias& relative, std::int64_t distance) {
    const std::int64_t buckets = relative.num_buckets / (relative.bidirectional ? 2 : 1);
    const std::int64_t side = relative.bidirectional && distance > 0 ? buckets : 0;
    const std::int64_t away =
        relative.bidirectional ? std::abs(distance) : std::max<std::int64_t>(-distance, 0);
    const std::int64_t exact = buckets / 2;
    if (away < exact) return side + away;
    const double span = std::log(static_cast<double>(relative.max_distance) / double(exact));
    const double part = std::log(static_cast<double>(away) / double(exact)) / span;
    const auto wide = static_cast<std::int64_t>(part * double(buckets - exact));
    return side + std::min(exact + wide, buckets - 1);
  }

  const StackConfig& c_;
  const FileTensor* table_ = nullptr;
};

// Multi-head attention (arXiv:1706.03762), with fewer heads of keys and values than of queries
// (arXiv:2305.13245).
class DenseAttention {
 public:
  DenseAttention(const StackConfig& c, const StackSource& stack, const AttentionSource& source,
                 std::int64_t layer, bool cross)
      : c_(c),
        layer_(at(layer)),
        cross_(cross),
        in_(source.in),
        source_(source.source),
        out_(source.out),
        query_norm_(c, source.query_norm),
        key_norm_(c, source.key_norm),
        bias_(c, stack, layer) {}

  // `memory`: what cross-attention looks at; else it is the rows themselves.
  Rows operator()(const Rows& x, const Rows* memory) const {
    const std::size_t queries = at(c_.query_size()), keys = at(c_.key_value_size());
    Rows q, k, v;
    for (const Row& row : x) q.push_back(clipped(in_(row)));
    for (const Row& row : memory ? *memory : x) {
      const Row all = cross_ ? source_(row) : clipped(in_(row));
      const auto first = all.begin() + static_cast<std::ptrdiff_t>(cross_ ? 0 : queries);
      const auto middle = first + static_cast<std::ptrdiff_t>(keys);
      k.emplace_back(first, middle);
      v.emplace_back(middle, middle + static_cast<std::ptrdiff_t>(keys));
    }
    for (Row& row : q) row.resize(queries);
    prepare(q, query_norm_);
    prepare(k, key_norm_);
    Rows result;
    for (std::size_t t = 0; t < q.size(); ++t) {
      Row mixed(queries);
      for (std::int64_t h = 0; h < c_.num_attention_heads; ++h) mix(q[t], k, v, t, h, mixed);
      result.push_back(out_(mixed));
    }
    return result;
  }

 private:
  Row clipped(Row row) const {
    for (double& value : row) {
      if (c_.clip_qkv > 0) value = std::max(-c_.clip_qkv, std::min(c_.clip_qkv, value));
    }
    return row;
  }

  const RotaryPositions* rotation() const {
    const auto* rotary = std::get_if<RotaryPositions>(&c_.positions);
    if (cross_ || (!c_.rotary_layers.empty() && !c_.rotary_layers[layer_])) return nullptr;
    const bool windowed = rotary && !c_.attention_window.empty() && c_.attention_window[layer_] > 0;
    return windowed && !c_.window_rotary.inverse_frequencies.empty() ? &c_.window_rotary : rotary;
  }

  // Norm and rotation (arXiv:2104.09864) of each head of each row.
  void prepare(Rows& rows, const DenseNorm& norm) const {
    const RotaryPositions* rotary = rotation();
    const bool together = !norm.empty() && norm.size() != at(c_.head_dim);
    for (std::size_t t = 0; t < rows.size(); ++t) {
      if (together) rows[t] = norm(rows[t]);
      for (std::size_t first = 0; first < rows[t].size(); first += at(c_.head_dim)) {
        const auto begin = rows[t].begin() + static_cast<std::ptrdiff_t>(first);
        Row head{begin, begin + c_.head_dim};
        const std::size_t h = first / at(c_.head_dim);
        if (!together && !c_.norm_after_rotation) head = norm(std::move(head), h);
        const std::size_t half = rotary ? rotary->inverse_frequencies.size() : 0;
        for (std::size_t i = 0; i < half; ++i) {
          const double angle = static_cast<double>(t) * rotary->inverse_frequencies[i];
          const double a = head[i], b = head[i + half], f = rotary->attention_factor;
          head[i] = f * (a * std::cos(angle) - b * std::sin(angle));
          head[i + half] = f * (a * std::sin(angle) + b * std::cos(angle));
        }
        if (!together && c_.norm_after_rotation) head = norm(std::move(head), h);
        std::ranges::copy(head, begin);
      }
    }
  }

  // What the query of a token is scaled by (Llama 4).
  double growth(std::size_t token) const {
    if (cross_ || c_.query_growth == 0) return 1;
    const auto periods = static_cast<std::int64_t>(token) / c_.query_growth_period;
    return 1 + c_.query_growth * std::log(1.0 + static_cast<double>(periods));
  }

  bool sees(std::int64_t query, std::int64_t key) const {
    if (cross_) return true;
    if (c_.causal && key > query) return false;
    const std::int64_t window = c_.attention_window.empty() ? 0 : c_.attention_window[layer_];
    return window == 0 || (key > query - window && key < query + window);
  }

  // Softmax of the scores of one query head, times the values.
  void mix(const Row& q, const Rows& k, const Rows& v, std::size_t t, std::int64_t h,
           Row& mixed) const {
    const std::size_t d = at(c_.head_dim);
    const std::size_t group = at(h / (c_.num_attention_heads / c_.num_key_value_heads)) * d;
    double scale = c_.attention_scale;
    if (c_.scale_attn_by_inverse_layer_idx && !cross_) scale /= static_cast<double>(layer_ + 1);
    Row p(k.size(), -INFINITY);
    for (std::size_t s = 0; s < k.size(); ++s) {
      const auto query = static_cast<std::int64_t>(t), key = static_cast<std::int64_t>(s);
      if (!sees(query, key)) continue;
      p[s] = growth(t) * scale * dot(q.data() + at(h) * d, k[s].data() + group, d);
      if (!cross_) p[s] += bias_(h, key - query);
      p[s] = capped(p[s], c_.attn_logit_softcapping);
    }
    const double most = *std::ranges::max_element(p);
    double sum = 0;
    for (double& value : p) sum += value = std::exp(value - most);
    for (std::size_t s = 0; s < k.size(); ++s) {
      for (std::size_t i = 0; i < d; ++i) mixed[at(h) * d + i] += p[s] / sum * v[s][group + i];
    }
  }

  const StackConfig& c_;
  std::size_t layer_;
  bool cross_;
  DenseLinear in_, source_, out_;
  DenseNorm query_norm_, key_norm_;
  DenseBias bias_;
};

class DenseFeedForward {
 public:
  DenseFeedForward(Activation activation, const FeedForwardSource& source)
      : activation_(activation), gate_(source.gate), up_(source.up), down_(source.down) {}
  Row operator()(const Row& x) const {
    Row wide = up_(x);
    const Row gate = gate_(x);
    for (std::size_t i = 0; i < wide.size(); ++i) {
      wide[i] = gate_.empty() ? dense_activation(activation_, wide[i])
                              : dense_activation(activation_, gate[i]) * wide[i];
    }
    return down_(wide);
  }

 private:
  Activation activation_;
  DenseLinear gate_, up_, down_;
};

// An encoder or a decoder.
class DenseStack {
 public:
  DenseStack(const StackConfig& c, const StackSource& source) : c_(c), source_(source) {}

  // The hidden states of a text after all layers. `types` may be empty.
  Rows operator()(std::span<const TokenId> ids, std::span<const std::int32_t> types,
                  const Rows* memory) const {
    Rows x = embed(ids, types);
    for (std::size_t i = 0; i < source_.blocks.size(); ++i) {
      const BlockSource& b = source_.blocks[i];
      const auto layer = static_cast<std::int64_t>(i);
      const DenseAttention self(c_, source_, b.attention, layer, false);
      const auto attention = [&](const Rows& rows) { return self(rows, nullptr); };
      const DenseFeedForward dense(c_.hidden_act, b.feed_forward);
      const auto feed_forward = [&](const Rows& rows) {
        Rows result;
        for (const Row& row : rows) result.push_back(dense(row));
        return result;
      };
      if (c_.parallel_sublayers) {
        const NormSource& second =
            b.feed_forward_norm.empty() ? b.attention_norm : b.feed_forward_norm;
        const Rows before = x;
        x = sublayer(x, b.attention_norm, {}, attention);
        const Rows added = feed_forward(normed(before, second));
        for (std::size_t t = 0; t < x.size(); ++t) add(x[t], added[t]);
        continue;
      }
      x = sublayer(x, b.attention_norm, b.attention_out_norm, attention);
      if (c_.cross_attention) {
        const DenseAttention cross(c_, source_, b.cross_attention, layer, true);
        x = sublayer(x, b.cross_attention_norm, {},
                     [&](const Rows& rows) { return cross(rows, memory); });
      }
      x = sublayer(x, b.feed_forward_norm, b.feed_forward_out_norm, feed_forward);
    }
    for (Row& row : x) row = DenseNorm(c_, source_.final_norm)(row);
    return x;
  }

 private:
  Rows normed(Rows x, const NormSource& source) const {
    const DenseNorm norm(c_, source);
    for (Row& row : x) row = norm(row);
    return x;
  }

  template <typename F>
  Rows sublayer(const Rows& x, const NormSource& norm_source, const NormSource& out_source,
                F&& f) const {
    const DenseNorm norm(c_, norm_source);
    const bool pre = c_.norm_placement == NormPlacement::pre;
    const Rows first = normed(x, norm_source);
    Rows sum = normed(f(pre ? first : x), out_source);
    for (std::size_t t = 0; t < x.size(); ++t) {
      const Row& residual = c_.residual_from_norm ? first[t] : x[t];
      for (double& value : sum[t]) value *= c_.residual_scale;
      for (std::size_t i = 0; i < residual.size(); ++i) sum[t][i] += residual[i];
      if (!pre) sum[t] = norm(sum[t]);
    }
    return sum;
  }

  Rows embed(std::span<const TokenId> ids, std::span<const std::int32_t> types) const {
    const DenseNorm norm(c_, source_.embedding_norm);
    Rows x;
    std::int64_t counted = 0;
    for (std::size_t t = 0; t < ids.size(); ++t) {
      Row row = stored_row(*source_.tokens, ids[t]);
      for (double& value : row) value *= c_.embedding_scale;
      if (source_.types) add(row, stored_row(*source_.types, types.empty() ? 0 : types[t]));
      if (const auto* learned = std::get_if<LearnedPositions>(&c_.positions)) {
        const bool skipped = learned->uncounted == ids[t];
        add(row, stored_row(*source_.positions, (skipped ? -1 : counted++) + learned->offset));
      }
      if (const auto* sines = std::get_if<SinusoidalPositions>(&c_.positions)) {
        const std::int64_t position = static_cast<std::int64_t>(t) + sines->offset;
        add(row, source_.positions ? stored_row(*source_.positions, position) : waves(position));
      }
      x.push_back(norm(row));
    }
    return x;
  }

  static void add(Row& x, const Row& y) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }

  // sin and cos of position / 10000^(2i/n) for i = 0, 1, ...: first all sines, then all cosines.
  Row waves(std::int64_t position) const {
    Row sines, cosines;
    if (std::get<SinusoidalPositions>(c_.positions).reaches_last_frequency) {  // fairseq
      const std::int64_t half = c_.hidden_size / 2;
      for (std::int64_t i = 0; i < half; ++i) {
        const double turn = std::pow(10000.0, -double(i) / double(half - 1));
        sines.push_back(std::sin(static_cast<double>(position) * turn));
        cosines.push_back(std::cos(static_cast<double>(position) * turn));
      }
      sines.insert(sines.end(), cosines.begin(), cosines.end());
      sines.resize(at(c_.hidden_size));
      return sines;
    }
    for (std::int64_t i = 0; 2 * i < c_.hidden_size; ++i) {
      const double turn = std::pow(10000.0, -2.0 * double(i) / double(c_.hidden_size));
      sines.push_back(std::sin(static_cast<double>(position) * turn));
      if (2 * i + 1 < c_.hidden_size) {
        cosines.push_back(std::cos(static_cast<double>(position) * turn));
      }
    }
    sines.insert(sines.end(), cosines.begin(), cosines.end());
    return sines;
  }

  const StackConfig& c_;
  const StackSource& source_;
};

// Logits of the LM head over each row.
inline Rows dense_logits(const TransformerConfig& c, const ModelSource& source, Rows hidden) {
  const DenseLinear head(source.lm_head);
  for (Row& row : hidden) {
    for (double& value : row) value *= c.logits_scale;
    row = head(row);
    for (double& value : row) value = capped(value, c.final_logit_softcapping);
  }
  return hidden;
}

// out(norm(activation(dense(x)))), where dense and out may be absent.
inline Row dense_head(const StackConfig& c, const HeadSource& source, Row x) {
  const DenseLinear dense(source.dense), out(source.out);
  if (!dense.empty()) {
    x = dense(x);
    for (double& value : x) value = dense_activation(source.activation, value);
    x = DenseNorm(c, source.norm)(x);
  }
  return out.empty() ? x : out(x);
}

}  // namespace llm::test
