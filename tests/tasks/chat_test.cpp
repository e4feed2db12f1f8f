// A chat against generating from its rendered prompt, and turns that go on from what was read
// against turns computed from scratch.
#include "llm/tasks/chat.hpp"

#include <gtest/gtest.h>

#include "generation/toy.hpp"
#include "llm/generation/model_generation_config.hpp"
#include "llm/model/model.hpp"
#include "support/catch_error.hpp"
#include "support/paths.hpp"
#include "support/temp_dir.hpp"
#include "support/tokenizer_files.hpp"

namespace llm {
namespace {

const ChatTemplate plain = ChatTemplate::from_text(
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}");

template <typename S>
struct Opened {
  explicit Opened(const std::string& name)
      : path(test::models_dir() / name),
        tokenizer(Tokenizer::open(path)),
        model(Model<S>::load(path, {.threads = 1})) {
    config = chat_generation_config(path, model->config(), tokenizer.get());
    config.max_length.reset();
    config.max_new_tokens = 9;
  }
  std::filesystem::path path;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<Model<S>> model;
  GenerationConfig config;
};

GenerationResult from_scratch(const Generator<float>& generator, const std::string& prompt,
                              const GenerationConfig& config) {
  GenerationRequest request;
  request.text = prompt;
  request.add_special_tokens = false;
  return generator.generate_all(std::move(request), config).front();
}

void expect_same(const GenerationResult& a, const GenerationResult& b) {
  EXPECT_EQ(a.text, b.text);
  EXPECT_EQ(a.new_ids, b.new_ids);
  EXPECT_EQ(a.logprob, b.logprob);  // to the bit
  EXPECT_EQ(a.sequence, b.sequence);
  ASSERT_EQ(a.logprobs.size(), b.logprobs.size());
  for (std::size_t i = 0; i < a.logprobs.size(); ++i) {
    EXPECT_EQ(a.logprobs[i].logprob, b.logprobs[i].logprob);
    ASSERT_EQ(a.logprobs[i].top.size(), b.logprobs[i].top.size());
    for (std::size_t k = 0; k < a.logprobs[i].top.size(); ++k)
      EXPECT_EQ(a.logprobs[i].top[k].value, b.logprobs[i].top[k].value);
  }
}

void expect_reply_from_scratch(Chat<float>& chat, const Generator<float>& generator,
                               const GenerationConfig& config) {
  const std::string prompt = chat.prompt();
  expect_same(chat.reply(), from_scratch(generator, prompt, config));
}

TEST(Chat, TurnsAreThoseFromScratchToTheBit) {
  for (const char* name : {"llama-rope-llama3", "llama-gqa"}) {
    Opened<float> opened(name);
    RunOptions<float> options;
    options.logprobs = 5;
    options.prefill_chunk = 7;
    const Generator<float> generator(*opened.model, opened.tokenizer.get(), options);
    for (const bool sample : {false, true}) {
      opened.config.do_sample = sample;
      opened.config.seed = 3;
      Chat<float> chat(generator, plain, opened.config);
      chat.add("system", "Be little.");
      for (const char* text : {"Hi.", "A cat, 12!", "naïve?"}) {
        chat.add("user", text);
        const std::string prompt = chat.prompt();
        const GenerationResult answer = chat.reply();
        expect_same(answer, from_scratch(generator, prompt, opened.config));
        EXPECT_EQ(chat.messages().back().content, answer.text);
        EXPECT_EQ(chat.reused_tokens() > 0, chat.messages().size() > 3);
      }
    }
  }
}

TEST(Chat, ChangedHistoryIsReadAnew) {
  Opened<float> opened("llama-rope-llama3");
  const Generator<float> generator(*opened.model, opened.tokenizer.get());
  Chat<float> chat(generator, plain, opened.config);
  chat.add("user", "One two.");
  chat.reply();
  chat.messages().back().content = "Something else than it said.";
  chat.add("user", "And now?");
  expect_reply_from_scratch(chat, generator, opened.config);
  chat.messages().resize(1);
  chat.messages()[0].content = "1";
  expect_reply_from_scratch(chat, generator, opened.config);
  opened.config.num_beams = 3;
  Chat<float> beams(generator, plain, opened.config);
  beams.add("user", "One two.");
  expect_reply_from_scratch(beams, generator, opened.config);
  beams.add("user", "And now?");
  expect_reply_from_scratch(beams, generator, opened.config);
  EXPECT_GT(beams.reused_tokens(), 0);
}

// What a turn costs: only what the model has not read yet.
TEST(Chat, ReadsEveryTokenOnce) {
  Opened<float> opened("llama-rope-llama3");  // for its tokenizer
  toy::Model<float> model;
  model.vocabulary = opened.tokenizer->vocab_size();
  const Generator<float> generator(model, opened.tokenizer.get());
  GenerationConfig config;
  config.max_new_tokens = 5;
  Chat<float> chat(generator, plain, config);
  chat.add("user", "Once upon a time there was a little cat.");
  chat.reply();
  const std::int64_t before = model.tokens;
  chat.add("user", "And?");
  const GenerationResult answer = chat.reply();
  EXPECT_EQ(model.tokens - before, answer.prompt_tokens - chat.reused_tokens() + 4);
  EXPECT_GT(chat.reused_tokens(), 20);
}

TEST(Chat, AnEndedAnswerStays) {
  Opened<float> opened("llama-rope-llama3");
  std::atomic<bool> stop = false;
  RunOptions<float> options;
  options.interrupt = &stop;
  const Generator<float> generator(*opened.model, opened.tokenizer.get(), options);
  Chat<float> chat(generator, plain, opened.config);
  chat.add("user", "Hello.");
  const GenerationResult answer = chat.reply([&](std::string_view) {
    stop = true;
    return true;
  });
  EXPECT_EQ(answer.finish_reason, FinishReason::interrupted);
  ASSERT_EQ(chat.messages().size(), 2u);
  EXPECT_EQ(chat.messages()[1].content, answer.text);
  chat.add("user", "Go on.");
  EXPECT_EQ(chat.reply().finish_reason, FinishReason::interrupted);  // before its first token
  EXPECT_EQ(chat.messages().size(), 3u);
  stop = false;
  expect_reply_from_scratch(chat, generator, opened.config);
}

TEST(Chat, TooLongAConversationIsKept) {
  Opened<float> opened("llama-rope-llama3");
  toy::Model<float> model;
  model.vocabulary = opened.tokenizer->vocab_size();
  model.context = 90;
  const Generator<float> generator(model, opened.tokenizer.get());
  GenerationConfig config;
  config.max_new_tokens = 4;
  Chat<float> chat(generator, plain, config);
  chat.add("system", "Be.");
  std::size_t messages = 0;
  const Error error = test::catch_error([&] {
    for (int turn = 0; turn < 20; ++turn) {
      chat.add("user", "one two three");
      messages = chat.messages().size();
      chat.reply();
    }
  });
  EXPECT_EQ(error.code(), ErrorCode::context_overflow);
  EXPECT_NE(std::string(error.what()).find("forget its oldest turns"), std::string::npos);
  EXPECT_EQ(chat.messages().size(), messages);
  EXPECT_TRUE(forget_oldest_turn(chat.messages()));
  EXPECT_EQ(chat.messages().size(), messages - 2);
  EXPECT_EQ(chat.messages()[0].role, "system");
  EXPECT_EQ(chat.messages()[1].role, "user");
  chat.reply();
  chat.messages() = {{"system", "s", {}}, {"user", "u", {}}, {"assistant", "a", {}}};
  EXPECT_FALSE(forget_oldest_turn(chat.messages()));
}

// Turns of one to three messages behind a system's.
std::vector<Message> long_conversation(std::size_t turns) {
  std::vector<Message> messages = {{"system", "s", {}}};
  for (std::size_t turn = 0; turn < turns; ++turn) {
    messages.push_back({"user", std::to_string(turn), {}});
    for (std::size_t i = 0; i < turn % 3; ++i) messages.push_back({"assistant", "a", {}});
  }
  return messages;
}

TEST(Chat, OldestTurnsAreForgottenInFewSteps) {
  const auto sizes = [](const std::vector<Message>& messages) {
    std::vector<std::string> contents;
    for (const Message& message : messages)
      contents.push_back(message.role + message.content.value_or(""));
    return contents;
  };
  for (const std::size_t turns : {0, 1, 2, 3, 50, 1000}) {
    const std::vector<Message> all = long_conversation(turns);
    for (const std::size_t most : {0, 1, 2, 3, 7, 100, 5000}) {
      int asked = 0;
      const auto fits = [&](const std::vector<Message>& rest) {
        ++asked;
        return rest.size() <= most;
      };
      std::vector<Message> one_by_one = all, at_once = all;
      std::size_t forgotten = 0;
      while (one_by_one.size() > most && forget_oldest_turn(one_by_one)) ++forgotten;
      EXPECT_EQ(forget_oldest_turns(at_once, fits), forgotten) << turns << " turns, " << most;
      EXPECT_EQ(sizes(at_once), sizes(one_by_one)) << turns << " turns, " << most;
      EXPECT_LE(asked, 12);
    }
  }
}

TEST(Chat, EndsOfTurnsOfGgufFiles) {
  const test::TempDir folder;
  auto file = test::byte_level_gguf("gpt-2");
  file.key<std::uint32_t>("tokenizer.ggml.eos_token_id", test::gguf_u32, 5);
  file.key<std::uint32_t>("tokenizer.ggml.eot_token_id", test::gguf_u32, 7);
  file.key<std::uint32_t>("tokenizer.ggml.eom_token_id", test::gguf_u32, 5);
  const auto path = folder.write("vocabulary.gguf", file.bytes());
  TransformerConfig config;
  config.eos_token_id = {5};
  const auto ids = chat_generation_config(path, config, nullptr).eos_token_id;
  EXPECT_EQ(ids, (std::vector<TokenId>{5, 7}));
}

TEST(Chat, NeedsATokenizerAndADecoder) {
  toy::Model<float> model;
  const Generator<float> without(model);
  test::expect_error(ErrorCode::invalid_option, "needs a tokenizer",
                     [&] { Chat<float>(without, plain); });
  const auto tokenizer = Tokenizer::open(test::models_dir() / "llama-gqa");
  model.encoder_decoder = true;
  const Generator<float> transforms(model, tokenizer.get());
  test::expect_error(ErrorCode::invalid_option, "needs a decoder",
                     [&] { Chat<float>(transforms, plain); });
}

}  // namespace
}  // namespace llm
