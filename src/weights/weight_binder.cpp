#include "llm/weights/weight_binder.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/mapped_file.hpp"
#include "llm/core/error.hpp"

namespace llm {
namespace {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += (i ? ", " : "") + std::to_string(shape[i]);
  }
  return text + "]";
}

// Whether two tensors have the same values. Mapped files do not stay in memory for it. Tensors of a
// packed folder have no bytes: it lists no duplicates.
bool same_values(const FileTensor& a, const FileTensor& b) {
  if (a.dtype != b.dtype || a.bytes.size() != b.bytes.size() || a.bytes.empty()) return false;
  if (a.bytes.data() == b.bytes.data()) return true;
  constexpr std::size_t step = std::size_t{4} << 20;
  for (std::size_t at = 0; at < a.bytes.size(); at += step) {
    const std::size_t n = std::min(step, a.bytes.size() - at);
    if (std::memcmp(a.bytes.data() + at, b.bytes.data() + at, n) != 0) return false;
    for (const FileTensor* const tensor : {&a, &b}) {
      if (!tensor->mapping.empty()) {
        detail::release_pages(tensor->mapping, tensor->bytes.subspan(at, n));
      }
    }
  }
  return true;
}

}  // namespace

LinearSource& LinearSource::append(LinearSource other) {
  for (Part& part : other.parts) parts.push_back(std::move(part));
  return *this;
}

WeightBinder::WeightBinder(std::shared_ptr<const WeightStore> store, Rename rename)
    : account_(std::make_shared<Account>()) {
  account_->store = std::move(store);
  account_->rename = std::move(rename);
}

WeightBinder WeightBinder::scope(std::string_view name) const {
  WeightBinder inner = *this;
  if (!name.empty()) inner.prefix_ += std::string(name) + ".";
  return inner;
}

WeightBinder WeightBinder::scope(std::string_view name, std::int64_t index) const {
  return scope(std::string(name) + "." + std::to_string(index));
}

WeightBinder WeightBinder::scope_with(std::string_view probe,
                                      std::vector<std::string> prefixes) const {
  for (const std::string& prefix : prefixes) {
    if (scope(prefix).has(probe)) return scope(prefix);
  }
  return scope(prefixes.back());
}

bool WeightBinder::is_gguf() const { return static_cast<bool>(account_->rename); }

std::string WeightBinder::stored_name(std::string_view name) const {
  const std::string full = prefix_ + std::string(name);
  return account_->rename ? account_->rename(full) : full;
}

bool WeightBinder::has(std::string_view name) const {
  return account_->store->find(stored_name(name)) != nullptr;
}

const FileTensor* WeightBinder::fetch(std::string_view name,
                                      const std::vector<std::int64_t>& shape) const {
  const std::string stored = stored_name(name);
  const FileTensor* tensor = account_->store->find(stored);
  if (!tensor) {
    account_->problems.push_back("tensor " + quote(stored) + " is missing, expected with shape " +
                                 shape_text(shape));
    return nullptr;
  }
  account_->used.insert(stored);
  if (tensor->shape != shape) {
    account_->problems.push_back("tensor " + quote(stored) + " has shape " +
                                 shape_text(tensor->shape) + ", the configuration implies " +
                                 shape_text(shape));
    return nullptr;
  }
  if (!is_floating(tensor->dtype) && !is_quantized(tensor->dtype)) {
    account_->problems.push_back("tensor " + quote(stored) + " has type " +
                                 std::string(to_string(tensor->dtype)) +
                                 ", expected a floating-point or quantized type");
    return nullptr;
  }
  return tensor;
}

const FileTensor* WeightBinder::vector(std::string_view name, std::int64_t size) const {
  return fetch(name, {size});
}

const FileTensor* WeightBinder::row_vector(std::string_view name, std::int64_t size) const {
  return fetch(name, {1, size});
}

const FileTensor* WeightBinder::matrix(std::string_view name, std::int64_t rows,
                                       std::int64_t cols) const {
  return fetch(name, {rows, cols});
}

const FileTensor* WeightBinder::bias_vector(std::string_view name, std::int64_t size,
                                            Bias bias) const {
  const std::string full = std::string(name) + ".bias";
  if (bias == Bias::no || (bias == Bias::if_present && !has(full))) return nullptr;
  return vector(full, size);
}

LinearSource WeightBinder::linear(std::string_view name, std::int64_t outputs, std::int64_t inputs,
                                  Bias bias) const {
  LinearSource::Part part;
  part.weight = matrix(std::string(name) + ".weight", outputs, inputs);
  part.bias = bias_vector(name, outputs, bias);
  part.outputs = outputs;
  return {{std::move(part)}};
}

LinearSource WeightBinder::linear_rows(std::string_view name, Range rows, std::int64_t outputs,
                                       std::int64_t inputs, Bias bias) const {
  LinearSource source = linear(name, outputs, inputs, bias);
  LinearSource::Part& part = source.parts.front();
  part.outputs = rows.size();
  if (part.weight == nullptr) return source;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) part.row_order.push_back(row);
  return source;
}

LinearSource WeightBinder::linear_any(std::string_view name, std::int64_t inputs, Bias bias) const {
  const FileTensor* tensor = account_->store->find(stored_name(std::string(name) + ".weight"));
  const bool matrix = tensor && tensor->shape.size() == 2 && tensor->shape[0] > 0;
  return linear(name, matrix ? tensor->shape[0] : 1, inputs, bias);
}

LinearSource WeightBinder::linear_transposed(std::string_view name, std::int64_t outputs,
                                             std::int64_t inputs, Bias bias) const {
  if (is_gguf()) return linear(name, outputs, inputs, bias);
  LinearSource::Part part;
  part.weight = matrix(std::string(name) + ".weight", inputs, outputs);
  part.bias = bias_vector(name, outputs, bias);
  part.outputs = outputs;
  part.transposed = true;
  return {{std::move(part)}};
}

LinearSource WeightBinder::convolution(std::string_view name, std::int64_t outputs,
                                       std::int64_t inputs, std::int64_t width) const {
  LinearSource::Part part;
  part.weight = fetch(std::string(name) + ".weight", {outputs, inputs, width});
  part.bias = bias_vector(name, outputs, Bias::yes);
  part.outputs = outputs;
  return {{std::move(part)}};
}

NormSource WeightBinder::norm(std::string_view name, std::int64_t size, Bias bias) const {
  const std::string base(name);
  if (!has(base + ".weight") && has(base + ".gamma")) {
    return {vector(base + ".gamma", size),
            bias == Bias::no ? nullptr : vector(base + ".beta", size)};
  }
  return {vector(base + ".weight", size), bias_vector(name, size, bias)};
}

NormSource WeightBinder::norm_rows(std::string_view name, std::int64_t rows,
                                   std::int64_t size) const {
  return {matrix(std::string(name) + ".weight", rows, size)};
}

const FileTensor* WeightBinder::tied_matrix(const std::vector<std::string>& names,
                                            std::int64_t rows, std::int64_t cols) const {
  WeightBinder root = *this;
  root.prefix_.clear();
  const auto found = std::ranges::find_if(
      names, [&](const std::string& name) { return root.has(name + ".weight"); });
  return root.matrix((found == names.end() ? names.front() : *found) + ".weight", rows, cols);
}

const FileTensor* WeightBinder::own_or_shared(std::string_view name,
                                              const FileTensor* shared) const {
  const std::string full = std::string(name) + ".weight";
  if (!shared || !has(full)) return shared;
  const FileTensor* own = matrix(full, shared->shape.front(), shared->shape.back());
  if (!own || own == shared || !same_values(*own, *shared)) return own;
  account_->duplicates.insert(stored_name(full));
  return shared;
}

LinearSource WeightBinder::lm_head(std::string_view name, const FileTensor* tokens, bool tied,
                                   Bias bias) const {
  LinearSource::Part part;
  if (tokens) part.outputs = tokens->shape.front();
  if (tied) {
    part.weight = own_or_shared(name, tokens);
  } else if (tokens) {
    part.weight = matrix(std::string(name) + ".weight", part.outputs, tokens->shape.back());
  }
  part.bias = bias_vector(name, part.outputs, bias);
  return {{std::move(part)}};
}

void WeightBinder::finish() const {
  const std::vector<std::string>& problems = account_->problems;
  if (problems.empty()) return;
  constexpr std::size_t shown = 5;
  const std::string file = account_->store->files().empty()
                               ? std::string("the model")
                               : account_->store->files().front().string();
  std::string sentence = file + ": ";
  for (std::size_t i = 0; i < std::min(shown, problems.size()); ++i) {
    sentence += (i ? "; " : "") + problems[i];
  }
  if (problems.size() > shown) {
    sentence += "; and " + std::to_string(problems.size() - shown) + " more like this";
  }
  throw Error(
      ErrorCode::tensor_mismatch,
      sentence + "; the weights do not belong to this configuration, or the file is incomplete",
      file);
}

std::vector<std::string> WeightBinder::unused() const {
  std::vector<std::string> names;
  for (const std::string& name : account_->store->names()) {
    if (!account_->used.contains(name)) names.push_back(name);
  }
  return names;
}

}  // namespace llm
