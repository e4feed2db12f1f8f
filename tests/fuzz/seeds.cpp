#include "fuzz/seeds.hpp"

#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>

#include "core/json.hpp"
#include "llm/model/model.hpp"
#include "support/paths.hpp"
#include "support/temp_dir.hpp"
#include "support/tokenizer_files.hpp"
#include "support/write_gguf.hpp"
#include "support/write_pytorch_bin.hpp"
#include "support/write_safetensors.hpp"

namespace llm::fuzz {
namespace {

namespace fs = std::filesystem;
using detail::Json;

constexpr const char* sample_text =
    "Hello <s> don't 123 \u4e16\u754c e\u0301 \U0001F600<end>\t\n  low";

std::string bytes_of(const fs::path& file) {
  constexpr std::size_t largest = 1 << 20;
  return detail::read_file(file, largest);
}

fs::path unit_data() { return test::source_dir() / "tests" / "unit" / "data"; }

std::vector<Json> json_lines(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::vector<Json> rows;
  for (std::string line; std::getline(in, line);) rows.push_back(Json::parse(line));
  return rows;
}

// The fixture with the named files as parts; all its other files are linked.
std::vector<Part> on_base(const std::string& fixture, std::initializer_list<const char*> files) {
  std::vector<Part> parts{{"base", fixture}};
  for (const char* file : files) {
    const fs::path path = test::model_dir(fixture) / file;
    if (fs::exists(path)) parts.push_back({file, bytes_of(path)});
  }
  return parts;
}

}  // namespace

Seeds safetensors_seeds() {
  constexpr std::string_view header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
      R"("b.c":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]},)"
      R"("e":{"dtype":"I64","shape":[0,5],"data_offsets":[22,22]},)"
      R"("s":{"dtype":"F64","shape":[],"data_offsets":[22,30]}})";
  return {{{"model.safetensors", test::safetensors_bytes(header, std::string(30, 'd'))}},
          {{"model.safetensors", bytes_of(unit_data() / "torch_module.safetensors")}}};
}

Seeds gguf_seeds() {
  test::GgufWriter w;
  w.key<std::uint32_t>("general.alignment", test::gguf_u32, 32);
  w.key("general.architecture", "llama").key<float>("llama.eps", test::gguf_f32, 1e-5F);
  w.key<std::uint8_t>("b", test::gguf_bool, 1).strings("tokens", {"a", "bc", ""});
  w.array<float>("scores", test::gguf_f32, {0, -1, -2});
  w.array<std::int32_t>("types", test::gguf_i32, {1, 2, 3});
  w.tensor("f32", 0, {3, 2}, std::string(24, 'f')).tensor("f16", 1, {2}, "hhhh");
  w.tensor("q4_0", 2, {32, 2}, std::string(36, 'q'));
  w.tensor("q8_0", 8, {32}, std::string(34, 'p'));
  return {{{"model.gguf", w.bytes()}}, {{"model.gguf", bytes_of(unit_data() / "types.gguf")}}};
}

Seeds gguf_model_seeds() {
  Seeds seeds;
  for (const char* fixture : {"gguf-t5-f32", "gguf-bert-q4_1", "gguf-qwen2-q8_0", "gguf-bloom-f16",
                              "gguf-llama-q4_1", "gguf-gpt2-q8_0"}) {
    seeds.push_back({{"model.gguf", bytes_of(test::model_dir(fixture) / "model.gguf")}});
  }
  return seeds;
}

Seeds pickle_seeds() {
  const test::PickledTensor whole{{2, 4}, {4, 1}}, tail{{3}, {1}, 5};
  const std::string items =
      test::pickle_text("a.weight") + whole.bytes() + test::pickle_text("b") + tail.bytes();
  const std::string ordered = test::pickle_call("collections", "OrderedDict", "");
  return {{{"data.pkl", test::pickle_dict(items)}},
          {{"data.pkl", "\x80\x02" + ordered + "(" + items + "u."}}};
}

Seeds torch_archive_seeds() {
  Seeds seeds;
  for (const char* file :
       {"torch_zip.bin", "torch_legacy.bin", "torch_nested.bin", "torch_module.bin"}) {
    seeds.push_back({{"pytorch_model.bin", bytes_of(unit_data() / file)}});
  }
  return seeds;
}

Seeds index_seeds() {
  return {{{"1.safetensors", test::one_tensor("a")},
           {"2.safetensors", test::one_tensor("b")},
           {"model.safetensors.index.json",
            R"({"metadata":{"total_size":8},)"
            R"("weight_map":{"a":"1.safetensors","b":"2.safetensors"}})"}}};
}

Seeds config_seeds() {
  Seeds seeds;
  for (const char* fixture :
       {"llama-gqa", "llama-rope-llama3", "gpt2-scaled", "t5-v1_1", "gpt_neo-windows", "bloom-lm",
        "bert-model", "roberta-tagger", "bart-classifier", "qwen2-windows", "smollm3-windows",
        "umt5-lm", "t5-tagger", "mbart-qa", "marian-two-vocabularies", "llama-rope-yarn"}) {
    seeds.push_back(on_base(fixture, {"config.json"}));
  }
  return seeds;
}

Seeds generation_config_seeds() {
  Seeds seeds;
  for (const char* fixture : {"llama-gqa", "t5-v1_1", "bart-lm", "marian-lm"}) {
    seeds.push_back(on_base(fixture, {"config.json", "generation_config.json"}));
    seeds.back().push_back(
        {"options",
         R"({"do_sample":true,"temperature":0.7,"top_k":5,"top_p":0.9,"bad_words_ids":[[1,2]],)"
         R"("num_beams":2,"eos_token_id":[1,2]})"});
  }
  return seeds;
}

Seeds packed_seeds() {
  Seeds seeds;
  for (const char* fixture : {"gpt2-scaled", "bert-model"}) {
    const test::TempDir dir;
    const fs::path folder = dir.path() / "packed";
    pack_model(test::model_dir(fixture), folder, {.threads = 1, .weights = WeightType::int8});
    std::vector<Part> parts;
    for (const auto& entry : fs::directory_iterator(folder)) {
      parts.push_back({entry.path().filename().string(), bytes_of(entry.path())});
    }
    seeds.push_back(std::move(parts));
  }
  return seeds;
}

Seeds adapter_seeds() {
  Seeds seeds;
  for (const auto& [fixture, name] : {std::pair{"llama-tied", "patterns"},
                                      {"llama-tied", "rslora"},
                                      {"llama-bf16", "bf16"},
                                      {"gpt2-inner", "conv1d"}}) {
    std::vector<Part> parts{{"base", fixture}};
    for (const std::string file : {"adapter_config.json", "adapter_model.safetensors"}) {
      parts.push_back({"adapter/" + file, bytes_of(unit_data() / "adapters" / name / file)});
    }
    seeds.push_back(std::move(parts));
  }
  return seeds;
}

Seeds sentence_folder_seeds() {
  std::vector<Part> parts = on_base("bert-masked-lm", {"tokenizer_config.json"});
  parts.push_back({"text", sample_text});
  parts.push_back(
      {"modules.json",
       R"([{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},)"
       R"({"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.models.Pooling"},)"
       R"({"idx":2,"name":"2","path":"2_Normalize","type":"sentence_transformers.models.Normalize"}])"});
  parts.push_back({"sentence_bert_config.json", R"({"max_seq_length":16,"do_lower_case":false})"});
  parts.push_back(
      {"config_sentence_transformers.json",
       R"({"prompts":{"query":"q: "},"default_prompt_name":"query","similarity_fn_name":"cosine"})"});
  parts.push_back({"1_Pooling/config.json",
                   R"({"word_embedding_dimension":32,"pooling_mode_cls_token":false,)"
                   R"("pooling_mode_mean_tokens":true,"include_prompt":true})"});
  return {parts};
}

Seeds reference_seeds() {
  Seeds seeds;
  for (const char* fixture : {"gpt2-scaled", "t5-v1_1", "bert-qa"}) {
    const fs::path file = test::model_dir(fixture) / "reference.safetensors";
    seeds.push_back({{"reference.safetensors", bytes_of(file)}});
  }
  return seeds;
}

Seeds tokenizer_seeds() {
  Seeds seeds;
  for (const Json& row : json_lines(unit_data() / "tokenizers.jsonl")) {
    seeds.push_back({{"text", sample_text},
                     {"tokenizer.json", row.at("json").dump()},
                     {"tokenizer_config.json", R"({"add_prefix_space":true,"bos_token":"<s>"})"}});
  }
  for (const auto& entry : fs::directory_iterator(unit_data() / "folders")) {
    if (!entry.is_directory()) continue;
    std::vector<Part> parts{{"text", sample_text}};
    for (const auto& file : fs::directory_iterator(entry.path())) {
      const std::string name = file.path().filename().string();
      if (!name.ends_with(".jsonl")) parts.push_back({name, bytes_of(file.path())});
    }
    seeds.push_back(std::move(parts));
  }
  seeds.push_back({{"text", sample_text}, {"m.gguf", test::byte_level_gguf("gpt-2").bytes()}});
  seeds.push_back({{"text", sample_text}, {"m.gguf", test::sentencepiece_gguf().bytes()}});
  return seeds;
}

Seeds chat_template_seeds() {
  constexpr const char* messages =
      R"([{"role":"system","content":"S"},{"role":"user","content":"caf\u00e9"},)"
      R"({"role":"assistant","content":"A"}])";
  constexpr const char* variables =
      R"({"l":[3,1,2],"m":{"a":1},"s":"text","msgs":[{"role":"user"}],"i":7})";
  Seeds seeds;
  for (const char* file : {"expressions.jsonl", "families.jsonl"}) {
    for (const Json& row : json_lines(unit_data() / "chat" / file)) {
      seeds.push_back({{"chat_template.jinja", row.at("template").get<std::string>()},
                       {"messages.json", messages},
                       {"variables.json", variables}});
    }
  }
  return seeds;
}

Seeds prompt_template_seeds() {
  const fs::path examples = test::source_dir() / "examples" / "sentiment";
  return {{{"template.json", bytes_of(examples / "template.json")},
           {"examples.jsonl", bytes_of(examples / "examples.jsonl")},
           {"queries.jsonl", bytes_of(examples / "queries.jsonl")}}};
}

Seeds chain_seeds() {
  Seeds seeds{{{"chain.json",
                R"({"inputs":{"list":["x",{"text":"y","n":2}],"q":"Why?"},"steps":[
{"name":"a","task":"text","map":"list","text":"{{index}}. {{item}} {{list}}"},
{"name":"b","reduce":"a","each":"{{item}}{{list}}","separator":"; "},
{"name":"c","task":"split","text":"{{b}}; {{q}}","separator":";"},
{"name":"d","task":"text","map":"c","text":["{{item}}","\\{{ {{c}}"]},
{"name":"e","reduce":"d","task":"text","text":"{{items}} {{b.text}}"}]})"}}};
  const fs::path examples = test::source_dir() / "examples" / "chains";
  seeds.push_back({{"chain.json", bytes_of(examples / "story.json")}});
  seeds.push_back({{"chain.json", bytes_of(examples / "news" / "news.json")},
                   {"articles.jsonl", bytes_of(examples / "news" / "articles.jsonl")}});
  seeds.push_back({{"chain.json", bytes_of(examples / "questions" / "questions.json")},
                   {"facts.txt", bytes_of(examples / "questions" / "facts.txt")}});
  return seeds;
}

Seeds rows_seeds() {
  return {{{"rows.jsonl", "{\"id\":\"a\",\"text\":\"x\",\"n\":1}\n{\"id\":2,\"ids\":[1,2]}\n"}},
          {{"rows.csv", "id,text\n1,\"a \"\"b\"\"\nc\"\n2,d\n"}},
          {{"rows.tsv", "text\tlabel\na b\tx\nc\ty\n"}},
          {{"rows.txt", "one\ntwo\n\nthree"}}};
}

}  // namespace llm::fuzz
