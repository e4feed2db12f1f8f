// Chains: what is wrong with a description, and that steps give what their tasks give alone.
#include "llm/chain/chain.hpp"

#include <gtest/gtest.h>

#include "llm/generation/model_generation_config.hpp"
#include "llm/tasks/classify.hpp"
#include "llm/tasks/embed.hpp"
#include "llm/tasks/similarity.hpp"
#include "tasks/task_models.hpp"

namespace llm {
namespace {

using detail::Json;
using test::expect_error;
using test::fixture;

ChainDescription parse(const std::string& json, const std::filesystem::path& folder = {}) {
  return ChainDescription::parse(json, "c.json", folder);
}

// A chain of these steps with the models' names for fixtures.
std::string steps(const std::string& list, const std::string& more = "") {
  return R"({"models": {"llama": ")" + fixture("llama-gqa").string() + R"(", "t5": ")" +
         fixture("t5-v1_0").string() + R"(", "bert": ")" + fixture("bert-ner").string() +
         R"("}, )" + more + R"("steps": [)" + list + "]}";
}

template <typename S = float>
ChainOptions<S> one_thread() {
  return {.seed = 7, .load = {.threads = 1}};
}

Chain<float> chain(const std::string& list, const std::string& more = "") {
  return Chain<float>(parse(steps(list, more)), one_thread());
}

void refuses(const std::string& json, const std::string& part) {
  expect_error(ErrorCode::invalid_input, part, [&] { ChainPlan plan(parse(json)); });
}

ChainInputs inputs(const std::string& json) {
  ChainInputs made;
  const Json given = Json::parse(json);
  for (const auto& [name, value] : given.items())
    made[name] = ChainValue::from_json(value.dump(), name);
  return made;
}

std::vector<std::string> texts(const ChainValue& list) {
  std::vector<std::string> all;
  for (const ChainValue& item : list.items) all.push_back(item.text.value_or("-"));
  return all;
}

TEST(ChainFile, WhatIsWrongIsNamed) {
  refuses("", "c.json: the file is empty");
  refuses(" \n", "the file is empty");
  refuses("{\"steps\": [{\"name\": \"a\", \"task\"", "c.json: not valid JSON");
  refuses("{\"steps\": \"\xff\xfe\"}", "c.json: not valid JSON");
  refuses("[]", "expected an object, got array");
  refuses("{}", "\"steps\" is missing");
  refuses("{\"steps\": []}", "there are no steps");
  refuses("{\"steps\": {}}", "\"steps\" must be a list, got object");
  refuses("{\"step\": []}", "unknown key \"step\"; did you mean \"steps\"?");
  refuses("{\"steps\": [], \"steps\": []}", "\"steps\" occurs twice");
  refuses("{\"steps\": [3]}", "c.json, step 1: expected an object, got number");
  refuses("{\"steps\": [{\"task\": \"text\"}]}", "c.json, step 1: \"name\" is missing");
  refuses("{\"steps\": [{\"name\": 3}]}", "\"name\" must be a string, got 3");
  refuses(steps(R"({"name": "a", "promt": "x"})"),
          "step \"a\": unknown key \"promt\"; did you mean \"prompt\"?");
  refuses(steps(R"({"name": "a.b", "task": "text", "text": "x"})"), "must consist of letters");
  refuses(steps(R"({"name": "item", "task": "text", "text": "x"})"), "a meaning of its own");
  refuses(steps(R"({"name": "a", "text": "x"})"), "step \"a\": \"task\" is missing");
  refuses(steps(R"({"name": "a", "task": "sumarize", "text": "x"})"),
          "there is no task \"sumarize\"; did you mean \"summarize\"?");
  refuses(steps(R"({"name": "a", "task": "qa", "question": "x"})"), "\"context\" is missing");
  refuses(steps(R"({"name": "a", "task": "text", "text": "x", "prompt": "x"})"),
          "the task \"text\" takes no \"prompt\"");
  refuses(steps(R"({"name": "a", "task": "text", "text": "x", "model": "t5"})"),
          "the task \"text\" takes no \"model\"");
  refuses(steps(R"({"name": "a", "task": "chat", "model": "t5", "prompt": "x",
                    "repeat": {"times": 2}})"),
          "takes no \"repeat\"");
  refuses(steps(R"({"name": "a", "task": "retrieve", "text": "x", "model": "bert"})"),
          "\"file\" is missing");
  refuses(steps(R"({"name": "a", "task": "text", "text": "x"},
                   {"name": "a", "task": "text", "text": "y"})"),
          "there are two steps \"a\"");
  refuses(steps(R"({"name": "a", "task": "text", "text": "x"})", R"("inputs": ["a"], )"),
          "an input has this name, too");
  refuses(R"({"models": {"m": {"dtype": "int8"}}, "steps": []})", "\"path\" is missing");
  refuses(R"({"models": {"m": {"path": "x", "dtype": "int9"}}, "steps": []})",
          "\"dtype\" \"int9\" does not exist");
  expect_error(ErrorCode::file_not_found, "nowhere.json",
               [] { ChainDescription::read("nowhere.json"); });
}

TEST(ChainFile, WrongTemplatesAndNames) {
  refuses(steps(R"({"name": "a", "task": "text", "text": "one\n two {{x"})"),
          "step \"a\", \"text\": the \"{{\" at line 2, column 6 is never closed");
  refuses(steps(R"({"name": "first", "task": "text", "text": "x"},
                   {"name": "b", "task": "text", "text": "so\n {{frist}}"})",
                R"("inputs": ["question"], )"),
          "step \"b\", \"text\", line 2, column 2: the field \"frist\" is not in the inputs and "
          "steps of the chain; did you mean \"first\"?");
  refuses(steps(R"({"name": "a", "model": "t5", "prompt": "x"},
                   {"name": "b", "task": "text", "text": "{{a.new_token}}"})"),
          "did you mean \"a.new_tokens\"?");
  refuses(steps(R"({"name": "a", "task": "ner", "model": "bert", "text": "x"},
                   {"name": "b", "task": "text", "map": "a", "text": "{{item.wrd}}"})"),
          "did you mean \"item.word\"?");
  refuses(steps(R"({"name": "b", "task": "text", "text": "{{item}}"})"), "the field \"item\"");
  refuses(steps(R"({"name": "b", "task": "text", "text": "{{items}}"})"), "the field \"items\"");
  refuses(steps(R"({"name": "a", "task": "text", "text": "{{b}}"},
                   {"name": "x", "task": "text", "text": "x"},
                   {"name": "b", "task": "text", "text": "{{c.text}}"},
                   {"name": "c", "reduce": "d"}, {"name": "d", "task": "split", "text": "{{a}}"})"),
          "go round in a circle: a -> b -> c -> d -> a, where each uses the next");
  refuses(steps(R"({"name": "a", "task": "text", "text": "{{a}}"})"), "a circle: a -> a");
  std::string ring;
  for (int i = 0; i < 50; ++i)
    ring += (i == 0 ? "" : ",") + (R"({"name": "s)" + std::to_string(i)) +
            R"(", "task": "text", "text": "{{s)" + std::to_string((i + 1) % 50) + "}}\"}";
  refuses(steps(ring), "s19 -> ... (30 more) -> s0, where each");
  refuses(steps(R"({"name": "a", "task": "text", "map": "l", "text": "x"},
                   {"name": "b", "task": "text", "text": "{{a}}"})"),
          "{{a}} is a list, because \"a\" maps over \"l\"; \"reduce\" joins it");
  refuses(steps(R"({"name": "a", "task": "text", "map": "l", "text": "x"},
                   {"name": "b", "task": "text", "map": "k", "text": "{{a}}"})"),
          "{{a}} is a list");
  refuses(steps(R"({"name": "a", "task": "text", "text": "x"},
                   {"name": "b", "task": "text", "map": "a"})"),
          "step \"b\": \"a\" is no list: it is a step with one text");
  refuses(steps(R"({"name": "b", "task": "text", "map": "lits"})", R"("inputs": ["list"], )"),
          "\"map\": there is no step or input \"lits\"; did you mean \"list\"?");
  refuses(steps(R"({"name": "b", "task": "text", "map": "l", "reduce": "l", "text": "x"})"),
          "exclude each other");
}

TEST(ChainFile, WrongOptionsAndModels) {
  const auto with = [](const std::string& task, const std::string& options) {
    return steps(R"({"name": "a", "model": "t5", "task": ")" + task +
                 R"(", "text": "x", "options": )" + options + "}");
  };
  refuses(with("summarize", R"({"max_new_token": 3})"),
          "step \"a\", \"options\": \"max_new_token\" is not a generation option; did you mean "
          "\"max_new_tokens\"?");
  refuses(with("summarize", R"({"max_new_tokens": "three"})"),
          "(c.json, step \"a\", \"options\") must be an integer, got \"three\"");
  refuses(steps(R"({"name": "a", "model": "t5", "prompt": "x", "repeat": {"times": 2},
                    "options": {"num_return_sequences": 2}})"),
          "num_return_sequences must be 1 where a step has \"repeat\"");
  refuses(steps(R"({"name": "a", "model": "t5", "map": "l", "prompt": "x",
                    "options": {"num_return_sequences": 2}})"),
          "num_return_sequences must be 1 where a step has \"map\"");
  refuses(steps(R"({"name": "a", "model": "t5", "prompt": "x",
                    "options": {"num_return_sequences": 2}},
                   {"name": "b", "task": "text", "text": "{{a}}"})"),
          "{{a}} is a list, because \"a\" gives several answers");
  refuses(with("summarize", R"({"guidance_scale": 3})"), "is not supported");
  refuses(with("summarize", R"({"overflow": "cut"})"), "cut");
  refuses(with("classify", R"({"topk": 1})"), "has no option \"topk\"; did you mean \"top_k\"?");
  refuses(with("classify", R"({"top_k": "1"})"), "\"top_k\" must be an integer");
  refuses(with("classify", R"({"function_to_apply": "relu"})"), "relu");
  refuses(with("ner", R"({"aggregation_strategy": "some"})"), "expected none, simple");
  refuses(with("embed", R"({"pooling": ["mean", "middle"]})"), "middle");
  refuses(with("embed", R"({"prompt": "a", "prompt_name": "b"})"), "exclude each other");
  refuses(steps(R"({"name": "a", "prompt": "x"})"), "no model for the task \"generate\"");
  refuses(steps(R"({"name": "a", "model": "lama", "prompt": "x"})"),
          "there is no model \"lama\"; did you mean \"llama\"?");
  refuses(steps(R"({"name": "a", "model": "t5", "prompt": "x", "repeat": {"until": "x"}})"),
          "\"times\" is missing");
  refuses(steps(R"({"name": "a", "model": "t5", "prompt": "x", "repeat": {"times": 0}})"),
          "\"times\" must be an integer from 1 to 1000000000000, got 0");
  refuses(steps(R"({"name": "a", "model": "t5", "prompt": "x", "repeat": {"times": 1e18}})"),
          "\"times\" must be an integer from 1 to 1000000000000, got 1e+18");
}

TEST(ChainPlanning, OrderModelsAndWhatFeedsWhat) {
  const ChainPlan plan(parse(steps(
      R"({"name": "end", "model": "t5", "prompt": "{{b}} {{question}}"},
         {"name": "b", "reduce": "a", "separator": ", "},
         {"name": "a", "task": "summarize", "model": "llama", "map": "articles"},
         {"name": "vector", "task": "embed", "model": "t5", "text": "{{question.short}}"})")));
  EXPECT_EQ(plan.order(), (std::vector<std::size_t>{2, 1, 0, 3}));
  EXPECT_EQ(plan.inputs(), (std::vector<std::string>{"question", "articles", "question.short"}));
  ASSERT_EQ(plan.models().size(), 2u);  // t5 embeds with the model that generates
  EXPECT_EQ(plan.models()[1].steps, (std::vector<std::size_t>{0, 3}));
  const std::string shown = plan.explain();
  EXPECT_NE(shown.find("1. a: summarize, model llama, for each of articles\n"), shown.npos)
      << shown;
  EXPECT_NE(shown.find("prompt: \"{{b}} {{question}}\""), shown.npos) << shown;
  expect_error(ErrorCode::invalid_option, "did you mean \"vector\"?",
               [&] { plan.step("vectors"); });
}

TEST(ChainTexts, FlowThroughMapsReducesAndSplits) {
  Chain<float> made = chain(
      R"({"name": "loud", "task": "text", "map": "articles",
          "text": "{{index}}: {{item.title}} ({{item}}) \\{{x}}"},
         {"name": "both", "task": "text", "map": "loud",
          "text": "{{item}} / {{articles.title}} / {{loud}} / {{n}}"},
         {"name": "all", "reduce": "both", "each": "{{index}}) {{item}}<{{articles.title}}>",
          "separator": "; ", "task": "text", "text": ["{{question}}", "{{items}}"]},
         {"name": "lines", "task": "split", "text": "{{all}}"},
         {"name": "again", "task": "text", "map": "lines", "text": "[{{item}}]"},
         {"name": "end", "reduce": "again", "separator": ""})",
      R"("inputs": {"articles": [{"title": "A", "text": "a"}, {"title": "B", "text": "b"}],
                    "question": null, "n": 3}, )");
  const ChainOutcome outcome = made.run(inputs(R"({"question": "Why?"})"));
  EXPECT_EQ(texts(outcome.values[0]),
            (std::vector<std::string>{"1: A (a) {{x}}", "2: B (b) {{x}}"}));
  EXPECT_EQ(outcome.values[2].text,
            "Why?\n1) 1: A (a) {{x}} / A / 1: A (a) {{x}} / 3<A>; "
            "2) 2: B (b) {{x}} / B / 2: B (b) {{x}} / 3<B>");
  EXPECT_EQ(outcome.values[4].items.size(), 2u);
  EXPECT_EQ(outcome.values[5].text->substr(0, 8), "[Why?][1");
  const ChainOutcome none = made.run(inputs(R"({"question": "Why?", "articles": []})"));
  EXPECT_EQ(none.values[5].text, "[Why?]");

  const auto fails = [&](const std::string& given, const std::string& part) {
    expect_error(ErrorCode::invalid_input, part, [&] { made.check({inputs(given)}); });
    expect_error(ErrorCode::invalid_input, part, [&] { made.run(inputs(given)); });
  };
  fails("{}", "the input \"question\" of c.json is not given");
  fails(R"({"question": "x", "articles": "one"})",
        "step \"loud\": \"articles\" is no list, but a text: \"one\"");
  fails(R"({"question": "x", "articles": [{"titel": "A", "text": "b"}]})",
        "step \"loud\", \"text\", line 1, column 12: the field \"item.title\" is not in the inputs "
        "and steps of the chain and element 1 of the list; did you mean \"item.titel\"?");
  fails(R"({"question": ["x"]})", "\"question\" is a list; \"reduce\" joins it");
  fails(R"({"question": "x", "articles": [{"title": "A", "text": "a"}, null]})", "step \"loud\"");
}

TEST(ChainTexts, ElementsWithoutATextAreNamed) {
  Chain<float> made = chain(R"({"name": "a", "task": "text", "map": "l"})");
  const auto fails = [&](const std::string& list, const std::string& part) {
    expect_error(ErrorCode::invalid_input, part,
                 [&] { made.check({inputs("{\"l\": " + list + "}")}); });
  };
  fails(R"([1, "b", null])", "element 3 of the list is null or empty and has no text");
  fails(R"([{"x": 1}, null])", "has no \"text\" for {{item}}; it has {{item.x}}");
  Chain<float> fields = chain(R"({"name": "a", "task": "text", "map": "l", "text": "{{item.x}}"})");
  expect_error(
      ErrorCode::invalid_input,
      "step \"a\", \"text\", line 1, column 1: the field \"item.x\" is not in the inputs and "
      "steps of the chain and element 2 of the list",
      [&] { fields.check({inputs(R"({"l": [{"x": 1}, {"y": 2}]})")}); });
  fails(R"(["b", {"x": 2}])",
        "element 2 of the list has no \"text\" for {{item}}; it has {{item.x}}");
}

// A text that a map repeats for each element is not held for all of them at once.
TEST(ChainTexts, TogetherHaveALimit) {
  ChainOptions<float> options = one_thread();
  options.max_value_bytes = 8 << 20;
  Chain<float> made(parse(steps(R"({"name": "lines", "task": "split", "text": "{{text}}"},
         {"name": "each", "task": "text", "map": "lines", "text": "{{text}}"})")),
                    options);
  std::string text;
  for (int i = 0; i < 4000; ++i) text += "a line of some length\n";
  expect_error(ErrorCode::invalid_input, "larger than 8 MiB together", [&] {
    made.run({{"text", ChainValue::of(text)}});
  });
}

// --- with models ---

// Counts what is loaded, and what still is.
struct CountingLoader {
  std::map<std::string, int> loads;
  std::vector<std::weak_ptr<const Model<float>>> loaded;

  ChainOptions<float> options(bool release) {
    ChainOptions<float> made = one_thread();
    made.release_models = release;
    made.load_model = [this](const PlannedModel& model) {
      ++loads[model.source.path];
      ChainModel<float> opened = load_chain_model<float>(model, {.threads = 1});
      loaded.push_back(opened.model);
      return opened;
    };
    return made;
  }
};

TEST(ChainModels, AreLoadedOnceAndGivenUpWhenNoStepNeedsThem) {
  const std::string list =
      R"({"name": "a", "model": "llama", "prompt": "Once", "options": {"max_new_tokens": 2}},
         {"name": "b", "model": "t5", "prompt": "{{a}}", "options": {"max_new_tokens": 2}},
         {"name": "v", "task": "embed", "model": "llama", "text": "Once"},
         {"name": "c", "model": "t5", "prompt": "{{b}} x", "options": {"max_new_tokens": 2}})";
  CountingLoader kept, released;
  Chain<float> keeps(parse(steps(list)), kept.options(false));
  (void)keeps.run({});
  (void)keeps.run({});
  EXPECT_EQ(kept.loads.size(), 2u);
  for (const auto& [path, count] : kept.loads) EXPECT_EQ(count, 1) << path;
  EXPECT_FALSE(kept.loaded[0].expired());

  Chain<float> releases(parse(steps(list)), released.options(true));
  std::size_t llama_at_c = 9;
  (void)releases.run({}, [&](const ChainResult& result) {
    if (result.step == 3) llama_at_c = static_cast<std::size_t>(released.loaded[0].use_count());
  });
  EXPECT_EQ(llama_at_c, 0u);
  EXPECT_TRUE(released.loaded[1].expired());
}

GenerationResult generated(const Model<float>& model, const Tokenizer& tokenizer,
                           const std::string& name, const std::string& prompt,
                           std::int64_t tokens) {
  GenerationConfig config = model_generation_config(fixture(name), model.config());
  config.max_new_tokens = tokens;
  return Generator<float>(model, &tokenizer).generate(prompt, config);
}

TEST(ChainSteps, GiveWhatTheirTasksGive) {
  const test::FixtureModel<float> llama("llama-gqa"), nli("bert-nli"), bert("bert-ner");
  Chain<float> made = chain(
      R"({"name": "go", "model": "llama", "prompt": "Once {{x}}", "options": {"max_new_tokens": 5}},
         {"name": "class", "task": "classify", "model": ")" +
      fixture("bert-nli").string() + R"(", "text": "{{x}}", "text_pair": "a time"},
         {"name": "vector", "task": "embed", "model": "bert", "map": "list"},
         {"name": "say", "task": "text", "text": "{{go.new_tokens}} {{class.label}} {{class.score}}"})");
  const ChainOutcome outcome =
      made.run(inputs(R"({"x": "upon a time", "list": ["the cat", "a bird", "the cat"]})"));
  const GenerationResult go =
      generated(*llama.model, *llama.tokenizer, "llama-gqa", "Once upon a time", 5);
  EXPECT_EQ(outcome.values[0].text, go.text);
  EXPECT_EQ(outcome.values[0].find("new_ids")->text, Json(go.new_ids).dump());
  const TextClassifier<float> classifier(*nli.model, *nli.tokenizer);
  const std::vector<TextTokens> pair = {classifier.encode({"upon a time", "a time"})};
  const auto labels = classifier.classify(pair)[0];
  EXPECT_EQ(outcome.values[1].text, labels[0].label);
  EXPECT_EQ(std::stof(outcome.values[1].find("score")->text), static_cast<float>(labels[0].score));
  EXPECT_EQ(outcome.values[3].text,
            "5 " + labels[0].label + " " + outcome.values[1].find("score")->text);
  const TextEmbedder<float> embedder(*bert.model, *bert.tokenizer,
                                     embedding_config(fixture("bert-ner")));
  const std::vector<TextTokens> texts_of = {embedder.encode("the cat"), embedder.encode("a bird")};
  const auto vectors = embedder.embed(texts_of);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto values = Json::parse(*outcome.values[2].items[i].text).get<std::vector<float>>();
    EXPECT_EQ(values, vectors[i]);
  }
  EXPECT_EQ(outcome.values[2].items[2].text, outcome.values[2].items[0].text);
}

TEST(ChainSteps, SeveralAnswersAreAList) {
  const test::FixtureModel<float> llama("llama-gqa");
  Chain<float> made = chain(
      R"({"name": "three", "model": "llama", "prompt": "Once {{x}}",
          "options": {"num_return_sequences": 3, "num_beams": 3, "max_new_tokens": 4}},
         {"name": "each", "task": "text", "map": "three", "text": "{{index}} {{item.score}}"},
         {"name": "best", "task": "score", "model": "llama", "reduce": "three",
          "prompt": "Once {{x}}", "choices": "{{items}}"})");
  const ChainOutcome outcome = made.run(inputs(R"({"x": "upon a time"})"));
  GenerationConfig config = model_generation_config(fixture("llama-gqa"), llama.model->config());
  config.max_new_tokens = 4;
  config.num_beams = config.num_return_sequences = 3;
  const auto expected = Generator<float>(*llama.model, llama.tokenizer.get())
                            .generate_all({.id = "", .text = "Once upon a time"}, config);
  ASSERT_EQ(outcome.values[0].items.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(outcome.values[0].items[i].text, expected[i].text);
  EXPECT_EQ(outcome.values[0].text, std::nullopt);
  EXPECT_EQ(outcome.values[1].items.size(), 3u);
  EXPECT_NE(std::ranges::find(expected, *outcome.values[2].text, &GenerationResult::text),
            expected.end());
}

TEST(ChainRepeats, AreTheModelOnItsOwnOutput) {
  const test::FixtureModel<float> llama("llama-gqa");
  const auto run = [&](const std::string& repeat) {
    Chain<float> made = chain(R"({"name": "a", "model": "llama", "prompt": "Once upon",
        "options": {"max_new_tokens": 4}, "repeat": )" +
                              repeat + "}");
    std::vector<std::string> rounds;
    const ChainOutcome outcome = made.run({}, [&](const ChainResult& result) {
      if (result.round > 0) rounds.push_back(*result.value.text);
    });
    EXPECT_EQ(std::to_string(rounds.size()), outcome.values[0].find("rounds")->text);
    return std::pair(outcome.values[0], rounds);
  };
  const auto [value, rounds] = run(R"({"times": 3, "between": ["\nA:", "\nB:"]})");
  std::string text = "Once upon";
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string next = generated(*llama.model, *llama.tokenizer, "llama-gqa", text, 4).text;
    EXPECT_EQ(rounds[i], next);
    text += next + (i == 0 ? "\nA:" : i == 1 ? "\nB:" : "");
  }
  EXPECT_EQ("Once upon" + *value.text, text);
  EXPECT_EQ(value.find("ended")->text, "times");
  EXPECT_EQ(value.find("new_tokens")->text, "12");
  EXPECT_EQ(value.find("truncated")->text, "false");

  EXPECT_EQ(run(R"({"times": 9, "max_new_tokens": 7})").second.size(), 2u);
  EXPECT_EQ(run(R"({"times": 9, "max_chars": 1})").first.find("ended")->text, "length");
  // A string that begins in one round and ends in the next.
  const auto [plain, parts] = run(R"({"times": 2})");
  ASSERT_FALSE(parts[0].empty() || parts[1].empty());
  std::size_t letter = 1;
  while (letter < parts[1].size() && (parts[1][letter] & 0xC0) == 0x80) ++letter;
  const std::string across = parts[0] + parts[1].substr(0, letter);
  const auto [cut, few] = run(R"({"times": 9, "until": )" + detail::Json(across).dump() + "}");
  EXPECT_EQ(cut.find("ended")->text, "until");
  EXPECT_EQ(few.size(), 2u);
  EXPECT_EQ(cut.text, "");
}

TEST(ChainRepeats, SayWhetherARoundWasTruncated) {
  Chain<float> made = chain(R"({"name": "a", "model": "llama", "prompt": "{{x}}",
      "options": {"max_new_tokens": 4, "overflow": "truncate-left"}, "repeat": {"times": 2}})");
  std::string text;
  for (int i = 0; i < 300; ++i) text += "once ";
  const ChainOutcome outcome = made.run(inputs(Json{{"x", text}}.dump()));
  EXPECT_EQ(outcome.values[0].find("truncated")->text, "true");
  EXPECT_EQ(outcome.values[0].find("rounds")->text, "2");
}

TEST(ChainRetrieve, FindsTheNearestRowsAndEqualOnesInTheirOrder) {
  const test::TempDir folder;
  folder.write("facts.jsonl",
               "{\"no\": 1, \"fact\": \"the green house\"}\n{\"no\": 2, \"fact\": \"a bird saw\"}\n"
               "{\"no\": 3, \"fact\": \"the green house\"}\n");
  const std::string list =
      R"({"name": "found", "task": "retrieve", "model": "bert", "file": "facts.jsonl",
          "field": "fact", "text": "{{q}}", "options": {"top_k": 2}, "separator": " | ",
          "each": "{{index}}:{{item.no}}:{{item}}"},
         {"name": "each", "task": "text", "map": "found", "text": "{{item.no}} {{item.cosine}}"},
         {"name": "say", "task": "text", "text": "{{found}}"})";
  Chain<float> made(parse(steps(list), folder.path()), one_thread());
  const ChainOutcome outcome = made.run(inputs(R"({"q": "the green house"})"));
  EXPECT_EQ(outcome.values[2].text, "1:1:the green house | 2:3:the green house");
  EXPECT_EQ(texts(outcome.values[1]), (std::vector<std::string>{"1 1", "3 1"}));
  const auto fails = [&](const std::string& rows, const std::string& part) {
    folder.write("facts.jsonl", rows);
    expect_error(ErrorCode::invalid_input, part,
                 [&] { Chain<float>(parse(steps(list), folder.path()), one_thread()); });
  };
  fails("", "facts.jsonl: there are no rows in it");
  fails("{\"facts\": \"x\"}\n", "row 1: the row has no text \"fact\"; did you mean \"facts\"?");
  fails("{\"fact\": \n", "facts.jsonl, line 1: not valid JSON");
}

TEST(ChainRuns, ValuesDependOnNothingElse) {
  const std::string a =
      R"({"name": "a", "model": "llama", "map": "list", "prompt": "{{item}}",
          "options": {"max_new_tokens": 5, "temperature": 1.5}})";
  const std::string b =
      R"({"name": "b", "model": "llama", "prompt": "{{x}}",
          "options": {"max_new_tokens": 5, "do_sample": true}, "repeat": {"times": 2}})";
  std::vector<ChainRun> runs;
  for (std::uint64_t row = 0; row < 3; ++row)
    runs.push_back({inputs(R"({"list": ["Once", "Once", "The cat"], "x": "Once"})"), row});
  const auto all = [&](const std::string& list, std::int64_t batch, int threads) {
    ChainOptions<float> options = one_thread();
    options.batch_size = batch;
    options.load.threads = threads;
    Chain<float> made(parse(steps(list)), options);
    std::map<std::string, std::string> values;
    const auto outcomes = made.run_all(runs);
    for (std::size_t r = 0; r < runs.size(); ++r)
      for (std::size_t s = 0; s < 2; ++s)
        values[made.plan().steps()[s].step.name + std::to_string(runs[r].row)] =
            outcomes[r].values[s].to_json();
    return values;
  };
  const auto expected = all(a + "," + b, 8, 1);
  EXPECT_EQ(all(b + "," + a, 1, 2), expected);
  std::swap(runs[0], runs[2]);
  EXPECT_EQ(all(a + "," + b, 3, 1), expected);
  EXPECT_NE(expected.at("a0"), expected.at("a1"));
  const Json list = Json::parse(expected.at("a0"));
  EXPECT_NE(list[0], list[1]);
  // What is drawn can be drawn again by the model alone, with the seed that is recorded.
  const test::FixtureModel<float> llama("llama-gqa");
  GenerationConfig config = model_generation_config(fixture("llama-gqa"), llama.model->config());
  config.max_new_tokens = 5;
  config.do_sample = true;
  config.temperature = 1.5;
  config.seed = list[1]["seed"].get<std::uint64_t>();
  EXPECT_EQ(Generator<float>(*llama.model, llama.tokenizer.get()).generate("Once", config).text,
            list[1]["text"].get<std::string>());
}

TEST(ChainRuns, AFailureNamesStepElementAndInput) {
  const std::string list = R"({"name": "a", "model": "llama", "map": "list",
                               "prompt": "{{item}}", "options": {"max_new_tokens": 2}},
                              {"name": "b", "reduce": "a"})";
  Chain<float> made = chain(list);
  std::string words;
  for (int i = 0; i < 300; ++i) words += "time ";
  const std::vector<ChainRun> runs = {{inputs(R"({"list": ["Once", ")" + words + R"("]})"), 0, ""},
                                      {inputs(R"({"list": ["Once"]})"), 1, ""},
                                      {inputs(R"({"list": [""]})"), 2, ""},
                                      {inputs(R"({"lits": [""]})"), 3, ""}};
  const auto outcomes = made.run_all(runs);
  ASSERT_TRUE(outcomes[0].error.has_value());
  EXPECT_EQ(outcomes[0].error->code, ErrorCode::context_overflow);
  EXPECT_TRUE(outcomes[0].error->message.starts_with(
      "step \"a\", item 2 of \"list\", with the input \"time time"))
      << outcomes[0].error->message;
  EXPECT_FALSE(outcomes[1].error.has_value());
  EXPECT_TRUE(outcomes[1].values[1].text.has_value());
  EXPECT_NE(outcomes[2].error->message.find("the prompt is empty"), std::string::npos);
  EXPECT_NE(outcomes[3].error->message.find("there is no input \"list\"; did you mean \"lits\"?"),
            std::string::npos)
      << outcomes[3].error->message;
  expect_error(ErrorCode::context_overflow, "step \"a\"", [&] { made.run(runs[0].inputs); });
  expect_error(ErrorCode::unsupported, "c.json, step \"x\": ", [] {
    chain(R"({"name": "x", "task": "chat", "model": "t5", "prompt": "a"})").run({});
  });

  std::atomic<bool> interrupt = true;
  ChainOptions<float> options = one_thread();
  options.interrupt = &interrupt;
  Chain<float> stopped(parse(steps(list)), options);
  EXPECT_TRUE(stopped.run(runs[1].inputs).interrupted);
}

// Interrupted behind any of its values, a run is whole or says that it is not.
TEST(ChainRuns, WhatIsCutShortSaysSo) {
  std::atomic<bool> interrupt = false;
  ChainOptions<float> options = one_thread();
  options.interrupt = &interrupt;
  options.batch_size = 2;
  Chain<float> made(parse(steps(R"({"name": "a", "task": "summarize", "model": "t5", "map": "list",
                      "text": "{{item}}", "options": {"max_new_tokens": 6, "num_beams": 3}},
                     {"name": "b", "model": "llama", "reduce": "a", "prompt": "Once {{items}}",
                      "options": {"max_new_tokens": 4, "num_beams": 2}, "repeat": {"times": 3}},
                     {"name": "c", "model": "llama", "prompt": "Once {{b}}",
                      "options": {"max_new_tokens": 4, "do_sample": true,
                                  "num_return_sequences": 2}},
                     {"name": "d", "task": "embed", "model": "bert", "text": "Once {{b}}"})")),
                    options);
  std::vector<ChainRun> runs;
  for (std::uint64_t row = 0; row < 4; ++row)
    runs.push_back({inputs(R"({"list": ["Once upon", "The cat", "A time"]})"), row});
  const auto run_until = [&](int last, int& results) {
    interrupt = false;
    results = 0;
    return made.run_all(runs, [&](const ChainResult&) {
      if (++results == last) interrupt = true;
    });
  };
  int count = 0, whole = 0, cut = 0, results = 0;
  const auto expected = run_until(-1, count);
  for (int last = 1; last < count; ++last) {
    const auto outcomes = run_until(last, results);
    for (std::size_t r = 0; r < runs.size(); ++r) {
      ++(outcomes[r].interrupted ? cut : whole);
      for (std::size_t s = 0; s < 4 && !outcomes[r].interrupted; ++s)
        EXPECT_EQ(outcomes[r].values[s].to_json(), expected[r].values[s].to_json());
    }
  }
  EXPECT_GT(whole, 0);
  EXPECT_GT(cut, 2 * count);
}

}  // namespace
}  // namespace llm
