#include "llm/model/model.hpp"

#include <algorithm>
#include <utility>

#include "llm/core/error.hpp"
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

void refuse_adapters_to_gguf(const detail::Checkpoint& checkpoint,
                             const std::filesystem::path& path) {
  if (!checkpoint.rename) return;
  throw Error(ErrorCode::unsupported,
              path.string() +
                  ": adapters cannot be merged into a GGUF file; give the model they were trained "
                  "on as a folder with safetensors",
              path.string());
}

}  // namespace

template <typename S>
std::unique_ptr<Model<S>> Model<S>::load(const std::filesystem::path& path,
                                         const LoadOptions& options) {
  detail::Checkpoint checkpoint = detail::open_checkpoint(path, true, options.head);
  std::unique_ptr<Model> model(new Model);
  model->config_ = std::move(checkpoint.config);
  model->pool_ = std::make_unique<ThreadPool>(options.threads);

  const TransformerConfig& c = model->config_;
  if (!options.adapters.empty()) refuse_adapters_to_gguf(checkpoint, path);
  checkpoint.store = merge_adapters(std::move(checkpoint.store), options.adapters);
  const WeightBinder binder(checkpoint.store, checkpoint.rename);
  const ModelSource source = checkpoint.family->bind_weights(binder, c);
  binder.finish();

  detail::Builder<S> builder(*model->pool_);
  builder.share_with_head(source.lm_head);
  builder.share_with_head(source.head.out);
  if (c.kind != ModelKind::decoder) model->encoder_ = builder.encoder(c.encoder, source.encoder);
  if (c.kind != ModelKind::encoder) model->decoder_ = builder.decoder(c.decoder, source.decoder);
  model->lm_head_ = builder.lm_head(source.lm_head, c.logits_scale);
  const StackConfig& last = c.kind == ModelKind::encoder ? c.encoder : c.decoder;
  model->head_ = builder.head(source.head, last);
  model->pooler_ = builder.head(source.pooler, last);
  model->info_ = {checkpoint.store->files(), builder.parameters(), builder.weight_bytes(),
                  builder.dtypes(), binder.unused()};
  return model;
}

template <typename S>
std::int64_t Model<S>::vocab_size() const {
  return lm_head_.empty() ? config_.vocab_size : lm_head_.linear.outputs();
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
void Model<S>::check_ids(std::span<const TokenId> ids) const {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= config_.vocab_size) {
      throw Error(ErrorCode::invalid_input, "token " + std::to_string(i) + " is id " +
                                                std::to_string(ids[i]) +
                                                ", the vocabulary of the model has ids 0 to " +
                                                std::to_string(config_.vocab_size - 1) +
                                                "; the tokenizer does not fit the model");
    }
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
    if (input.ids.empty()) throw Error(ErrorCode::invalid_input, "a source has no tokens");
    check_ids(input.ids);
    check_length(static_cast<std::int64_t>(input.ids.size()), config_.encoder, "a source");
  }
  return encoder_.encode(inputs, *pool_, workspace, taps);
}

template <typename S>
std::vector<std::unique_ptr<SequenceState<S>>> Model<S>::start(
    std::span<const std::span<const TokenId>> sources, Workspace& workspace) const {
  std::vector<std::unique_ptr<SequenceState<S>>> states;
  if (config_.kind == ModelKind::decoder) {
    for (std::size_t i = 0; i < sources.size(); ++i) {
      states.push_back(std::make_unique<DecoderState<S>>(decoder_.make_cache(), nullptr));
    }
    return states;
  }
  if (config_.kind == ModelKind::encoder) {
    throw Error(ErrorCode::unsupported,
                "this is an encoder-only model (" + config_.model_type + "), it cannot generate");
  }
  std::vector<EncoderInput> inputs;
  std::vector<std::int64_t> lengths;
  for (const std::span<const TokenId> source : sources) {
    inputs.push_back({source, {}});
    lengths.push_back(static_cast<std::int64_t>(source.size()));
  }
  const TensorView<const S> hidden = encode(inputs, workspace);  // [total tokens, hidden]
  for (KVCache<S>& cache : decoder_.encode_sources(hidden, lengths, *pool_, workspace)) {
    states.push_back(std::make_unique<DecoderState<S>>(
        decoder_.make_cache(), std::make_shared<const KVCache<S>>(std::move(cache))));
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
  if (config_.kind == ModelKind::encoder || lm_head_.empty()) {
    throw Error(ErrorCode::unsupported, "this model (" + config_.model_type +
                                            ") has no language-model head, it cannot generate");
  }
  std::vector<Segment<S>> segments;
  std::vector<std::int64_t> wanted;  // rows whose logits are asked for
  std::int64_t rows = 0;
  for (const StepInput<S>& input : batch) {
    auto& state = static_cast<DecoderState<S>&>(*input.state);
    const auto count = static_cast<std::int64_t>(input.ids.size());
    if (count == 0) throw Error(ErrorCode::invalid_input, "a step has no tokens");
    check_ids(input.ids);
    check_length(state.length() + count, config_.decoder, "a sequence");
    segments.push_back({input.ids, {}, rows, state.length(), &state.self(), state.cross()});
    for (std::int64_t t = input.all_logits ? 0 : count - 1; t < count; ++t) {
      wanted.push_back(rows + t);
    }
    rows += count;
  }
  for (const Segment<S>& segment : segments) segment.cache->reserve(segment.count());
  const auto output = decoder_.decode(segments, wanted, lm_head_, *pool_, workspace, taps);
  for (const Segment<S>& segment : segments) segment.cache->advance(segment.count());
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
    if (input.ids.empty()) throw Error(ErrorCode::invalid_input, "a text has no tokens");
    check_ids(input.ids);
    check_length(static_cast<std::int64_t>(input.ids.size()), config_.decoder, "a text");
    sources.push_back(is_encoder_decoder() ? input.ids : std::span<const TokenId>());
    shifted.emplace_back(input.ids.begin(), input.ids.end());
    if (is_encoder_decoder()) {
      shifted.back().pop_back();
      shifted.back().insert(shifted.back().begin(), config_.decoder_start_token_id.value_or(0));
    }
  }
  const auto states = start(sources, workspace);
  std::vector<Segment<S>> segments;
  std::vector<std::int64_t> wanted;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    auto& state = static_cast<DecoderState<S>&>(*states[i]);
    const auto first = static_cast<std::int64_t>(wanted.size());
    segments.push_back({shifted[i], {}, first, 0, &state.self(), state.cross()});
    state.self().reserve(segments.back().count());
    for (std::int64_t t = 0; t < segments.back().count(); ++t) wanted.push_back(first + t);
  }
  return decoder_.decode(segments, wanted, LmHead<S>(), *pool_, workspace, taps).hidden;
}

template <typename S>
HeadOutput<S> Model<S>::run_head(std::span<const EncoderInput> inputs, Workspace& workspace,
                                 Taps<S>* taps) const {
  if (head_.empty()) {
    throw Error(ErrorCode::unsupported, "this checkpoint (" + config_.model_type +
                                            ") has no head for this: it ends in " +
                                            std::string(to_string(config_.head)));
  }
  const TensorView<const S> hidden = hidden_states(inputs, workspace, taps);  // [tokens, hidden]
  HeadOutput<S> output;
  const std::vector<Range> tokens = token_ranges(inputs);
  if (head_.rows() == HeadRows::all) {
    output.logits = head_.forward(hidden, *pool_, workspace);
    output.rows = tokens;
    return output;
  }
  Tensor<S> chosen(Shape{static_cast<std::int64_t>(inputs.size()), hidden.cols()});
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    const bool first = head_.rows() == HeadRows::first;
    std::copy_n(hidden.row(first ? tokens[i].begin : tokens[i].end - 1), hidden.cols(),
                chosen.row(row));
    output.rows.push_back({row, row + 1});
  }
  output.logits = head_.forward(std::as_const(chosen).view(), *pool_, workspace);
  return output;
}

template <typename S>
Tensor<S> Model<S>::pooled(std::span<const EncoderInput> inputs, Workspace& workspace) const {
  if (pooler_.empty()) {
    throw Error(ErrorCode::unsupported,
                "this checkpoint (" + config_.model_type + ") has no pooler");
  }
  const TensorView<const S> hidden = encode(inputs, workspace);  // [tokens, hidden]
  Tensor<S> first(Shape{static_cast<std::int64_t>(inputs.size()), hidden.cols()});
  std::int64_t row = 0;
  for (const Range& tokens : token_ranges(inputs)) {
    std::copy_n(hidden.row(tokens.begin), hidden.cols(), first.row(row++));
  }
  return pooler_.forward(std::as_const(first).view(), *pool_, workspace);
}

template class Model<float>;
template class Model<double>;

}  // namespace llm
