// The loop: what does not change a row's result, how rows end, and what happens to rows that fail.
#include "llm/generation/generator.hpp"

#include <map>
#include <set>

#include "generation/toy.hpp"

namespace llm {
namespace {

using Results = std::vector<GenerationResult>;

RequestSource source_of(std::vector<GenerationRequest> requests) {
  auto at = std::make_shared<std::size_t>(0);
  auto list = std::make_shared<std::vector<GenerationRequest>>(std::move(requests));
  return [at, list]() -> std::optional<GenerationRequest> {
    if (*at == list->size()) return std::nullopt;
    return (*list)[(*at)++];
  };
}

template <typename S>
Results run(const LanguageModel<S>& model, std::vector<GenerationRequest> requests,
            const GenerationConfig& config, RunOptions<S> options = {},
            const Tokenizer* tokenizer = nullptr) {
  Results results;
  Generator<S>(model, tokenizer, options)
      .run(source_of(std::move(requests)), config,
           [&](GenerationResult&& result) { results.push_back(std::move(result)); });
  return results;
}

GenerationRequest request_of(std::vector<TokenId> ids) {
  GenerationRequest request;
  request.ids = std::move(ids);
  return request;
}

// Prompts of many lengths; most begin with the same 40 tokens.
std::vector<GenerationRequest> mixed_requests(std::size_t count) {
  std::vector<TokenId> shared;
  for (TokenId i = 0; i < 40; ++i) shared.push_back(i * 7 % 17);
  std::vector<GenerationRequest> requests;
  for (std::size_t r = 0; r < count; ++r) {
    std::vector<TokenId> ids = r % 7 == 3 ? std::vector<TokenId>() : shared;
    for (std::size_t i = 0; i < 1 + r * 5 % 11; ++i) {
      ids.push_back(static_cast<TokenId>((r * 3 + i * i) % 17));
    }
    requests.push_back(request_of(std::move(ids)));
    requests.back().id = "row " + std::to_string(r);
    requests.back().row = r;
  }
  return requests;
}

std::string fingerprint(const GenerationResult& r) {
  std::string text = r.id + "/" + std::to_string(r.sample) + ":" + r.text + ":";
  for (const TokenId id : r.new_ids) text += std::to_string(id) + ",";
  text += std::string(to_string(r.finish_reason)) + r.stop;
  return text + std::to_string(r.logprob) + (r.error ? r.error->message : "");
}

std::vector<std::string> fingerprints(const Results& results) {
  std::vector<std::string> list;
  for (const auto& result : results) list.push_back(fingerprint(result));
  return list;
}

std::vector<GenerationConfig> configs() {
  GenerationConfig greedy;
  greedy.max_new_tokens = 9;
  greedy.eos_token_id = {4};
  GenerationConfig sampled = greedy;
  sampled.do_sample = true;
  sampled.seed = 42;
  sampled.num_return_sequences = 3;
  sampled.top_p = 0.9;
  GenerationConfig beams = greedy;
  beams.num_beams = 3;
  beams.num_return_sequences = 2;
  GenerationConfig penalties = greedy;
  penalties.repetition_penalty = 1.7;
  penalties.no_repeat_ngram_size = 2;
  return {greedy, sampled, beams, penalties};
}

TEST(Generator, ResultsDoNotDependOnTheBatch) {
  for (const GenerationConfig& config : configs()) {
    toy::Model<float> model;
    RunOptions<float> plain;
    plain.batch_size = 1;
    plain.prefill_chunk = 1000;
    plain.share_prefix = false;
    const auto expected = fingerprints(run(model, mixed_requests(23), config, plain));
    for (const std::int64_t batch : {1, 2, 5, 64}) {
      for (const std::int64_t chunk : {1, 7, 1000}) {
        for (const bool share : {false, true}) {
          RunOptions<float> options;
          options.batch_size = batch;
          options.prefill_chunk = chunk;
          options.share_prefix = share;
          EXPECT_EQ(fingerprints(run(model, mixed_requests(23), config, options)), expected)
              << batch << " " << chunk << " " << share;
        }
      }
    }
  }
}

TEST(Generator, ResultsDoNotDependOnTheOrder) {
  for (const GenerationConfig& config : configs()) {
    toy::Model<float> model;
    std::map<std::string, std::string> expected;
    const auto add = [](std::map<std::string, std::string>& into, const Results& results) {
      for (const auto& r : results) into[r.id + "/" + std::to_string(r.sample)] = fingerprint(r);
    };
    add(expected, run(model, mixed_requests(20), config));
    auto reversed = mixed_requests(20);
    std::ranges::reverse(reversed);
    std::map<std::string, std::string> got;
    add(got, run(model, reversed, config));
    EXPECT_EQ(got, expected);
  }
}

TEST(Generator, ResultsComeInInputOrder) {
  toy::Model<float> model;
  GenerationConfig config = configs()[1];
  const Results results = run(model, mixed_requests(30), config);
  ASSERT_EQ(results.size(), 90u);
  for (std::size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i].row, i / 3);
    EXPECT_EQ(results[i].sample, static_cast<std::int32_t>(i % 3));
    EXPECT_EQ(results[i].id, "row " + std::to_string(i / 3));
  }
}

TEST(Generator, RowsShareTheStepsAndThePrefix) {
  toy::Model<float> model;
  GenerationConfig config;
  config.max_new_tokens = 5;
  std::vector<GenerationRequest> requests;
  for (TokenId r = 0; r < 16; ++r) {
    std::vector<TokenId> ids(100, 3);
    ids.push_back(r);
    requests.push_back(request_of(ids));
  }
  RunOptions<float> options;
  options.batch_size = 16;
  run(model, requests, config, options);
  EXPECT_EQ(model.widest, 16u);
  EXPECT_EQ(model.tokens, 100 + 16 * (1 + 4));  // the prefix once; the last new token is not fed
  EXPECT_LE(model.steps, 10);
}

TEST(Generator, TopKOfOneIsGreedy) {
  toy::Model<double> model;
  GenerationConfig greedy = configs()[0];
  GenerationConfig one = greedy;
  one.do_sample = true;
  one.top_k = 1;
  const Results a = run(model, mixed_requests(12), greedy);
  const Results b = run(model, mixed_requests(12), one);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].new_ids, b[i].new_ids);
}

TEST(Generator, SamplesEqualThoseOfSeparateRuns) {
  toy::Model<double> model;
  GenerationConfig config = configs()[1];
  config.num_return_sequences = 8;
  const Results many = run(model, {request_of({1, 2})}, config);
  config.num_return_sequences = 2;
  const Results few = run(model, {request_of({1, 2})}, config);
  EXPECT_EQ(few[1].new_ids, many[1].new_ids);
  std::set<std::vector<TokenId>> distinct;
  for (const auto& result : many) distinct.insert(result.new_ids);
  EXPECT_GT(distinct.size(), 4u);
  EXPECT_EQ(many[0].seed, 42u);
}

TEST(Generator, LogprobIsThatOfTheModel) {
  toy::Model<double> model;
  GenerationConfig config;
  config.max_new_tokens = 3;
  config.do_sample = true;
  config.seed = 1;
  config.temperature = 3.0;
  config.suppress_tokens = {5};
  RunOptions<double> options;
  options.logprobs = 4;
  const Results results = run(model, {request_of({1, 2})}, config, options);
  const GenerationResult& r = results[0];
  ASSERT_EQ(r.logprobs.size(), 3u);
  toy::State<double> state;
  state.ids = {1, 2};
  double sum = 0.0;
  for (std::size_t i = 0; i < 3; ++i) {
    std::vector<double> logits(17);
    model.fill(state, logits);
    double total = 0.0;
    for (const double l : logits) total += std::exp(l);
    const auto id = static_cast<std::size_t>(r.new_ids[i]);
    EXPECT_NEAR(r.logprobs[i].logprob, logits[id] - std::log(total), 1e-12);
    EXPECT_EQ(r.logprobs[i].top.size(), 4u);
    EXPECT_NEAR(r.logprobs[i].top[0].value, *std::ranges::max_element(logits) - std::log(total),
                1e-12);
    sum += r.logprobs[i].logprob;
    state.ids.push_back(r.new_ids[i]);
  }
  EXPECT_NEAR(r.logprob, sum, 1e-12);
}

// The next letter is the one after the last; after p comes </s>.
toy::Model<float> alphabet() {
  toy::Model<float> model;
  model.rule = [](std::span<const TokenId> ids, std::span<float> logits) {
    std::ranges::fill(logits, 0.0f);
    logits[static_cast<std::size_t>((ids.back() + 1) % 17)] = 9.0f;
  };
  return model;
}

TEST(Generator, EndsAtEos) {
  const auto model = alphabet();
  const auto tokenizer = toy::letters();
  GenerationConfig config;
  config.eos_token_id = {0};
  const auto r = Generator<float>(model, &tokenizer).generate("m", config);
  EXPECT_EQ(r.text, "nop");
  EXPECT_EQ(r.new_ids, (std::vector<TokenId>{14, 15, 16, 0}));
  EXPECT_EQ(r.finish_reason, FinishReason::stop);
  EXPECT_EQ(r.stop, "</s>");
  EXPECT_EQ(r.prompt_tokens, 1);
  EXPECT_EQ(r.new_tokens, 4);
}

TEST(Generator, EndsAtStopStringsAcrossTokens) {
  const auto model = alphabet();
  const auto tokenizer = toy::letters();
  for (const std::int64_t beams : {1, 2}) {
    GenerationConfig config;
    config.num_beams = beams;
    config.stop_strings = {"xyz", "def", "ef"};
    std::string streamed;
    const auto r =
        Generator<float>(model, &tokenizer).generate("a", config, [&](std::string_view s) {
          streamed += s;
          return true;
        });
    EXPECT_EQ(r.text, "bc");
    EXPECT_EQ(streamed, "bc");
    EXPECT_EQ(r.stop, "def");
    EXPECT_EQ(r.new_ids, (std::vector<TokenId>{2, 3}));
    EXPECT_EQ(r.sequence, (std::vector<TokenId>{1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(r.finish_reason, FinishReason::stop);
  }
}

TEST(Generator, EndsAtStopTokens) {
  const auto model = alphabet();
  const auto tokenizer = toy::letters();
  GenerationConfig config;
  config.stop_token_ids = {4};
  config.min_new_tokens = 10;  // holds back eos only
  const auto r = Generator<float>(model, &tokenizer).generate("a", config);
  EXPECT_EQ(r.text, "bc");
  EXPECT_EQ(r.stop, "d");
}

TEST(Generator, EndsAtLengths) {
  auto model = alphabet();
  const auto tokenizer = toy::letters();
  const auto length = [&](const GenerationConfig& config, std::string_view prompt) {
    const auto r = Generator<float>(model, &tokenizer).generate(prompt, config);
    EXPECT_EQ(r.finish_reason, FinishReason::length);
    return r.new_tokens;
  };
  GenerationConfig config;
  EXPECT_EQ(length(config, "abc"), 20);  // the reference's default
  config.max_length = 10;
  EXPECT_EQ(length(config, "abc"), 7);
  config.max_new_tokens = 4;
  EXPECT_EQ(length(config, "abc"), 4);
  model.context = 5;
  EXPECT_EQ(length(config, "abc"), 2);  // the end of the context
}

TEST(Generator, EndsInTime) {
  const auto model = alphabet();
  GenerationConfig config;
  config.max_new_tokens = 100000;
  config.max_time = 0.0;
  const auto r = Generator<float>(model).generate(std::vector<TokenId>{1}, config);
  EXPECT_EQ(r.finish_reason, FinishReason::time);
  EXPECT_GE(r.new_tokens, 1);
  config.num_beams = 2;
  EXPECT_EQ(Generator<float>(model).generate(std::vector<TokenId>{1}, config).finish_reason,
            FinishReason::time);
}

TEST(Generator, EndsWhenTheCallerSaysSo) {
  const auto model = alphabet();
  const auto tokenizer = toy::letters();
  std::string streamed;
  const auto r = Generator<float>(model, &tokenizer).generate("a", {}, [&](std::string_view piece) {
    streamed += piece;
    return streamed.size() < 3;
  });
  EXPECT_EQ(r.finish_reason, FinishReason::interrupted);
  EXPECT_EQ(r.text, "bcd");
  EXPECT_EQ(streamed, "bcd");
}

struct EndsAfter final : StopRule {
  std::optional<std::string> check(const SequenceView& sequence,
                                   std::string_view text) const override {
    if (sequence.length() - sequence.prompt_length < 2) return std::nullopt;
    return "two tokens: " + std::string(text);
  }
};

TEST(Generator, EndsByOwnRule) {
  const auto model = alphabet();
  const auto tokenizer = toy::letters();
  RunOptions<float> options;
  options.stop_rules = {std::make_shared<EndsAfter>()};
  const auto r = Generator<float>(model, &tokenizer, options).generate("a");
  EXPECT_EQ(r.finish_reason, FinishReason::stop);
  EXPECT_EQ(r.stop, "two tokens: bc");
}

TEST(Generator, InterruptDeliversWhatThereIs) {
  for (const std::int64_t beams : {1, 3}) {
    std::atomic<bool> flag = false;
    auto model = alphabet();
    model.broken = [&flag](std::span<const TokenId> ids) {
      if (ids.size() > 5) flag = true;
      return false;
    };
    RunOptions<float> options;
    options.batch_size = 2;
    options.interrupt = &flag;
    GenerationConfig config;
    config.num_beams = beams;
    config.max_new_tokens = 50;
    const Results results =
        run(model, {request_of({1}), request_of({1, 2}), request_of({3})}, config, options);
    ASSERT_EQ(results.size(), 2u) << "rows that were not begun are not delivered";
    for (const auto& r : results) {
      EXPECT_EQ(r.finish_reason, FinishReason::interrupted);
      EXPECT_GT(r.new_tokens, 2);
    }
  }
}

TEST(Generator, ARowThatFailsLeavesTheOthersAlone) {
  toy::Model<float> model;
  model.context = 60;
  const GenerationConfig config = configs()[0];
  auto good = mixed_requests(9);
  for (auto& request : good) request.ids.resize(std::min<std::size_t>(request.ids.size(), 45));
  const auto expected = fingerprints(run(model, good, config));
  auto requests = good;
  requests[2].ids.assign(60, 1);  // too long
  requests[4].ids = {3, 99};      // not in the vocabulary
  requests[5].ids.clear();        // nothing to begin with
  requests[6].error = RowError{ErrorCode::bad_format, "line 7 is no JSON"};
  requests[7].ids = {9, 9, 9, 9};  // the model itself fails
  model.broken = [](std::span<const TokenId> ids) {
    return ids.size() >= 6 && std::ranges::count(ids.first(4), 9) == 4;
  };
  const Results results = run(model, requests, config);
  ASSERT_EQ(results.size(), 9u);
  const std::map<std::size_t, ErrorCode> failed = {{2, ErrorCode::context_overflow},
                                                   {4, ErrorCode::invalid_input},
                                                   {5, ErrorCode::invalid_input},
                                                   {6, ErrorCode::bad_format},
                                                   {7, ErrorCode::out_of_memory}};
  for (std::size_t i = 0; i < 9; ++i) {
    if (failed.contains(i)) {
      ASSERT_TRUE(results[i].error) << i;
      EXPECT_EQ(results[i].error->code, failed.at(i)) << results[i].error->message;
      EXPECT_EQ(results[i].id, "row " + std::to_string(i));
    } else {
      EXPECT_EQ(fingerprint(results[i]), expected[i]);
    }
  }
}

TEST(Generator, NumbersThatAreNoneAreAnError) {
  toy::Model<float> model;
  model.rule = [](std::span<const TokenId>, std::span<float> logits) {
    std::ranges::fill(logits, NAN);
  };
  for (const std::int64_t beams : {1, 2}) {
    GenerationConfig config;
    config.num_beams = beams;
    EXPECT_THROW(Generator<float>(model).generate(std::vector<TokenId>{1}, config), Error);
  }
}

TEST(Generator, NothingLeftToChooseIsAnError) {
  toy::Model<float> model;
  GenerationConfig config;
  for (TokenId id = 0; id < 17; ++id) config.suppress_tokens.push_back(id);
  try {
    Generator<float>(model).generate(std::vector<TokenId>{1}, config);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_option);
  }
}

TEST(Generator, OverflowPolicies) {
  toy::Model<float> model;
  model.context = 10;
  std::vector<TokenId> prompt;
  for (TokenId i = 0; i < 14; ++i) prompt.push_back(i);
  GenerationConfig config;
  config.max_new_tokens = 4;
  const auto kept = [&](Overflow overflow) {
    RunOptions<float> options;
    options.overflow = overflow;
    const auto r = Generator<float>(model, nullptr, options).generate(prompt, config);
    EXPECT_TRUE(r.truncated);
    EXPECT_EQ(r.new_tokens, 4);
    EXPECT_EQ(r.prompt_tokens, 6);
    return std::vector<TokenId>(r.sequence.begin(), r.sequence.begin() + 6);
  };
  EXPECT_EQ(kept(Overflow::truncate_left), (std::vector<TokenId>{8, 9, 10, 11, 12, 13}));
  EXPECT_EQ(kept(Overflow::truncate_right), (std::vector<TokenId>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(kept(Overflow::truncate_middle), (std::vector<TokenId>{0, 1, 2, 11, 12, 13}));
  EXPECT_THROW(Generator<float>(model).generate(prompt, config), Error);
  prompt.resize(9);
  EXPECT_EQ(Generator<float>(model).generate(prompt, config).new_tokens, 1);
  EXPECT_EQ(overflow_from_name("truncate-left"), Overflow::truncate_left);
  EXPECT_THROW(overflow_from_name("cut"), Error);
}

TEST(Generator, EncoderDecoder) {
  toy::Model<double> model;
  model.encoder_decoder = true;
  model.context = 8;
  model.source_limit = 5;
  GenerationConfig config;
  config.decoder_start_token_id = 0;
  config.forced_bos_token_id = 3;
  const Generator<double> generator(model);
  const auto a = generator.generate(std::vector<TokenId>{1, 2}, config);
  const auto b = generator.generate(std::vector<TokenId>{2, 1}, config);
  EXPECT_EQ(a.sequence.front(), 0);
  EXPECT_EQ(a.new_ids.front(), 3);
  EXPECT_EQ(a.sequence.size(), 8u);
  EXPECT_EQ(a.prompt_tokens, 2);
  EXPECT_NE(a.new_ids, b.new_ids) << "the source counts";
  EXPECT_THROW(generator.generate(std::vector<TokenId>(6, 1), config), Error);
  config.decoder_start_token_id.reset();
  EXPECT_THROW(generator.generate(std::vector<TokenId>{1}, config), Error);
  config.bos_token_id = 5;
  EXPECT_EQ(generator.generate(std::vector<TokenId>{1}, config).sequence.front(), 5);
}

TEST(Generator, EmptyPromptBeginsWithBos) {
  toy::Model<float> model;
  GenerationConfig config;
  EXPECT_THROW(Generator<float>(model).generate(std::vector<TokenId>{}, config), Error);
  config.bos_token_id = 6;
  EXPECT_EQ(Generator<float>(model).generate(std::vector<TokenId>{}, config).sequence.front(), 6);
}

TEST(Generator, OptionsThatNeedATokenizer) {
  toy::Model<float> model;
  GenerationConfig config;
  EXPECT_THROW(Generator<float>(model).generate("text", config), Error);
  config.stop_strings = {"x"};
  EXPECT_THROW(Generator<float>(model).generate(std::vector<TokenId>{1}, config), Error);
  config.stop_strings.clear();
  config.bad_words_ids = {{1, 17}};
  EXPECT_THROW(Generator<float>(model).generate(std::vector<TokenId>{1}, config), Error);
}

TEST(Generator, RowsMayHaveTheirOwnOptions) {
  toy::Model<float> model;
  GenerationConfig two;
  two.max_new_tokens = 2;
  auto requests = mixed_requests(3);
  requests[1].config = std::make_shared<GenerationConfig>(two);
  GenerationConfig bad;
  bad.top_p = 2;
  requests[2].config = std::make_shared<GenerationConfig>(bad);
  const Results results = run(model, requests, configs()[3]);
  EXPECT_EQ(results[1].new_tokens, 2);
  ASSERT_TRUE(results[2].error);
  EXPECT_EQ(results[2].error->code, ErrorCode::invalid_option);
  EXPECT_THROW(run(model, requests, bad), Error);
}

TEST(Generator, PullsNoFurtherThanNeeded) {
  toy::Model<float> model;
  GenerationConfig config;
  config.max_new_tokens = 2;
  std::int64_t pulled = 0, delivered = 0, most = 0;
  const RequestSource source = [&]() -> std::optional<GenerationRequest> {
    if (pulled == 20000) return std::nullopt;
    ++pulled;
    most = std::max(most, pulled - delivered);
    GenerationRequest request = request_of({static_cast<TokenId>(pulled % 17)});
    if (pulled > 10000 && pulled < 18000) request.error = RowError{};  // a long run of bad rows
    return request;
  };
  Generator<float>(model).run(source, config, [&](GenerationResult&& result) {
    EXPECT_EQ(result.row, static_cast<std::uint64_t>(delivered));
    ++delivered;
  });
  EXPECT_EQ(delivered, 20000);
  EXPECT_LT(most, 5000);
}

struct Recorder final : GenerationObserver<float> {
  std::string log;
  void scores(const StepPlace& place, std::string_view stage, std::span<const float>) override {
    log += std::to_string(place.step) + std::string(stage) + " ";
  }
  void draw(const StepPlace&, const Draw& draw) override { log += std::to_string(draw.id) + " "; }
  void finished(const StepPlace&, std::string_view reason, std::string_view) override {
    log += reason;
  }
};

TEST(Generator, ObserverSeesEveryStage) {
  const auto model = alphabet();
  Recorder recorder;
  RunOptions<float> options;
  options.observer = &recorder;
  GenerationConfig config;
  config.max_new_tokens = 2;
  config.do_sample = true;
  config.top_k = 1;
  Generator<float>(model, nullptr, options).generate(std::vector<TokenId>{1}, config);
  EXPECT_EQ(recorder.log, "0logits 0top_k 2 1logits 1top_k 3 length");
}

}  // namespace
}  // namespace llm
