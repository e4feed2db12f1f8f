// The library against the dense implementation of dense_model.hpp: random configurations with
// random weights, run by the library in random batches and chunks, with forks, truncated caches and
// several threads.
//
// How far the two may be apart: a sum of n terms is off by at most n u times the sum of their
// magnitudes (u = 2^-53, in float 2^-24), whatever its order: 1.6e-14 and 8e-6 for the widest sums
// of these models, n = 140. The norms between the layers keep these errors from growing by more
// than a factor of 10. What is seen is less, 1e-14 and 3e-6 of the largest value of a row; a term
// that is missing, doubled or in the wrong place is off by far more.
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "model/builder.hpp"
#include "parity/dense_model.hpp"

namespace llm {
namespace {

using test::Row;
using test::Rows;
using Ids = std::vector<TokenId>;

template <typename S>
constexpr double most_apart = std::is_same_v<S, double> ? 1e-12 : 1e-4;

// Numbers that do not depend on the standard library.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  std::int64_t from(std::int64_t least, std::int64_t most) {
    return least +
           static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(most - least + 1));
  }
  bool chance(int percent) { return from(1, 100) <= percent; }
  double real(double least, double most) {
    return least + (most - least) * static_cast<double>(random_() >> 11) * 0x1p-53;
  }
  template <typename T>
  T pick(std::initializer_list<T> list) {
    return list.begin()[from(0, static_cast<std::int64_t>(list.size()) - 1)];
  }
  Ids ids(std::int64_t count, std::int64_t vocabulary) {
    Ids ids;
    for (std::int64_t i = 0; i < count; ++i) {
      ids.push_back(static_cast<TokenId>(from(0, vocabulary - 1)));
    }
    return ids;
  }

 private:
  std::mt19937_64 random_;
};

// Random weights for a configuration, in all shapes in which files have them.
class RandomModel {
 public:
  explicit RandomModel(std::uint64_t seed, ModelKind kind) : dice(seed), rare(~seed) {
    config.kind = kind;
    config.vocab_size = draw_width(150);
    const std::int64_t hidden = draw_width(70);
    if (kind != ModelKind::decoder) {
      draw_config(config.encoder, hidden);
      config.type_vocab_size = dice.chance(30) ? dice.from(1, 3) : 0;
      draw_stack(config.encoder, source.encoder, config.vocab_size);
    }
    if (kind != ModelKind::encoder) {
      config.decoder.causal = true;
      config.decoder.cross_attention = kind == ModelKind::encoder_decoder;
      draw_config(config.decoder, hidden);
      draw_stack(config.decoder, source.decoder, config.vocab_size);
      draw_lm_head(config.decoder);
    }
    draw_heads(kind == ModelKind::encoder ? config.encoder : config.decoder);
  }

  // Mostly small; now and then more than a panel of 64.
  std::int64_t draw_width(std::int64_t most) { return dice.from(8, dice.chance(25) ? most : 20); }

  static constexpr std::int64_t most_tokens = 140;  // two borders of pages

  Dice dice, rare;
  TransformerConfig config;
  ModelSource source;

 private:
  const FileTensor* tensor(std::vector<std::int64_t> shape, double scale, DType dtype,
                           double mean = 0) {
    std::int64_t count = 1;
    for (const std::int64_t size : shape) count *= size;
    std::string& bytes = bytes_.emplace_back();
    for (std::int64_t i = 0; i < count; ++i) {
      const auto value = static_cast<float>(mean + dice.real(-scale, scale));
      const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
      if (dtype == DType::f32) {
        bytes.append(reinterpret_cast<const char*>(&bits), 4);
      } else {  // bf16: the upper half; f16: some number between 2^-7 and 2^-2
        const auto half = static_cast<std::uint16_t>(
            dtype == DType::bf16 ? bits >> 16 : (bits >> 16 & 0x8000) | (2048 * 4 + bits % 5120));
        bytes.append(reinterpret_cast<const char*>(&half), 2);
      }
    }
    FileTensor& made = tensors_.emplace_back();
    made.name = "random";
    made.dtype = dtype;
    made.shape = std::move(shape);
    made.bytes = std::as_bytes(std::span(bytes));
    return &made;
  }
  const FileTensor* vector(std::int64_t n, double scale, double mean = 0) {
    return tensor({n}, scale, DType::f32, mean);
  }

  LinearSource linear(std::int64_t outputs, std::int64_t inputs) {
    LinearSource::Part part;
    part.outputs = outputs;
    part.transposed = dice.chance(25);
    const double scale = 2.0 / std::sqrt(static_cast<double>(inputs));
    const DType dtype = dice.chance(80) ? DType::f32 : dice.pick({DType::bf16, DType::f16});
    part.weight = part.transposed ? tensor({inputs, outputs}, scale, dtype)
                                  : tensor({outputs, inputs}, scale, dtype);
    if (dice.chance(50)) part.bias = vector(outputs, 0.5);
    if (dice.chance(20)) {
      for (std::int64_t i = 0; i < outputs; ++i) part.row_order.push_back(i);
      for (std::int64_t i = outputs - 1; i > 0; --i) {
        std::swap(part.row_order[test::at(i)], part.row_order[test::at(dice.from(0, i))]);
      }
    }
    return {{part}};
  }

  NormSource norm(const StackConfig& c, std::int64_t size) {
    NormSource made;
    made.weight = vector(size, 0.5, 1.0);
    if (c.norm == NormKind::layer_norm && dice.chance(80)) made.bias = vector(size, 0.3);
    return made;
  }

  // What few families have; drawn by dice of their own, so that the others' models stay.
  void draw_rare(StackConfig& c, StackSource& s) {
    if (rare.chance(50)) return;
    if (rare.chance(40)) c.attn_logit_softcapping = rare.real(0.5, 4.0);
    if (auto* sines = std::get_if<SinusoidalPositions>(&c.positions)) {
      sines->reaches_last_frequency = rare.chance(50);
    }
    if (rare.chance(30)) c.clip_qkv = rare.real(0.3, 1.5);
    c.norm_after_rotation = rare.chance(30);
    if (rare.chance(30)) {
      c.query_growth = rare.real(0.1, 1.0);
      c.query_growth_period = rare.from(1, 20);
    }
    if (rare.chance(30) && std::holds_alternative<RotaryPositions>(c.positions)) {
      for (std::int64_t i = rare.from(1, c.head_dim / 2); i > 0; --i) {
        c.window_rotary.inverse_frequencies.push_back(rare.real(0.001, 1.0));
      }
    }
    const bool pre = c.norm_placement == NormPlacement::pre;
    const bool parallel = c.causal && !c.cross_attention && pre && !c.residual_from_norm;
    c.parallel_sublayers = parallel && rare.chance(40);
    if (!c.parallel_sublayers && !c.residual_from_norm && rare.chance(40))
      c.residual_scale = rare.real(0.3, 1.5);
    for (BlockSource& b : s.blocks) draw_rare_norms(c, b);
  }

  void draw_rare_norms(const StackConfig& c, BlockSource& b) {
    if (c.parallel_sublayers) {
      if (rare.chance(50)) b.feed_forward_norm = {};
    } else if (!c.residual_from_norm) {
      if (rare.chance(40)) b.attention_out_norm = norm(c, c.hidden_size);
      if (rare.chance(40)) b.feed_forward_out_norm = norm(c, c.hidden_size);
      if (rare.chance(20) && c.norm_placement == NormPlacement::pre) {
        b.attention_norm = {};
      }
    }
    if (rare.chance(30)) draw_rare_head_norms(c, b.attention);
    for (NormSource* of : {&b.attention_norm, &b.attention.key_norm, &b.feed_forward_norm}) {
      if (!of->empty() && rare.chance(30)) of->offset = 0.5;
    }
    if (!b.feed_forward_norm.empty() && rare.chance(20)) {
      b.feed_forward_norm = {};
      b.feed_forward_norm.unweighted = c.hidden_size;
    }
  }

  // Of all heads together, or weights of its own for each head.
  void draw_rare_head_norms(const StackConfig& c, AttentionSource& a) {
    if (rare.chance(50)) {
      a.query_norm = norm(c, c.query_size());
      a.key_norm = norm(c, c.key_value_size());
    } else {
      a.query_norm = a.key_norm = {};
      a.query_norm.weight = tensor({c.num_attention_heads, c.head_dim}, 0.5, DType::f32, 1.0);
      a.key_norm.weight = tensor({c.num_key_value_heads, c.head_dim}, 0.5, DType::f32, 1.0);
    }
  }

  AttentionSource attention(const StackConfig& c, bool cross) {
    AttentionSource a;
    const std::int64_t keys = c.key_value_size();
    if (!cross && dice.chance(30)) {
      a.in = linear(c.query_size() + 2 * keys, c.hidden_size);  // fused in the file
    } else {
      a.in = linear(c.query_size(), c.hidden_size);
      LinearSource& rest = cross ? a.source : a.in;
      rest.append(linear(keys, c.hidden_size));
      rest.append(linear(keys, c.hidden_size));
    }
    a.out = linear(c.hidden_size, c.query_size());
    return a;
  }

  Positions draw_positions(const StackConfig& c) {
    switch (dice.from(0, 5)) {
      case 0:
        return LearnedPositions{dice.from(1, 3), {}};
      case 1:
        return SinusoidalPositions{dice.from(0, 2)};
      case 2: {
        RotaryPositions rotary;
        for (std::int64_t i = dice.from(1, std::max<std::int64_t>(1, c.head_dim / 2)); i > 0; --i) {
          rotary.inverse_frequencies.push_back(dice.real(0.001, 1.0));
        }
        if (dice.chance(30)) rotary.attention_factor = dice.real(0.5, 1.5);
        return rotary;
      }
      case 3: {
        AlibiPositions alibi;
        for (std::int64_t h = 0; h < c.num_attention_heads; ++h) {
          alibi.slopes.push_back(dice.real(0.01, 0.7));
        }
        return alibi;
      }
      case 4: {
        RelativeBias bias;
        bias.num_buckets = 4 * dice.from(1, 8);
        bias.max_distance = bias.num_buckets + dice.from(1, 100);
        bias.bidirectional = !c.causal;
        bias.per_layer = dice.chance(40);
        return bias;
      }
      default:
        return NoPositions{};
    }
  }

  void draw_config(StackConfig& c, std::int64_t hidden) {
    c.num_hidden_layers = dice.from(1, 3);
    c.hidden_size = hidden;
    c.intermediate_size = draw_width(140);
    c.num_key_value_heads = dice.from(1, 3);
    c.num_attention_heads = c.num_key_value_heads * dice.from(1, 3);
    c.head_dim = dice.from(4, 19);
    c.norm = dice.pick({NormKind::layer_norm, NormKind::rms_norm});
    c.norm_eps = dice.pick({1e-12, 1e-6, 1e-5, 1e-2});
    c.norm_placement = dice.pick({NormPlacement::pre, NormPlacement::post});
    c.embedding_norm = dice.chance(50);
    c.final_norm = dice.chance(70);
    c.residual_from_norm = c.norm_placement == NormPlacement::pre && dice.chance(25);
    c.positions = draw_positions(c);
    if (dice.chance(30)) c.embedding_scale = dice.real(0.5, 3.0);
    c.attention_scale = dice.chance(80) ? 1 / std::sqrt(static_cast<double>(c.head_dim)) : 0.6;
    c.scale_attn_by_inverse_layer_idx = dice.chance(25);
    for (std::int64_t i = 0; i < c.num_hidden_layers; ++i) {
      c.attention_window.push_back(dice.chance(50) ? 0 : dice.from(1, 80));
      c.rotary_layers.push_back(dice.chance(70));
    }
    if (dice.chance(50)) c.attention_window.clear();
    if (dice.chance(50)) c.rotary_layers.clear();
    c.hidden_act =
        dice.pick({Activation::gelu, Activation::gelu_tanh, Activation::quick_gelu,
                   Activation::relu, Activation::silu, Activation::tanh, Activation::sigmoid});
    if (rare.chance(10)) c.hidden_act = Activation::relu2;
    c.gated = dice.chance(40);
  }

  void draw_stack(StackConfig& c, StackSource& s, std::int64_t vocabulary) {
    const std::int64_t hidden = c.hidden_size;
    s.tokens = tensor({vocabulary, hidden}, 1.5, dice.chance(70) ? DType::f32 : DType::bf16);
    if (auto* learned = std::get_if<LearnedPositions>(&c.positions)) {
      s.positions = tensor({most_tokens + learned->offset, hidden}, 1.0, DType::f32);
      if (!c.causal && dice.chance(40)) learned->uncounted = 1;
    }
    if (const auto* sines = std::get_if<SinusoidalPositions>(&c.positions);
        sines && dice.chance(30)) {
      s.positions = tensor({most_tokens + sines->offset, hidden}, 1.0, DType::f32);
    }
    if (const auto* bias = std::get_if<RelativeBias>(&c.positions)) {
      for (std::int64_t i = bias->per_layer ? c.num_hidden_layers : 1; i > 0; --i) {
        s.relative_bias.push_back(
            tensor({bias->num_buckets, c.num_attention_heads}, 1.5, DType::f32));
      }
    }
    if (!c.causal && config.type_vocab_size > 0) {
      s.types = tensor({config.type_vocab_size, hidden}, 1.0, DType::f32);
    }
    if (c.embedding_norm) s.embedding_norm = norm(c, hidden);
    if (c.final_norm) s.final_norm = norm(c, hidden);
    const bool head_norms = dice.chance(30);
    for (std::int64_t i = 0; i < c.num_hidden_layers; ++i) draw_block(c, s, head_norms);
    draw_rare(c, s);
  }

  void draw_block(const StackConfig& c, StackSource& s, bool head_norms) {
    BlockSource& b = s.blocks.emplace_back();
    b.attention_norm = norm(c, c.hidden_size);
    b.attention = attention(c, false);
    if (head_norms) {
      b.attention.query_norm = norm(c, c.head_dim);
      b.attention.key_norm = norm(c, c.head_dim);
    }
    if (c.cross_attention) {
      b.cross_attention_norm = norm(c, c.hidden_size);
      b.cross_attention = attention(c, true);
    }
    b.feed_forward_norm = norm(c, c.hidden_size);
    if (c.gated) b.feed_forward.gate = linear(c.intermediate_size, c.hidden_size);
    b.feed_forward.up = linear(c.intermediate_size, c.hidden_size);
    b.feed_forward.down = linear(c.hidden_size, c.intermediate_size);
  }

  void draw_lm_head(const StackConfig& c) {
    if (dice.chance(40)) config.logits_scale = dice.real(0.2, 2.0);
    if (rare.chance(30)) config.final_logit_softcapping = rare.real(0.5, 4.0);
    if (!dice.chance(50)) {
      source.lm_head = linear(config.vocab_size, c.hidden_size);
      return;
    }
    LinearSource::Part tied;
    tied.weight = source.decoder.tokens;
    tied.outputs = config.vocab_size;
    if (dice.chance(30)) tied.bias = vector(tied.outputs, 1.0);
    source.lm_head = {{tied}};
  }

  void draw_heads(const StackConfig& c) {
    const std::int64_t width = draw_width(80);
    if (dice.chance(60)) {
      source.head.dense = linear(width, c.hidden_size);
      source.head.activation = c.hidden_act;
      if (dice.chance(50)) source.head.norm = norm(c, width);
    }
    source.head.out = linear(dice.from(1, 70), source.head.dense.empty() ? c.hidden_size : width);
    source.pooler.dense = linear(width, c.hidden_size);
  }

  std::deque<std::string> bytes_;
  std::deque<FileTensor> tensors_;
};

ThreadPool& threads(std::int64_t count) {
  static ThreadPool pools[] = {ThreadPool(1), ThreadPool(2), ThreadPool(3)};
  return pools[count - 1];
}
// Mostly one: several wait for each other where the machine is busy.
ThreadPool& some_threads(Dice& dice) { return threads(dice.chance(60) ? 1 : dice.from(2, 3)); }

template <typename S>
class SecondImplementation : public testing::Test {
 protected:
  // The layers of a model, as the library builds them.
  struct Layers {
    explicit Layers(const RandomModel& m) : Layers(m, builder(m)) {}
    Layers(const RandomModel& m, detail::Builder<S> b)
        : encoder(m.config.kind == ModelKind::decoder
                      ? Encoder<S>()
                      : b.encoder(m.config.encoder, m.source.encoder)),
          decoder(m.config.kind == ModelKind::encoder
                      ? Decoder<S>()
                      : b.decoder(m.config.decoder, m.source.decoder)),
          lm_head(b.lm_head(m.source.lm_head, m.config)),
          head(b.head(m.source.head, last(m))),
          pooler(b.head(m.source.pooler, last(m))) {}

    static detail::Builder<S> builder(const RandomModel& m) {
      detail::Builder<S> made(threads(1), WeightType::as_stored, false, nullptr, nullptr, nullptr);
      made.share_with_head(m.source.lm_head);
      return made;
    }
    static const StackConfig& last(const RandomModel& m) {
      return m.config.kind == ModelKind::encoder ? m.config.encoder : m.config.decoder;
    }

    Encoder<S> encoder;
    Decoder<S> decoder;
    LmHead<S> lm_head;
    Head<S> head, pooler;
  };

  static void expect_equal(std::span<const S> got, const Row& expected, const std::string& what) {
    double largest = 1e-3;
    for (const double value : expected) largest = std::max(largest, std::abs(value));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double apart = std::abs(static_cast<double>(got[i]) - expected[i]) / largest;
      if (apart <= most_apart<S>) continue;  // NaN does not
      ADD_FAILURE() << what << ", value " << i << ": " << got[i] << ", expected " << expected[i];
      return;
    }
  }

  // Several texts at once; returns what the dense encoder makes of each, and the library's states.
  Tensor<S> check_encoder(RandomModel& m, const Layers& layers, const std::vector<Ids>& texts,
                          std::vector<Rows>& expected) {
    std::vector<std::vector<std::int32_t>> types(texts.size());
    std::vector<EncoderInput> inputs;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const bool typed =
          m.config.type_vocab_size > 0 && m.dice.chance(70) && m.config.kind == ModelKind::encoder;
      if (typed) types[i] = m.dice.ids(std::ssize(texts[i]), m.config.type_vocab_size);
      inputs.push_back({texts[i], types[i]});
      const test::DenseStack dense(m.config.encoder, m.source.encoder);
      expected.push_back(dense(texts[i], types[i], nullptr));
    }
    const auto hidden = layers.encoder.encode(inputs, some_threads(m.dice), workspace_);
    Tensor<S> kept(hidden.rows(), hidden.cols());
    std::int64_t row = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      for (std::size_t t = 0; t < texts[i].size(); ++t, ++row) {
        expect_equal(hidden.row(row), expected[i][t], "hidden state " + std::to_string(t));
        std::ranges::copy(hidden.row(row), kept.row(row).begin());
      }
    }
    return kept;
  }

  // Both heads over the states of one row, which the library computed.
  void check_heads(RandomModel& m, const Layers& layers, TensorView<const S> hidden) {
    const std::int64_t row = m.dice.from(0, hidden.rows() - 1);
    const Row x(hidden.row(row).begin(), hidden.row(row).end());
    const StackConfig& c = Layers::last(m);
    const Tensor<S> labels = layers.head.forward(hidden, some_threads(m.dice), workspace_);
    expect_equal(labels.row(row), test::dense_head(c, m.source.head, x), "head");
    const Tensor<S> pooled = layers.pooler.forward(hidden, some_threads(m.dice), workspace_);
    expect_equal(pooled.row(row), test::dense_head(c, m.source.pooler, x), "pooler");
  }

  // One sequence of a decoder on its way.
  struct Sequence {
    Ids ids;
    KVCache<S> cache;
    const KVCache<S>* cross;
    const Rows* memory;
    Rows logits = {};  // of the dense decoder
  };

  void expect_logits(const RandomModel& m, Sequence& s) {
    const test::DenseStack dense(m.config.decoder, m.source.decoder);
    s.logits = test::dense_logits(m.config, m.source, dense(s.ids, {}, s.memory));
  }

  // A step with some tokens of some sequences.
  void step(RandomModel& m, const Layers& layers, std::deque<Sequence>& sequences) {
    std::vector<SequenceTokens<S>> tokens;
    std::vector<std::int64_t> wanted;
    std::vector<std::pair<const Sequence*, std::int64_t>> places;
    std::int64_t rows = 0;
    for (Sequence& s : sequences) {
      const std::int64_t done = s.cache.length(), left = std::ssize(s.ids) - done;
      if (left == 0 || m.dice.chance(20)) continue;
      const std::int64_t count = m.dice.chance(50) ? left : m.dice.from(1, left);
      s.cache.reserve(count);
      tokens.push_back({std::span(s.ids).subspan(test::at(done), test::at(count)),
                        {},
                        rows,
                        done,
                        &s.cache,
                        s.cross});
      for (std::int64_t t = 0; t < count; ++t) {
        if (t + 1 < count && m.dice.chance(30)) continue;
        wanted.push_back(rows + t);
        places.emplace_back(&s, done + t);
      }
      rows += count;
    }
    if (tokens.empty()) return;
    const auto output =
        layers.decoder.decode(tokens, wanted, layers.lm_head, some_threads(m.dice), workspace_);
    for (const SequenceTokens<S>& t : tokens) t.cache->advance(t.count());
    for (std::size_t i = 0; i < places.size(); ++i) {
      const auto [sequence, t] = places[i];
      expect_equal(output.logits.row(static_cast<std::int64_t>(i)), sequence->logits[test::at(t)],
                   "logits of position " + std::to_string(t));
    }
  }

  // Runs all sequences to their ends, with forks and steps back on the way.
  void check_decoder(RandomModel& m, const Layers& layers, std::deque<Sequence>& sequences) {
    for (Sequence& s : sequences) expect_logits(m, s);
    const auto open = [](const Sequence& s) { return s.cache.length() < std::ssize(s.ids); };
    for (int turn = 0; std::ranges::any_of(sequences, open) || turn < 3; ++turn) {
      step(m, layers, sequences);
      Sequence& some = sequences[test::at(m.dice.from(0, std::ssize(sequences) - 1))];
      if (turn < 3 && m.dice.chance(30)) some.cache.truncate(m.dice.from(0, some.cache.length()));
      if (turn < 2 && m.dice.chance(50)) {
        Sequence fork{{}, some.cache.fork(), some.cross, some.memory};
        fork.ids.assign(some.ids.begin(), some.ids.begin() + some.cache.length());
        const Ids other = m.dice.ids(m.dice.from(1, 6), m.config.vocab_size);
        fork.ids.insert(fork.ids.end(), other.begin(), other.end());
        fork.ids.resize(std::min(fork.ids.size(), test::at(RandomModel::most_tokens)));
        expect_logits(m, fork);
        sequences.push_back(std::move(fork));
      }
    }
  }

  static std::vector<Ids> draw_texts(RandomModel& m) {
    std::vector<Ids> texts;
    for (std::int64_t i = m.dice.from(1, 3); i > 0; --i) {
      const bool is_long = m.dice.chance(5);
      texts.push_back(
          m.dice.ids(m.dice.from(1, is_long ? RandomModel::most_tokens : 12), m.config.vocab_size));
    }
    return texts;
  }

  Workspace workspace_;
};

// Seeds of the models_of_a_kind of one kind; those of `float` are others than those of `double`.
constexpr std::uint64_t models_of_a_kind = 80;
template <typename S>
constexpr std::uint64_t first_seed = std::is_same_v<S, double> ? 0 : models_of_a_kind;

using Scalars = testing::Types<double, float>;
TYPED_TEST_SUITE(SecondImplementation, Scalars);

TYPED_TEST(SecondImplementation, Encoder) {
  for (std::uint64_t i = 0; i < models_of_a_kind; ++i) {
    const std::uint64_t seed = first_seed<TypeParam> + i;
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomModel m(seed, ModelKind::encoder);
    const typename TestFixture::Layers layers(m);
    std::vector<Rows> expected;
    const auto hidden = this->check_encoder(m, layers, this->draw_texts(m), expected);
    this->check_heads(m, layers, hidden.view());
    if (testing::Test::HasFailure()) return;
  }
}

TYPED_TEST(SecondImplementation, Decoder) {
  for (std::uint64_t i = 0; i < models_of_a_kind; ++i) {
    const std::uint64_t seed = 1000 + first_seed<TypeParam> + i;
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomModel m(seed, ModelKind::decoder);
    const typename TestFixture::Layers layers(m);
    std::deque<typename TestFixture::Sequence> sequences;
    for (Ids& ids : this->draw_texts(m)) {
      sequences.push_back({std::move(ids), layers.decoder.make_cache(), nullptr, nullptr});
    }
    this->check_decoder(m, layers, sequences);
    if (testing::Test::HasFailure()) return;
  }
}

TYPED_TEST(SecondImplementation, EncoderDecoder) {
  for (std::uint64_t i = 0; i < models_of_a_kind; ++i) {
    const std::uint64_t seed = 2000 + first_seed<TypeParam> + i;
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomModel m(seed, ModelKind::encoder_decoder);
    const typename TestFixture::Layers layers(m);
    const std::vector<Ids> texts = this->draw_texts(m);
    std::vector<Rows> memories;
    const auto hidden = this->check_encoder(m, layers, texts, memories);
    std::vector<std::int64_t> lengths;
    for (const Ids& text : texts) lengths.push_back(std::ssize(text));
    const auto crosses = layers.decoder.encode_sources(hidden.view(), lengths, some_threads(m.dice),
                                                       this->workspace_);
    std::deque<typename TestFixture::Sequence> sequences;
    for (std::size_t t = 0; t < texts.size(); ++t) {
      sequences.push_back({m.dice.ids(m.dice.from(1, 12), m.config.vocab_size),
                           layers.decoder.make_cache(), &crosses[t], &memories[t]});
    }
    this->check_decoder(m, layers, sequences);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace llm
