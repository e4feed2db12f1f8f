// The loop: what does not change a row's result, how rows end, and what happens to rows that fail.
#include "llm/generation/generator.hpp"

#include <map>
#include <new>
#include <random>
#include <set>

#include "generation/stream_check.hpp"
#include "generation/toy.hpp"
#include "llm/generation/task.hpp"
#include "support/paths.hpp"

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

// A model that sets the flag in the step with this number.
void interrupt_in_step(toy::Model<float>& model, std::int64_t number, std::atomic<bool>& flag) {
  model.broken = [&model, &flag, number](std::span<const TokenId>) {
    if (model.steps + 1 >= number) flag = true;
    return false;
  };
}

std::vector<GenerationConfig> configs_to_interrupt() {
  std::vector<GenerationConfig> list = configs();
  for (const EarlyStopping early : {EarlyStopping::no, EarlyStopping::yes, EarlyStopping::never}) {
    GenerationConfig beams = list[2];
    beams.eos_token_id = {3, 4, 5, 6};  // hypotheses are often complete
    beams.early_stopping = early;
    beams.max_new_tokens = 14;
    list.push_back(beams);
    beams.do_sample = true;
    beams.seed = 3;
    list.push_back(beams);
  }
  return list;
}

// Whenever a run is interrupted: a row that does not say so is the one of the whole run, and the
// others done again give the rest of it.
TEST(Generator, WhatIsCutShortSaysSo) {
  int finished = 0, cut = 0;
  for (const GenerationConfig& config : configs_to_interrupt()) {
    toy::Model<float> whole;
    const auto requests = mixed_requests(9);
    const auto expected = fingerprints(run(whole, requests, config));
    const auto samples = static_cast<std::size_t>(config.num_return_sequences);
    for (std::int64_t number = 1; number < 300; ++number) {
      toy::Model<float> model;
      std::atomic<bool> flag = false;
      interrupt_in_step(model, number, flag);
      RunOptions<float> options;
      options.batch_size = 1 + number % 4;
      options.interrupt = &flag;
      const Results results = run(model, requests, config, options);
      if (options.batch_size == 1 && !flag) break;
      ASSERT_EQ(results.size() % samples, 0u);
      std::size_t rows = 0;  // before the first that is not whole
      const auto is_cut = [&](std::size_t row) {
        return std::any_of(results.begin() + static_cast<std::ptrdiff_t>(row * samples),
                           results.begin() + static_cast<std::ptrdiff_t>((row + 1) * samples),
                           [](const GenerationResult& result) {
                             return result.finish_reason == FinishReason::interrupted;
                           });
      };
      for (std::size_t row = 0; row < results.size() / samples; ++row) {
        ++(is_cut(row) ? cut : finished);
        if (rows == row && !is_cut(row)) ++rows;
        for (std::size_t i = row * samples; i < (row + 1) * samples && !is_cut(row); ++i)
          EXPECT_EQ(fingerprint(results[i]), expected[i]) << "step " << number;
      }
      const std::vector<GenerationRequest> left(
          requests.begin() + static_cast<std::ptrdiff_t>(rows), requests.end());
      auto resumed = fingerprints(results);
      resumed.resize(rows * samples);
      for (auto& row : fingerprints(run(whole, left, config))) resumed.push_back(std::move(row));
      ASSERT_EQ(resumed, expected) << "step " << number;
    }
  }
  EXPECT_GT(finished, 500);
  EXPECT_GT(cut, 500);
}

// Of an interrupted search, the best of what is complete and of what is not.
TEST(Generator, InterruptedBeamsAreTheBestSoFar) {
  toy::Model<double> model;
  model.rule = [](std::span<const TokenId> ids, std::span<double> logits) {
    std::ranges::fill(logits, 0.0);
    logits[4] = ids.size() == 2 ? 4.5 : 0.0;  // eos, and the most probable
    logits[7] = ids.size() == 2 ? 4.0 : 9.0;  // or a sequence that becomes the best
  };
  std::atomic<bool> flag = false;
  model.broken = [&flag](std::span<const TokenId> ids) {
    flag = ids.size() == 4;
    return false;
  };
  GenerationConfig config;
  config.num_beams = 2;
  config.num_return_sequences = 2;
  config.max_new_tokens = 9;
  config.eos_token_id = {4};
  RunOptions<double> options;
  options.interrupt = &flag;
  const Results results = run(model, {request_of({1, 2})}, config, options);
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].new_ids, (std::vector<TokenId>{7, 7, 7}));
  EXPECT_EQ(results[1].new_ids, (std::vector<TokenId>{4}));
  EXPECT_GT(*results[0].score, *results[1].score);
  for (const GenerationResult& result : results) {
    EXPECT_EQ(result.finish_reason, FinishReason::interrupted);
    EXPECT_EQ(result.stop, "");
  }
}

// A hypothesis that is complete may not be what the search would have found in the end.
TEST(Generator, BeamsThatRunOutOfTimeSaySo) {
  toy::Model<double> model;
  model.rule = [](std::span<const TokenId>, std::span<double> logits) {
    std::ranges::fill(logits, 0.0);
    logits[4] = 5.0;
  };
  GenerationConfig config;
  config.num_beams = 3;
  config.num_return_sequences = 3;
  config.eos_token_id = {4};
  config.max_time = 0.0;
  for (const auto& result : run(model, {request_of({1})}, config)) {
    EXPECT_EQ(result.finish_reason, FinishReason::time);
    EXPECT_EQ(result.stop, "");
  }
  config.max_new_tokens = 1;  // then the length ends the search
  const Results results = run(model, {request_of({1})}, config);
  EXPECT_EQ(results[0].finish_reason, FinishReason::stop);
  EXPECT_EQ(results[1].finish_reason, FinishReason::length);
}

// Tokens that are hard to stream: spaces, bytes of characters, an id without a token.
toy::Words tokens_to_stream(std::size_t kind) {
  toy::Words tokenizer({"</s>", " a", "b", " ", "'", " n", "t", ".", "<0xF0>", "<0x9F>", "<0x98>",
                        "<0x80>", "<0x41>", "\xE2\x82\xAC", "", "a b", ","});
  tokenizer.specials = {0};
  tokenizer.strip = kind % 2 == 1;
  tokenizer.byte_runs = kind % 4 > 1;
  tokenizer.clean_up = kind % 3 == 2;
  return tokenizer;
}

GenerationConfig random_config(const toy::Words& tokenizer,
                               const std::function<std::size_t(std::size_t)>& random) {
  GenerationConfig config;
  config.eos_token_id = {0};
  config.max_new_tokens = static_cast<std::int64_t>(1 + random(25));
  config.do_sample = random(2) == 0;
  config.seed = random(1000);
  if (random(3) == 0) config.num_beams = static_cast<std::int64_t>(2 + random(3));
  if (config.do_sample || config.num_beams > 1)
    config.num_return_sequences = static_cast<std::int64_t>(1 + random(2));
  if (random(3) == 0) config.stop_token_ids = {static_cast<TokenId>(1 + random(16))};
  std::vector<TokenId> ids;
  for (int i = 0; i < 6; ++i) ids.push_back(static_cast<TokenId>(random(17)));
  config.stop_strings = test::awkward_stops(tokenizer.decode(ids, {}), random);
  return config;
}

// The text that the definition gives for a result's tokens.
std::string defined_text_of(const GenerationResult& result, const GenerationConfig& config,
                            const toy::Words& tokenizer, std::size_t prompt, bool has_context) {
  std::vector<TokenId> ids = result.sequence;
  const auto is_end = [&](TokenId id) {
    return std::ranges::count(config.eos_token_id, id) > 0 ||
           std::ranges::count(config.stop_token_ids, id) > 0;
  };
  if (ids.size() > prompt && is_end(ids.back())) ids.pop_back();
  if (!has_context) ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(prompt));
  return test::defined_text(tokenizer, ids, has_context ? prompt : 0, config.stop_strings)
      .value_or(test::DefinedText{{}, result.text, {}, 0})
      .text;
}

// Whatever the tokens, the stops, the strategy, and wherever it is interrupted.
TEST(Generator, WhatIsStreamedIsWhatIsReturned) {
  std::map<FinishReason, int> reasons;
  for (std::uint64_t seed = 0; seed < 1500; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 engine(seed);
    const auto random = [&](std::size_t below) { return engine() % below; };
    const toy::Words tokenizer = tokens_to_stream(seed);
    const GenerationConfig config = random_config(tokenizer, random);
    toy::Model<float> model;
    model.encoder_decoder = tokenizer.clean_up || random(2) == 0;
    std::atomic<bool> flag = false;
    if (random(2) == 0) interrupt_in_step(model, static_cast<std::int64_t>(1 + random(20)), flag);
    RunOptions<float> options;
    options.interrupt = &flag;
    options.batch_size = static_cast<std::int64_t>(1 + random(4));
    std::map<std::pair<std::uint64_t, std::int32_t>, std::string> streamed;
    std::vector<GenerationRequest> requests;
    for (std::uint64_t row = 0; row < 4; ++row) {
      requests.push_back(request_of({static_cast<TokenId>(1 + random(6)), 2}));
      const std::size_t most = random(4) == 0 ? random(6) : 1000;
      requests.back().on_text = [&streamed, row, most](std::int32_t sample,
                                                       std::string_view piece) {
        EXPECT_FALSE(piece.empty());
        EXPECT_TRUE(test::is_utf8(piece));
        std::string& text = streamed[{row, sample}];
        text += piece;
        return text.size() < most;
      };
    }
    GenerationConfig start = config;
    start.decoder_start_token_id = 0;
    for (const GenerationResult& result : run(model, requests, start, options, &tokenizer)) {
      ++reasons[result.finish_reason];
      EXPECT_EQ((streamed[{result.row, result.sample}]), result.text);
      if (result.sequence.empty()) continue;
      EXPECT_EQ(result.text,
                defined_text_of(result, config, tokenizer, model.encoder_decoder ? 1 : 2,
                                !model.encoder_decoder));
    }
    if (testing::Test::HasFailure()) return;
  }
  for (const auto reason : {FinishReason::stop, FinishReason::length, FinishReason::interrupted})
    EXPECT_GT(reasons[reason], 100);
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
  const auto no_memory = model.broken;
  const Results results = run(model, requests, config);
  // Where memory ends, the row that it ends at fails, and no other.
  model.broken = [&](std::span<const TokenId> ids) -> bool {
    if (no_memory(ids)) throw std::bad_alloc();
    return false;
  };
  EXPECT_EQ(fingerprints(run(model, requests, config))[8], expected[8]);
  EXPECT_EQ(run(model, requests, config)[7].error->code, ErrorCode::out_of_memory);
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

TEST(Generator, PromptsHaveAsManyTokensAsTheCallerAllows) {
  toy::Model<float> model;
  const GenerationConfig config = configs()[0];
  RunOptions<float> options;
  options.max_input_tokens = 5;
  const auto prompt = [](std::size_t size) { return request_of(std::vector<TokenId>(size, 3)); };
  const Results results = run(model, {prompt(5), prompt(6)}, config, options);
  EXPECT_FALSE(results[0].error);
  ASSERT_TRUE(results[1].error);
  EXPECT_EQ(results[1].error->code, ErrorCode::context_overflow);
  options.overflow = Overflow::truncate_left;
  EXPECT_EQ(run(model, {prompt(6)}, config, options)[0].prompt_tokens, 5);
  // A model without a limit has one all the same.
  const std::size_t most = default_max_input_tokens;
  EXPECT_TRUE(run(model, {prompt(most + 1)}, config)[0].error);
  model.context = 100'000;
  EXPECT_FALSE(run(model, {prompt(most + 1)}, config)[0].error);
  options.max_input_tokens = 0;
  EXPECT_THROW(run(model, {}, config, options), Error);
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

// As the reference's tokenizers truncate, on either side.
TEST(Generator, SpecialTokensAtTheEndsAreNeverCut) {
  const std::string text = "once upon a time there was a little cat";
  const auto kept = [&](const char* fixture, Overflow overflow) {
    const auto tokenizer = Tokenizer::open(test::models_dir() / fixture);
    GenerationConfig config;
    config.decoder_start_token_id = 0;
    detail::ModelLimits limits;
    limits.vocab_size = limits.source_vocab_size = tokenizer->vocab_size();
    limits.is_encoder_decoder = true;
    limits.max_source_length = 6;
    GenerationRequest request;
    request.text = text;
    return detail::prepare_task(request, std::make_shared<GenerationConfig>(config), limits,
                                tokenizer.get(), overflow)
        .source;
  };
  using Ids = std::vector<TokenId>;
  EXPECT_EQ(kept("t5-v1_1", Overflow::truncate_right), (Ids{50, 65, 60, 24, 41, 1}));
  EXPECT_EQ(kept("t5-v1_1", Overflow::truncate_left), (Ids{41, 36, 60, 8, 42, 1}));
  EXPECT_EQ(kept("bert-ner", Overflow::truncate_right), (Ids{2, 143, 180, 56, 51, 3}));
  EXPECT_EQ(kept("bert-ner", Overflow::truncate_left), (Ids{2, 186, 90, 129, 102, 3}));
  EXPECT_EQ(kept("bert-ner", Overflow::truncate_middle), (Ids{2, 143, 180, 129, 102, 3}));
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
