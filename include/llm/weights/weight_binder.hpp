/// \file
/// Scoped, shape-checked fetch of tensors by name: `w.scope("h", 3).linear("attn.c_proj", out,
/// in)`. The families bind their weights through it; it keeps the account of what was missing and
/// unused.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "llm/weights/weight_store.hpp"

namespace llm {

/// Where a Linear's weights come from: parts stacked along the outputs.
struct LinearSource {
  struct Part {
    const FileTensor* weight = nullptr;  ///< [outputs, inputs]; [inputs, outputs] if transposed
    const FileTensor* bias = nullptr;    ///< [outputs] or null
    bool transposed = false;
    std::int64_t outputs = 0;
    /// When not empty: output i of the part is row row_order[i] of the file's tensor.
    std::vector<std::int64_t> row_order;
  };
  std::vector<Part> parts;

  bool empty() const { return parts.empty(); }
  /// This and another one side by side: one product computes both.
  LinearSource& append(LinearSource other);
};

struct NormSource {
  const FileTensor* weight = nullptr;
  const FileTensor* bias = nullptr;
};

enum class Bias : std::uint8_t { no, yes, if_present };

/// Not found or of the wrong shape: the tensor is noted and a null or empty source is returned;
/// finish() throws with the whole list. Copies share the account.
class WeightBinder {
 public:
  /// `rename` maps the names that the families use to those of the store (GGUF); empty: as they
  /// are.
  using Rename = std::function<std::string(const std::string&)>;
  explicit WeightBinder(std::shared_ptr<const WeightStore> store, Rename rename = {});

  /// Names below `name.` or `name.index.`.
  WeightBinder scope(std::string_view name) const;
  WeightBinder scope(std::string_view name, std::int64_t index) const;
  /// The first of the prefixes below which `probe` exists; the last one when none does.
  WeightBinder scope_with(std::string_view probe, std::vector<std::string> prefixes) const;

  bool has(std::string_view name) const;
  /// The name below this scope as the families spell it from the root on.
  std::string full_name(std::string_view name) const { return prefix_ + std::string(name); }
  /// Whether the store holds matrices the way GGUF converters write them.
  bool is_gguf() const;

  const FileTensor* vector(std::string_view name, std::int64_t size) const;
  /// A vector stored as a matrix of one row.
  const FileTensor* row_vector(std::string_view name, std::int64_t size) const;
  const FileTensor* matrix(std::string_view name, std::int64_t rows, std::int64_t cols) const;
  /// `name.weight` (and `name.bias`).
  LinearSource linear(std::string_view name, std::int64_t outputs, std::int64_t inputs,
                      Bias bias = Bias::no) const;
  /// The same with as many outputs as the file has: labels of a classifier.
  LinearSource linear_any(std::string_view name, std::int64_t inputs, Bias bias = Bias::no) const;
  /// The same for a weight stored [inputs, outputs] (GPT-2's Conv1D; GGUF stores it [outputs,
  /// inputs]).
  LinearSource linear_transposed(std::string_view name, std::int64_t outputs, std::int64_t inputs,
                                 Bias bias = Bias::no) const;
  /// `name.weight` and `name.bias`, or `name.gamma` and `name.beta` as old files call them.
  NormSource norm(std::string_view name, std::int64_t size, Bias bias) const;

  /// A matrix that has several names because the model ties them: a file may keep any of them. Of
  /// those that exist the first is taken, as in the reference; `names` begin at the root
  /// (full_name) and lack ".weight".
  const FileTensor* tied_matrix(const std::vector<std::string>& names, std::int64_t rows,
                                std::int64_t cols) const;
  /// A matrix with a name of its own, `name.weight`, that is `shared` where the file lacks it or
  /// has the same values: equal tables are held once.
  const FileTensor* own_or_shared(std::string_view name, const FileTensor* shared) const;
  /// The LM head: `name.weight`, or the embedding `tokens` when the configuration ties them and the
  /// head is absent. As in the reference, a file that holds both and says they are tied is read as
  /// tied only when the two are equal.
  LinearSource lm_head(std::string_view name, const FileTensor* tokens, bool tied, Bias bias) const;

  /// What is missing or has the wrong shape so far, one clause each.
  const std::vector<std::string>& problems() const { return account_->problems; }
  /// Throws Error (tensor_mismatch) that lists the problems, if there are any.
  void finish() const;
  /// Names in the store whose values are those of another, which is used in their place.
  const std::set<std::string, std::less<>>& duplicates() const { return account_->duplicates; }
  /// Names in the store that nothing asked for.
  std::vector<std::string> unused() const;

 private:
  struct Account {
    std::shared_ptr<const WeightStore> store;
    Rename rename;
    std::set<std::string, std::less<>> used, duplicates;
    std::vector<std::string> problems;
  };

  std::string stored_name(std::string_view name) const;
  const FileTensor* fetch(std::string_view name, const std::vector<std::int64_t>& shape) const;
  const FileTensor* bias_vector(std::string_view name, std::int64_t size, Bias bias) const;

  std::shared_ptr<Account> account_;
  std::string prefix_;
};

}  // namespace llm
