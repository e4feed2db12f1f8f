// Summaries and translations against the reference's pipelines: data/text_tasks.jsonl, made by
// support/make_text_task_vectors.py.
#include "llm/tasks/text_task.hpp"

#include <gtest/gtest.h>

#include "tasks/task_models.hpp"

namespace llm {
namespace {

namespace fs = std::filesystem;
using detail::Json;

// As PARAMS of the script.
const char* const params = R"({
  "summarization": {"early_stopping": true, "length_penalty": 2.0, "max_length": 25,
    "min_length": 7, "no_repeat_ngram_size": 3, "num_beams": 3, "prefix": "summarize: "},
  "translation_en_to_de": {"early_stopping": true, "max_length": 20, "num_beams": 2,
    "prefix": "translate English to German: "},
  "translation_en_to_fr": {"max_length": 18, "prefix": "translate English to French: "}})";

struct TaskModel {
  explicit TaskModel(const fs::path& folder)
      : path(folder),
        tokenizer(Tokenizer::open(folder)),
        model(Model<float>::load(folder, {.threads = 1})) {}
  TextTask translation(const TextTaskOptions& options) const {
    return translation_task(path, model->config(), tokenizer.get(), options);
  }
  TextTask summarization(const TextTaskOptions& options = {}) const {
    return summarization_task(path, model->config(), tokenizer.get(), options);
  }
  fs::path path;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<Model<float>> model;
};

TextTask task_of(const Json& row, const TaskModel& opened) {
  const std::string name = row["task"];
  if (name == "summarization") return opened.summarization();
  TextTaskOptions options;
  if (name == "translation_en_to_de") options = {.source_language = "en", .target_language = "de"};
  if (name == "translation_en_to_fr") options = {.target_language = "French"};
  if (name == "translation") {
    if (!row["source"].is_null()) options.source_language = row["source"].get<std::string>();
    options.target_language = row["target"].get<std::string>();
  }
  return opened.translation(options);
}

TEST(TextTasks, AreTheReferences) {
  const test::EditedFixture with_params(
      "t5-v1_0", [](Json& config) { config["task_specific_params"] = Json::parse(params); });
  const TaskModel t5(test::fixture("t5-v1_0")), t5_with_params(with_params.path());
  const TaskModel mbart(test::fixture("mbart-languages"));
  const TaskModel marian(test::fixture("marian-languages"));
  const auto rows = test::task_rows("text_tasks.jsonl");
  ASSERT_GE(rows.size(), 200u);
  for (const Json& row : rows) {
    const TaskModel& opened = row["model"] == "mbart-languages"    ? mbart
                              : row["model"] == "marian-languages" ? marian
                              : row.contains("params")             ? t5_with_params
                                                                   : t5;
    TextTask task = task_of(row, opened);
    if (row.contains("max_new_tokens"))
      task.config.max_new_tokens = row["max_new_tokens"].get<std::int64_t>();
    // The fixture ends texts at a word, too, which the reference's text then has at its end.
    if (row["model"] == "t5-v1_0") task.config.eos_token_id = {1};
    const Generator<float> generator(*opened.model, opened.tokenizer.get());
    const auto answers =
        generator.generate_all(task.request(row["text"].get<std::string>()), task.config);
    EXPECT_EQ(answers[0].text, row["answer"]) << row;
  }
}

TEST(TextTasks, PrefixesAndLanguages) {
  const TaskModel t5(test::fixture("t5-v1_0"));
  EXPECT_EQ(t5.summarization().prefix, "summarize: ");
  EXPECT_EQ(t5.summarization({.prefix = "s: "}).prefix, "s: ");
  EXPECT_EQ(t5.summarization().config.num_beams, 4);
  EXPECT_EQ(t5.summarization().config.max_new_tokens, 256);
  EXPECT_EQ(t5.translation({.source_language = "English", .target_language = "sv"}).prefix,
            "translate English to Swedish: ");
  EXPECT_EQ(t5.translation({.prefix = "To Elvish: "}).prefix, "To Elvish: ");
  const TaskModel mbart(test::fixture("mbart-languages"));
  const TextTask task = mbart.translation({.source_language = "en_XX", .target_language = "ja_XX"});
  EXPECT_EQ(task.language, "en_XX");
  EXPECT_EQ(task.config.forced_bos_token_id, mbart.tokenizer->id("ja_XX"));
  const TaskModel marian(test::fixture("marian-languages"));
  EXPECT_EQ(marian.translation({.target_language = "fra"}).language, "fra");
  EXPECT_EQ(marian.translation({}).language, "");
  // Without a generation_config.json an option of the family's configuration holds, unless
  // config.json says otherwise.
  const GenerationConfig forced = marian.translation({}).config;
  EXPECT_EQ(forced.forced_eos_token_id, std::vector<TokenId>{0});
  EXPECT_EQ(forced.source("forced_eos_token_id"), "default of the model type marian");
  EXPECT_TRUE(task.config.forced_eos_token_id.empty());  // null
  const test::EditedFixture other("marian-languages",
                                  [](Json& config) { config["forced_eos_token_id"] = 5; });
  EXPECT_EQ(TaskModel(other.path()).translation({}).config.forced_eos_token_id,
            std::vector<TokenId>{5});
  const test::EditedFixture bart("mbart-languages", [](Json& config) {
    config["prefix"] = " ";
    config["task_specific_params"] = Json{{"summarization", Json{{"max_length", 9}}}};
    config["max_new_tokens"] = 3;
  });
  const TextTask summary = TaskModel(bart.path()).summarization();
  EXPECT_EQ(summary.prefix, " ");
  EXPECT_EQ(summary.config.max_length, 9);
  EXPECT_FALSE(summary.config.max_new_tokens);
}

TEST(TextTasks, SayWhatIsWrong) {
  const auto fails = [](ErrorCode code, const std::string& part, const TaskModel& opened,
                        const TextTaskOptions& options) {
    test::expect_error(code, part, [&] { opened.translation(options); });
  };
  const TaskModel t5(test::fixture("t5-v1_0"));
  fails(ErrorCode::invalid_option, "asked in words", t5, {.target_language = "de"});
  const test::EditedFixture edited(
      "t5-v1_0", [](Json& config) { config["task_specific_params"] = Json::parse(params); });
  const TaskModel with_params(edited.path());
  fails(ErrorCode::invalid_option, "translates en to de, en to fr; say which", with_params, {});
  const TaskModel mbart(test::fixture("mbart-languages"));
  fails(ErrorCode::invalid_option, "give target-lang", mbart, {});
  fails(ErrorCode::invalid_option, "knows no language \"de\"", mbart, {.target_language = "de"});
  const TaskModel marian(test::fixture("marian-languages"));
  fails(ErrorCode::invalid_option, "no language \">>spa<<\"", marian, {.target_language = "spa"});
  const test::EditedFixture bad("t5-v1_0", [](Json& config) {
    config["task_specific_params"] = Json{{"summarization", Json{{"prefix", 5}}}};
  });
  test::expect_error(ErrorCode::bad_format, "\"prefix\" must be a string",
                     [&] { TaskModel(bad.path()).summarization(); });
  const test::EditedFixture unknown("t5-v1_0", [](Json& config) {
    config["task_specific_params"] = Json{{"summarization", Json{{"num_beens", 5}}}};
  });
  const auto warnings = TaskModel(unknown.path()).summarization().config.warnings();
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings.front().find("num_beams"), std::string::npos) << warnings.front();
  for (const char* name : {"llama-gqa", "bert-masked-lm"}) {
    const TaskModel other(test::fixture(name));
    test::expect_error(ErrorCode::unsupported, "needs an encoder-decoder",
                       [&] { other.summarization(); });
  }
}

}  // namespace
}  // namespace llm
