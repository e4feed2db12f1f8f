// From a request to tokens and limits: encoding, special tokens, the context, and what to do when
// it is full.
#include "llm/generation/task.hpp"

#include <algorithm>

#include "tokenizer/text_input.hpp"

namespace llm::detail {

namespace {

struct Prompt {
  std::vector<TokenId> ids;
  std::size_t head = 0;  // special tokens that the tokenizer added in front
  std::size_t tail = 0;  // and at the end
};

Prompt encode(const GenerationRequest& request, const ModelLimits& limits,
              const Tokenizer* tokenizer, Overflow overflow) {
  if (!request.text) return {request.ids, 0, 0};
  if (!tokenizer) {
    throw Error(ErrorCode::invalid_option,
                "the prompt is text, but there is no tokenizer to read it; give token ids, or a "
                "model folder with tokenizer files");
  }
  const auto& context = limits.is_encoder_decoder ? limits.max_source_length : limits.max_length;
  check_text_size(*request.text, std::min(limits.most_input(), context.value_or(INT64_MAX)),
                  overflow != Overflow::error);
  Encoding encoding =
      tokenizer->encode(*request.text, {.add_special_tokens = request.add_special_tokens,
                                        .language = request.language,
                                        .interrupt = limits.interrupt});
  Prompt prompt{std::move(encoding.ids), 0, 0};
  const auto added = [&](std::size_t i) {
    return encoding.offsets[i] == ByteSpan{} && tokenizer->is_special(prompt.ids[i]);
  };
  const std::size_t size = prompt.ids.size();
  while (prompt.head < size && added(prompt.head)) ++prompt.head;
  while (prompt.head + prompt.tail < size && added(size - 1 - prompt.tail)) ++prompt.tail;
  return prompt;
}

void check_ids(std::span<const TokenId> ids, std::int64_t vocab_size) {
  for (const TokenId id : ids) {
    if (id < 0 || id >= vocab_size) {
      throw Error(ErrorCode::invalid_input, "the prompt contains the token id " +
                                                std::to_string(id) +
                                                ", but the model's vocabulary has the ids 0 to " +
                                                std::to_string(vocab_size - 1) +
                                                "; does the tokenizer belong to this model?");
    }
  }
}

// Removes tokens so that `keep` are left; never the special tokens at the ends.
void cut(Prompt& prompt, std::size_t keep, Overflow overflow) {
  const std::size_t ends = prompt.head + prompt.tail;
  const std::size_t inner = prompt.ids.size() - ends;
  const std::size_t stay = keep > ends ? keep - ends : 0;
  if (stay >= inner) return;
  std::size_t first = prompt.head;  // of the tokens to remove
  if (overflow == Overflow::truncate_right) first += stay;
  if (overflow == Overflow::truncate_middle) first += stay - stay / 2;
  const auto begin = prompt.ids.begin() + static_cast<std::ptrdiff_t>(first);
  prompt.ids.erase(begin, begin + static_cast<std::ptrdiff_t>(inner - stay));
}

[[noreturn]] void refuse_length(std::string_view what, std::size_t size, std::int64_t most) {
  throw Error(ErrorCode::context_overflow,
              "the prompt has " + std::to_string(size) + " tokens, but " + std::string(what) + " " +
                  std::to_string(most) +
                  "; shorten it, or set overflow to truncate-left, truncate-right or "
                  "truncate-middle");
}

// The source of an encoder-decoder, cut to what the encoder takes.
bool fit_source(Prompt& source, const ModelLimits& limits, Overflow overflow) {
  if (source.ids.empty()) {
    throw Error(ErrorCode::invalid_input, "the prompt is empty; the encoder needs a token");
  }
  const std::int64_t taken = limits.max_source_length.value_or(INT64_MAX);
  const std::int64_t most = std::min(taken, limits.most_input());
  if (static_cast<std::int64_t>(source.ids.size()) <= most) return false;
  if (overflow == Overflow::error) {
    refuse_length(most < taken ? "max_input_tokens is" : "the encoder takes at most",
                  source.ids.size(), most);
  }
  cut(source, static_cast<std::size_t>(most), overflow);
  return true;
}

// The prompt of a decoder, cut to its context with room for new tokens.
bool fit_prompt(Prompt& prompt, const GenerationConfig& config, const ModelLimits& limits,
                Overflow overflow) {
  const std::int64_t context = limits.max_length.value_or(INT64_MAX);
  const auto size = static_cast<std::int64_t>(prompt.ids.size());
  if (overflow == Overflow::error) {
    if (size < context && size <= limits.most_input()) return false;
    if (size < context)
      refuse_length("max_input_tokens is", prompt.ids.size(), limits.most_input());
    refuse_length("with one new token the context holds at most", prompt.ids.size(), context - 1);
  }
  const std::int64_t wanted = config.max_new_tokens.value_or(config.max_length ? 1 : 20);
  const std::int64_t keep =
      std::min(limits.most_input(), std::clamp(context - std::min(wanted, context), context / 2,
                                               std::max<std::int64_t>(context - 1, 0)));
  if (size <= keep) return false;
  cut(prompt, static_cast<std::size_t>(keep), overflow);
  return true;
}

std::int64_t limit_length(const GenerationConfig& config, const ModelLimits& limits,
                          std::int64_t prompt) {
  std::int64_t length = prompt + 20;  // the reference's default
  if (config.max_new_tokens) {
    length =
        *config.max_new_tokens < INT64_MAX - prompt ? prompt + *config.max_new_tokens : INT64_MAX;
  } else if (config.max_length) {
    length = *config.max_length;
    if (prompt >= length) {
      throw Error(ErrorCode::context_overflow,
                  "the prompt has " + std::to_string(prompt) +
                      " tokens, but max_length, which counts them, is " + std::to_string(length) +
                      "; raise it or set max_new_tokens instead",
                  "max_length");
    }
  }
  return std::min(length, limits.max_length.value_or(INT64_MAX));
}

TokenId decoder_start(const GenerationConfig& config, std::int64_t vocab_size) {
  const auto id =
      config.decoder_start_token_id ? config.decoder_start_token_id : config.bos_token_id;
  if (!id || *id < 0 || *id >= vocab_size) {
    throw Error(
        config.blame(config.decoder_start_token_id ? "decoder_start_token_id" : "bos_token_id"),
        "the first token of the decoder is not known or not in the vocabulary; set "
        "decoder_start_token_id",
        "decoder_start_token_id");
  }
  return *id;
}

void check_options(const GenerationConfig& config, const ModelLimits& limits,
                   const Tokenizer* tokenizer) {
  config.validate();
  if (!config.stop_strings.empty() && !tokenizer) {
    throw Error(ErrorCode::invalid_option,
                "stop_strings need a tokenizer, but there is none; use stop_token_ids",
                "stop_strings");
  }
  const auto check = [&](std::string_view name, std::span<const TokenId> ids) {
    for (const TokenId id : ids) {
      if (id >= 0 && id < limits.vocab_size) continue;
      throw Error(config.blame(name),
                  "the generation option " + quote(name) + " (" + std::string(config.source(name)) +
                      ") names the token id " + std::to_string(id) +
                      ", but the vocabulary has the ids 0 to " +
                      std::to_string(limits.vocab_size - 1),
                  std::string(name));
    }
  };
  for (const auto& word : config.bad_words_ids) check("bad_words_ids", word);
  check("forced_eos_token_id", config.forced_eos_token_id);
  if (config.forced_bos_token_id) {
    check("forced_bos_token_id", std::span(&*config.forced_bos_token_id, 1));
  }
}

}  // namespace

GenerationResult Task::result(std::int32_t sample) const {
  GenerationResult result;
  result.id = request.id;
  result.row = row;
  result.sample = sample;
  result.prompt_tokens = prompt_tokens;
  result.truncated = truncated;
  result.seed = seed;
  return result;
}

bool Task::out_of_time() const {
  if (!config->max_time) return false;
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - started;
  return passed.count() > *config->max_time;
}

std::string Task::spell(TokenId id) const {
  return tokenizer ? tokenizer->token(id) : std::to_string(id);
}

Task prepare_task(GenerationRequest request, std::shared_ptr<const GenerationConfig> config,
                  const ModelLimits& limits, const Tokenizer* tokenizer, Overflow overflow) {
  check_options(*config, limits, tokenizer);
  Prompt prompt = encode(request, limits, tokenizer, overflow);
  check_ids(prompt.ids, limits.source_vocab_size);
  Task task;
  task.tokenizer = tokenizer;
  task.is_encoder_decoder = limits.is_encoder_decoder;
  if (limits.is_encoder_decoder) {
    task.truncated = fit_source(prompt, limits, overflow);
    task.prompt = {decoder_start(*config, limits.vocab_size)};
    task.prompt_tokens = static_cast<std::int64_t>(prompt.ids.size());
    task.source = std::move(prompt.ids);
  } else {
    if (prompt.ids.empty() && config->bos_token_id) prompt.ids = {*config->bos_token_id};
    if (prompt.ids.empty()) {
      throw Error(ErrorCode::invalid_input,
                  "the prompt is empty, and the model has no bos_token_id to begin with");
    }
    check_ids(prompt.ids, limits.vocab_size);
    task.truncated = fit_prompt(prompt, *config, limits, overflow);
    task.prompt_tokens = static_cast<std::int64_t>(prompt.ids.size());
    task.prompt = std::move(prompt.ids);
  }
  task.max_length = limit_length(*config, limits, static_cast<std::int64_t>(task.prompt.size()));
  task.request = std::move(request);
  task.config = std::move(config);
  return task;
}

}  // namespace llm::detail
