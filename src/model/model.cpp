#include "llm/model/model.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "core/float_environment.hpp"
#include "core/system_error.hpp"
#include "llm/core/error.hpp"
#include "llm/core/thread_pool.hpp"
#include "llm/model/head.hpp"
#include "llm/model/uses.hpp"
#include "llm/nn/decoder.hpp"
#include "llm/nn/encoder.hpp"
#include "llm/tensor/finite.hpp"
#include "model/builder.hpp"
#include "model/checkpoint.hpp"

namespace llm {
namespace {

template <typename S>
class DecoderState final : public SequenceState<S> {
 public:
  DecoderState(KVCache<S> self, std::shared_ptr<const KVCache<S>> cross)
      : self_(std::move(self)), cross_(std::move(cross)) {}

  std::unique_ptr<SequenceState<S>> fork() const override {
    return std::make_unique<DecoderState>(self_.fork(), cross_);
  }
  std::int64_t length() const override { return self_.length(); }
  void truncate(std::int64_t length) override { self_.truncate(length); }

  KVCache<S>& self() { return self_; }
  const KVCache<S>* cross() const { return cross_.get(); }

 private:
  KVCache<S> self_;
  std::shared_ptr<const KVCache<S>> cross_;  // keys and values of the source; shared by forks
};

// The state of one input of a step, which start() of this model, or of one like it, has made.
template <typename S>
DecoderState<S>& state_of(const StepInput<S>& input, const Decoder<S>& decoder, bool has_source) {
  if (input.state == nullptr) {
    throw Error(ErrorCode::invalid_input, "an input of a step has no state; take one of start()");
  }
  auto* const state = dynamic_cast<DecoderState<S>*>(input.state);
  if (state != nullptr && state->self().shape() == decoder.kv_shape() &&
      (state->cross() != nullptr) == has_source) {
    return *state;
  }
  throw Error(
      ErrorCode::invalid_input,
      "an input of a step has the state of another model; take one of this model's start()");
}

template <typename S>
void refuse_repeated_states(std::span<const StepInput<S>> batch) {
  std::vector<const SequenceState<S>*> states;
  for (const StepInput<S>& input : batch) states.push_back(input.state);
  std::ranges::sort(states);
  if (std::ranges::adjacent_find(states) == states.end()) return;
  throw Error(ErrorCode::invalid_input,
              "two inputs of a step have the same state; give its tokens in one, or fork it");
}

std::optional<std::int64_t> limit(const StackConfig& c) {
  if (c.max_position_embeddings == 0) return std::nullopt;
  return c.max_position_embeddings;
}

void check_length(std::int64_t length, const StackConfig& c, const char* what) {
  if (c.max_position_embeddings == 0 || length <= c.max_position_embeddings) return;
  throw Error(ErrorCode::context_overflow,
              std::string(what) + " has " + std::to_string(length) + " tokens, the model holds " +
                  std::to_string(c.max_position_embeddings) +
                  "; shorten it, or choose how to cut it with the overflow option");
}

void check_ids(std::span<const TokenId> ids, std::int64_t vocab_size) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < vocab_size) continue;
    throw Error(ErrorCode::invalid_input,
                "token " + std::to_string(i) + " is id " + std::to_string(ids[i]) +
                    ", the vocabulary of the model has ids 0 to " + std::to_string(vocab_size - 1) +
                    "; the tokenizer does not fit the model");
  }
}

void refuse_adapters_to_gguf(const detail::Checkpoint& checkpoint,
                             const std::filesystem::path& path) {
  if (!checkpoint.rename) return;
  throw Error(ErrorCode::unsupported,
              path.string() +
                  ": adapters cannot be merged into a GGUF file; give the model they were trained "
                  "on as a folder with safetensors",
              path.string());
}

AdaptedModules adapted_modules(const detail::ModuleNames& names, const TransformerConfig& c) {
  AdaptedModules modules{names.embeddings, names.transposed, {}};
  // The head of a model with two vocabularies is that of the second.
  if (c.decoder_vocab_size > 0) modules.tied = {names.embeddings.back()};
  const bool has_head = c.head == HeadKind::language_model || c.head == HeadKind::masked_lm;
  if (has_head && c.tie_word_embeddings) {
    modules.tied.push_back(names.head);
    modules.head_bias = names.head_bias;
  }
  return modules;
}

void refuse_changes_to_packed(const LoadOptions& options, const std::filesystem::path& path,
                              bool is_to_be_packed) {
  if (options.adapters.empty() && options.weights == WeightType::as_stored && !is_to_be_packed) {
    return;
  }
  throw Error(ErrorCode::unsupported,
              path.string() +
                  ": is packed already, so its weights can be given no other type and no adapter; "
                  "take the model it was packed from",
              path.string());
}

// A head that was asked for is missing from weights that are complete otherwise: says what they
// have.
void refuse_missing_head(const detail::Checkpoint& checkpoint, const WeightBinder& binder,
                         const std::filesystem::path& path) {
  if (binder.problems().empty()) return;
  const TransformerConfig own = detail::open_checkpoint(path, false).config;
  const WeightBinder complete(checkpoint.store, checkpoint.rename);
  checkpoint.family->bind_weights(complete, own);
  if (own.head == checkpoint.config.head || !complete.problems().empty()) return;
  const bool bare = own.head == HeadKind::none;
  throw Error(ErrorCode::unsupported,
              path.string() + ": has no " + std::string(to_string(checkpoint.config.head)) +
                  " head (" + binder.problems().front() + "), it has " +
                  (bare ? "none" : "a " + std::string(to_string(own.head)) + " head") +
                  " and can be used for " + describe_uses(own) +
                  "; give a checkpoint that was trained for this, or an adapter that brings it",
              path.string());
}

}  // namespace

template <typename S>
struct Model<S>::Network {
  explicit Network(int threads) : pool(threads) {}

  ThreadPool pool;
  Encoder<S> encoder;  // empty when the model has none; so are the others
  Decoder<S> decoder;
  LmHead<S> lm_head;
  Head<S> head, pooler;
};

template <typename S>
Model<S>::Model() = default;
template <typename S>
Model<S>::~Model() = default;

template <typename S>
bool Model<S>::has_pooler() const {
  return !network_->pooler.empty();
}

std::optional<WeightType> weight_type_from_name(std::string_view name) {
  if (name == "auto") return WeightType::as_stored;
  if (name == "f32") return WeightType::f32;
  if (name == "bf16") return WeightType::bf16;
  if (name == "int8") return WeightType::int8;
  if (name == "int8-channel") return WeightType::int8_channel;
  if (name == "int4") return WeightType::int4;
  return std::nullopt;
}

std::optional<DType> dtype_of(WeightType type, bool is_sensitive) {
  switch (type) {
    case WeightType::as_stored:
      break;
    case WeightType::f32:
      return DType::f32;
    case WeightType::bf16:
      return DType::bf16;
    case WeightType::int8:
      return DType::q8_0;
    case WeightType::int8_channel:
      return is_sensitive ? DType::q8_0 : DType::q8_channel;
    case WeightType::int4:
      return is_sensitive ? DType::q8_0 : DType::q4_1;
  }
  return std::nullopt;
}

template <typename S>
std::unique_ptr<Model<S>> Model<S>::load(const std::filesystem::path& path,
                                         const LoadOptions& options) {
  return load(path, options, nullptr);
}

template <typename S>
std::unique_ptr<Model<S>> Model<S>::load(const std::filesystem::path& path,
                                         const LoadOptions& options,
                                         const std::filesystem::path* packed) try {
  const detail::FloatEnvironment environment;
  detail::Checkpoint checkpoint = detail::open_checkpoint(path, true, options.head);
  std::unique_ptr<Model> model(new Model);
  model->config_ = std::move(checkpoint.config);
  model->network_ = std::make_unique<Network>(options.threads);
  Network& network = *model->network_;

  const TransformerConfig& c = model->config_;
  if (checkpoint.packed) refuse_changes_to_packed(options, path, packed != nullptr);
  if (!options.adapters.empty()) refuse_adapters_to_gguf(checkpoint, path);
  checkpoint.store = merge_adapters(std::move(checkpoint.store), options.adapters,
                                    adapted_modules(checkpoint.family->modules, c));
  const WeightBinder binder(checkpoint.store, checkpoint.rename);
  const ModelSource source = checkpoint.family->bind_weights(binder, c);
  if (options.head) refuse_missing_head(checkpoint, binder, path);
  binder.finish();

  detail::PackedWriter writer;
  detail::Builder<S> builder(network.pool, options.weights, options.fast, checkpoint.store,
                             checkpoint.packed.get(), packed ? &writer : nullptr);
  builder.share_with_head(source.lm_head);
  builder.share_with_head(source.head.out);
  if (c.kind != ModelKind::decoder) network.encoder = builder.encoder(c.encoder, source.encoder);
  if (c.kind != ModelKind::encoder) {
    network.decoder = builder.decoder(c.decoder, source.decoder);
    network.decoder.set_kv_type(options.kv);
  }
  network.lm_head = builder.lm_head(source.lm_head, c);
  const StackConfig& last = c.kind == ModelKind::encoder ? c.encoder : c.decoder;
  network.head = builder.head(source.head, last);
  network.pooler = builder.head(source.pooler, last);
  model->info_ = {checkpoint.store->files(), builder.parameters(), builder.weight_bytes(),
                  builder.dtypes(), binder.unused()};
  if (packed) {
    writer.write(*packed, *checkpoint.store, binder.duplicates(), std::string(to_string(c.head)));
  }
  return model;
} catch (const std::bad_alloc&) {
  throw Error(ErrorCode::out_of_memory,
              path.string() +
                  ": there is not enough memory to load the model; free some, or keep its weights "
                  "in fewer bits",
              path.string());
} catch (...) {
  detail::rethrow_as_error(path);
}

void pack_weights(const std::filesystem::path& path, const std::filesystem::path& file,
                  const LoadOptions& options) {
  Model<float>::load(path, options, &file);
}

template <typename S>
std::int64_t Model<S>::vocab_size() const {
  return network_->lm_head.empty() ? config_.target_vocab_size()
                                   : network_->lm_head.linear.outputs();
}

template <typename S>
std::optional<std::int64_t> Model<S>::max_length() const {
  return limit(config_.decoder);
}

template <typename S>
std::optional<std::int64_t> Model<S>::max_source_length() const {
  return limit(config_.encoder);
}

template <typename S>
void Model<S>::check_input(const EncoderInput& input) const {
  if (input.ids.empty()) throw Error(ErrorCode::invalid_input, "a text has no tokens");
  check_ids(input.ids, config_.vocab_size);
  if (input.type_ids.empty()) return;
  if (input.type_ids.size() != input.ids.size()) {
    throw Error(ErrorCode::invalid_input,
                "a text has " + std::to_string(input.ids.size()) + " tokens and " +
                    std::to_string(input.type_ids.size()) + " token types; give one for each");
  }
  for (const std::int32_t type : input.type_ids) {
    if (type >= 0 && type < std::max<std::int64_t>(config_.type_vocab_size, 1)) continue;
    throw Error(ErrorCode::invalid_input, "token type " + std::to_string(type) +
                                              " is outside the model's, which has " +
                                              std::to_string(config_.type_vocab_size));
  }
}

template <typename S>
TensorView<const S> Model<S>::encode(std::span<const EncoderInput> inputs, Workspace& workspace,
                                     Taps<S>* taps) const {
  if (config_.kind == ModelKind::decoder) {
    throw Error(ErrorCode::unsupported,
                "this is a decoder-only model (" + config_.model_type + "), it has no encoder");
  }
  for (const EncoderInput& input : inputs) {
    check_input(input);
    check_length(static_cast<std::int64_t>(input.ids.size()), config_.encoder, "a source");
  }
  return network_->encoder.encode(inputs, network_->pool, workspace, taps);
}

template <typename S>
std::vector<std::unique_ptr<SequenceState<S>>> Model<S>::start(
    std::span<const std::span<const TokenId>> sources, Workspace& workspace) const {
  std::vector<std::unique_ptr<SequenceState<S>>> states;
  if (config_.kind == ModelKind::decoder) {
    for (std::size_t i = 0; i < sources.size(); ++i) {
      states.push_back(std::make_unique<DecoderState<S>>(network_->decoder.make_cache(), nullptr));
    }
    return states;
  }
  if (config_.kind == ModelKind::encoder) {
    throw Error(ErrorCode::unsupported, "this is an encoder-only model (" + config_.model_type +
                                            "), it cannot generate; it can be used for " +
                                            describe_uses(config_));
  }
  std::vector<EncoderInput> inputs;
  std::vector<std::int64_t> lengths;
  for (const std::span<const TokenId> source : sources) {
    inputs.push_back({source, {}});
    lengths.push_back(static_cast<std::int64_t>(source.size()));
  }
  const TensorView<const S> hidden = encode(inputs, workspace);  // [total tokens, hidden]
  for (KVCache<S>& cache :
       network_->decoder.encode_sources(hidden, lengths, network_->pool, workspace)) {
    states.push_back(std::make_unique<DecoderState<S>>(
        network_->decoder.make_cache(), std::make_shared<const KVCache<S>>(std::move(cache))));
  }
  return states;
}

template <typename S>
TensorView<const S> Model<S>::step(std::span<const StepInput<S>> batch,
                                   Workspace& workspace) const {
  return step(batch, workspace, nullptr);
}

template <typename S>
TensorView<const S> Model<S>::step(std::span<const StepInput<S>> batch, Workspace& workspace,
                                   Taps<S>* taps) const {
  if (config_.kind == ModelKind::encoder || network_->lm_head.empty()) {
    throw Error(ErrorCode::unsupported,
                "this model (" + config_.model_type +
                    ") has no language-model head, it cannot generate; it can be used for " +
                    describe_uses(config_));
  }
  refuse_repeated_states(batch);
  std::vector<SequenceTokens<S>> sequences;
  std::vector<std::int64_t> wanted;  // rows whose logits are asked for
  std::int64_t rows = 0;
  for (const StepInput<S>& input : batch) {
    DecoderState<S>& state = state_of(input, network_->decoder, is_encoder_decoder());
    const auto count = static_cast<std::int64_t>(input.ids.size());
    if (count == 0) throw Error(ErrorCode::invalid_input, "a step has no tokens");
    check_ids(input.ids, config_.target_vocab_size());
    check_length(state.length() + count, config_.decoder, "a sequence");
    sequences.push_back({input.ids, {}, rows, state.length(), &state.self(), state.cross()});
    for (std::int64_t t = input.all_logits ? 0 : count - 1; t < count; ++t) {
      wanted.push_back(rows + t);
    }
    rows += count;
  }
  for (const SequenceTokens<S>& s : sequences) s.cache->reserve(s.count());
  const auto output = network_->decoder.decode(sequences, wanted, network_->lm_head, network_->pool,
                                               workspace, taps);
  for (const SequenceTokens<S>& s : sequences) s.cache->advance(s.count());
  return output.logits;
}

namespace {

// Start and end of each text's tokens in a flat list.
std::vector<Range> token_ranges(std::span<const EncoderInput> inputs) {
  std::vector<Range> ranges;
  std::int64_t first = 0;
  for (const EncoderInput& input : inputs) {
    ranges.push_back({first, first + static_cast<std::int64_t>(input.ids.size())});
    first = ranges.back().end;
  }
  return ranges;
}

// The token of a text whose hidden state a head reads. As in the reference, padding inside a text
// counts as padding, and a text of nothing else is read at its first token.
std::int64_t head_token(const TransformerConfig& c, HeadRows rows, std::span<const TokenId> ids) {
  const auto last = [&](auto&& wanted) {
    auto i = static_cast<std::int64_t>(ids.size()) - 1;
    while (i >= 0 && !wanted(ids[static_cast<std::size_t>(i)])) --i;
    return i;
  };
  if (rows == HeadRows::last_unpadded) {
    return std::max<std::int64_t>(0, last([&](TokenId id) { return id != c.pad_token_id; }));
  }
  if (rows != HeadRows::last_eos) return 0;
  const std::int64_t eos = last(
      [&](TokenId id) { return std::ranges::find(c.eos_token_id, id) != c.eos_token_id.end(); });
  if (eos < 0) {
    throw Error(ErrorCode::invalid_input,
                "a text has no end-of-sequence token, where this classifier reads; encode it with "
                "special tokens");
  }
  return eos;
}

// What the decoder of an encoder-decoder reads of a text that heads read: the text shifted right.
std::vector<TokenId> shifted_right(const TransformerConfig& c, std::span<const TokenId> ids) {
  TokenId start = c.decoder_start_token_id.value_or(0);
  if (c.decoder_starts_with_last) {
    const auto unpadded =
        std::ranges::count_if(ids, [&](TokenId id) { return id != c.pad_token_id; });
    start = ids[static_cast<std::size_t>(std::max<std::int64_t>(unpadded - 1, 0))];
  }
  std::vector<TokenId> shifted(ids.begin(), ids.end());
  shifted.pop_back();
  shifted.insert(shifted.begin(), start);
  return shifted;
}

}  // namespace

template <typename S>
TensorView<const S> Model<S>::hidden_states(std::span<const EncoderInput> inputs,
                                            Workspace& workspace, Taps<S>* taps) const {
  if (config_.kind == ModelKind::encoder) return encode(inputs, workspace, taps);
  return decoder_states(inputs, workspace, taps);
}

template <typename S>
TensorView<const S> Model<S>::decoder_states(std::span<const EncoderInput> inputs,
                                             Workspace& workspace, Taps<S>* taps) const {
  std::vector<std::span<const TokenId>> sources;
  std::vector<std::vector<TokenId>> shifted;  // what an encoder-decoder's decoder reads
  for (const EncoderInput& input : inputs) {
    check_input(input);
    check_length(static_cast<std::int64_t>(input.ids.size()), config_.decoder, "a text");
    sources.push_back(is_encoder_decoder() ? input.ids : std::span<const TokenId>());
    shifted.push_back(is_encoder_decoder()
                          ? shifted_right(config_, input.ids)
                          : std::vector<TokenId>(input.ids.begin(), input.ids.end()));
  }
  const auto states = start(sources, workspace);
  std::vector<SequenceTokens<S>> sequences;
  std::vector<std::int64_t> wanted;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    auto& state = static_cast<DecoderState<S>&>(*states[i]);
    const auto first = static_cast<std::int64_t>(wanted.size());
    sequences.push_back({shifted[i], {}, first, 0, &state.self(), state.cross()});
    state.self().reserve(sequences.back().count());
    for (std::int64_t t = 0; t < sequences.back().count(); ++t) wanted.push_back(first + t);
  }
  return network_->decoder.decode(sequences, wanted, LmHead<S>(), network_->pool, workspace, taps)
      .hidden;
}

template <typename S>
void Model<S>::check_head() const {
  if (!network_->head.empty()) return;
  throw Error(ErrorCode::unsupported, "this checkpoint (" + config_.model_type +
                                          ") has no head for this: it ends in " +
                                          std::string(to_string(config_.head)));
}

template <typename S>
Tensor<S> Model<S>::logits_at(TensorView<const S> hidden, std::span<const std::int64_t> rows,
                              Workspace& workspace) const {
  Tensor<S> chosen(static_cast<std::int64_t>(rows.size()), hidden.cols());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::ranges::copy(hidden.row(rows[i]), chosen.row(static_cast<std::int64_t>(i)).begin());
  }
  Tensor<S> logits =
      network_->head.forward(std::as_const(chosen).view(), network_->pool, workspace);
  check_logits(std::as_const(logits).view());
  return logits;
}

// The mean row of each text.
template <typename S>
Tensor<S> means(TensorView<const S> all, std::span<const Range> texts) {
  Tensor<S> result(static_cast<std::int64_t>(texts.size()), all.cols());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::span<S> mean = result.row(static_cast<std::int64_t>(i));
    std::ranges::copy(all.row(texts[i].begin), mean.begin());
    for (std::int64_t row = texts[i].begin + 1; row < texts[i].end; ++row) {
      for (std::size_t d = 0; d < mean.size(); ++d) mean[d] += all.row(row)[d];
    }
    ops::scale(mean, S{1} / static_cast<S>(texts[i].size()));
  }
  return result;
}

template <typename S>
HeadOutput<S> Model<S>::run_head(std::span<const EncoderInput> inputs, Workspace& workspace,
                                 Taps<S>* taps) const {
  check_head();
  const TensorView<const S> hidden = hidden_states(inputs, workspace, taps);  // [tokens, hidden]
  HeadOutput<S> output;
  const std::vector<Range> tokens = token_ranges(inputs);
  if (network_->head.rows() == HeadRows::all) {
    output.logits = network_->head.forward(hidden, network_->pool, workspace);
    check_logits(std::as_const(output.logits).view());
    output.rows = tokens;
    return output;
  }
  const HeadRows read = network_->head.rows();
  if (read == HeadRows::mean || read == HeadRows::mean_logits) {
    const bool last = read == HeadRows::mean_logits;
    const Tensor<S> before = last ? Tensor<S>() : means(hidden, tokens);
    output.logits =
        network_->head.forward(last ? hidden : before.view(), network_->pool, workspace);
    if (last) output.logits = means(std::as_const(output.logits).view(), tokens);
    check_logits(std::as_const(output.logits).view());
  }
  std::vector<std::int64_t> rows;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    rows.push_back(tokens[i].begin + head_token(config_, read, inputs[i].ids));
    output.rows.push_back({static_cast<std::int64_t>(i), static_cast<std::int64_t>(i) + 1});
  }
  if (output.logits.empty()) output.logits = logits_at(hidden, rows, workspace);
  return output;
}

template <typename S>
Tensor<S> Model<S>::run_head_at(std::span<const EncoderInput> inputs,
                                std::span<const std::int64_t> rows, Workspace& workspace) const {
  check_head();
  const TensorView<const S> hidden = hidden_states(inputs, workspace);  // [tokens, hidden]
  for (const std::int64_t row : rows) {
    if (row >= 0 && row < hidden.rows()) continue;
    throw Error(ErrorCode::invalid_input, "row " + std::to_string(row) + " of " +
                                              std::to_string(hidden.rows()) +
                                              " tokens is asked for");
  }
  return logits_at(hidden, rows, workspace);
}

template <typename S>
Tensor<S> Model<S>::pooled(std::span<const EncoderInput> inputs, Workspace& workspace) const {
  if (network_->pooler.empty()) {
    throw Error(ErrorCode::unsupported,
                "this checkpoint (" + config_.model_type + ") has no pooler");
  }
  const TensorView<const S> hidden = encode(inputs, workspace);  // [tokens, hidden]
  Tensor<S> first(static_cast<std::int64_t>(inputs.size()), hidden.cols());
  std::int64_t row = 0;
  for (const Range& tokens : token_ranges(inputs)) {
    std::ranges::copy(hidden.row(tokens.begin), first.row(row++).begin());
  }
  Tensor<S> vectors =
      network_->pooler.forward(std::as_const(first).view(), network_->pool, workspace);
  check_finite(std::as_const(vectors).values(), "hidden states");
  return vectors;
}

template class Model<float>;
template class Model<double>;

}  // namespace llm
