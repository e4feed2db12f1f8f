// seq2seq: an encoder-decoder as users run it, through the generation loop, greedy or with beams.
// The time of the first token (encoding and one step) is measured apart and taken off the rest.
#include <algorithm>
#include <span>

#include "bench/bench.hpp"
#include "llm/generation/generator.hpp"
#include "llm/generation/model_generation_config.hpp"

namespace llm::bench {

namespace {

// Exactly `new_tokens` tokens: no end of sequence before them.
template <typename S>
GenerationConfig fixed_length(const Setting& setting, const Model<S>& model, std::int64_t beams,
                              std::int64_t new_tokens) {
  const GenerationConfig recommended = model_generation_config(setting.path, model.config());
  GenerationConfig config;
  config.bos_token_id = recommended.bos_token_id;
  config.pad_token_id = recommended.pad_token_id;
  config.eos_token_id = recommended.eos_token_id;
  config.decoder_start_token_id = recommended.decoder_start_token_id;
  config.num_beams = beams;
  config.min_new_tokens = config.max_new_tokens = new_tokens;
  return config;
}

template <typename S>
void generate(const Setting& setting, const Model<S>& model, std::span<const TokenId> source,
              std::int64_t beams, std::int64_t new_tokens) {
  const Generator<S> generator(model);
  const GenerationResult result =
      generator.generate(source, fixed_length(setting, model, beams, new_tokens));
  if (result.new_tokens != new_tokens) {
    throw Error(ErrorCode::internal, "expected " + std::to_string(new_tokens) +
                                         " new tokens, but the generation loop made " +
                                         std::to_string(result.new_tokens));
  }
}

}  // namespace

template <typename S>
void bench_seq2seq(const Setting& setting, const Model<S>& model) {
  const Options& options = setting.options;
  if (!model.is_encoder_decoder()) {
    throw Error(ErrorCode::unsupported,
                "seq2seq measures encoder-decoders, and " + quote(setting.model) +
                    " is none; expected one of the benches prefill, decode, encode, load, memory",
                setting.model);
  }
  const std::vector<TokenId> source = some_tokens(options.prompt_tokens, model.source_vocab_size());
  for (const std::int64_t beams : options.beams) {
    const auto run = [&](std::int64_t count) {
      return seconds([&] { generate(setting, model, source, beams, count); });
    };
    Figure first{"seq2seq-first", "ms", {}, {{"source_tokens", options.prompt_tokens}}};
    first.details["beams"] = beams;
    Figure rest{"seq2seq", "tokens/s", {}, first.details};
    rest.details["new_tokens"] = options.new_tokens;
    run(2);
    for (int i = 0; i < options.repeat; ++i) {
      const double one = run(1), all = run(options.new_tokens + 1);
      first.values.push_back(1e3 * one);
      rest.values.push_back(static_cast<double>(options.new_tokens) / std::max(all - one, 1e-6));
    }
    print_figure(setting, first);
    print_figure(setting, rest);
  }
}

template <typename S>
void generate_once(const Setting& setting, const Model<S>& model) {
  const Options& options = setting.options;
  const std::vector<TokenId> source = some_tokens(options.prompt_tokens, model.source_vocab_size());
  generate(setting, model, source, options.beams.back(), options.new_tokens);
}

template void bench_seq2seq<float>(const Setting&, const Model<float>&);
template void bench_seq2seq<double>(const Setting&, const Model<double>&);
template void generate_once<float>(const Setting&, const Model<float>&);
template void generate_once<double>(const Setting&, const Model<double>&);

}  // namespace llm::bench
