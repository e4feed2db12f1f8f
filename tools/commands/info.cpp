// llm-generate info: what a model is and what it needs, without loading its weights.
#include <map>

#include "commands/options.hpp"
#include "core/json.hpp"
#include "core/mapped_file.hpp"
#include "llm/model/model.hpp"
#include "llm/model/uses.hpp"
#include "llm/weights/weight_store.hpp"
#include "shell/exit_code.hpp"
#include "shell/load.hpp"
#include "shell/model_path.hpp"
#include "shell/supported.hpp"

namespace llm::shell {
namespace {

using detail::OrderedJson;

// Bytes of keys and values of one position, as floats.
std::int64_t cache_bytes_per_token(const StackConfig& decoder) {
  return decoder.num_hidden_layers * decoder.key_value_size() * 2 *
         static_cast<std::int64_t>(sizeof(float));
}

OrderedJson stack_json(const StackConfig& stack) {
  return {{"layers", stack.num_hidden_layers},
          {"hidden_size", stack.hidden_size},
          {"intermediate_size", stack.intermediate_size},
          {"attention_heads", stack.num_attention_heads},
          {"key_value_heads", stack.num_key_value_heads},
          {"head_dim", stack.head_dim},
          {"max_positions", stack.max_position_embeddings == 0
                                ? OrderedJson()
                                : OrderedJson(stack.max_position_embeddings)}};
}

OrderedJson weights_json(const WeightStore& store) {
  std::int64_t parameters = 0, bytes = 0;
  std::map<std::string, std::int64_t> dtypes;
  for (const std::string& name : store.names()) {
    const FileTensor* const tensor = store.find(name);
    parameters += tensor->rows() * tensor->cols();
    bytes += static_cast<std::int64_t>(tensor->bytes.size());
    dtypes[std::string(to_string(tensor->dtype))] += tensor->rows() * tensor->cols();
  }
  OrderedJson files = OrderedJson::array();
  const bool packed = bytes == 0;  // only the names of tensors are left then
  for (const auto& file : store.files()) {
    files.push_back(file.filename().string());
    if (packed) bytes += static_cast<std::int64_t>(detail::MappedFile(file).bytes().size());
  }
  return {{"files", files},
          {"tensors", store.names().size()},
          {"values", parameters},
          {"values_by_dtype", dtypes},
          {"bytes", bytes}};
}

OrderedJson describe(const std::filesystem::path& path) {
  const TransformerConfig config = read_model_config(path);
  OrderedJson info = {{"model", path.string()},
                      {"model_type", config.model_type},
                      {"architectures", config.architectures},
                      {"kind", to_string(config.kind)},
                      {"head", to_string(config.head)},
                      {"uses", uses_of(config)},
                      {"vocab_size", config.vocab_size}};
  if (config.kind != ModelKind::decoder) info["encoder"] = stack_json(config.encoder);
  if (config.kind != ModelKind::encoder) info["decoder"] = stack_json(config.decoder);
  info["weights"] = weights_json(*WeightStore::open(path));
  const auto tokenizer = open_tokenizer(path);
  info["tokenizer"] = tokenizer == nullptr ? OrderedJson() : OrderedJson(tokenizer->description());
  info["chat_template"] = tokenizer != nullptr && !tokenizer->chat_template().empty();
  if (config.head == HeadKind::language_model)
    info["cache_bytes_per_token"] = cache_bytes_per_token(config.decoder);
  return info;
}

// "key: value" lines, nested keys with their parent's name before them.
void write_text(Output& out, const OrderedJson& info, const std::string& prefix) {
  for (const auto& [key, value] : info.items()) {
    if (value.is_object()) {
      write_text(out, value, prefix + key + ".");
      continue;
    }
    std::string text;
    if (value.is_array()) {
      for (const auto& entry : value) text += (text.empty() ? "" : ", ") + entry.get<std::string>();
    } else {
      text = value.is_string() ? value.get<std::string>()
             : value.is_null() ? std::string("none")
                               : value.dump();
    }
    out.write(prefix + key + ": " + text + "\n");
  }
}

}  // namespace

int run_info(const Arguments& arguments) {
  CommandLine line("info", "What a model is and what it needs; its weights are not loaded.");
  line.model_option(true);
  bool json = false, supported = false;
  line.flag("--json", json, "Write one JSON object");
  line.flag("--supported", supported, "What can be opened at all, as a table; needs no model");
  line.output_options();
  if (const auto done = line.parse(arguments)) return *done;

  if (supported) {
    Output out(line.output_path(), line.force());
    out.write(supported_table());
    out.finish();
    return exit_ok;
  }
  const OrderedJson info = describe(find_model(line.model_name()));
  Output out(line.output_path(), line.force());
  if (json) {
    out.write(info.dump(2) + '\n');
  } else {
    write_text(out, info, "");
  }
  out.finish();
  return exit_ok;
}

}  // namespace llm::shell
