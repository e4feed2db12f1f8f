// Reads LoRA adapters and adds them to the weights they were trained for. Names and meaning of the
// files: peft, tuners/lora/{config,layer}.py and utils/save_and_load.py.
#include "llm/weights/adapter.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <optional>
#include <set>
#include <utility>

#include "core/float16.hpp"
#include "core/folder.hpp"
#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "weights/adapter_config.hpp"
#include "weights/weight_file.hpp"

namespace llm {

namespace {

namespace fs = std::filesystem;
using detail::AdapterConfig;

[[noreturn]] void fail(const std::string& where, const std::string& what,
                       ErrorCode code = ErrorCode::bad_format) {
  throw Error(code, where + ": " + what, where);
}

// Removes every occurrence of a component from a dotted name: ".default" from "q.lora_A.default.w".
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
  AdapterConfig config;
  std::shared_ptr<const WeightStore> store;
  std::map<std::string, Factors> factors;             // by the name of the module
  std::map<std::string, const FileTensor*> replaced;  // by the name of the tensor
  std::map<std::string, const FileTensor*> rows;      // of some tokens, by the name of the module
};

// The part of `name` before `mark`, if `name` ends in `mark`.
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
  } else if (const auto tokens = before(name, ".token_adapter.trainable_tokens_delta")) {
    adapter.rows[*tokens] = tensor;
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
  if (!detail::is_there(file) && detail::is_there(adapter.path / "adapter_model.bin")) {
    file = adapter.path / "adapter_model.bin";
  }
  if (!std::isfinite(adapter.weight)) {
    fail(adapter.path.string(), "the weight of the adapter is not a finite number",
         ErrorCode::invalid_option);
  }
  LoadedAdapter loaded{file.string(),
                       adapter.weight,
                       AdapterConfig(adapter.path / "adapter_config.json"),
                       WeightStore::open(file),
                       {},
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

// weights [rows, cols] += scale * left [rows, rank] right [rank, cols]; each factor may be given
// transposed.
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

bool is_same(const FileTensor& a, const FileTensor& b) {
  return a.dtype == b.dtype && a.shape == b.shape && std::ranges::equal(a.bytes, b.bytes);
}

class AdaptedStore : public WeightStore {
 public:
  AdaptedStore(std::shared_ptr<const WeightStore> base, std::span<const Adapter> adapters,
               AdaptedModules modules)
      : base_(std::move(base)), modules_(std::move(modules)), files_(base_->files()) {
    for (const Adapter& adapter : adapters) {
      loaded_.push_back(load(adapter));
      files_.insert(files_.end(), loaded_.back().store->files().begin(),
                    loaded_.back().store->files().end());
    }
    untie();
    for (const LoadedAdapter& adapter : loaded_) replace(adapter);
    for (const LoadedAdapter& adapter : loaded_) plan(adapter);
    for (const auto& [name, parts] : parts_) merge(name, parts);
    for (const LoadedAdapter& adapter : loaded_) replace_rows(adapter);
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

  // The stored name: files of models without a head lack the first component, or have one more.
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

  // Whether an adapter's name of a module means one of the tied modules.
  static bool is_module(const std::string& name, const std::string& tied) {
    return name == tied || name.ends_with("." + tied) || tied.ends_with("." + name);
  }

  bool touches(const LoadedAdapter& adapter, const std::string& tied) const {
    const auto is_tied = [&](const auto& entry) { return is_module(entry.first, tied); };
    return std::ranges::any_of(adapter.factors, is_tied) ||
           std::ranges::any_of(adapter.rows, is_tied) ||
           std::ranges::any_of(adapter.replaced, [&](const auto& entry) {
             const auto module = before(entry.first, ".weight");
             return module && is_module(*module, tied);
           });
  }

  // The name of a tied tensor that the files lack, in the spelling of `known`, whose stored name is
  // `stored`.
  static std::string spelled_alike(const std::string& name, const std::string& known,
                                   const std::string& stored) {
    const std::string first = known.substr(0, known.find('.') + 1);
    if (stored.size() < known.size() && name.starts_with(first)) return name.substr(first.size());
    if (stored.size() > known.size()) return stored.substr(0, stored.size() - known.size()) + name;
    return name;
  }

  // Adapters see several modules where the files have one tensor: once an adapter changes one of
  // the tied modules, each gets a name of its own.
  void untie() {
    const bool touched = std::ranges::any_of(modules_.tied, [&](const std::string& tied) {
      return std::ranges::any_of(loaded_, [&](const auto& one) { return touches(one, tied); });
    });
    if (!touched) return;
    std::optional<std::string> known, stored;
    for (const std::string& tied : modules_.tied) {
      known = tied + ".weight";
      if ((stored = stored_name(*known))) break;
    }
    if (!stored) return;
    const FileTensor whole = *base_->find(*stored);
    for (const std::string& tied : modules_.tied) {
      const std::string name =
          stored_name(tied + ".weight").value_or(spelled_alike(tied + ".weight", *known, *stored));
      if (const FileTensor* const own = base_->find(name)) {
        if (is_same(*own, whole)) tied_.push_back(name);
        continue;
      }
      FileTensor copy = whole;
      copy.name = name;
      changed_[name] = std::move(copy);
      tied_.push_back(name);
    }
  }

  // As stored_name(); for a tied module the name may have any beginning.
  std::optional<std::string> target_name(const std::string& name) const {
    if (auto stored = stored_name(name)) return stored;
    for (const std::string& tied : tied_) {
      if (name.ends_with("." + tied) || tied.ends_with("." + name)) return tied;
    }
    return std::nullopt;
  }

  // `name` and the modules that are tied to it and change with it: those that the adapter does not
  // change itself.
  template <typename Entries, typename TensorOf>
  std::vector<std::string> with_followers(const std::string& name, bool follow,
                                          const Entries& entries, TensorOf tensor_of) const {
    std::vector<std::string> all{name};
    if (!follow || std::ranges::find(tied_, name) == tied_.end()) return all;
    for (const std::string& tied : tied_) {
      const bool own = std::ranges::any_of(
          entries, [&](const auto& entry) { return target_name(tensor_of(entry.first)) == tied; });
      if (!own) all.push_back(tied);
    }
    return all;
  }

  void replace(const LoadedAdapter& adapter) {
    for (const auto& [name, tensor] : adapter.replaced) {
      refuse_other_weight(adapter, name, "saves");
      const std::string stored = target_name(name).value_or(name);
      const bool follow = !adapter.config.copies(name) || adapter.config.ensures_tying();
      for (const std::string& target :
           with_followers(stored, follow, adapter.replaced, [](const auto& n) { return n; })) {
        FileTensor whole = *tensor;
        whole.name = target;
        if (!saved_.insert(target).second) {
          fail(adapter.where,
               "saves " + quote(name) +
                   " whole, which another adapter does as well; use one of them",
               ErrorCode::invalid_option);
        }
        changed_[target] = std::move(whole);
      }
    }
    // A head that is saved whole has its own bias, whatever the model calls it.
    if (modules_.head_bias.empty()) return;
    const auto bias = adapter.replaced.find(modules_.tied.back() + ".bias");
    if (bias == adapter.replaced.end()) return;
    FileTensor whole = *bias->second;
    whole.name = stored_name(modules_.head_bias).value_or(modules_.head_bias);
    changed_[whole.name] = whole;
  }

  static void refuse_other_weight(const LoadedAdapter& adapter, const std::string& name,
                                  const char* does) {
    if (adapter.weight == 1) return;
    fail(adapter.where,
         std::string(does) + " " + quote(name) +
             " whole (modules_to_save), so its weight can only be 1",
         ErrorCode::invalid_option);
  }

  [[noreturn]] static void fail_missing(const LoadedAdapter& adapter, const std::string& module) {
    fail(adapter.where,
         "changes " + quote(module + ".weight") +
             ", which the files of the model do not hold; the adapter was made for another model, "
             "or the weight is tied to another one",
         ErrorCode::tensor_mismatch);
  }

  static std::string weight_of(const std::string& module) { return module + ".weight"; }

  void plan(const LoadedAdapter& adapter) {
    for (const auto& [module, factors] : adapter.factors) {
      const auto name = target_name(weight_of(module));
      if (!name) fail_missing(adapter, module);
      for (const std::string& target :
           with_followers(*name, adapter.config.ensures_tying(), adapter.factors, weight_of)) {
        parts_[target].push_back({&adapter, &module, &factors});
      }
    }
  }

  // Rows of single tokens; modules that are tied to the embedding get them too.
  void replace_rows(const LoadedAdapter& adapter) {
    for (const auto& [module, rows] : adapter.rows) {
      refuse_other_weight(adapter, module, "saves rows of");
      const auto name = target_name(weight_of(module));
      if (!name) fail_missing(adapter, module);
      const bool follow = !tied_.empty() && *name == tied_.front();
      for (const std::string& target : with_followers(*name, follow, adapter.rows, weight_of)) {
        write_rows(adapter, module, *rows, target);
      }
    }
  }

  void write_rows(const LoadedAdapter& adapter, const std::string& module, const FileTensor& rows,
                  const std::string& target) {
    const FileTensor base = *find(target);
    const std::vector<std::int64_t>& tokens = adapter.config.token_indices(module);
    const bool fits = is_matrix(&rows) && is_matrix(&base) && rows.shape[1] == base.shape[1] &&
                      std::cmp_equal(rows.shape[0], tokens.size()) &&
                      std::ranges::all_of(tokens, [&](auto id) { return id < base.shape[0]; });
    if (!fits) {
      fail(adapter.where,
           "the rows of " + quote(module) +
               " are not one of the model's size for each of trainable_token_indices",
           ErrorCode::tensor_mismatch);
    }
    std::vector<double> values = read_all(base);
    const std::vector<double> given = read_all(rows);
    const auto width = static_cast<std::size_t>(base.shape[1]);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      std::copy_n(given.begin() + static_cast<std::ptrdiff_t>(i * width), width,
                  values.begin() +
                      static_cast<std::ptrdiff_t>(static_cast<std::size_t>(tokens[i]) * width));
    }
    set(target, base, values);
  }

  void set(const std::string& name, const FileTensor& base, const std::vector<double>& values) {
    bytes_.push_back(rounded(values, base.dtype));
    changed_[name] = {name, base.dtype, base.shape, bytes_.back()};
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
    set(name, base, values);
  }

  // Whether a module stores its weight [inputs, outputs]. If the family knows, it decides; for a
  // square matrix nothing else shows it.
  bool is_transposed(const Part& part) const {
    if (part.factors->embedding) return true;
    if (!modules_.transposed) return part.adapter->config.transposed();
    const std::string last = part.module->substr(part.module->rfind('.') + 1);
    return std::ranges::find(*modules_.transposed, last) != modules_.transposed->end();
  }

  void add(const Part& part, const FileTensor& base, std::vector<double>& values) const {
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
    const bool transposed = turned && (!plain || is_transposed(part));
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
  AdaptedModules modules_;
  std::vector<fs::path> files_;
  std::deque<LoadedAdapter> loaded_;  // parts_ and changed_ point into it
  std::vector<std::string> tied_;  // tensors that are one in the files, after they have been untied
  std::set<std::string> saved_;    // tensors that an adapter has saved whole
  std::map<std::string, std::vector<Part>> parts_;
  std::deque<std::vector<std::byte>> bytes_;
  std::map<std::string, FileTensor, std::less<>> changed_;
  std::vector<std::string> names_;
};

}  // namespace

std::shared_ptr<const WeightStore> merge_adapters(std::shared_ptr<const WeightStore> base,
                                                  std::span<const Adapter> adapters,
                                                  AdaptedModules modules) {
  if (adapters.empty()) return base;
  return std::make_shared<AdaptedStore>(std::move(base), adapters, std::move(modules));
}

}  // namespace llm
