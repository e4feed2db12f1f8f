#include "model/checkpoint.hpp"

#include <algorithm>
#include <utility>

#include "core/folder.hpp"
#include "core/gguf.hpp"
#include "core/gguf_split.hpp"
#include "core/json.hpp"
#include "core/system_error.hpp"
#include "llm/core/error.hpp"
#include "llm/model/model.hpp"
#include "weights/weight_file.hpp"

namespace llm::detail {
namespace {

namespace fs = std::filesystem;

// "model.layers.3.mlp.up_proj" -> {"model.layers.{}.mlp.up_proj", "3"}.
std::pair<std::string, std::string> without_layer(const std::string& name) {
  std::size_t begin = 0;
  while (begin < name.size()) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    if (!part.empty() && std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; })) {
      return {name.substr(0, begin) + "{}" + name.substr(end), part};
    }
    begin = end + 1;
  }
  return {name, ""};
}

std::string fill_in(std::string pattern, const std::string& value) {
  const std::size_t place = pattern.find("{}");
  return place == std::string::npos ? pattern : pattern.replace(place, 2, value);
}

// A family's name of a tensor -> the name in a GGUF file; unknown names stay as they are, so that
// errors name what was looked for.
std::string gguf_tensor_name(const std::vector<GgufName>& table, const std::string& name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos) return name;
  const auto [pattern, layer] = without_layer(name.substr(0, dot));
  for (const GgufName& entry : table) {
    if (entry.ours == pattern) return fill_in(entry.theirs, layer) + name.substr(dot);
  }
  return name;
}

// Absent numbers are null: what a family says where a file says nothing is meant for config.json.
void put_number(const GgufFile& file, const std::string& key, const std::string& name, Json& json) {
  json[name] = nullptr;
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) return;
  if (const auto* const flag = std::get_if<bool>(&found->second.value)) {
    json[name] = *flag;
  } else if (std::holds_alternative<double>(found->second.value)) {
    json[name] = *file.find_float(key);
  } else if (const auto value = file.find_int(key)) {
    json[name] = *value;
  }
}

void put_rope_scaling(const GgufFile& file, const std::string& architecture, Json& json) {
  const auto type = file.find_string(architecture + ".rope.scaling.type");
  if (type && *type != "none") {
    json["rope_scaling"]["rope_type"] = std::string(*type);
    const std::pair<const char*, const char*> numbers[] = {
        {"factor", "factor"},
        {"original_context_length", "original_max_position_embeddings"},
        {"attn_factor", "attention_factor"},
        {"yarn_beta_fast", "beta_fast"},
        {"yarn_beta_slow", "beta_slow"}};
    for (const auto& [theirs, ours] : numbers) {
      put_number(file, architecture + ".rope.scaling." + theirs, ours, json["rope_scaling"]);
    }
  }
}

// The metadata of a GGUF file under the names of config.json.
Json gguf_config(const GgufFile& file, const GgufLayout& layout, const std::string& architecture,
                 const WeightStore& store) {
  Json json = Json::object();
  json["model_type"] = layout.model_type;
  for (const GgufName& key : layout.keys) {
    put_number(file, fill_in(key.theirs, architecture), key.ours, json);
  }
  for (const char* token : {"bos", "eos", "padding"}) {
    const std::string name = token == std::string_view("padding") ? "pad" : token;
    put_number(file, "tokenizer.ggml." + std::string(token) + "_token_id", name + "_token_id",
               json);
  }
  put_rope_scaling(file, architecture, json);
  if (const FileTensor* embedding = store.find("token_embd.weight");
      embedding && embedding->shape.size() == 2) {
    json["vocab_size"] = embedding->shape[0];
  }
  json["tie_word_embeddings"] = store.find("output.weight") == nullptr;
  if (layout.complete) layout.complete(store, json);
  if (const FileTensor* divisors = store.find("rope_freqs.weight");
      divisors && divisors->shape.size() == 1) {
    std::vector<double> values(static_cast<std::size_t>(divisors->shape[0]));
    read_values(*divisors, 0, divisors->shape[0], values.data());
    json["rope_divisors"] = values;
  }
  return json;
}

[[noreturn]] void reject(const std::string& where, const std::string& sentence) {
  throw Error(ErrorCode::bad_format, where + ": " + sentence, where);
}

// What every stack must satisfy whatever its family; the shapes of tensors are checked against it.
void check_stack(const StackConfig& s, const std::string& where) {
  constexpr std::int64_t max_layers = 10000;
  if (s.num_hidden_layers > max_layers) {
    reject(where, "has " + std::to_string(s.num_hidden_layers) + " layers, expected at most " +
                      std::to_string(max_layers));
  }
  if (s.num_attention_heads % s.num_key_value_heads != 0) {
    reject(where, "num_attention_heads (" + std::to_string(s.num_attention_heads) +
                      ") is not a multiple of num_key_value_heads (" +
                      std::to_string(s.num_key_value_heads) + ")");
  }
  if (const auto* rotary = std::get_if<RotaryPositions>(&s.positions);
      rotary && (s.head_dim % 2 != 0 ||
                 2 * static_cast<std::int64_t>(rotary->inverse_frequencies.size()) > s.head_dim)) {
    reject(where, "rotary positions need an even head_dim, got " + std::to_string(s.head_dim));
  }
}

void check_config(const TransformerConfig& c, const std::string& where) {
  if (c.kind != ModelKind::decoder) check_stack(c.encoder, where);
  if (c.kind != ModelKind::encoder) check_stack(c.decoder, where);
}

// A packed folder's weights, if it is one.
bool open_packed(const fs::path& folder, Checkpoint& c) {
  if (!is_there(folder / packed_file_name)) return false;
  c.packed = PackedWeights::open(folder / packed_file_name);
  c.store = c.packed->store();
  return true;
}

Checkpoint open_gguf(const fs::path& path, bool with_weights, std::optional<HeadKind> head) {
  const auto file = GgufFile::open(path);
  const auto architecture = file->find_string("general.architecture");
  if (!architecture) {
    throw Error(ErrorCode::bad_format,
                path.string() + ": has no general.architecture, so it is not a model",
                path.string());
  }
  Checkpoint c;
  c.family = &family_of_gguf(std::string(*architecture), path.string());
  if (!open_packed(path.parent_path(), c)) c.store = open_gguf_store(file);
  c.config = c.family->read_config(
      ConfigReader(gguf_config(*file, c.family->gguf, std::string(*architecture), *c.store),
                   path.string(), head));
  check_config(c.config, path.string());
  c.rename = [table = &c.family->gguf.tensors](const std::string& name) {
    return gguf_tensor_name(*table, name);
  };
  if (!with_weights) {
    c.store = nullptr;
    c.packed = nullptr;
  }
  return c;
}

// Some files name the class alone. The type is then put into the configuration.
std::string read_model_type(Json& json, const std::string& where) {
  if (json.is_object() && !json.contains("model_type") && json.contains("architectures")) {
    const std::vector<std::string> names = ConfigReader(json, where).texts("architectures");
    const std::string type = names.empty() ? "" : model_type_of(names.front());
    if (!type.empty()) json["model_type"] = type;
  }
  const auto type = json.is_object() ? json.find("model_type") : json.end();
  if (type == json.end() || !type->is_string()) {
    throw Error(ErrorCode::bad_format, where + ": expected a JSON object with a string model_type",
                where);
  }
  return type->get<std::string>();
}

Checkpoint open_folder(const fs::path& folder, bool with_weights, std::optional<HeadKind> head) {
  const fs::path file = folder / "config.json";
  if (!is_there(file) && is_there(folder / "model_index.json")) {
    throw Error(ErrorCode::unsupported,
                folder.string() +
                    ": model_index.json says that this is a pipeline of several models (images, "
                    "sound); only text models can be run",
                folder.string());
  }
  Json json = read_json_file(file);
  Checkpoint c;
  c.family = &family_of(read_model_type(json, file.string()), file.string());
  c.config = c.family->read_config(ConfigReader(std::move(json), file.string(), head));
  check_config(c.config, file.string());
  if (with_weights && !open_packed(folder, c)) c.store = WeightStore::open(folder);
  return c;
}

Checkpoint open_any(const fs::path& path, bool with_weights, std::optional<HeadKind> head) {
  const fs::file_type type = type_of(path);
  if (type == fs::file_type::not_found) {
    throw Error(ErrorCode::file_not_found,
                path.string() +
                    ": no such model; expected a folder with config.json and weights, or "
                    "a .gguf file",
                path.string());
  }
  if (type != fs::file_type::directory) return open_gguf(path, with_weights, head);
  if (!is_there(path / "config.json")) {
    if (const fs::path gguf = gguf_in(path); !gguf.empty())
      return open_gguf(gguf, with_weights, head);
  }
  return open_folder(path, with_weights, head);
}

// The parts of a packed model follow from its head. An LM head that fills masks is the same part.
void refuse_other_head(const Checkpoint& c, const fs::path& path) {
  if (!c.packed) return;
  const bool by_lm_head = c.config.fills_masks && c.config.head == HeadKind::masked_lm;
  const HeadKind needed = by_lm_head ? HeadKind::language_model : c.config.head;
  if (c.packed->head() == to_string(needed)) return;
  throw Error(ErrorCode::unsupported,
              path.string() + ": was packed with the head " + quote(c.packed->head()) + ", and " +
                  quote(to_string(c.config.head)) + " is asked for; pack the model with this head",
              path.string());
}

// The head to load. Decoders that name none are read as language models, as a bare GPT-2 is; heads
// of other tasks than ours (next sentence, multiple choice) leave an encoder bare.
void choose_head(Checkpoint& c, std::optional<HeadKind> asked, const fs::path& path) {
  HeadKind& head = c.config.head;
  const std::vector<HeadKind>& known = c.family->heads;
  const auto is_known = [&](HeadKind kind) {
    return std::ranges::find(known, kind) != known.end();
  };
  if (!asked && c.config.kind == ModelKind::encoder && head == HeadKind::language_model) {
    head = HeadKind::none;
  }
  if (!asked && c.config.kind != ModelKind::encoder &&
      (head == HeadKind::none || head == HeadKind::masked_lm)) {
    head = HeadKind::language_model;
  }
  refuse_other_head(c, path);
  if (head == HeadKind::none || is_known(head)) return;
  std::string list;
  for (const HeadKind kind : known) {
    list += (list.empty() ? "" : ", ") + std::string(to_string(kind));
  }
  throw Error(ErrorCode::unsupported,
              path.string() + ": a model of type " + c.config.model_type + " has no " +
                  std::string(to_string(head)) + " head; heads of this type: " + list,
              path.string());
}

}  // namespace

Checkpoint open_checkpoint(const fs::path& path, bool with_weights,
                           std::optional<HeadKind> head) try {
  Checkpoint c = open_any(path, with_weights, head);
  choose_head(c, head, path);
  return c;
} catch (...) {
  rethrow_as_error(path);
}

}  // namespace llm::detail

namespace llm {

TransformerConfig read_model_config(const std::filesystem::path& path) {
  return detail::open_checkpoint(path, false).config;
}

std::vector<SupportedFamily> supported_families() {
  std::vector<SupportedFamily> families;
  for (const detail::ModelFamily& family : detail::model_families()) {
    families.push_back({family.model_types, family.heads, family.gguf.architectures});
  }
  return families;
}

}  // namespace llm
