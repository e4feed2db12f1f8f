// Every file of a model's folder with every fault that a file can have: an Error that names it.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "faults/in_child.hpp"
#include "llm/chain/chain_description.hpp"
#include "llm/core/error.hpp"
#include "llm/generation/model_generation_config.hpp"
#include "llm/model/model.hpp"
#include "llm/prompt/chat_template.hpp"
#include "llm/prompt/few_shot.hpp"
#include "llm/tasks/embed.hpp"
#include "llm/tasks/text_task.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "support/paths.hpp"
#include "support/temp_dir.hpp"
#include "weights/packed_weights.hpp"

namespace llm::test::faults {
namespace {

namespace fs = std::filesystem;

struct Fault {
  const char* name;
  std::function<void(const fs::path&)> put;
};

const std::vector<Fault>& all_faults() {
  static const std::vector<Fault> faults = {
      {"a link to itself", [](const fs::path& file) { fs::create_symlink(file, file); }},
      {"a link that leads nowhere", [](const fs::path& file) { fs::create_symlink("gone", file); }},
      {"a link with a name that is too long",
       [](const fs::path& file) { fs::create_symlink(std::string(300, 'x'), file); }},
      {"a folder", [](const fs::path& file) { fs::create_directory(file); }},
      {"a named pipe", [](const fs::path& file) { ASSERT_EQ(::mkfifo(file.c_str(), 0666), 0); }},
      {"a device", [](const fs::path& file) { fs::create_symlink("/dev/zero", file); }},
      {"empty", [](const fs::path& file) { std::ofstream{file}; }},
  };
  return faults;
}

// Reads all that a folder holds; `adapter` is one for it, or nothing.
void open_all(const fs::path& folder, const fs::path& adapter) {
  LoadOptions options{.threads = 1};
  if (!adapter.empty()) options.adapters = {{adapter, 1.0}};
  const auto model = Model<float>::load(folder, options);
  model_generation_config(folder, model->config());
  if (model->kind() == ModelKind::encoder) embedding_config(folder);
  if (model->is_encoder_decoder()) summarization_task(folder, model->config(), nullptr);
  Tokenizer::files(folder);
  if (folder.filename() != "without-tokenizer") Tokenizer::open(folder);
  if (fs::exists(fs::symlink_status(folder / "chat_template.jinja"))) ChatTemplate::open(folder);
  if (folder.filename() == "with-prompts") {
    FewShotTemplate::read(folder / "few_shot.json");
    ChainDescription::read(folder / "chain.json");
  }
}

class FileFaults : public testing::Test {
 protected:
  fs::path copy(const std::string& fixture, const std::string& name) const {
    const fs::path to = dir_.path() / name;
    fs::copy(models_dir() / fixture, to, fs::copy_options::recursive);
    fs::remove(to / "reference.safetensors");
    return to;
  }
  void write(const fs::path& folder, const std::string& name, const std::string& text) const {
    fs::create_directories((folder / name).parent_path());
    dir_.write(fs::relative(folder / name, dir_.path()), text);
  }

  // Empty is what some may be.
  void expect_errors(const fs::path& folder, const std::vector<std::string>& files,
                     const std::vector<std::string>& may_be_empty = {},
                     const fs::path& adapter = {}) const {
    ASSERT_NO_THROW(open_all(folder, adapter));
    for (const std::string& name : files) {
      const fs::path file = adapter.empty() ? folder / name : adapter / name;
      fs::rename(file, dir_.path() / "whole");
      for (const Fault& fault : all_faults()) {
        SCOPED_TRACE(folder.filename().string() + "/" + name + " is " + fault.name);
        fault.put(file);
        const bool may_pass =
            fault.name == std::string("empty") && std::ranges::count(may_be_empty, name) > 0;
        expect_in_child([&] { return outcome(folder, adapter, file, may_pass); }, 20);
        fs::remove_all(file);
      }
      fs::rename(dir_.path() / "whole", file);
      SCOPED_TRACE(folder.filename().string() + "/" + name + " is unreadable");
      expect_unreadable(folder, adapter, file);
    }
    ASSERT_NO_THROW(open_all(folder, adapter));
  }

 private:
  static std::string outcome(const fs::path& folder, const fs::path& adapter, const fs::path& file,
                             bool may_pass) {
    try {
      open_all(folder, adapter);
      return may_pass ? "" : "nothing was said";
    } catch (const Error& error) {
      const std::string what = error.what();
      return what.find(file.filename().string()) != std::string::npos ? "" : "said: " + what;
    }
  }

  // By somebody who is not the owner, so that the test also works for root.
  void expect_unreadable(const fs::path& folder, const fs::path& adapter,
                         const fs::path& file) const {
    fs::permissions(dir_.path(), fs::perms(0755));
    fs::permissions(file, fs::perms::none);
    expect_in_child([&]() -> std::string {
      constexpr uid_t nobody = 65534;
      if (::geteuid() == 0 && ::setuid(nobody) != 0) return "cannot become nobody";
      return outcome(folder, adapter, file, false);
    });
    fs::permissions(file, fs::perms(0644));
  }

  const TempDir dir_;
};

TEST_F(FileFaults, Decoder) {
  const fs::path folder = copy("llama-gqa", "llama");
  write(folder, "chat_template.jinja", "{{ messages[0].content }}");
  write(folder, "special_tokens_map.json", "{}");
  write(folder, "added_tokens.json", "{}");
  expect_errors(folder,
                {"config.json", "generation_config.json", "model.safetensors", "tokenizer.model",
                 "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json",
                 "added_tokens.json"},
                {"chat_template.jinja"});
}

TEST_F(FileFaults, PromptsAndChains) {
  const fs::path folder = copy("llama-gqa", "with-prompts");
  write(folder, "few_shot.json", R"({"example": "{{in}} {{out}}", "query": "{{in}} "})");
  write(folder, "chain.json",
        R"({"models": {"a": "."}, "steps": [{"name": "b", "model": "a", "prompt": "c"}]})");
  expect_errors(folder, {"few_shot.json", "chain.json"});
}

TEST_F(FileFaults, Tokenizers) {
  expect_errors(copy("bert-ner", "bert"), {"tokenizer.json", "tokenizer_config.json"});
  const fs::path words = copy("bert-ner", "words");
  fs::remove(words / "tokenizer.json");
  expect_errors(words, {"vocab.txt"});
  expect_errors(copy("bart-nli", "bart"), {"vocab.json", "merges.txt"}, {"merges.txt"});
  expect_errors(copy("marian-languages", "marian"),
                {"source.spm", "target.spm", "vocab.json", "tokenizer_config.json"});
  const fs::path t5 = copy("t5-v1_0", "t5");
  fs::remove(t5 / "tokenizer.json");
  expect_errors(t5, {"spiece.model", "config.json"});
}

TEST_F(FileFaults, Weights) {
  for (const auto& [fixture, files] : std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"llama-sharded",
            {"model.safetensors.index.json", "model-00001-of-00003.safetensors",
             "model-00003-of-00003.safetensors"}},
           {"gpt2-bin", {"pytorch_model.bin"}},
           {"gpt2-bin-sharded", {"pytorch_model.bin.index.json"}},
           {"gguf-llama-q4_0", {"model.gguf"}}}) {
    const fs::path folder = copy(fixture, "without-tokenizer");
    expect_errors(folder, files);
    fs::remove_all(folder);
  }
}

TEST_F(FileFaults, PackedFolders) {
  const fs::path folder = copy("llama-gqa", "llama"), packed = folder.parent_path() / "packed";
  pack_model(folder, packed, {.threads = 1});
  expect_errors(packed, {detail::packed_file_name, "config.json", "tokenizer.model"});
}

TEST_F(FileFaults, Adapters) {
  const fs::path data = source_dir() / "tests" / "unit" / "data" / "adapters" / "bf16";
  const fs::path folder = copy("llama-bf16", "without-tokenizer");
  const fs::path adapter = folder.parent_path() / "adapter";
  fs::copy(data, adapter);
  expect_errors(folder, {"adapter_config.json", "adapter_model.safetensors"}, {}, adapter);
}

TEST_F(FileFaults, SentenceFolders) {
  const fs::path folder = copy("bert-ner", "sentences");
  write(
      folder, "modules.json",
      R"([{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},)"
      R"({"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.models.Pooling"}])");
  write(folder, "1_Pooling/config.json",
        R"({"word_embedding_dimension":32,"pooling_mode_cls_token":true})");
  write(folder, "sentence_bert_config.json", R"({"max_seq_length":12,"do_lower_case":false})");
  write(folder, "config_sentence_transformers.json", R"({"prompts":{}})");
  expect_errors(folder, {"modules.json", "1_Pooling/config.json", "sentence_bert_config.json",
                         "config_sentence_transformers.json"});
}

// A packed folder is not made of a model that cannot be read; what is there stays.
TEST_F(FileFaults, Packing) {
  const fs::path folder = copy("llama-gqa", "llama"), packed = folder.parent_path() / "packed";
  for (const char* name : {"tokenizer_config.json", "README.md"}) {
    fs::remove(folder / name);
    fs::create_symlink(name, folder / name);
    EXPECT_THROW(pack_model(folder, packed, {.threads = 1}), Error);
    fs::remove(folder / name);
    EXPECT_FALSE(fs::exists(packed));
  }
  // Links at names that can be foreseen are not followed.
  const fs::path precious = folder.parent_path() / "precious";
  fs::create_directory(precious);
  write(precious, "config.json", "mine");
  for (int i = 0; i < 3; ++i)
    fs::create_symlink(precious, packed.string() + ".unfinished-" + std::to_string(::getpid()) +
                                     "-" + std::to_string(i));
  pack_model(folder, packed, {.threads = 1});
  EXPECT_EQ(fs::file_size(precious / "config.json"), 4U);
  EXPECT_EQ(std::distance(fs::directory_iterator(precious), fs::directory_iterator()), 1);
  EXPECT_THROW(pack_model(folder, packed, {.threads = 1}), Error);  // it is there
  for (const char* bad : {"/proc/packed", "", "/nowhere/\x01"}) {
    if (::geteuid() == 0 && *bad != '\0' && bad[1] == 'n') continue;  // root can make it
    EXPECT_THROW(pack_model(folder, bad, {.threads = 1}), Error) << bad;
  }
}

}  // namespace
}  // namespace llm::test::faults
