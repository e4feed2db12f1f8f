// See reference-format in the README and tools/export_reference.py for the file.
#include "llm/verify.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <utility>

#include "core/float_environment.hpp"
#include "core/folder.hpp"
#include "llm/core/error.hpp"
#include "llm/generation/generator.hpp"
#include "llm/generation/model_generation_config.hpp"
#include "llm/model/model.hpp"
#include "llm/tensor/ops.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "model/config_reader.hpp"
#include "verify/reference_file.hpp"

namespace llm {
namespace {

namespace fs = std::filesystem;
using detail::ReferenceFile;

// Tensors to write by --dump; owns their bytes.
class Dump {
 public:
  template <typename T>
  void add(const std::string& name, std::vector<std::int64_t> shape, const std::vector<T>& values) {
    auto& bytes = bytes_[name];
    bytes.resize(values.size() * sizeof(T));
    if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
    shapes_[name] = std::move(shape);
    dtypes_[name] = std::is_same_v<T, double> ? DType::f64 : DType::i64;
  }

  void write(const fs::path& path) const {
    std::vector<TensorToWrite> tensors;
    for (const auto& [name, bytes] : bytes_) {
      tensors.push_back({name, dtypes_.at(name), shapes_.at(name), bytes});
    }
    write_safetensors(path, tensors, {});
  }

 private:
  std::map<std::string, std::vector<std::byte>> bytes_;
  std::map<std::string, std::vector<std::int64_t>> shapes_;
  std::map<std::string, DType> dtypes_;
};

template <typename S>
class Verifier {
 public:
  Verifier(const fs::path& path, const VerifyOptions& options, const ReferenceFile& reference)
      : path_(path), reference_(reference), model_(load(path, options, reference)) {
    report_.reference = reference.path();
    report_.dtype = options.dtype;
    report_.tolerance = verify_tolerance(options.dtype);
  }

  VerifyReport run() {
    for (const std::string& name : reference_.cases()) check_case(name);
    if (logit_rows_ > 0) {
      report_.mean_kl /= static_cast<double>(logit_rows_);
      report_.top1_agreement = static_cast<double>(top1_) / static_cast<double>(logit_rows_);
    }
    for (const auto& generation : reference_.generations()) check_generation(generation);
    check_texts();
    for (const std::string& name : reference_.value_names()) {
      const auto checked = [&](const TapCheck& t) { return t.case_name + "." + t.tap == name; };
      if (std::ranges::none_of(report_.taps, checked)) report_.unchecked.push_back(name);
    }
    const auto good = [](const auto& checks) {
      return std::ranges::all_of(checks, [](const auto& check) { return check.ok; });
    };
    report_.ok = good(report_.taps) && good(report_.generations) && report_.wrong_texts.empty() &&
                 report_.unchecked.empty();
    return std::move(report_);
  }

  const Dump& dump() const { return dump_; }

 private:
  // The reference's class decides the head, not the configuration.
  static std::unique_ptr<Model<S>> load(const fs::path& path, const VerifyOptions& options,
                                        const ReferenceFile& reference) {
    return Model<S>::load(
        path,
        {options.threads, detail::head_of_architecture(reference.class_name()), options.adapters});
  }

  std::vector<TokenId> needed_ids(const std::string& name) const {
    auto ids = reference_.ids(name);
    if (!ids) {
      throw Error(ErrorCode::bad_format,
                  reference_.path().string() + ": has no tensor " + quote(name),
                  reference_.path().string());
    }
    return std::move(*ids);
  }

  void check_case(const std::string& name) {
    const std::vector<TokenId> ids = needed_ids(name + ".input_ids");
    Taps<S> taps;
    if (model_->head() == HeadKind::language_model && !model_->is_encoder_decoder()) {
      const TensorView<const S> logits = decode(ids, {}, &taps);
      check_taps(name, "hidden_states.", taps);
      check(name, "logits", logits);
      return;
    }
    std::vector<std::int32_t> types;
    if (const auto given = reference_.ids(name + ".token_type_ids")) types = *given;
    const EncoderInput input{ids, types};
    if (model_->kind() != ModelKind::decoder) check_encoder(name, input);
    if (model_->head() == HeadKind::language_model) {
      const auto target = reference_.ids(name + ".decoder_input_ids");
      if (!target) return;
      const TensorView<const S> logits = decode(*target, ids, &taps);
      check_taps(name, "decoder_hidden_states.", taps);
      check(name, "logits", logits);
    } else if (model_->head() != HeadKind::none) {
      check_head(name, input);
    } else if (model_->kind() == ModelKind::decoder) {
      const TensorView<const S> hidden = model_->hidden_states({&input, 1}, workspace_, &taps);
      check_taps(name, "hidden_states.", taps);
      check(name, "last_hidden_state", hidden);
    }
  }

  void check_encoder(const std::string& name, const EncoderInput& input) {
    Taps<S> taps;
    const TensorView<const S> hidden = model_->encode({&input, 1}, workspace_, &taps);
    check_taps(name, model_->is_encoder_decoder() ? "encoder_hidden_states." : "hidden_states.",
               taps);
    check(name, "last_hidden_state", hidden);
    if (model_->has_pooler()) {
      check_vector(name, "pooler_output", model_->pooled({&input, 1}, workspace_));
    }
  }

  void check_head(const std::string& name, const EncoderInput& input) {
    Taps<S> taps;
    const HeadOutput<S> output = model_->run_head({&input, 1}, workspace_, &taps);
    if (model_->kind() == ModelKind::encoder_decoder) {
      check_taps(name, "decoder_hidden_states.", taps);
    } else if (model_->kind() == ModelKind::decoder) {
      check_taps(name, "hidden_states.", taps);
    }
    if (model_->head() == HeadKind::sequence_classification) {
      check_vector(name, "logits", output.logits);
    } else if (model_->head() == HeadKind::question_answering) {
      const std::int64_t tokens = output.logits.rows();
      Tensor<S> start(1, tokens), end(1, tokens);
      for (std::int64_t t = 0; t < tokens; ++t) {
        start.data()[t] = output.logits.row(t)[0];
        end.data()[t] = output.logits.row(t)[1];
      }
      check_vector(name, "start_logits", start);
      check_vector(name, "end_logits", end);
    } else {
      check(name, "logits", output.logits.view());
    }
  }

  // Logits after each of `ids`: [ids, vocab].
  TensorView<const S> decode(std::span<const TokenId> ids, std::span<const TokenId> source,
                             Taps<S>* taps) {
    const auto states = model_->start({&source, 1}, workspace_);
    const StepInput<S> input{states.front().get(), ids, true};
    return model_->step({&input, 1}, workspace_, taps);
  }

  void check_taps(const std::string& name, const std::string& prefix, const Taps<S>& taps) {
    for (std::size_t k = 0; k < taps.hidden_states.size(); ++k) {
      check(name, prefix + std::to_string(k), taps.hidden_states[k].view());
    }
  }

  // One row, which the reference stores as a vector.
  void check_vector(const std::string& case_name, const std::string& tap, const Tensor<S>& ours) {
    check(case_name, tap, ours.view(), {ours.cols()});
  }

  void check(const std::string& case_name, const std::string& tap, TensorView<const S> ours) {
    check(case_name, tap, ours, {ours.rows(), ours.cols()});
  }

  void check(const std::string& case_name, const std::string& tap, TensorView<const S> ours,
             std::vector<std::int64_t> shape) {
    const std::string name = case_name + "." + tap;
    const FileTensor* tensor = reference_.values(name);
    if (!tensor) return;
    if (tensor->shape != shape) {
      throw Error(ErrorCode::tensor_mismatch,
                  reference_.path().string() + ": " + name +
                      " has another shape than the model's " + "output [" +
                      std::to_string(ours.rows()) + ", " + std::to_string(ours.cols()) +
                      "]; the reference is of another model",
                  name);
    }
    std::vector<double> expected(static_cast<std::size_t>(ours.rows() * ours.cols()));
    read_values(*tensor, 0, ours.rows() * ours.cols(), expected.data());
    std::vector<double> got(ours.data(), ours.data() + ours.rows() * ours.cols());
    compare(case_name, tap, expected, got, ours.cols());
    if (tap == "logits") compare_distributions(expected, got, ours.cols());
    dump_.add(name, std::move(shape), got);
  }

  void compare(const std::string& case_name, const std::string& tap,
               const std::vector<double>& expected, const std::vector<double>& got,
               std::int64_t cols) {
    TapCheck result{case_name, tap};
    double largest = 0.0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      largest = std::max(largest, std::abs(expected[i]));
      const double difference = std::abs(expected[i] - got[i]);
      if (!(difference <= result.max_abs)) {  // also catches NaN
        result.max_abs = difference;
        result.row = static_cast<std::int64_t>(i) / cols;
        result.column = static_cast<std::int64_t>(i) % cols;
        if (std::isnan(difference)) break;
      }
    }
    result.max_rel = largest > 0 ? result.max_abs / largest : result.max_abs;
    result.ok = result.max_rel <= report_.tolerance;
    report_.taps.push_back(std::move(result));
  }

  void compare_distributions(const std::vector<double>& expected, const std::vector<double>& got,
                             std::int64_t cols) {
    const auto n = static_cast<std::size_t>(cols);
    for (std::size_t at = 0; at + n <= expected.size(); at += n) {
      const auto p = std::span(expected).subspan(at, n), q = std::span(got).subspan(at, n);
      const double p_total = ops::log_sum_exp(p), q_total = ops::log_sum_exp(q);
      for (std::size_t i = 0; i < n; ++i) {
        report_.mean_kl += std::exp(p[i] - p_total) * ((p[i] - p_total) - (q[i] - q_total));
      }
      top1_ += ops::argmax(p) == ops::argmax(q) ? 1 : 0;
      ++logit_rows_;
    }
  }

  void check_generation(const detail::ReferenceGeneration& generation) {
    GenerationConfig config = model_generation_config(path_, model_->config());
    for (const auto& [name, value] : generation.options.items()) {
      config.set(name, value.dump(), reference_.path().string());
    }
    GenerationRequest request;
    request.ids = needed_ids(generation.name + ".input_ids");
    const Generator<S> generator(*model_);
    const auto results = generator.generate_all(std::move(request), config);
    GenerationCheck check{generation.name, false,
                          reference_.id_rows(generation.name + ".sequences"),
                          padded_sequences(results, config)};
    check.ok = check.expected == check.got;
    dump_sequences(generation.name + ".sequences", check.got);
    report_.generations.push_back(std::move(check));
  }

  void dump_sequences(const std::string& name, const std::vector<std::vector<TokenId>>& rows) {
    std::vector<std::int64_t> flat;
    for (const auto& row : rows) flat.insert(flat.end(), row.begin(), row.end());
    const auto count = static_cast<std::int64_t>(rows.size());
    dump_.add(name, {count, count ? static_cast<std::int64_t>(flat.size()) / count : 0}, flat);
  }

  void check_texts() {
    if (reference_.texts().empty()) return;
    const auto tokenizer = Tokenizer::open(path_);
    for (const auto& text : reference_.texts()) {
      const auto got = tokenizer->encode(text.text, {text.add_special_tokens}).ids;
      if (got != text.ids) report_.wrong_texts.push_back({text.text, text.ids, got});
      ++report_.texts_checked;
    }
  }

  fs::path path_;
  const ReferenceFile& reference_;
  std::unique_ptr<Model<S>> model_;
  Workspace workspace_;
  VerifyReport report_;
  Dump dump_;
  std::int64_t logit_rows_ = 0, top1_ = 0;
};

template <typename S>
VerifyReport run(const fs::path& model, const VerifyOptions& options,
                 const ReferenceFile& reference) {
  Verifier<S> verifier(model, options, reference);
  VerifyReport report = verifier.run();
  if (!options.dump.empty()) verifier.dump().write(options.dump);
  return report;
}

}  // namespace

double verify_tolerance(const std::string& dtype) {
  if (dtype == "f64") return 1e-9;
  if (dtype == "f32") return 1e-3;
  throw Error(ErrorCode::invalid_option, "dtype: expected f64 or f32, got " + quote(dtype),
              "dtype");
}

VerifyReport verify(const fs::path& model, const VerifyOptions& options) {
  const detail::FloatEnvironment environment;
  verify_tolerance(options.dtype);
  fs::path file = options.reference;
  if (file.empty()) {
    file = (detail::is_folder(model) ? model : model.parent_path()) / "reference.safetensors";
  }
  const ReferenceFile reference(file);
  return options.dtype == "f64" ? run<double>(model, options, reference)
                                : run<float>(model, options, reference);
}

}  // namespace llm
