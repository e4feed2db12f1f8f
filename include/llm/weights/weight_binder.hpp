/// \file
/// Fetches tensors by name, within scopes, and checks their shapes:
/// `w.scope("h", 3).linear("attn.c_proj", out, in)`. Families bind their weights with it. It
/// remembers which tensors are missing and which are not used.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "llm/core/types.hpp"
#include "llm/weights/weight_store.hpp"

namespace llm {

/// Where a Linear's weights come from: parts stacked along the outputs.
struct LinearSource {
  /// Some of the outputs.
  struct Part {
    const FileTensor* weight = nullptr;  ///< [outputs, inputs]; [inputs, outputs] if transposed
    const FileTensor* bias = nullptr;    ///< [outputs] or null
    bool transposed = false;             ///< whether `weight` is [inputs, outputs]
    std::int64_t outputs = 0;            ///< of the part
    /// When not empty, output i of the part is row row_order[i] of the file's tensor, whose other
    /// rows are not of this part.
    std::vector<std::int64_t> row_order;
    bool bias_in_order = false;  ///< the bias is in the order of the outputs, not of the rows
  };
  std::vector<Part> parts;  ///< in the order of the outputs

  /// Whether there is no such Linear.
  bool empty() const { return parts.empty(); }
  /// Appends the outputs of another one: one product computes both.
  LinearSource& append(LinearSource other);
};

/// Where a norm's weights come from.
struct NormSource {
  const FileTensor* weight = nullptr;  ///< [size]; null when there is no norm
  const FileTensor* bias = nullptr;    ///< [size] or null
  double offset = 0;            ///< is added to the weight, which is stored without it (Gemma)
  std::int64_t unweighted = 0;  ///< the size of a norm whose weights are all 1 and not stored
  /// When not empty, value i of a row is value value_order[i] of the file's.
  std::vector<std::int64_t> value_order = {};

  /// Whether there is no norm.
  bool empty() const { return weight == nullptr && unweighted == 0; }
};

/// Whether a bias must be in the file.
enum class Bias : std::uint8_t { no, yes, if_present };

/// Fetches tensors for a family. A tensor that is missing or has the wrong shape is noted, and a
/// null or empty source is returned; finish() throws with the whole list. Copies and scopes share
/// the list.
class WeightBinder {
 public:
  /// Maps a name that families use to that of the store.
  using Rename = std::function<std::string(const std::string&)>;
  /// `rename`: for GGUF files; empty: the names are the same.
  explicit WeightBinder(std::shared_ptr<const WeightStore> store, Rename rename = {});

  /// The names that begin with `name.`.
  WeightBinder scope(std::string_view name) const;
  /// The names that begin with `name.index.`.
  WeightBinder scope(std::string_view name, std::int64_t index) const;
  /// The scope of the first prefix below which `probe` exists; of the last one when none does.
  WeightBinder scope_with(std::string_view probe, std::vector<std::string> prefixes) const;

  /// Whether there is a tensor of this name.
  bool has(std::string_view name) const;
  /// The full name of `name` in this scope.
  std::string full_name(std::string_view name) const { return prefix_ + std::string(name); }
  /// Whether the store is a GGUF file, whose converters write some matrices in another way.
  bool is_gguf() const;

  /// A vector: [size].
  const FileTensor* vector(std::string_view name, std::int64_t size) const;
  /// A vector that is stored as a matrix of one row: [1, size].
  const FileTensor* row_vector(std::string_view name, std::int64_t size) const;
  /// A matrix: [rows, cols].
  const FileTensor* matrix(std::string_view name, std::int64_t rows, std::int64_t cols) const;
  /// `name.weight` (and `name.bias`).
  LinearSource linear(std::string_view name, std::int64_t outputs, std::int64_t inputs,
                      Bias bias = Bias::no) const;
  /// The outputs `rows` of `name`, which has `outputs` (fused projections).
  LinearSource linear_rows(std::string_view name, Range rows, std::int64_t outputs,
                           std::int64_t inputs, Bias bias = Bias::no) const;
  /// The same with as many outputs as the file has: the labels of a classifier.
  LinearSource linear_any(std::string_view name, std::int64_t inputs, Bias bias = Bias::no) const;
  /// The same for a weight that is stored [inputs, outputs] (GPT-2's Conv1D; in GGUF files it is
  /// [outputs, inputs]).
  LinearSource linear_transposed(std::string_view name, std::int64_t outputs, std::int64_t inputs,
                                 Bias bias = Bias::no) const;
  /// A convolution: `name.weight` [outputs, inputs, width] and `name.bias`.
  LinearSource convolution(std::string_view name, std::int64_t outputs, std::int64_t inputs,
                           std::int64_t width) const;
  /// `name.weight` and `name.bias`, or `name.gamma` and `name.beta` in old files.
  NormSource norm(std::string_view name, std::int64_t size, Bias bias) const;

  /// `name.weight` of several rows: a norm of heads, each with weights of its own.
  NormSource norm_rows(std::string_view name, std::int64_t rows, std::int64_t size) const;

  /// A matrix with several names, because the model ties them: a file may keep any of them. The
  /// first that exists is taken, as in the reference. `names` are full names without ".weight".
  const FileTensor* tied_matrix(const std::vector<std::string>& names, std::int64_t rows,
                                std::int64_t cols) const;
  /// The matrix `name.weight`, or `shared` where the file lacks it or it has the same values: equal
  /// tables are kept once.
  const FileTensor* own_or_shared(std::string_view name, const FileTensor* shared) const;
  /// The LM head: `name.weight`, or the embedding `tokens` when the configuration ties them and
  /// there is no such tensor. As in the reference, when the file has both and says that they are
  /// tied, they are tied only if they are equal.
  LinearSource lm_head(std::string_view name, const FileTensor* tokens, bool tied, Bias bias) const;

  /// What has been missing or of the wrong shape so far, a clause each.
  const std::vector<std::string>& problems() const { return account_->problems; }
  /// Throws Error (tensor_mismatch) with the list of problems, if there are any.
  void finish() const;
  /// Names in the store whose values equal another tensor's, which is used instead.
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
