// --adapter: the merged model is the one that PEFT merges, in every command that loads a model.
#include <gtest/gtest.h>

#include <string>

#include "cli/run_command.hpp"

namespace llm::test::cli_adapter {
namespace {

const std::string tied = fixture("llama-tied");
const std::string adapters = std::string(LLM_SOURCE_DIR) + "/tests/unit/data/adapters/";
const std::string half = adapters + "patterns@0.5", whole = adapters + "rslora";
// What the reference computes with both, the first one by half.
const std::string reference =
    std::string(LLM_SOURCE_DIR) + "/tests/cli/data/two_adapters.safetensors";

TEST(Adapters, TwoWithWeightsAreTheReferencesMergedModel) {
  const Outcome merged =
      run({"verify", tied, "--reference", reference, "--adapter", half, "--adapter", whole});
  EXPECT_EQ(merged.exit_code, 0) << merged.out << merged.err;
  EXPECT_NE(merged.out.find("8 taps, 2 generations"), std::string::npos) << merged.out;
  EXPECT_EQ(run({"verify", tied, "--reference", reference, "--dtype", "f32", "--adapter", half,
                 "--adapter", whole})
                .exit_code,
            0);
  for (const auto& others : {std::vector<std::string>{},
                             {"--adapter", whole},
                             {"--adapter", adapters + "patterns", "--adapter", whole}}) {
    std::vector<std::string> arguments{"verify", tied, "--reference", reference};
    arguments.insert(arguments.end(), others.begin(), others.end());
    EXPECT_EQ(run(arguments).exit_code, 1);
  }
}

TEST(Adapters, ChangeWhatIsGenerated) {
  const std::string row = R"({"id": 1, "ids": [7, 8, 9]})";
  const auto generate = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments{"-m", tied, "--input", "-", "--jsonl", "-n", "8", "-v"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments, row);
  };
  const Outcome plain = generate({}), merged = generate({"--adapter", half, "--adapter=" + whole});
  EXPECT_EQ(merged.exit_code, 0) << merged.err;
  EXPECT_NE(merged.out, plain.out);
  EXPECT_NE(merged.err.find("patterns (weight 0.5)"), std::string::npos) << merged.err;
  EXPECT_NE(merged.err.find("rslora (weight 1)"), std::string::npos) << merged.err;
  EXPECT_EQ(generate({"--adapter", adapters + "patterns@0"}).out, plain.out);
}

// The head that a task asks for is the adapter's, whatever the model itself ends in.
TEST(Adapters, BringHeads) {
  const std::string masked = fixture("bert-masked-lm"), modules = adapters + "modules/";
  const auto succeeds = [](const std::vector<std::string>& arguments, const std::string& part) {
    const Outcome result = run(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_NE(result.out.find(part), std::string::npos) << result.out;
  };
  succeeds({"ner", "-m", masked, "--adapter", modules + "bert-labels", "--json", "the cat"},
           "\"entity\":\"LABEL_");
  succeeds({"qa", "-m", masked, "--adapter", modules + "bert-answers", "--json", "--context",
            "the cat saw a bird", "who saw?"},
           "\"answer\":");
  const Outcome without = run({"ner", "-m", masked, "the cat"});
  EXPECT_EQ(without.exit_code, 3);
  EXPECT_NE(without.err.find("or an adapter that brings it"), std::string::npos) << without.err;
}

TEST(Adapters, WrongOnesAreRefused) {
  const auto fails = [&](const std::string& model, const std::string& adapter, int code,
                         const std::string& part) {
    const Outcome result = run({"-m", model, "--adapter", adapter, "--input", "-"}, "{}");
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  };
  fails(tied, "no-such-folder", 3, "there is no adapter \"no-such-folder\"");
  fails(tied, "no-such-folder@0.5", 3, "there is no adapter \"no-such-folder\"");
  fails(tied, adapters + "patterns@half", 2, "the weight after @ is no number");
  fails(tied, adapters + "patterns@nan", 2, "the weight after @ is no number");
  fails(tied, adapters + "patterns@", 2, "expected FOLDER or FOLDER@WEIGHT");
  fails(tied, tied, 3, "adapter_config.json");
  fails(tied, adapters + "rslora@2", 2, "modules_to_save");
  fails(fixture("gpt2-relu"), adapters + "patterns", 3, "adapters/patterns");
  fails(fixture("gguf-llama-f32") + "/model.gguf", whole, 3, "cannot be merged into a GGUF");
}

}  // namespace
}  // namespace llm::test::cli_adapter
