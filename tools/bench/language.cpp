// prefill and decode: tokens per second of a decoder, sampling not included.
#include <algorithm>
#include <memory>
#include <span>

#include "bench/bench.hpp"

namespace llm::bench {

namespace {

// Some sequences of one model that grow together.
template <typename S>
class Sequences {
 public:
  Sequences(const Setting& setting, const Model<S>& model)
      : model_(model), count_(std::max<std::int64_t>(setting.options.batch, 1)) {
    if (model.kind() != ModelKind::decoder) {
      throw Error(ErrorCode::unsupported,
                  "prefill and decode measure decoders, and " + quote(setting.model) +
                      " is none; expected one of the benches encode, seq2seq, load, memory",
                  setting.model);
    }
    const std::vector<std::span<const TokenId>> none(static_cast<std::size_t>(count_));
    states_ = model.start(none, workspace_);
  }

  std::int64_t count() const { return count_; }

  // Appends the same tokens to each.
  void step(std::span<const TokenId> ids) {
    std::vector<StepInput<S>> inputs;
    for (const auto& state : states_) inputs.push_back({state.get(), ids, false});
    model_.step(inputs, workspace_);
  }

  void truncate(std::int64_t length) {
    for (const auto& state : states_) state->truncate(length);
  }

 private:
  const Model<S>& model_;
  std::int64_t count_;
  Workspace workspace_;
  std::vector<std::unique_ptr<SequenceState<S>>> states_;
};

nlohmann::ordered_json sizes(const Options& options, std::int64_t batch) {
  return {{"prompt_tokens", options.prompt_tokens}, {"batch", batch}};
}

}  // namespace

template <typename S>
void bench_prefill(const Setting& setting, const Model<S>& model) {
  const std::int64_t count = setting.options.prompt_tokens;
  const std::vector<TokenId> prompt = some_tokens(count, model.vocab_size());
  Sequences<S> sequences(setting, model);
  const std::vector<double> times = repeated_seconds(setting, [&] {
    sequences.truncate(0);
    sequences.step(prompt);
  });
  print_figure(setting,
               {"prefill", "tokens/s", rates(static_cast<double>(count * sequences.count()), times),
                sizes(setting.options, sequences.count())});
}

// Tokens one by one behind a prompt.
template <typename S>
class Decoding {
 public:
  Decoding(const Setting& setting, const Model<S>& model)
      : prompt_(setting.options.prompt_tokens),
        tokens_(some_tokens(prompt_ + setting.options.new_tokens, model.vocab_size())),
        sequences_(setting, model) {
    sequences_.step(std::span<const TokenId>(tokens_).first(static_cast<std::size_t>(prompt_)));
  }

  std::int64_t count() const { return sequences_.count(); }

  // May be called again: the new tokens are forgotten first.
  void run() {
    const std::span<const TokenId> all(tokens_);
    sequences_.truncate(prompt_);
    for (auto i = static_cast<std::size_t>(prompt_); i < all.size(); ++i) {
      sequences_.step(all.subspan(i, 1));
    }
  }

 private:
  std::int64_t prompt_;
  std::vector<TokenId> tokens_;
  Sequences<S> sequences_;
};

template <typename S>
void bench_decode(const Setting& setting, const Model<S>& model) {
  const Options& options = setting.options;
  Decoding<S> decoding(setting, model);
  const std::vector<double> times = repeated_seconds(setting, [&] { decoding.run(); });
  nlohmann::ordered_json details = sizes(options, decoding.count());
  details["new_tokens"] = options.new_tokens;
  const auto work = static_cast<double>(options.new_tokens * decoding.count());
  print_figure(setting, {"decode", "tokens/s", rates(work, times), details});
}

template <typename S>
void decode_once(const Setting& setting, const Model<S>& model) {
  Decoding<S>(setting, model).run();
}

template void bench_prefill<float>(const Setting&, const Model<float>&);
template void bench_prefill<double>(const Setting&, const Model<double>&);
template void bench_decode<float>(const Setting&, const Model<float>&);
template void bench_decode<double>(const Setting&, const Model<double>&);
template void decode_once<float>(const Setting&, const Model<float>&);
template void decode_once<double>(const Setting&, const Model<double>&);

}  // namespace llm::bench
