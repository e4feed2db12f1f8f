// Reads LoRA adapters and adds them to the weights they were trained for. Names and meaning of the
// files: peft, tuners/lora/{config,layer}.py and utils/save_and_load.py.
#include "llm/weights/adapter.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <optional>
#include <utility>

#include "core/float16.hpp"
#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "weights/weight_file.hpp"

namespace llm {

namespace {

namespace fs = std::filesystem;
using detail::Json;

[[noreturn]] void fail(const std::string& where, const std::string& what,
                       ErrorCode code = ErrorCode::bad_format) {
  throw Error(code, where + ": " + what, where);
}

// Erases every occurrence of a component of a dotted name: ".default" from "q.lora_A.default.w".
std::string without(std::string name, std::string_view component) {
  for (std::size_t at = 0; (at = name.find(component, at)) != std::string::npos;) {
    const std::size_t end = at + component.size();
    if (end < name.size() && name[end] == '.') {
      name.erase(at, component.size());
    } else {
      at = end;
    }
  }
  return name;
}

// --- adapter_config.json ---

// Options that change what is computed, beyond W + scale B A. Absent, null, false, "none" and
// empty mean that they are not used.
constexpr const char* refused_options[] = {"use_dora",
                                           "use_qalora",
                                           "use_bdlora",
                                           "lora_bias",
                                           "bias",
                                           "layer_replication",
                                           "target_parameters",
                                           "trainable_token_indices",
                                           "alora_invocation_tokens",
                                           "arrow_config",
                                           "kasa_config",
                                           "monteclora_config"};

// Ways to start training that leave the weights of the model as they are; the others (pissa, olora,
// corda, loftq, ...) take a part out of them that is not in the files.
constexpr std::string_view plain_starts[] = {"gaussian", "orthogonal", "eva"};

std::string shown(const Json& value) {
  return quote(value.is_string() ? value.get<std::string>() : value.dump());
}

bool is_used(const Json& value) {
  return !value.is_null() && value != false && value != "none" &&
         !(value.is_structured() && value.empty());
}

class LoraConfig {
 public:
  explicit LoraConfig(const fs::path& file)
      : where_(file.string()), json_(detail::read_json_file(file)) {
    if (!json_.is_object()) fail(where_, "expected a JSON object");
    const auto type = json_.find("peft_type");
    if (type == json_.end() || *type != "LORA") {
      fail(where_,
           "the peft_type is " + (type == json_.end() ? "absent" : shown(*type)) +
               ", only adapters of type \"LORA\" can be merged",
           ErrorCode::unsupported);
    }
    for (const char* const option : refused_options) refuse(option);
    check_start();
    alpha_ = number(json_.find("lora_alpha"), "lora_alpha", 8);
    rslora_ = flag("use_rslora");
    transposed_ = flag("fan_in_fan_out");
    read_alpha_pattern();
  }

  // What B A is multiplied by for a module, by its name.
  double scale(std::string_view module, std::int64_t rank) const {
    std::optional<double> alpha;
    for (const auto& [pattern, value] : alphas_) {
      if (module != pattern && !module.ends_with("." + pattern)) continue;
      if (alpha && *alpha != value) {
        fail(where_,
             "several entries of alpha_pattern apply to " + quote(module) +
                 "; name each module by one only",
             ErrorCode::unsupported);
      }
      alpha = value;
    }
    return alpha.value_or(alpha_) /
           (rslora_ ? std::sqrt(static_cast<double>(rank)) : static_cast<double>(rank));
  }
  // Whether weights are stored [inputs, outputs], where their shape does not tell.
  bool transposed() const { return transposed_; }

 private:
  void refuse(const char* option) const {
    const auto found = json_.find(option);
    if (found == json_.end() || !is_used(*found)) return;
    fail(where_,
         std::string(option) + " is " + shown(*found) +
             ", which is not supported; only plain LoRA adapters can be merged",
         ErrorCode::unsupported);
  }

  void check_start() const {
    const auto found = json_.find("init_lora_weights");
    if (found == json_.end() || !found->is_string()) return;
    const auto& start = found->get_ref<const std::string&>();
    if (std::ranges::find(plain_starts, start) != std::ranges::end(plain_starts)) return;
    fail(where_,
         "init_lora_weights is " + quote(start) +
             ", which changes the weights of the model in a way that the adapter does not "
             "hold; convert it to a plain LoRA adapter with peft",
         ErrorCode::unsupported);
  }

  double number(Json::const_iterator found, const std::string& name, double otherwise) const {
    if (found == json_.end() || found->is_null()) return otherwise;
    if (!found->is_number()) fail(where_, quote(name) + " is not a number");
    return found->get<double>();
  }
  bool flag(const char* name) const {
    const auto found = json_.find(name);
    if (found == json_.end() || found->is_null()) return false;
    if (!found->is_boolean()) fail(where_, quote(name) + " is neither true nor false");
    return found->get<bool>();
  }

  // The patterns are regular expressions; what is written in practice are names of modules, so
  // that is what is read, with ^ and \. as the two signs people add.
  void read_alpha_pattern() {
    const auto found = json_.find("alpha_pattern");
    if (found == json_.end() || !is_used(*found)) return;
    if (!found->is_object()) fail(where_, "alpha_pattern is not an object");
    for (const auto& [key, value] : found->items()) {
      std::string name = key.starts_with('^') ? key.substr(1) : key;
      for (std::size_t at; (at = name.find("\\.")) != std::string::npos;) name.erase(at, 1);
      if (name.find_first_of("\\^$*+?()[]{}|") != std::string::npos) {
        fail(where_,
             "alpha_pattern " + quote(key) +
                 " is a regular expression, only names of modules are supported",
             ErrorCode::unsupported);
      }
      if (!value.is_number()) fail(where_, "alpha_pattern " + quote(key) + " is not a number");
      alphas_.emplace_back(name, value.get<double>());
    }
  }

  std::string where_;
  Json json_;
  double alpha_ = 8;
  bool rslora_ = false;
  bool transposed_ = false;
  std::vector<std::pair<std::string, double>> alphas_;
};

// --- adapter_model.safetensors ---

// The two factors for one weight: delta = scale * B A, or its transpose.
struct Factors {
  const FileTensor* a = nullptr;  // [rank, inputs]
  const FileTensor* b = nullptr;  // [outputs, rank]
  bool embedding = false;         // the weight is [inputs, outputs]
};

struct LoadedAdapter {
  std::string where;
  double weight;
  LoraConfig config;
  std::shared_ptr<const WeightStore> store;
  std::map<std::string, Factors> factors;             // by the name of the module
  std::map<std::string, const FileTensor*> replaced;  // by the name of the tensor
};

// The part of `name` before `mark`, when that is how it ends.
std::optional<std::string> before(const std::string& name, std::string_view mark) {
  if (!name.ends_with(mark)) return std::nullopt;
  return name.substr(0, name.size() - mark.size());
}

void sort_in(LoadedAdapter& adapter, const std::string& stored) {
  constexpr std::string_view prefix = "base_model.model.";
  const FileTensor* const tensor = adapter.store->find(stored);
  std::string name = stored.starts_with(prefix) ? stored.substr(prefix.size()) : stored;
  name = without(without(std::move(name), ".base_layer"), ".modules_to_save");
  name = without(std::move(name), ".default");
  if (const auto module = before(name, ".lora_A.weight")) {
    adapter.factors[*module].a = tensor;
  } else if (const auto output = before(name, ".lora_B.weight")) {
    adapter.factors[*output].b = tensor;
  } else if (const auto table = before(name, ".lora_embedding_A")) {
    adapter.factors[*table].a = tensor;
    adapter.factors[*table].embedding = true;
  } else if (const auto rows = before(name, ".lora_embedding_B")) {
    adapter.factors[*rows].b = tensor;
  } else if (name.find(".lora_") != std::string::npos) {
    fail(adapter.where, "tensor " + quote(stored) + " is no part of a plain LoRA adapter",
         ErrorCode::unsupported);
  } else {
    adapter.replaced[name] = tensor;
  }
}

bool is_matrix(const FileTensor* tensor) {
  return tensor && tensor->shape.size() == 2 && is_floating(tensor->dtype);
}

LoadedAdapter load(const Adapter& adapter) {
  fs::path file = adapter.path / "adapter_model.safetensors";
  std::error_code ignored;
  if (!fs::exists(file, ignored) && fs::exists(adapter.path / "adapter_model.bin", ignored)) {
    file = adapter.path / "adapter_model.bin";
  }
  if (!std::isfinite(adapter.weight)) {
    fail(adapter.path.string(), "the weight of the adapter is not a finite number",
         ErrorCode::invalid_option);
  }
  LoadedAdapter loaded{file.string(),
                       adapter.weight,
                       LoraConfig(adapter.path / "adapter_config.json"),
                       WeightStore::open(file),
                       {},
                       {}};
  for (const std::string& name : loaded.store->names()) sort_in(loaded, name);
  for (const auto& [module, factors] : loaded.factors) {
    if (is_matrix(factors.a) && is_matrix(factors.b) && factors.a->shape[0] > 0 &&
        factors.a->shape[0] == factors.b->shape[1]) {
      continue;
    }
    fail(loaded.where,
         "the LoRA matrices A [r, inputs] and B [outputs, r] of " + quote(module) +
             " are not both there with one rank r",
         ErrorCode::tensor_mismatch);
  }
  return loaded;
}

// --- the sum ---

std::vector<double> read_all(const FileTensor& tensor) {
  const std::int64_t count = tensor.rows() * tensor.cols();
  std::vector<double> values(static_cast<std::size_t>(count));
  read_values(tensor, 0, count, values.data());
  return values;
}

template <typename T>
void store_as(std::byte* out, std::size_t i, T value) {
  std::memcpy(out + i * sizeof(T), &value, sizeof(T));
}

// Rounds `values` to the tensor type `dtype`, once.
std::vector<std::byte> rounded(const std::vector<double>& values, DType dtype) {
  std::vector<std::byte> bytes(values.size() * static_cast<std::size_t>(block_bytes(dtype)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    switch (dtype) {
      case DType::f64:
        store_as(bytes.data(), i, values[i]);
        break;
      case DType::f32:
        store_as(bytes.data(), i, static_cast<float>(values[i]));
        break;
      case DType::f16:
        store_as(bytes.data(), i, detail::double_to_f16(values[i]));
        break;
      default:
        store_as(bytes.data(), i, detail::double_to_bf16(values[i]));
        break;
    }
  }
  return bytes;
}

// weights [rows, cols] += scale * left [rows, rank] right [rank, cols], where each factor may be
// given transposed.
struct Product {
  std::vector<double> left, right;  // [rows, rank], [rank, cols]
};

std::vector<double> transpose(const std::vector<double>& in, std::int64_t rows, std::int64_t cols) {
  std::vector<double> out(in.size());
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < cols; ++c) {
      out[static_cast<std::size_t>(c * rows + r)] = in[static_cast<std::size_t>(r * cols + c)];
    }
  }
  return out;
}

void add_product(const Product& product, std::int64_t rank, double scale,
                 std::vector<double>& weights) {
  const auto r = static_cast<std::size_t>(rank);
  const std::size_t rows = product.left.size() / r, cols = product.right.size() / r;
  for (std::size_t i = 0; i < rows; ++i) {
    double* const row = weights.data() + i * cols;
    for (std::size_t k = 0; k < r; ++k) {
      const double factor = scale * product.left[i * r + k];
      const double* const other = product.right.data() + k * cols;
      for (std::size_t c = 0; c < cols; ++c) row[c] += factor * other[c];
    }
  }
}

class AdaptedStore : public WeightStore {
 public:
  AdaptedStore(std::shared_ptr<const WeightStore> base, std::span<const Adapter> adapters)
      : base_(std::move(base)), files_(base_->files()) {
    for (const Adapter& adapter : adapters) {
      loaded_.push_back(load(adapter));
      files_.insert(files_.end(), loaded_.back().store->files().begin(),
                    loaded_.back().store->files().end());
    }
    for (const LoadedAdapter& adapter : loaded_) replace(adapter);
    for (const LoadedAdapter& adapter : loaded_) plan(adapter);
    for (const auto& [name, parts] : parts_) merge(name, parts);
    for (const std::string& name : base_->names()) names_.push_back(name);
    for (const auto& [name, tensor] : changed_) {
      if (!base_->find(name)) names_.push_back(name);
    }
    std::ranges::sort(names_);
  }

  const FileTensor* find(std::string_view name) const override {
    const auto it = changed_.find(name);
    return it == changed_.end() ? base_->find(name) : &it->second;
  }
  const std::vector<std::string>& names() const override { return names_; }
  const std::map<std::string, std::string>& metadata() const override { return base_->metadata(); }
  const std::vector<fs::path>& files() const override { return files_; }

 private:
  struct Part {
    const LoadedAdapter* adapter;
    const std::string* module;
    const Factors* factors;
  };

  // The stored name: files of bare models lack the first component, or have one more.
  std::optional<std::string> stored_name(const std::string& name) const {
    if (find(name)) return name;
    const std::string inner = name.substr(std::min(name.find('.'), name.size() - 1) + 1);
    if (find(inner)) return inner;
    for (const std::string& other : base_->names()) {
      if (other.ends_with("." + name) && other.find('.') == other.size() - name.size() - 1) {
        return other;
      }
    }
    return std::nullopt;
  }

  void replace(const LoadedAdapter& adapter) {
    for (const auto& [name, tensor] : adapter.replaced) {
      if (adapter.weight != 1) {
        fail(adapter.where,
             "saves " + quote(name) + " whole (modules_to_save), so its weight can only be 1",
             ErrorCode::invalid_option);
      }
      FileTensor whole = *tensor;
      whole.name = stored_name(name).value_or(name);
      if (!changed_.emplace(whole.name, whole).second) {
        fail(adapter.where,
             "saves " + quote(name) + " whole, which another adapter does as well; use one of them",
             ErrorCode::invalid_option);
      }
    }
  }

  void plan(const LoadedAdapter& adapter) {
    for (const auto& [module, factors] : adapter.factors) {
      const auto name = stored_name(module + ".weight");
      if (!name) {
        fail(adapter.where,
             "changes " + quote(module + ".weight") +
                 ", which the files of the model do not hold; the adapter was made for another "
                 "model, or the weight is tied to another one",
             ErrorCode::tensor_mismatch);
      }
      parts_[*name].push_back({&adapter, &module, &factors});
    }
  }

  void merge(const std::string& name, const std::vector<Part>& parts) {
    const FileTensor base = *find(name);
    if (!is_matrix(&base)) {
      fail(parts.front().adapter->where,
           "changes tensor " + quote(name) + " of type " + std::string(to_string(base.dtype)) +
               ", expected a matrix of floating-point type",
           ErrorCode::tensor_mismatch);
    }
    std::vector<double> values = read_all(base);
    for (const Part& part : parts) add(part, base, values);
    bytes_.push_back(rounded(values, base.dtype));
    changed_[name] = {name, base.dtype, base.shape, bytes_.back()};
  }

  static void add(const Part& part, const FileTensor& base, std::vector<double>& values) {
    const FileTensor &a = *part.factors->a, &b = *part.factors->b;
    const std::int64_t rank = a.shape[0], inputs = a.shape[1], outputs = b.shape[0];
    const bool plain = base.shape[0] == outputs && base.shape[1] == inputs;
    const bool turned = base.shape[0] == inputs && base.shape[1] == outputs;
    if (!plain && !turned) {
      fail(part.adapter->where,
           quote(*part.module) + " is for " + std::to_string(inputs) + " inputs and " +
               std::to_string(outputs) + " outputs, the model has a weight of " +
               std::to_string(base.shape[0]) + " by " + std::to_string(base.shape[1]) +
               "; the adapter was made for another model",
           ErrorCode::tensor_mismatch);
    }
    const bool transposed =
        turned && (!plain || part.factors->embedding || part.adapter->config.transposed());
    Product product;
    if (transposed) {
      product.left = transpose(read_all(a), rank, inputs);
      product.right = transpose(read_all(b), outputs, rank);
    } else {
      product.left = read_all(b);
      product.right = read_all(a);
    }
    add_product(product, rank,
                part.adapter->weight * part.adapter->config.scale(*part.module, rank), values);
  }

  std::shared_ptr<const WeightStore> base_;
  std::vector<fs::path> files_;
  std::deque<LoadedAdapter> loaded_;  // parts_ and changed_ point into it
  std::map<std::string, std::vector<Part>> parts_;
  std::deque<std::vector<std::byte>> bytes_;
  std::map<std::string, FileTensor, std::less<>> changed_;
  std::vector<std::string> names_;
};

}  // namespace

std::shared_ptr<const WeightStore> merge_adapters(std::shared_ptr<const WeightStore> base,
                                                  std::span<const Adapter> adapters) {
  if (adapters.empty()) return base;
  return std::make_shared<AdaptedStore>(std::move(base), adapters);
}

}  // namespace llm
