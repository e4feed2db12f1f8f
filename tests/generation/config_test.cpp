// GenerationConfig: names, defaults, layers, refusals.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>

#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "llm/generation/generation_config.hpp"
#include "llm/generation/model_generation_config.hpp"
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
  EXPECT_EQ(set("epsilon_cutoff", "0.1").code(), ErrorCode::invalid_option);
  EXPECT_EQ(set("use_cache", "true").code(), ErrorCode::invalid_option);
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
  EXPECT_EQ(read(R"({"top_p": "high"})").code(), ErrorCode::bad_format);
  EXPECT_EQ(read(R"({"bad_words_ids": [1]})").code(), ErrorCode::bad_format);
}

// Keys that change the answer and are refused, and a value at which they do.
const std::map<std::string, const char*> refused_keys = {
    {"epsilon_cutoff", "0.1"},
    {"eta_cutoff", "0.1"},
    {"top_h", "0.4"},
    {"exponential_decay_length_penalty", "[5, 1.2]"},
    {"sequence_bias", "[[[5], 2.0]]"},
    {"token_healing", "true"},
    {"guidance_scale", "1.5"},
    {"watermarking_config", R"({"bias": 2.0})"},
    {"num_beam_groups", "2"},
    {"diversity_penalty", "0.5"},
    {"penalty_alpha", "0.6"},
    {"dola_layers", R"("low")"},
    {"constraints", "[1]"},
    {"force_words_ids", "[[5]]"},
    {"speculation_type", R"("dflash")"},
    {"assistant_ensemble_weight", "0.5"},
    {"forced_decoder_ids", "[[1, 5]]"},  // before 4.45
};

// Keys without effect on the answer, and a value that is not the reference's own.
const std::map<std::string, const char*> harmless_keys = {
    {"use_cache", "false"},
    {"cache_implementation", R"("static")"},
    {"cache_config", R"({"backend": "quanto"})"},
    {"max_cache_len", "512"},
    {"return_legacy_cache", "true"},
    {"low_memory", "true"},
    {"prefill_chunk_size", "128"},
    {"continuous_batching_config", R"({"block_size": 32})"},
    {"compile_config", R"({"mode": "default"})"},
    {"disable_compile", "true"},
    {"use_mtp", "true"},
    {"is_assistant", "true"},
    {"num_assistant_tokens", "5"},
    {"num_assistant_tokens_schedule", R"("heuristic")"},
    {"assistant_confidence_threshold", "0.5"},
    {"prompt_lookup_num_tokens", "5"},
    {"max_matching_ngram_size", "3"},
    {"assistant_early_exit", "4"},
    {"assistant_lookbehind", "5"},
    {"target_lookbehind", "5"},
    {"output_attentions", "true"},
    {"output_hidden_states", "true"},
    {"output_scores", "true"},
    {"output_logits", "true"},
    {"return_dict_in_generate", "true"},
    {"force_bos_token_to_be_generated", "true"},
    {"_from_model_config", "true"},
    {"_commit_hash", R"("0123abcd")"},
    {"transformers_version", R"("6.1.0")"},
};

class GenerationKeys : public testing::Test {
 protected:
  GenerationConfig read(const std::string& key, const std::string& value) const {
    folder_.write("generation_config.json", "{\"" + key + "\": " + value + "}");
    return GenerationConfig::from_folder(folder_.path());
  }
  const test::TempDir folder_;
};

// No key of any version falls between what is read, what is refused and what is passed over; and
// values that the reference takes by itself are never refused.
TEST_F(GenerationKeys, AllOfTheReferenceAreKnown) {
  const detail::Json versions =
      detail::read_json_file(LLM_SOURCE_DIR "/tests/generation/data/generation_keys.json");
  EXPECT_EQ(versions.size(), 2u);
  const auto names = GenerationConfig::names();
  for (const auto& [version, keys] : versions.items()) {
    for (const auto& [key, value] : keys.items()) {
      SCOPED_TRACE(version + " " + key);
      const bool is_read = std::ranges::count(names, key) > 0;
      EXPECT_EQ(is_read + refused_keys.contains(key) + harmless_keys.contains(key), 1);
      const GenerationConfig config = read(key, value.dump());
      EXPECT_TRUE(config.warnings().empty());
      if (is_read && !value.is_null() && key != "max_length") {
        EXPECT_EQ(detail::Json::parse(GenerationConfig().value(key)), value);
      }
      EXPECT_EQ(read(key, "null").sources.size(), 0u);
    }
  }
}

TEST_F(GenerationKeys, ThoseThatChangeTheAnswerAreRefused) {
  for (const auto& refused : refused_keys) {
    const auto& key = refused.first;
    const auto& value = refused.second;
    const Error error = error_of([&] { read(key, value); });
    EXPECT_EQ(error.code(), ErrorCode::unsupported) << key;
    EXPECT_EQ(error.subject(), key);
    EXPECT_NE(std::string(error.what()).find("generation_config.json"), std::string::npos);
    GenerationConfig config;
    EXPECT_EQ(error_of([&] { config.set(key, value, "flag"); }).code(), ErrorCode::invalid_option);
  }
}

TEST_F(GenerationKeys, ThoseWithoutEffectArePassedOver) {
  for (const auto& [key, value] : harmless_keys) {
    EXPECT_TRUE(read(key, value).warnings().empty()) << key;
  }
}

TEST_F(GenerationKeys, ThoseThatNobodyKnowsAreToldOf) {
  EXPECT_TRUE(read("key_of_next_year", "null").warnings().empty());
  const auto warnings = read("max_new_token", "5").warnings();
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0],
            (folder_.path() / "generation_config.json").string() +
                ": \"max_new_token\" is not a generation option that is known here, and is "
                "ignored; did you mean \"max_new_tokens\"?");
  GenerationConfig config = read("chat_format", R"("chatml")");
  EXPECT_NE(config.warnings()[0].find("\"chat_format\""), std::string::npos);
  config.set("top_k", "5", "flag");
  EXPECT_EQ(config.warnings().size(), 2u);
  folder_.write("config.json", R"({"hidden_size": 3})");
  std::filesystem::remove(folder_.path() / "generation_config.json");
  EXPECT_TRUE(GenerationConfig::from_folder(folder_.path()).warnings().empty());
}

// A file that is there and cannot be read is not one that is missing.
TEST_F(GenerationKeys, AFileThatCannotBeReadIsAnError) {
  folder_.write("config.json", R"({"num_beams": 4})");
  const auto file = folder_.path() / "generation_config.json";
  const auto refused = [&](const std::string& part) {
    const Error error = error_of([&] { GenerationConfig::from_folder(folder_.path()); });
    EXPECT_NE(error.code(), ErrorCode::invalid_option);
    EXPECT_NE(std::string(error.what()).find(file.string()), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    EXPECT_THROW(model_generation_config(folder_.path(), {}), Error);
  };
  std::filesystem::create_symlink(file.filename(), file);
  refused("symbolic links");
  std::filesystem::remove(file);
  std::filesystem::create_symlink("nothing", file);
  refused("");
  std::filesystem::remove(file);
  std::filesystem::create_directory(file);
  refused("");
  std::filesystem::remove(file);
  EXPECT_EQ(GenerationConfig::from_folder(folder_.path()).num_beams, 4);
  const std::string long_name(300, 'x');
  EXPECT_THROW(GenerationConfig::from_folder(folder_.path() / long_name), Error);
}

// What came with the model is the model's fault, unless it does not go with what the caller set.
TEST(GenerationConfig, SaysWhoseFaultABadValueIs) {
  const test::TempDir folder;
  const auto read = [&](const char* text) {
    folder.write("generation_config.json", text);
    return GenerationConfig::from_folder(folder.path());
  };
  const auto code = [](const GenerationConfig& config) {
    return error_of([&] { config.validate(); }).code();
  };
  GenerationConfig config = read(R"({"top_p": 1.5})");
  EXPECT_EQ(code(config), ErrorCode::bad_format);
  config.set("top_p", "1.5", "flag");
  EXPECT_EQ(code(config), ErrorCode::invalid_option);
  config = read(R"({"num_beams": 4, "num_return_sequences": 5})");
  EXPECT_EQ(code(config), ErrorCode::bad_format);
  config = read(R"({"num_beams": 4, "num_return_sequences": 4})");
  EXPECT_NO_THROW(config.validate());
  config.set("num_beams", "2", "flag");
  EXPECT_EQ(code(config), ErrorCode::invalid_option);
  config = read(R"({"min_new_tokens": 4})");
  config.set("max_new_tokens", "2", "flag");
  EXPECT_EQ(code(config), ErrorCode::invalid_option);
}

TEST(GenerationConfig, OldFilesForceBos) {
  const test::TempDir folder;
  const auto forced = [&](const char* text) {
    folder.write("generation_config.json", text);
    return GenerationConfig::from_folder(folder.path()).forced_bos_token_id;
  };
  const char* const key = "force_bos_token_to_be_generated";
  const auto file = [&](const char* more) {
    return std::string("{\"bos_token_id\": 3, \"") + key + "\": true" + more + "}";
  };
  EXPECT_EQ(forced(file(R"(, "_from_model_config": true)").c_str()), 3);
  EXPECT_EQ(forced(file("").c_str()), std::nullopt);
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
  GenerationConfig half;
  half.stop_strings = {"\xE2\x82"};
  EXPECT_THROW(half.validate(), Error);
  refuses("max_time", "-1");
}

TEST(GenerationConfig, WarningsAboutOptionsWithoutEffect) {
  GenerationConfig c;
  EXPECT_TRUE(c.warnings().empty());
  c.set("top_p", "0.5", "flag");
  c.set_all(R"({"length_penalty": 2})", "generation_config.json");
  EXPECT_EQ(c.warnings().size(), 1u);
  c.do_sample = true;
  EXPECT_TRUE(c.warnings().empty());
  c.set("length_penalty", "2", "flag");
  ASSERT_EQ(c.warnings().size(), 1u);
  EXPECT_NE(c.warnings()[0].find("no effect without num_beams above 1"), std::string::npos);
  c.num_beams = 2;
  EXPECT_TRUE(c.warnings().empty());
}

}  // namespace
}  // namespace llm
