#include "fuzz/targets.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "core/json.hpp"
#include "fuzz/seeds.hpp"
#include "llm/chain/chain.hpp"
#include "llm/core/error.hpp"
#include "llm/generation/generator.hpp"
#include "llm/generation/model_generation_config.hpp"
#include "llm/model/model.hpp"
#include "llm/prompt/chat_template.hpp"
#include "llm/prompt/few_shot.hpp"
#include "llm/tasks/embed.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "llm/weights/adapter.hpp"
#include "llm/weights/weight_store.hpp"
#include "shell/row_reader.hpp"
#include "support/write_pytorch_bin.hpp"
#include "verify/reference_file.hpp"

namespace llm::fuzz {
namespace {

namespace fs = std::filesystem;
using Parts = std::vector<Part>;

void require(bool holds, const std::string& what) {
  if (!holds) throw std::logic_error(what);
}

// --- weights ---

// A span that lies outside the file shows under the address sanitizer.
void read_all(const WeightStore& store) {
  constexpr std::int64_t most_values = 1 << 20;
  for (const std::string& name : store.names()) {
    const FileTensor& tensor = *store.find(name);
    unsigned sum = 0;
    for (const std::byte byte : tensor.bytes) sum += std::to_integer<unsigned>(byte);
    require(sum <= 255U * tensor.bytes.size(), "sum");
    const std::int64_t count = tensor.rows() * tensor.cols();
    if (!is_floating(tensor.dtype) && !is_quantized(tensor.dtype)) continue;
    if (count > most_values) continue;
    std::vector<double> values(static_cast<std::size_t>(count));
    read_values(tensor, 0, count, values.data());
  }
}

template <const char* const& file>
void use_weights(const fs::path& folder, const Parts&) {
  read_all(*WeightStore::open(folder / file));
}
constexpr const char* safetensors_file = "model.safetensors";
constexpr const char* gguf_file = "model.gguf";
constexpr const char* torch_file = "pytorch_model.bin";
constexpr const char* index_file = "model.safetensors.index.json";

// The pickle in a sound archive, so that it is always reached.
void use_pickle(const fs::path& folder, const Parts& parts) {
  const fs::path file = folder / torch_file;
  const std::string archive = test::pytorch_bin(part_bytes(parts, "data.pkl"));
  std::ofstream(file, std::ios::binary) << archive;
  read_all(*WeightStore::open(file));
}

void use_adapter(const fs::path& folder, const Parts&) {
  const std::array<Adapter, 1> adapters{{{.path = folder / "adapter"}}};
  read_all(*merge_adapters(WeightStore::open(folder), adapters));
}

// --- models ---

void use_model(const Model<float>& model) {
  const std::array<TokenId, 3> ids{0, 1, 2};
  if (model.vocab_size() < 3 || model.config().vocab_size < 3) return;
  const EncoderInput input{ids, {}};
  Workspace workspace;
  if (model.head() != HeadKind::none && model.head() != HeadKind::language_model) {
    (void)model.run_head({&input, 1}, workspace);
  } else if (model.head() == HeadKind::language_model) {
    GenerationConfig config;
    config.max_new_tokens = 2;
    config.decoder_start_token_id = model.config().decoder_start_token_id.value_or(0);
    (void)Generator<float>(model).generate(ids, config);
  } else if (model.kind() == ModelKind::encoder) {
    (void)model.encode({&input, 1}, workspace);
  } else {
    (void)model.hidden_states({&input, 1}, workspace);
  }
}

void use_config(const fs::path& folder, const Parts&) {
  use_model(*Model<float>::load(folder, {.threads = 1}));
}

void use_gguf_model(const fs::path& folder, const Parts&) {
  const fs::path file = folder / gguf_file;
  try {
    const auto tokenizer = Tokenizer::open(file);
    (void)tokenizer->decode(tokenizer->encode("Hello world").ids);
  } catch (const Error&) {
    // The weights may be sound though the vocabulary is not.
  }
  use_model(*Model<float>::load(file, {.threads = 1}));
}

void use_generation_config(const fs::path& folder, const Parts& parts) {
  const TransformerConfig config = read_model_config(folder);
  model_generation_config(folder, config).validate();
  if (const auto options = part_bytes(parts, "options"); !options.empty()) {
    GenerationConfig given;
    given.set_all(options, "options");
    given.validate();
    (void)given.warnings();
  }
}

void use_sentence_folder(const fs::path& folder, const Parts& parts) {
  const SentenceConfig config = embedding_config(folder);
  const auto model = Model<float>::load(folder, {.threads = 1, .head = HeadKind::none});
  const auto tokenizer = Tokenizer::open(folder);
  const TextEmbedder<float> embedder(*model, *tokenizer, config);
  const TextTokens text = embedder.encode(part_bytes(parts, "text"));
  (void)embedder.embed({&text, 1});
}

void use_reference(const fs::path& folder, const Parts&) {
  const detail::ReferenceFile file(folder / "reference.safetensors");
  for (const std::string& name : file.value_names()) require(file.values(name) != nullptr, name);
  for (const std::string& name : file.cases()) (void)file.ids(name + ".input_ids");
  for (const auto& generation : file.generations()) {
    (void)file.ids(generation.name + ".input_ids");
    (void)file.id_rows(generation.name + ".sequences");
  }
}

// --- texts ---

void use_tokenizer(const fs::path& folder, const Parts& parts) {
  const auto tokenizer = Tokenizer::open(folder);
  const std::string text(part_bytes(parts, "text"));
  const Encoding encoding = tokenizer->encode(text);
  require(encoding.ids.size() == encoding.offsets.size(), "as many offsets as ids");
  for (const ByteSpan& span : encoding.offsets) {
    require(span.begin <= span.end && span.end <= text.size(), "offsets lie in the text");
  }
  (void)tokenizer->decode(encoding.ids);
  (void)tokenizer->encode_pair(text, "b", {.is_target = true});
}

void use_chat_template(const fs::path& folder, const Parts& parts) {
  const std::string_view messages = part_bytes(parts, "messages.json");
  ChatOptions options;
  options.variables = part_bytes(parts, "variables.json");
  const auto chat = ChatTemplate::from_text(part_bytes(parts, "chat_template.jinja"));
  (void)chat.render(parse_messages(messages, (folder / "messages.json").string()), options);
}

void use_prompt_template(const fs::path& folder, const Parts& parts) {
  const FewShotTemplate shots = FewShotTemplate::read(folder / "template.json");
  const auto examples = parse_field_rows(part_bytes(parts, "examples.jsonl"), "examples.jsonl");
  const auto queries = parse_field_rows(part_bytes(parts, "queries.jsonl"), "queries.jsonl");
  for (const FieldRow& query : queries) (void)shots.prompt(examples, query);
}

void use_chain(const fs::path& folder, const Parts&) {
  Chain<float> chain(ChainDescription::read(folder / "chain.json"), {.max_value_bytes = 1 << 24});
  for (const PlannedStep& planned : chain.plan().steps()) {
    if (planned.model) return;
  }
  (void)chain.plan().explain();
  (void)chain.run({});
}

void use_rows(const fs::path& folder, const Parts& parts) {
  for (const Part& part : parts) {
    if (!part.name.starts_with("rows.")) continue;
    const std::string path = (folder / part.name).string();
    shell::RowReader reader(
        path,
        {.format = shell::input_format_of(path), .fields = {{"text", std::nullopt}}, .ids = true});
    while (const auto row = reader.next()) {
      if (!row->error) (void)shell::dump(row->fields);
    }
  }
}

constexpr std::array<Target, 17> all_targets{{
    {"safetensors", use_weights<safetensors_file>, safetensors_seeds},
    {"gguf", use_weights<gguf_file>, gguf_seeds},
    {"gguf-model", use_gguf_model, gguf_model_seeds},
    {"pickle", use_pickle, pickle_seeds},
    {"torch-archive", use_weights<torch_file>, torch_archive_seeds},
    {"index", use_weights<index_file>, index_seeds},
    {"config", use_config, config_seeds},
    {"generation-config", use_generation_config, generation_config_seeds},
    {"packed", use_config, packed_seeds},
    {"adapter", use_adapter, adapter_seeds},
    {"sentence-folder", use_sentence_folder, sentence_folder_seeds},
    {"reference", use_reference, reference_seeds},
    {"tokenizer", use_tokenizer, tokenizer_seeds},
    {"chat-template", use_chat_template, chat_template_seeds},
    {"prompt-template", use_prompt_template, prompt_template_seeds},
    {"chain", use_chain, chain_seeds},
    {"rows", use_rows, rows_seeds},
}};

bool is_readable(std::string_view message) {
  constexpr std::size_t longest = 2000;
  if (message.empty() || message.size() > longest) return false;
  return nlohmann::json(message).dump(-1, ' ', false, nlohmann::json::error_handler_t::ignore) ==
         nlohmann::json(message).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::span<const Target> targets() { return all_targets; }

const Target* find_target(std::string_view name) {
  const auto found =
      std::ranges::find_if(all_targets, [&](const Target& t) { return name == t.name; });
  return found == all_targets.end() ? nullptr : &*found;
}

std::optional<std::string> run(const Target& target, std::string_view input) {
  static InputFolder folder;
  const Parts parts = parse_folder(input);
  try {
    target.use(folder.fill(parts), parts);
    return std::nullopt;
  } catch (const Error& error) {
    std::string message = error.what();
    require(error.code() != ErrorCode::internal, "an internal error: " + message);
    require(is_readable(message), "an error that is too long or no UTF-8: " + message);
    return message;
  }
}

}  // namespace llm::fuzz
