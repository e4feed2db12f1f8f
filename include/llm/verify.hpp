/// \file
/// Compares a model with what the reference implementation computed for it in float64: hidden
/// states tap by tap, logits, generated sequences, and token ids of texts; and a model in fewer
/// bits with its own exact computation, over a text. The end of the line, from outside.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "llm/core/types.hpp"
#include "llm/model/model.hpp"
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

struct TextQualityOptions {
  /// How the weights of the model that is judged are kept, and what multiplies them.
  WeightType weights = WeightType::as_stored;
  bool fast = false;
  /// The model that is computed exactly; empty: the same one. Both must have the same vocabulary.
  std::filesystem::path against;
  /// Whether `against` is computed in float64; else in float32 with its weights widened to it.
  bool float64 = false;
  /// Tokens that are read together, at most what the model can hold, and by how many the next such
  /// window is further on; 0: as many as a window has. What a window has in common with the one
  /// before is read but not counted again.
  std::int64_t window = 512, stride = 0;
  std::int64_t max_tokens = 0;  ///< of the text; 0: all
  int threads = 0;
  std::vector<Adapter> adapters = {};  ///< merged into both
};

/// How far a model's distributions of the next token are from those of an exact computation.
struct TextQuality {
  std::int64_t tokens = 0;       ///< of the text
  std::int64_t predictions = 0;  ///< tokens of it that were predicted
  /// Kullback-Leibler divergence from the exact distribution, in nats.
  double mean_kl = 0.0, max_kl = 0.0;
  std::int64_t max_kl_token = 0;  ///< the token before which max_kl is, counted from 0
  double top1_agreement = 0.0;    ///< share of predictions with the same most probable token
  double perplexity = 0.0, exact_perplexity = 0.0;  ///< of the text's own tokens
};

/// Compares the distributions over a text, window by window:
///  - a decoder predicts each token of a window but the first (all, if it has a token that begins
///    texts) from those before it;
///  - a masked LM predicts every seventh token, which its mask replaces;
///  - an encoder-decoder reads lines "source<tab>target" and predicts the target; there are no
///    windows then.
/// Throws Error: unsupported for other heads or without a tokenizer, invalid_input for a text that
/// has nothing to predict, invalid_option, and what loading throws.
TextQuality verify_text(const std::filesystem::path& model, std::string_view text,
                        const TextQualityOptions& options = {});

}  // namespace llm
