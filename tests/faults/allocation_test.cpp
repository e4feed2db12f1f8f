// An allocation that fails, each in turn, while a model is used: out of memory is said, or the
// result is the same as without. This program has an allocator of its own. (What loading does with
// too little memory is tested by a limit: a JSON value allocates even when it is destroyed.)
#include <errno.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "llm/core/error.hpp"
#include "llm/generation/generator.hpp"
#include "llm/generation/scorer.hpp"
#include "llm/model/model.hpp"
#include "llm/prompt/chat_template.hpp"
#include "llm/tasks/classify.hpp"
#include "llm/tasks/embed.hpp"
#include "llm/tasks/fill_mask.hpp"
#include "llm/tasks/ner.hpp"
#include "llm/tasks/qa.hpp"
#include "llm/tasks/zero_shot.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "support/paths.hpp"
#include "support/sanitized.hpp"

namespace {

// How many allocations succeed before one fails; negative: all do.
std::atomic<long> allocations_left{-1};

[[maybe_unused]] bool fails() {
  if (allocations_left.load(std::memory_order_relaxed) < 0) return false;
  if (allocations_left.fetch_sub(1) != 0) return false;
  errno = ENOMEM;
  return true;
}

}  // namespace

#if !LLM_SANITIZED
extern "C" {
void* __libc_malloc(std::size_t bytes) noexcept;
void* __libc_calloc(std::size_t count, std::size_t bytes) noexcept;
void* __libc_realloc(void* memory, std::size_t bytes) noexcept;
void* __libc_memalign(std::size_t alignment, std::size_t bytes) noexcept;

void* malloc(std::size_t bytes) noexcept { return fails() ? nullptr : __libc_malloc(bytes); }
void* calloc(std::size_t count, std::size_t bytes) noexcept {
  return fails() ? nullptr : __libc_calloc(count, bytes);
}
void* realloc(void* memory, std::size_t bytes) noexcept {
  return fails() ? nullptr : __libc_realloc(memory, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  return fails() ? nullptr : __libc_memalign(alignment, bytes);
}
}
#endif

namespace llm::test::allocations {
namespace {

// What came of it, or "!" and what is wrong.
std::string attempt(const std::function<std::string()>& action) {
  try {
    return action();
  } catch (const Error& error) {
    return error.code() == ErrorCode::out_of_memory ? "" : std::string("!") + error.what();
  } catch (const std::bad_alloc&) {
    return "";
  } catch (const std::exception& error) {
    return std::string("!a foreign exception: ") + error.what();
  }
}

// The first allocations fail one after the other, of later ones a sample.
void expect_errors(const std::function<std::string()>& action) {
  if (llm::test::is_sanitized) GTEST_SKIP() << "a sanitizer has its own allocator";
  const std::string expected = action();
  ASSERT_FALSE(expected.empty());
  int failures = 0;
  for (long n = 0;; n += 1 + n / 64) {
    allocations_left = n;
    const std::string got = attempt(action);
    const bool all_succeeded = allocations_left.exchange(-1) >= 0;
    failures += got.empty() ? 1 : 0;
    if (all_succeeded) break;
    EXPECT_TRUE(got.empty() || got == expected) << "allocation " << n << ": " << got;
  }
  EXPECT_GT(failures, 0);
  EXPECT_EQ(action(), expected);
}

std::string to_text(const std::vector<TokenId>& ids) {
  std::string text = "ids";
  for (const TokenId id : ids) text += " " + std::to_string(id);
  return text;
}

TEST(Allocations, Generating) {
  GenerationConfig greedy;
  greedy.max_new_tokens = 6;
  greedy.decoder_start_token_id = 0;
  GenerationConfig sampled = greedy, beams = greedy;
  sampled.do_sample = true;
  sampled.seed = 5;
  sampled.top_k = 5;
  beams.num_beams = 3;
  beams.no_repeat_ngram_size = 2;
  for (const char* name : {"llama-gqa", "t5-v1_0", "bloom-lm"}) {
    for (const int threads : {1, 2}) {
      const auto model = Model<float>::load(model_dir(name), {.threads = threads});
      for (const GenerationConfig& config : {greedy, sampled, beams}) {
        SCOPED_TRACE(name);
        const std::vector<TokenId> prompt = {5, 17, 40, 8, 3, 2};
        expect_errors(
            [&] { return to_text(Generator<float>(*model).generate(prompt, config).new_ids); });
      }
    }
  }
}

template <typename F>
void expect_errors_of_task(const char* name, std::optional<HeadKind> head, const F& run) {
  SCOPED_TRACE(name);
  const auto model = Model<float>::load(model_dir(name), {.threads = 1, .head = head});
  const auto tokenizer = Tokenizer::open(model_dir(name));
  expect_errors([&] { return std::string("done ") + run(*model, *tokenizer); });
}

// Not Marian's: the sentencepiece library crashes when it finds no memory for its results.
TEST(Allocations, Encoding) {
  for (const char* name : {"llama-gqa", "bert-ner", "gpt2-inner", "bart-nli"}) {
    SCOPED_TRACE(name);
    const auto tokenizer = Tokenizer::open(model_dir(name));
    expect_errors([&] {
      const auto ids = tokenizer->encode("Once upon a time.").ids;
      return to_text(ids) + tokenizer->decode(ids);
    });
  }
}

const std::string text = "Once upon a time the cat saw a bird";

TEST(Allocations, TextAndScores) {
  expect_errors_of_task("llama-gqa", {}, [](const auto& model, const auto& tokenizer) {
    GenerationConfig config;
    config.max_new_tokens = 5;
    config.stop_strings = {"zzz"};
    return Generator<float>(model, &tokenizer).generate(text, config).text;
  });
  expect_errors_of_task("llama-gqa", {}, [](const auto& model, const auto& tokenizer) {
    const Scorer<float> scorer(model, &tokenizer);
    const std::vector<std::string> choices = {" good", " bad"};
    const ScoreRequest request = scorer.request(text, choices);
    const auto result = scorer.score({&request, 1}).front();
    if (result.error) throw Error(result.error->code, result.error->message);
    return std::to_string(result.continuations.front().logprob);
  });
}

TEST(Allocations, Labels) {
  expect_errors_of_task("bert-nli", {}, [](const auto& model, const auto& tokenizer) {
    const TextClassifier<float> classifier(model, tokenizer);
    const TextTokens tokens = classifier.encode(TaskText{text, {}});
    return std::to_string(classifier.classify({&tokens, 1}).front().front().score);
  });
  expect_errors_of_task("bert-nli", {}, [](const auto& model, const auto& tokenizer) {
    const ZeroShotClassifier<float> classifier(model, tokenizer);
    const std::vector<std::string> labels = {"cat", "bird"};
    const ZeroShotText tokens = classifier.encode(text, labels);
    return std::to_string(classifier.classify({&tokens, 1}).front().scores.front());
  });
  expect_errors_of_task("bert-ner", {}, [](const auto& model, const auto& tokenizer) {
    return std::to_string(EntityTagger<float>(model, tokenizer).tag({&text, 1}).size());
  });
}

TEST(Allocations, Answers) {
  expect_errors_of_task("bert-answers", {}, [](const auto& model, const auto& tokenizer) {
    const Question question{.question = "who saw", .context = text};
    const QuestionAnswerer<float> answerer(model, tokenizer);
    return std::to_string(answerer.answer({&question, 1}).front().front().score);
  });
  expect_errors_of_task("bert-masked-lm", {}, [](const auto& model, const auto& tokenizer) {
    const MaskFiller<float> filler(model, tokenizer);
    const TextTokens tokens = filler.encode("the [MASK] saw");
    return filler.fill({&tokens, 1}).front().front().front().sequence;
  });
  expect_errors_of_task("bert-ner", HeadKind::none, [](const auto& model, const auto& tokenizer) {
    const TextEmbedder<float> embedder(model, tokenizer, SentenceConfig{});
    const TextTokens tokens = embedder.encode(text);
    return std::to_string(embedder.embed({&tokens, 1}).front().front());
  });
}

TEST(Allocations, ChatTemplates) {
  expect_errors([] {
    const ChatTemplate chat = ChatTemplate::from_text(
        "{% for m in messages %}{{ m.role | upper }}: {{ m.content }}\n{% endfor %}", {}, "test");
    const std::vector<Message> messages = {{"user", text, {}}};
    return chat.render(messages, {});
  });
}

}  // namespace
}  // namespace llm::test::allocations
