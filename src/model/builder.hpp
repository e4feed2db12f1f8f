// Slots of file tensors -> layers. Templated on the activation scalar; used by model.cpp only.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "llm/core/thread_pool.hpp"
#include "llm/model/head.hpp"
#include "llm/model/model.hpp"
#include "llm/model/model_source.hpp"
#include "llm/nn/decoder.hpp"
#include "llm/nn/encoder.hpp"
#include "weights/packed_weights.hpp"

namespace llm::detail {

template <typename S>
class Builder {
 public:
  // `store`: the slots' tensors.
  // `packed`: where the parts are taken from instead of the slots' tensors, or null.
  // `writer`: is given every part in the order of building, or null.
  Builder(ThreadPool& pool, WeightType type, bool fast, std::shared_ptr<const WeightStore> store,
          const PackedWeights* packed, PackedWriter* writer)
      : pool_(pool),
        type_(type),
        fast_(fast),
        store_(std::move(store)),
        packed_(packed),
        writer_(writer) {}

  LmHead<S> lm_head(const LinearSource& source, const TransformerConfig& c) {
    if (source.empty()) return {};
    return {linear(source, true), c.logits_scale, c.final_logit_softcapping};
  }

  Head<S> head(const HeadSource& source, const StackConfig& c) {
    if (source.empty()) return {};
    return Head<S>({linear(source.dense), source.activation, norm(c, source.norm),
                    linear(source.out), source.rows});
  }

  Encoder<S> encoder(const StackConfig& c, const StackSource& source) {
    read_position_vectors(c, source);
    return stack<Encoder<S>>(c, source, [&](const BlockSource& b, std::int64_t layer) {
      return EncoderBlock<S>({norm(c, b.attention_norm), norm(c, b.feed_forward_norm),
                              attention(c, layer, layer % 2, b.attention, false),
                              feed_forward(c, b.feed_forward), norm(c, b.attention_out_norm),
                              norm(c, b.feed_forward_out_norm)});
    });
  }

  Decoder<S> decoder(const StackConfig& c, const StackSource& source) {
    return stack<Decoder<S>>(c, source, [&](const BlockSource& b, std::int64_t layer) {
      typename DecoderBlock<S>::Layers layers;
      layers.attention_norm = norm(c, b.attention_norm);
      layers.feed_forward_norm = norm(c, b.feed_forward_norm);
      layers.attention = attention(c, layer, layer, b.attention, false);
      layers.feed_forward = feed_forward(c, b.feed_forward);
      if (c.cross_attention) {
        layers.cross_attention_norm = norm(c, b.cross_attention_norm);
        layers.cross_attention = attention(c, layer, layer, b.cross_attention, true);
      }
      layers.attention_out_norm = norm(c, b.attention_out_norm);
      layers.feed_forward_out_norm = norm(c, b.feed_forward_out_norm);
      return DecoderBlock<S>(std::move(layers));
    });
  }

  std::int64_t parameters() const { return parameters_; }
  std::size_t weight_bytes() const { return weight_bytes_; }
  // Names of the matrices' types in the file, most bytes first.
  std::vector<std::string> dtypes() const {
    std::vector<std::pair<std::size_t, DType>> order;
    for (const auto& [dtype, bytes] : file_bytes_) order.emplace_back(bytes, dtype);
    std::sort(order.rbegin(), order.rend());
    std::vector<std::string> names;
    for (const auto& entry : order) names.emplace_back(to_string(entry.second));
    return names;
  }

  // Must be called before the stacks are built: matrices that are both embedding and LM head are
  // kept once, in the layout of products.
  void share_with_head(const LinearSource& head) {
    for (const LinearSource::Part& part : head.parts) in_products_.insert(part.weight);
  }

 private:
  template <typename StackType, typename MakeBlock>
  StackType stack(const StackConfig& c, const StackSource& source, MakeBlock&& make_block) {
    typename StackType::Layers layers;
    layers.embeddings = {embedding(source.tokens), embedding(source.positions),
                         embedding(source.types), norm(c, source.embedding_norm),
                         linear(source.embedding_projection)};
    for (std::size_t i = 0; i < source.blocks.size(); ++i) {
      layers.blocks.push_back(make_block(source.blocks[i], static_cast<std::int64_t>(i)));
    }
    layers.final_norm = norm(c, source.final_norm);
    layers.convolution = convolution(source.convolution);
    layers.convolution_norm = norm(c, source.convolution_norm);
    std::vector<std::vector<S>> relative_bias;
    for (const FileTensor* tensor : source.relative_bias) {
      const Tensor<S> bias = vector(tensor);
      relative_bias.emplace_back(bias.values().begin(), bias.values().end());
    }
    layers.bias = {c.relative_bias ? Positions(*c.relative_bias) : c.positions,
                   c.num_attention_heads, std::move(relative_bias)};
    return StackType(c, std::move(layers));
  }

  Attention<S> attention(const StackConfig& c, std::int64_t layer, std::int64_t cache_layer,
                         const AttentionSource& source, bool cross) {
    AttentionConfig a;
    a.num_attention_heads = c.num_attention_heads;
    a.num_key_value_heads = c.num_key_value_heads;
    a.head_dim = c.head_dim;
    a.scale = c.attention_scale;
    if (c.scale_attn_by_inverse_layer_idx && !cross) a.scale /= static_cast<double>(layer + 1);
    if (!c.attention_window.empty()) a.window = c.attention_window[static_cast<std::size_t>(layer)];
    a.causal = c.causal;
    a.softcap = c.attn_logit_softcapping;
    a.clip_qkv = c.clip_qkv;
    a.norm_after_rotation = c.norm_after_rotation;
    a.query_growth = cross ? 0 : c.query_growth;
    a.query_growth_period = c.query_growth_period;
    const bool rotated =
        c.rotary_layers.empty() || c.rotary_layers[static_cast<std::size_t>(layer)];
    if (const auto* rotary = std::get_if<RotaryPositions>(&c.positions);
        rotary && rotated && !cross) {
      const auto pairs = [](const RotaryPositions& r) { return std::ssize(r.inverse_frequencies); };
      const bool own = a.window > 0 && pairs(c.window_rotary) > 0;
      a.rotary_pairs = pairs(own ? c.window_rotary : *rotary);
      a.first_angle = own ? 2 * pairs(*rotary) : 0;
    }
    a.cache_layer = cache_layer;
    if (const auto* bias = std::get_if<RelativeBias>(&c.positions); bias && bias->per_layer) {
      a.bias_layer = layer;
    }
    a.max_rows = attend_rows(c);
    const bool is_sensitive = type_ != WeightType::int8_channel || c.causal;
    typename Attention<S>::Layers layers{linear(source.in, is_sensitive),
                                         linear(source.source, is_sensitive),
                                         linear(source.out),
                                         norm(c, source.query_norm),
                                         norm(c, source.key_norm),
                                         {}};
    if (c.disentangled && !cross) layers.position_scores = position_scores(c, source, layers.in);
    return Attention<S>(a, std::move(layers));
  }

  // The vectors of distances, which all layers project.
  void read_position_vectors(const StackConfig& c, const StackSource& source) {
    if (!c.disentangled) return;
    position_vectors_ = vector(source.relative_positions);
    const Norm<S> norm_of_vectors = norm(c, source.relative_norm);
    if (!norm_of_vectors.empty()) {
      norm_of_vectors.forward(position_vectors_.view(), position_vectors_.view());
    }
  }

  // They are the same for all texts: projected once, here.
  PositionScores<S> position_scores(const StackConfig& c, const AttentionSource& source,
                                    const Linear<S>& in) {
    typename PositionScores<S>::Tables tables;
    const auto project = [&](const LinearSource& own, std::int64_t column_in_shared) {
      const Linear<S> linear_of_own = linear(own, true);
      const bool shared = linear_of_own.empty();
      const Tensor<S> all = product(position_vectors_.view(), shared ? in : linear_of_own);
      return heads_of(c, all.view(), shared ? column_in_shared : 0);
    };
    if (c.disentangled->content_to_position) {
      tables.keys = project(source.position_key, c.query_size());
    }
    if (c.disentangled->position_to_content) {
      tables.queries = project(source.position_query, 0);
    }
    return PositionScores<S>(std::move(tables));
  }

  Tensor<S> product(TensorView<const S> x, const Linear<S>& linear) {
    Tensor<S> y(x.rows(), linear.outputs());
    Workspace workspace;
    const TensorView<S> scratch = take_scratch<S>(x.cols(), pool_, workspace);
    pool_.run([&](const Worker& worker) {
      linear.forward(x, worker.share(linear.panels()), y.view(), scratch.row(worker.index()));
    });
    return y;
  }

  // The columns of each head, from `first` on, as a matrix.
  std::vector<Weight> heads_of(const StackConfig& c, TensorView<const S> all, std::int64_t first) {
    constexpr bool is_double = std::is_same_v<S, double>;
    std::vector<Weight> heads;
    for (std::int64_t h = 0; h < c.num_attention_heads; ++h) {
      Tensor<S> own(all.rows(), c.head_dim);
      for (std::int64_t r = 0; r < all.rows(); ++r) {
        std::ranges::copy(all.row(r, first + h * c.head_dim, c.head_dim), own.row(r).begin());
      }
      const FileTensor values{"",
                              is_double ? DType::f64 : DType::f32,
                              {all.rows(), c.head_dim},
                              std::as_bytes(own.values())};
      const WeightLayout layout = is_double ? WeightLayout::rows : WeightLayout::panels;
      heads.emplace_back(MatrixSource{{{&values, false}}, {}}, layout, pool_);
      weight_bytes_ += heads.back().bytes();
    }
    return heads;
  }

  // As a product with patches [inputs, width], which is how files store it.
  Linear<S> convolution(LinearSource source) {
    if (source.empty()) return {};
    const FileTensor*& weight_of = source.parts.front().weight;
    FileTensor& flat = flattened_.emplace_back(*weight_of);
    flat.shape = {flat.shape[0], flat.shape[1] * flat.shape[2]};
    weight_of = &flat;
    return linear(source);
  }

  FeedForward<S> feed_forward(const StackConfig& c, const FeedForwardSource& source) {
    return FeedForward<S>(c.hidden_act,
                          {linear(source.gate), linear(source.up), linear(source.down)});
  }

  Norm<S> norm(const StackConfig& c, const NormSource& source) {
    if (source.empty()) return {};
    Tensor<S> weight = vector(source.weight);
    if (!source.weight) {
      weight = Tensor<S>(1, source.unweighted);
      std::ranges::fill(weight.values(), S{1});
    }
    if (source.offset != 0) {
      for (S& value : weight.values()) value += static_cast<S>(source.offset);
    }
    if (!source.value_order.empty()) reorder(weight, source.value_order);
    return Norm<S>(c.norm, c.norm_eps, std::move(weight), vector(source.bias));
  }

  static void reorder(Tensor<S>& rows, const std::vector<std::int64_t>& order) {
    for (std::int64_t r = 0; r < rows.rows(); ++r) {
      const std::vector<S> stored(rows.view().row(r).begin(), rows.view().row(r).end());
      for (std::size_t i = 0; i < order.size(); ++i) {
        rows.view().row(r)[i] = stored[static_cast<std::size_t>(order[i])];
      }
    }
  }

  // All values of a small tensor; empty for null.
  Tensor<S> vector(const FileTensor* tensor) {
    if (!tensor) return {};
    const std::int64_t n = tensor->rows() * tensor->cols();
    Tensor<S> values(tensor->rows(), tensor->cols());
    if (packed_) {
      std::ranges::copy(packed_->vector(next_part_++, n), values.data());
    } else {
      read_values(*tensor, 0, n, values.data());
    }
    if (writer_) writer_->add(std::vector<float>(values.data(), values.data() + n));
    if (counted_.insert(tensor).second) parameters_ += n;
    weight_bytes_ += static_cast<std::size_t>(n) * sizeof(S);
    return values;
  }

  Embedding<S> embedding(const FileTensor* tensor) {
    if (!tensor) return {};
    const bool product = in_products_.contains(tensor);
    MatrixSource source{{{tensor, false}}, {}};
    const std::optional<DType> dtype = product ? kept_as(source, true) : std::nullopt;
    return Embedding<S>(weight(std::move(source), product, dtype));
  }

  // The type a matrix of products is kept in; nothing: its own. Never a wider one than the file's
  // unless f32 is asked for. Rows that cannot be of the type stay as they are.
  std::optional<DType> kept_as(const MatrixSource& source, bool is_sensitive) const {
    const std::optional<DType> dtype = dtype_of(type_, is_sensitive);
    if (!dtype) return std::nullopt;
    const auto bits = [](DType t) { return 8 * block_bytes(t) / block_values(t); };
    if (dtype != DType::f32 && bits(source.dtype()) <= bits(*dtype)) return std::nullopt;
    if (!detail::can_be(*dtype, source.cols())) return std::nullopt;
    return dtype;
  }

  // Consecutive parts of one dtype become one matrix.
  Linear<S> linear(const LinearSource& source, bool is_sensitive = false) {
    std::vector<std::shared_ptr<const Weight>> weights;
    for (std::size_t begin = 0; begin < source.parts.size();) {
      MatrixSource matrix;
      std::size_t end = begin;
      std::int64_t rows = 0;
      for (; end < source.parts.size() &&
             source.parts[end].weight->dtype == source.parts[begin].weight->dtype;
           ++end) {
        const LinearSource::Part& part = source.parts[end];
        matrix.parts.push_back({part.weight, part.transposed});
        for (std::int64_t i = 0; i < part.outputs; ++i) {
          matrix.row_order.push_back(rows + ordered(part, i));
        }
        rows += part.transposed ? part.weight->cols() : part.weight->rows();
      }
      const std::optional<DType> dtype = kept_as(matrix, is_sensitive);
      weights.push_back(weight(std::move(matrix), true, dtype));
      begin = end;
    }
    return Linear<S>(std::move(weights), bias(source));
  }

  static std::int64_t ordered(const LinearSource::Part& part, std::int64_t i) {
    return part.row_order.empty() ? i : part.row_order[static_cast<std::size_t>(i)];
  }

  // The parts' biases side by side, zero where a part has none; empty when no part has one.
  Tensor<S> bias(const LinearSource& source) {
    std::int64_t outputs = 0;
    bool any = false;
    for (const LinearSource::Part& part : source.parts) {
      outputs += part.outputs;
      any = any || part.bias;
    }
    if (!any) return {};
    Tensor<S> all(1, outputs);
    std::int64_t first = 0;
    for (const LinearSource::Part& part : source.parts) {
      if (part.bias) {
        const Tensor<S> values = vector(part.bias);
        for (std::int64_t i = 0; i < part.outputs; ++i) {
          all.data()[first + i] = values.data()[part.bias_in_order ? i : ordered(part, i)];
        }
      }
      first += part.outputs;
    }
    return all;
  }

  // A matrix in the layout of its use; whole tensors are kept once however often they are used
  // (tied embeddings, an embedding shared by encoder and decoder, layers that share their weights).
  std::shared_ptr<const Weight> weight(MatrixSource source, bool product,
                                       std::optional<DType> dtype) {
    const bool whole = source.parts.size() == 1 && !source.parts.front().transposed;
    const FileTensor* tensor = source.parts.front().tensor;
    const std::vector<const FileTensor*> tensors = all_of(source);
    const bool sharable = !tensors.empty();
    if (whole && sharable) source.row_order.clear();
    if (sharable) {
      if (const auto found = shared_.find(tensors); found != shared_.end()) return found->second;
    }
    const WeightLayout layout =
        product && std::is_same_v<S, float> ? WeightLayout::panels : WeightLayout::rows;
    const auto made = std::make_shared<Weight>([&]() -> Weight {
      if (packed_) return packed_->matrix(next_part_++, source.rows(), source.cols());
      if (whole && sharable && can_stay(*tensor, layout, dtype)) {
        return {{store_, tensor->bytes}, tensor->dtype, layout, tensor->rows(), tensor->cols()};
      }
      return {source, layout, pool_, dtype};
    }());
    made->set_fast(fast_);
    if (writer_) writer_->add(made);
    parameters_ += made->rows() * made->cols();
    weight_bytes_ += made->bytes();
    for (const MatrixSource::Part& part : source.parts) {
      file_bytes_[packed_ ? made->dtype() : part.tensor->dtype] +=
          packed_ ? made->bytes() : part.tensor->bytes.size();
    }
    if (sharable) shared_[tensors] = made;
    return made;
  }

  // The tensors that a matrix is stacked from when it is all of them, as they are; else nothing.
  static std::vector<const FileTensor*> all_of(const MatrixSource& source) {
    std::vector<const FileTensor*> tensors;
    std::int64_t rows = 0;
    for (const MatrixSource::Part& part : source.parts) {
      if (part.transposed) return {};
      tensors.push_back(part.tensor);
      rows += part.tensor->rows();
    }
    const bool all = source.row_order.empty() ||
                     (std::ssize(source.row_order) == rows && identity(source.row_order));
    return all ? tensors : std::vector<const FileTensor*>();
  }

  // Rows can be read where the file is mapped: an embedding then takes the memory of the rows that
  // are looked up.
  static bool can_stay(const FileTensor& tensor, WeightLayout layout, std::optional<DType> dtype) {
    return layout == WeightLayout::rows && dtype.value_or(tensor.dtype) == tensor.dtype &&
           !tensor.mapping.empty() && tensor.shape.size() == 2 &&
           (is_floating(tensor.dtype) || is_quantized(tensor.dtype));
  }

  static bool identity(const std::vector<std::int64_t>& order) {
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (order[i] != static_cast<std::int64_t>(i)) return false;
    }
    return true;
  }

  ThreadPool& pool_;
  WeightType type_;
  bool fast_;
  std::shared_ptr<const WeightStore> store_;
  const PackedWeights* packed_;
  PackedWriter* writer_;
  std::size_t next_part_ = 0;  // of packed_
  std::set<const FileTensor*> in_products_;
  std::set<const FileTensor*> counted_;  // vectors in parameters_
  std::map<std::vector<const FileTensor*>, std::shared_ptr<const Weight>> shared_;
  Tensor<S> position_vectors_;        // DisentangledAttention only
  std::deque<FileTensor> flattened_;  // convolutions' weights
  std::map<DType, std::size_t> file_bytes_;
  std::int64_t parameters_ = 0;
  std::size_t weight_bytes_ = 0;
};

}  // namespace llm::detail
