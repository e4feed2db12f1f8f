/// \file
/// Compares a model with what the reference implementation computed for it in float64: hidden
/// states between the layers (taps), logits, generated sequences, and token ids of texts. Also
/// compares a model in fewer bits with its own exact computation, over a text.
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

/// How to compare with the reference.
struct VerifyOptions {
  /// The reference file; empty: `reference.safetensors` beside the model.
  std::filesystem::path reference;
  /// The type of activations: "f64" or "f32".
  std::string dtype = "f32";
  /// When not empty: a file to write what was computed to, under the reference's tensor names.
  std::filesystem::path dump;
  int threads = 0;  ///< as LoadOptions::threads
  /// LoRA adapters that are merged into the model first; the reference is that of the merged model.
  std::vector<Adapter> adapters = {};
};

/// One tensor of the reference, compared with ours.
struct TapCheck {
  std::string case_name;    ///< "case0"
  std::string tap;          ///< "hidden_states.1"
  double max_abs = 0.0;     ///< largest |ours - reference|
  double max_rel = 0.0;     ///< max_abs / max |reference|
  std::int64_t row = 0;     ///< where max_abs is
  std::int64_t column = 0;  ///< where max_abs is
  bool ok = false;          ///< max_rel is within the tolerance
};

/// One generation of the reference, compared with ours.
struct GenerationCheck {
  std::string name;                            ///< "gen0"
  bool ok = false;                             ///< the sequences are equal
  std::vector<std::vector<TokenId>> expected;  ///< the reference's sequences
  std::vector<std::vector<TokenId>> got;       ///< ours
};

/// A text whose token ids differ.
struct TextCheck {
  std::string text;               ///< the text
  std::vector<TokenId> expected;  ///< the reference's ids
  std::vector<TokenId> got;       ///< ours
};

/// What verify() found.
struct VerifyReport {
  std::filesystem::path reference;  ///< the file that was compared with
  std::string dtype;                ///< as VerifyOptions::dtype
  double tolerance = 0.0;           ///< on max_rel
  bool ok = false;                  ///< whether all is equal within the tolerance
  std::vector<TapCheck> taps;       ///< all tensors
  /// Tensors of the reference that the model has nothing to compare with; ok is then false.
  std::vector<std::string> unchecked;
  std::vector<GenerationCheck> generations;  ///< all generations
  std::int64_t texts_checked = 0;            ///< texts whose token ids were compared
  std::vector<TextCheck> wrong_texts;        ///< texts whose token ids differ
  /// Share of all rows of logits whose most probable token is the reference's.
  double top1_agreement = 1.0;
  /// Mean over these rows of the Kullback-Leibler divergence of our distribution from the
  /// reference's, in nats.
  double mean_kl = 0.0;
};

/// The default tolerance of a dtype: 1e-9 for f64, where only the order of summation differs; 1e-3
/// for f32 (the reference itself deviates by up to 2e-4 in float32).
double verify_tolerance(const std::string& dtype);

/// Compares a model with its reference file. Throws Error for files that cannot be read, a
/// reference that does not fit the model (bad_format, tensor_mismatch), and an unknown dtype
/// (invalid_option).
VerifyReport verify(const std::filesystem::path& model, const VerifyOptions& options = {});

/// How to compare over a text.
struct TextQualityOptions {
  WeightType weights = WeightType::as_stored;  ///< of the model that is judged
  bool fast = false;  ///< as LoadOptions::fast, of the model that is judged
  /// The model that is computed exactly; empty: the same model. Both must have the same vocabulary.
  std::filesystem::path against;
  /// Whether `against` is computed in float64; else in float32 with its weights widened to it.
  bool float64 = false;
  /// Tokens that are read together; at most what the model takes.
  std::int64_t window = 512;
  /// Tokens from the beginning of one window to that of the next; 0: a whole window. What a window
  /// shares with the one before is read, but not counted again.
  std::int64_t stride = 0;
  std::int64_t max_tokens = 0;         ///< of the text; 0: all
  int threads = 0;                     ///< as LoadOptions::threads
  std::vector<Adapter> adapters = {};  ///< merged into both models
};

/// How far a model's distributions of the next token are from the exact ones.
struct TextQuality {
  std::int64_t tokens = 0;        ///< of the text
  std::int64_t predictions = 0;   ///< tokens of it that were predicted
  double mean_kl = 0.0;           ///< mean Kullback-Leibler divergence from the exact ones, in nats
  double max_kl = 0.0;            ///< the largest one
  std::int64_t max_kl_token = 0;  ///< the token that was predicted there, counted from 0
  double top1_agreement = 0.0;    ///< share of predictions with the same most probable token
  double perplexity = 0.0;        ///< of the text's tokens
  double exact_perplexity = 0.0;  ///< the same of the exact computation
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
