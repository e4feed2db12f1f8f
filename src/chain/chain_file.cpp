// A chain's file: JSON to ChainDescription. What the names in it mean is checked by ChainPlan.
#include <algorithm>
#include <array>

#include "chain/chain_tasks.hpp"
#include "core/json.hpp"
#include "core/system_error.hpp"
#include "llm/chain/chain_description.hpp"
#include "llm/core/error.hpp"

namespace llm {
namespace {

using detail::bad_chain;
using detail::Json;

constexpr std::size_t max_chain_bytes = std::size_t{16} << 20;
constexpr std::size_t max_chain_steps = 10000;

// One object of the file.
class ChainObject {
 public:
  // Throws Error for a member that is not among `known`.
  ChainObject(const Json& json, std::string where, std::span<const std::string_view> known)
      : json_(json), where_(std::move(where)) {
    if (!json.is_object())
      bad_chain(where_, std::string("expected an object, got ") + json.type_name());
    for (const auto& [key, value] : json.items())
      if (std::ranges::count(known, key) == 0)
        bad_chain(where_, "unknown key " + quote(key) + detail::nearest_or_list(key, known));
  }

  const std::string& where() const { return where_; }
  std::string where(const char* key) const { return where_ + ", " + quote(key); }
  bool has(const char* key) const { return find(key) != nullptr; }
  const Json* find(const char* key) const {
    const auto found = json_.find(key);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }
  std::string text(const char* key) const {
    const Json* const value = find(key);
    if (value == nullptr) return {};
    if (!value->is_string()) wrong(key, "a string", *value);
    return value->get<std::string>();
  }
  std::optional<std::string> optional_text(const char* key) const {
    return has(key) ? std::optional(text(key)) : std::nullopt;
  }
  // A string, or one of a list of lines.
  std::string lines(const char* key) const {
    const Json& value = *find(key);
    if (value.is_string()) return value.get<std::string>();
    std::string joined;
    const std::vector<std::string> list = strings(key);
    for (std::size_t i = 0; i < list.size(); ++i) joined += (i == 0 ? "" : "\n") + list[i];
    return joined;
  }
  // A string, or a list of them.
  std::vector<std::string> strings(const char* key) const {
    const Json* const value = find(key);
    if (value == nullptr) return {};
    std::vector<std::string> list;
    for (const Json& entry : value->is_array() ? *value : Json::array({*value})) {
      if (!entry.is_string()) wrong(key, "a string or a list of strings", *value);
      list.push_back(entry.get<std::string>());
    }
    return list;
  }
  std::optional<std::int64_t> count(const char* key) const {
    const Json* const value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number_integer() || *value < 1 || *value > detail::max_chain_number)
      wrong(key, detail::integer_range(1).c_str(), *value);
    return value->get<std::int64_t>();
  }
  [[noreturn]] void wrong(const char* key, const char* expected, const Json& value) const {
    bad_chain(where_,
              quote(key) + " must be " + expected + ", got " +
                  (value.is_structured()
                       ? std::string(value.type_name())
                       : value.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 80)));
  }

 private:
  const Json& json_;
  std::string where_;
};

WeightType weights_of(const ChainObject& model) {
  const std::string dtype = model.text("dtype");
  if (const auto weights = weight_type_from_name(dtype)) return *weights;
  bad_chain(model.where(),
            "\"dtype\" " + quote(dtype) +
                " does not exist; expected auto, f32, bf16, int8, int8-channel or int4");
}

ChainModelSource read_model(const Json& json, const std::string& where) {
  if (json.is_string()) return {.path = json.get<std::string>()};
  constexpr std::array<std::string_view, 3> keys = {"path", "dtype", "adapters"};
  const ChainObject object(json, where, keys);
  ChainModelSource source{.path = object.text("path")};
  if (source.path.empty())
    bad_chain(where, "\"path\" is missing: a folder, a .gguf file or a name");
  if (object.has("dtype")) source.weights = weights_of(object);
  const Json* const adapters = object.find("adapters");
  if (adapters == nullptr) return source;
  if (!adapters->is_array()) object.wrong("adapters", "a list", *adapters);
  for (const Json& entry : *adapters) {
    constexpr std::array<std::string_view, 2> adapter_keys = {"path", "weight"};
    if (entry.is_string()) {
      source.adapters.push_back({entry.get<std::string>()});
      continue;
    }
    const ChainObject adapter(entry, object.where("adapters"), adapter_keys);
    const Json* const weight = adapter.find("weight");
    if (weight != nullptr && !weight->is_number()) adapter.wrong("weight", "a number", *weight);
    source.adapters.push_back({adapter.text("path"), weight ? weight->get<double>() : 1.0});
  }
  return source;
}

std::vector<ChainInput> read_inputs(const Json& json, const std::string& where) {
  std::vector<ChainInput> inputs;
  if (json.is_array()) {
    for (const Json& name : json) {
      if (!name.is_string()) bad_chain(where, "expected names, or an object of names and values");
      inputs.push_back({name.get<std::string>()});
    }
    return inputs;
  }
  if (!json.is_object())
    bad_chain(where, "must be a list of names, or an object of names and values");
  for (const auto& [name, value] : json.items()) {
    ChainInput& input = inputs.emplace_back(ChainInput{name});
    if (value.is_object() && value.size() == 1 && value.contains("file")) {
      if (!value["file"].is_string())
        bad_chain(where + ", " + quote(name), "\"file\" must be a string");
      input.file = value["file"].get<std::string>();
    } else if (!value.is_null()) {
      input.value = ChainValue::from_json(value.dump(), where);
    }
  }
  return inputs;
}

ChainRepeat read_repeat(const Json& json, const std::string& where) {
  constexpr std::array<std::string_view, 5> keys = {"times", "until", "max_chars", "max_new_tokens",
                                                    "between"};
  const ChainObject object(json, where, keys);
  if (!object.has("times")) bad_chain(where, "\"times\" is missing: the most rounds there may be");
  ChainRepeat repeat{.times = *object.count("times"),
                     .until = object.strings("until"),
                     .max_chars = object.count("max_chars"),
                     .max_new_tokens = object.count("max_new_tokens"),
                     .between = object.strings("between")};
  if (std::ranges::count(repeat.until, std::string()) > 0)
    bad_chain(where, "\"until\" must not be empty");
  return repeat;
}

// The texts of a step; a list of labels is one text with commas, as the command takes them.
void read_texts(const ChainObject& object, ChainStep& step) {
  for (const char* name :
       {"prompt", "choices", "system", "text", "text_pair", "question", "context"})
    if (object.has(name)) step.texts.push_back({name, object.lines(name)});
  if (object.has("labels")) {
    std::string joined;
    for (const std::string& label : object.strings("labels")) {
      if (object.find("labels")->is_array() && label.find(',') != std::string::npos)
        bad_chain(object.where("labels"), "the label " + quote(label) + " holds a comma");
      joined += (joined.empty() ? "" : ",") + label;
    }
    step.texts.push_back({"labels", joined});
  }
  if (const Json* const fields = object.find("fields")) {
    if (!fields->is_object()) object.wrong("fields", "an object", *fields);
    for (const auto& [name, value] : fields->items()) {
      if (!value.is_string()) bad_chain(object.where("fields"), quote(name) + " must be a string");
      step.texts.push_back({"fields." + name, value.get<std::string>()});
    }
  }
}

constexpr std::array<std::string_view, 23> step_keys = {
    "name",     "description", "task",   "model",  "map",    "reduce",    "each",    "repeat",
    "options",  "separator",   "prompt", "system", "text",   "text_pair", "labels",  "choices",
    "question", "context",     "file",   "field",  "fields", "template",  "examples"};

ChainStep read_step(const Json& json, const std::string& where, std::size_t number) {
  const bool named = json.is_object() && json.contains("name") && json["name"].is_string();
  const ChainObject object(
      json,
      where + ", step " +
          (named ? quote(json["name"].get<std::string>()) : std::to_string(number + 1)),
      step_keys);
  ChainStep step{.name = object.text("name"),
                 .task = object.text("task"),
                 .model = object.text("model"),
                 .map = object.text("map"),
                 .reduce = object.text("reduce"),
                 .each = object.has("each") ? std::optional(object.lines("each")) : std::nullopt,
                 .separator = object.optional_text("separator"),
                 .file = object.text("file"),
                 .field = object.text("field"),
                 .few_shot_template = object.text("template"),
                 .examples = object.text("examples")};
  if (step.name.empty())
    bad_chain(object.where(), "\"name\" is missing: steps are used by their names");
  read_texts(object, step);
  if (const Json* const repeat = object.find("repeat"))
    step.repeat = read_repeat(*repeat, object.where("repeat"));
  if (const Json* const options = object.find("options")) {
    if (!options->is_object()) object.wrong("options", "an object", *options);
    for (const auto& [name, value] : options->items()) step.options.push_back({name, value.dump()});
  }
  return step;
}

Json parse_chain_json(std::string_view text, const std::string& where) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    bad_chain(where, "the file is empty; expected a JSON object with \"steps\"");
  if (text.size() > max_chain_bytes)
    bad_chain(where, "is " + std::to_string(text.size()) + " bytes long, expected at most 16 MiB");
  try {
    return detail::parse_json(text, where);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::bad_format) throw;
    throw Error(ErrorCode::invalid_input, error.what(), where);
  }
}

}  // namespace

ChainDescription ChainDescription::read(const std::filesystem::path& file) try {
  std::string text;
  try {
    text = detail::read_file(file, max_chain_bytes);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::bad_format) throw;
    throw Error(ErrorCode::invalid_input, error.what(), file.string());
  }
  return parse(text, file.string(), file.parent_path());
} catch (...) {
  detail::rethrow_as_error(file);
}

ChainDescription ChainDescription::parse(std::string_view text, const std::string& where,
                                         const std::filesystem::path& folder) {
  const Json json = parse_chain_json(text, where);
  constexpr std::array<std::string_view, 4> keys = {"description", "models", "inputs", "steps"};
  const ChainObject object(json, where, keys);
  ChainDescription description{.where = where, .folder = folder};
  if (const Json* const models = object.find("models")) {
    if (!models->is_object()) object.wrong("models", "an object of names and paths", *models);
    for (const auto& [name, model] : models->items())
      description.models.emplace(name, read_model(model, where + ", model " + quote(name)));
  }
  if (const Json* const inputs = object.find("inputs"))
    description.inputs = read_inputs(*inputs, where + ", \"inputs\"");
  const Json* const steps = object.find("steps");
  if (steps == nullptr) bad_chain(where, "\"steps\" is missing: a list of steps");
  if (!steps->is_array()) object.wrong("steps", "a list", *steps);
  if (steps->size() > max_chain_steps)
    bad_chain(where, "there are " + std::to_string(steps->size()) + " steps, expected at most " +
                         std::to_string(max_chain_steps));
  for (std::size_t i = 0; i < steps->size(); ++i)
    description.steps.push_back(read_step((*steps)[i], where, i));
  return description;
}

std::filesystem::path ChainDescription::find_file(const std::string& name) const {
  const std::filesystem::path path = name;
  return path.is_absolute() || folder.empty() ? path : folder / path;
}

}  // namespace llm
