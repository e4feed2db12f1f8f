// GenerationConfig: names, defaults, layers, refusals.
#include <filesystem>
#include <functional>

#include "llm/core/error.hpp"
#include "llm/generation/generation_config.hpp"
#include "support/mutate.hpp"
#include "support/temp_dir.hpp"

namespace llm {
namespace {

Error error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return Error(ErrorCode::internal, "");
}

TEST(GenerationConfig, DefaultsOfTheReference) {
  const GenerationConfig c;
  EXPECT_EQ(c.value("max_length"), "null");
  EXPECT_EQ(c.value("top_k"), "50");
  EXPECT_EQ(c.value("early_stopping"), "false");
  EXPECT_EQ(c.value("eos_token_id"), "[]");
  EXPECT_EQ(c.source("top_k"), "default");
  EXPECT_NO_THROW(c.validate());
  for (const auto name : GenerationConfig::names()) EXPECT_NO_THROW(c.value(name)) << name;
}

TEST(GenerationConfig, LayersAndTheirSources) {
  const test::TempDir folder;
  folder.write("config.json", R"({"max_length": 7})");
  folder.write("generation_config.json",
               R"({"_from_model_config": true, "transformers_version": "4.40.0", "use_cache": false,
                   "eos_token_id": [1, 2], "temperature": 0.6, "do_sample": true, "top_p": null,
                   "epsilon_cutoff": 0.0, "num_beam_groups": 1})");
  GenerationConfig c = GenerationConfig::from_folder(folder.path());
  EXPECT_EQ(c.eos_token_id, (std::vector<TokenId>{1, 2}));
  EXPECT_EQ(c.temperature, 0.6);
  EXPECT_FALSE(c.max_length) << "config.json is not read beside generation_config.json";
  EXPECT_TRUE(c.source("temperature").ends_with("generation_config.json"));
  c.set("temperature", "0.9", "flag");
  EXPECT_EQ(c.temperature, 0.9);
  EXPECT_EQ(c.source("temperature"), "flag");
  c.set("temperature", "null", "flag");
  EXPECT_EQ(c.temperature, 1.0);
  EXPECT_EQ(c.source("temperature"), "default");
}

TEST(GenerationConfig, ModelConfigOfOldFolders) {
  const test::TempDir folder;
  folder.write("config.json",
               R"({"model_type": "bart", "num_beams": 4, "hidden_size": 3, "max_length": null,
                   "bos_token_id": 0, "force_bos_token_to_be_generated": true,
                   "decoder": {"length_penalty": 2.0, "num_beams": 9}})");
  const GenerationConfig c = GenerationConfig::from_folder(folder.path());
  EXPECT_EQ(c.num_beams, 4);
  EXPECT_EQ(c.length_penalty, 2.0);
  EXPECT_EQ(c.forced_bos_token_id, 0);
  EXPECT_EQ(GenerationConfig::from_folder(folder.path() / "none").num_beams, 1);
}

TEST(GenerationConfig, WhatAPersonWrites) {
  GenerationConfig c;
  c.set("max-new-tokens", "12", "flag");
  EXPECT_EQ(c.max_new_tokens, 12);
  c.set("early-stopping", "never", "flag");
  EXPECT_EQ(c.early_stopping, EarlyStopping::never);
  c.set("early_stopping", "true", "flag");
  EXPECT_EQ(c.early_stopping, EarlyStopping::yes);
  c.set("eos_token_id", "3", "flag");
  EXPECT_EQ(c.eos_token_id, (std::vector<TokenId>{3}));
  c.set("suppress_tokens", "3,4", "flag");
  EXPECT_EQ(c.suppress_tokens, (std::vector<TokenId>{3, 4}));
  c.set("bad_words_ids", "[[1],[2,3]]", "flag");
  EXPECT_EQ(c.bad_words_ids.size(), 2u);
  c.set("stop_strings", "a, b", "flag");
  EXPECT_EQ(c.stop_strings, (std::vector<std::string>{"a, b"}));
  c.set("stop_strings", R"(["x","\n"])", "flag");
  EXPECT_EQ(c.stop_strings, (std::vector<std::string>{"x", "\n"}));
  c.set("stop_strings", "[/INST", "flag");
  EXPECT_EQ(c.stop_strings, (std::vector<std::string>{"[/INST"}));
  c.set("seed", "18446744073709551615", "flag");
  EXPECT_EQ(c.seed, UINT64_MAX);
  EXPECT_EQ(c.value("bad_words_ids"), "[[1],[2,3]]");
}

TEST(GenerationConfig, RefusalsNameTheOption) {
  GenerationConfig c;
  const auto set = [&](const char* name, const char* value) {
    return error_of([&] { c.set(name, value, "flag"); });
  };
  EXPECT_EQ(set("temprature", "1").code(), ErrorCode::invalid_option);
  EXPECT_NE(std::string(set("temprature", "1").what()).find("\"temperature\""), std::string::npos);
  EXPECT_EQ(set("epsilon_cutoff", "0.1").code(), ErrorCode::unsupported);
  EXPECT_EQ(set("use_cache", "true").code(), ErrorCode::unsupported);
  EXPECT_EQ(set("top_k", "many").code(), ErrorCode::invalid_option);
  EXPECT_EQ(set("top_k", "1.5").subject(), "top_k");
  EXPECT_EQ(set("max_new_tokens", "1e30").code(), ErrorCode::invalid_option);
  EXPECT_EQ(set("eos_token_id", "99999999999").code(), ErrorCode::invalid_option);
  EXPECT_EQ(set("do_sample", "[").code(), ErrorCode::invalid_option);
  EXPECT_EQ(set("seed", "-1").code(), ErrorCode::invalid_option);
}

TEST(GenerationConfig, FilesAreChecked) {
  const test::TempDir folder;
  const auto read = [&](const char* text) {
    folder.write("generation_config.json", text);
    return error_of([&] { GenerationConfig::from_folder(folder.path()); });
  };
  EXPECT_EQ(read("[1]").code(), ErrorCode::bad_format);
  EXPECT_EQ(read("{").code(), ErrorCode::bad_format);
  EXPECT_EQ(read(R"({"guidance_scale": 1.5})").code(), ErrorCode::unsupported);
  EXPECT_EQ(read(R"({"guidance_scale": 1.5})").subject(), "guidance_scale");
  EXPECT_EQ(read(R"({"max_new_token": 5})").code(), ErrorCode::invalid_option);
  EXPECT_EQ(read(R"({"top_p": "high"})").code(), ErrorCode::invalid_option);
  EXPECT_EQ(read(R"({"bad_words_ids": [1]})").code(), ErrorCode::invalid_option);
}

// Damaged files and values are read or refused, never more than that.
TEST(GenerationConfig, DamagedInputDoesNoHarm) {
  const std::string sound =
      R"({"eos_token_id": [1, 2], "temperature": 0.6, "bad_words_ids": [[1], [2, 3]], "top_k": 5,
          "early_stopping": "never", "stop_strings": ["a", "b"], "guidance_scale": 1})";
  test::Mutator mutate(5);
  const test::TempDir folder;
  std::size_t read = 0;
  for (int i = 0; i < 3000; ++i) {
    folder.write("generation_config.json", mutate(sound));
    try {
      GenerationConfig::from_folder(folder.path()).validate();
      ++read;
    } catch (const Error&) {
    }
  }
  EXPECT_GT(read, 10u);
  const auto names = GenerationConfig::names();
  GenerationConfig c;
  for (int i = 0; i < 3000; ++i) {
    try {
      c.set(names[mutate.below(names.size())], mutate("[[1, 2], 3.5]"), "flag");
      c.validate();
    } catch (const Error&) {
    }
  }
  const std::string deep(1000000, '[');
  EXPECT_THROW(c.set("bad_words_ids", deep, "flag"), Error);
}

TEST(GenerationConfig, ValidateRefusesWhatMakesNoSense) {
  const auto refuses = [](const char* name, const char* value, auto... more) {
    GenerationConfig c;
    c.set(name, value, "flag");
    (c.set(more.first, more.second, "flag"), ...);
    EXPECT_THROW(c.validate(), Error) << name << " " << value;
  };
  using P = std::pair<const char*, const char*>;
  refuses("max_new_tokens", "0");
  refuses("max_length", "-1");
  refuses("temperature", "0", P{"do_sample", "true"});
  refuses("temperature", "-1");
  refuses("top_k", "-1");
  refuses("top_p", "1.01");
  refuses("min_p", "-0.1");
  refuses("typical_p", "0");
  refuses("repetition_penalty", "0");
  refuses("num_beams", "0");
  refuses("num_beams", "100000");
  refuses("num_return_sequences", "2");
  refuses("num_return_sequences", "3", P{"num_beams", "2"});
  refuses("min_new_tokens", "5", P{"max_new_tokens", "4"});
  refuses("forced_eos_token_id", "2", P{"suppress_tokens", "[1,2]"});
  refuses("bad_words_ids", "[[]]");
  refuses("stop_strings", "");
  refuses("max_time", "-1");
}

TEST(GenerationConfig, WarningsAboutOptionsWithoutEffect) {
  GenerationConfig c;
  EXPECT_TRUE(c.warnings().empty());
  c.set("top_p", "0.5", "flag");
  c.set("length_penalty", "2", "generation_config.json");
  EXPECT_EQ(c.warnings().size(), 1u);
  c.do_sample = true;
  EXPECT_TRUE(c.warnings().empty());
}

}  // namespace
}  // namespace llm
