/// \file
/// Compares a model with what the reference implementation computed for it in float64: hidden
/// states tap by tap, logits, generated sequences, and token ids of texts. The end of the line,
/// from outside.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "llm/core/types.hpp"
#include "llm/weights/adapter.hpp"

namespace llm {

struct VerifyOptions {
  /// The reference file; empty: `reference.safetensors` beside the model.
  std::filesystem::path reference;
  /// Scalar of the activations: "f64" or "f32".
  std::string dtype = "f32";
  /// When not empty: what was computed, written under the reference's tensor names.
  std::filesystem::path dump;
  int threads = 0;
  /// LoRA adapters to merge into the model first; the reference is then that of the merged model.
  std::vector<Adapter> adapters = {};
};

/// One tensor of the reference against ours.
struct TapCheck {
  std::string case_name, tap;        ///< "case0", "hidden_states.1"
  double max_abs = 0.0;              ///< largest |ours - reference|
  double max_rel = 0.0;              ///< max_abs / max |reference|
  std::int64_t row = 0, column = 0;  ///< where max_abs is
  bool ok = false;
};

struct GenerationCheck {
  std::string name;
  bool ok = false;
  std::vector<std::vector<TokenId>> expected, got;
};

struct TextCheck {
  std::string text;
  std::vector<TokenId> expected, got;
};

struct VerifyReport {
  std::filesystem::path reference;
  std::string dtype;
  double tolerance = 0.0;  ///< on max_rel
  bool ok = false;
  std::vector<TapCheck> taps;
  /// Tensors of the reference that this model has nothing to compare with; then ok is false.
  std::vector<std::string> unchecked;
  std::vector<GenerationCheck> generations;
  std::int64_t texts_checked = 0;
  std::vector<TextCheck> wrong_texts;
  /// Over all rows of logits: how often the most probable token is the reference's, and the mean
  /// Kullback-Leibler divergence (nats) of our distribution from the reference's.
  double top1_agreement = 1.0;
  double mean_kl = 0.0;
};

/// The default tolerance of a dtype: 1e-9 for f64, where only the order of summation differs; 1e-3
/// for f32 (the reference itself deviates by up to 2e-4 in float32).
double verify_tolerance(const std::string& dtype);

/// Throws Error for files that cannot be read, a reference that does not fit the model
/// (bad_format, tensor_mismatch), and an unknown dtype (invalid_option).
VerifyReport verify(const std::filesystem::path& model, const VerifyOptions& options = {});

}  // namespace llm
