/// \file
/// A loaded model: immutable, shared by any number of threads. Loading ends here and running begins
/// here: folder or GGUF file -> Model -> hidden states or logits.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "llm/core/thread_pool.hpp"
#include "llm/model/head.hpp"
#include "llm/model/language_model.hpp"
#include "llm/nn/decoder.hpp"
#include "llm/nn/encoder.hpp"
#include "llm/nn/transformer_config.hpp"
#include "llm/weights/adapter.hpp"

namespace llm {

/// How the weight matrices of products are kept; norms, biases and embeddings stay as they are, and
/// no matrix becomes wider than in its file (but for f32).
enum class WeightType : std::uint8_t {
  as_stored,
  f32,
  bf16,
  int8,  ///< groups of 32 with an fp16 scale
  /// One scale per output, and with `fast` one per row of activations, too: made for encoders,
  /// whose activations are of one size. Sensitive matrices as int8, but not those of encoders.
  int8_channel,
  int4,  ///< groups of 32 with fp16 scale and minimum; sensitive matrices as int8
};

/// "auto" (as_stored), "f32", "bf16", "int8", "int8-channel" or "int4"; nothing for other names.
std::optional<WeightType> weight_type_from_name(std::string_view name);

/// The element type that a WeightType stands for; nothing: its own. Sensitive matrices are LM
/// heads, which decide between close logits, and those that make queries, keys and values: with
/// them in 4 bits, too, a model of 135M parameters lost twice as much (perplexity +23 % instead of
/// +9 %).
std::optional<DType> dtype_of(WeightType type, bool is_sensitive = false);

struct LoadOptions {
  /// Threads of a forward pass, the caller included; 0: one per core. Results do not depend on it.
  int threads = 0;
  /// The head to load; default: the one that the configuration's `architectures` names.
  std::optional<HeadKind> head = std::nullopt;
  /// LoRA adapters to merge into the weights while they are loaded; see merge_adapters().
  std::vector<Adapter> adapters = {};
  WeightType weights = WeightType::as_stored;
  /// Activations beside quantized weights get 8 bits instead of 16, those beside bf16 weights are
  /// rounded to bf16: faster prompts, other answers than those of float32 activations now and then.
  bool fast = false;
  /// How a decoder keeps keys and values: bf16 takes half the memory and half the time to read.
  KVType kv = KVType::full;
};

/// What was loaded, for people and for `info`.
struct ModelInfo {
  std::vector<std::filesystem::path> files;
  std::int64_t parameters = 0;              ///< values in the weight matrices and vectors
  std::size_t weight_bytes = 0;             ///< memory the weights take
  std::vector<std::string> dtypes;          ///< of the matrices in the file, most bytes first
  std::vector<std::string> unused_tensors;  ///< in the file, but not part of the model
};

/// What a head computes for some texts: rows of logits, text after text.
template <typename S>
struct HeadOutput {
  Tensor<S> logits;         ///< [rows, labels or vocabulary]
  std::vector<Range> rows;  ///< of each text: one row, or one per token
};

/// The configuration of a folder or `.gguf` file without its weights. Throws Error.
TransformerConfig read_model_config(const std::filesystem::path& path);

/// A family of models that can be opened.
struct SupportedFamily {
  std::vector<std::string> model_types;         ///< `model_type` of config.json
  std::vector<HeadKind> heads;                  ///< beside hidden states alone
  std::vector<std::string> gguf_architectures;  ///< `general.architecture`; empty: folders only
};

/// All families, in the order of the README's table.
std::vector<SupportedFamily> supported_families();

/// `S` is the scalar of the activations: `float` is the product, `double` the built-in reference.
template <typename S>
class Model : public LanguageModel<S> {
 public:
  /// Opens a Hugging Face folder (config.json and weights) or a `.gguf` file. Throws Error:
  /// file_not_found, bad_format, unsupported (named, with what is supported), tensor_mismatch,
  /// out_of_memory.
  static std::unique_ptr<Model> load(const std::filesystem::path& path,
                                     const LoadOptions& options = {});

  const TransformerConfig& config() const { return config_; }
  ModelKind kind() const { return config_.kind; }
  const ModelInfo& info() const { return info_; }
  /// What the loaded checkpoint ends in.
  HeadKind head() const { return config_.head; }
  /// Whether pooled() works (BERT's pooler).
  bool has_pooler() const { return !pooler_.empty(); }

  std::int64_t vocab_size() const override;
  std::int64_t source_vocab_size() const override { return config_.vocab_size; }
  bool is_encoder_decoder() const override { return config_.kind == ModelKind::encoder_decoder; }
  std::optional<std::int64_t> max_length() const override;
  std::optional<std::int64_t> max_source_length() const override;
  std::vector<std::unique_ptr<SequenceState<S>>> start(
      std::span<const std::span<const TokenId>> sources, Workspace& workspace) const override;
  TensorView<const S> step(std::span<const StepInput<S>> batch,
                           Workspace& workspace) const override;
  /// step() that also copies the residual stream at the borders of the layers.
  TensorView<const S> step(std::span<const StepInput<S>> batch, Workspace& workspace,
                           Taps<S>* taps) const;

  /// Hidden states of the encoder, text after text: [total tokens, hidden]. Valid until the
  /// workspace is used again. Throws Error (unsupported for a decoder, context_overflow,
  /// invalid_input).
  TensorView<const S> encode(std::span<const EncoderInput> inputs, Workspace& workspace,
                             Taps<S>* taps = nullptr) const;

  /// Hidden states that heads read, text after text: an encoder's, a decoder's, or those of an
  /// encoder-decoder whose decoder reads the same text shifted right (BART's classifiers).
  /// [total tokens, hidden]; as encode().
  TensorView<const S> hidden_states(std::span<const EncoderInput> inputs, Workspace& workspace,
                                    Taps<S>* taps = nullptr) const;

  /// Logits of the head over each text. Throws Error (unsupported naming the head this checkpoint
  /// has) for a checkpoint without a masked-LM, classification or question-answering head, and
  /// Error (bad_format) when a logit is no number (see check_logits()); so do the next two.
  HeadOutput<S> run_head(std::span<const EncoderInput> inputs, Workspace& workspace,
                         Taps<S>* taps = nullptr) const;

  /// run_head() of a head that reads every token, but for these rows of the flat list of all texts'
  /// tokens alone: [rows, labels or vocabulary].
  Tensor<S> run_head_at(std::span<const EncoderInput> inputs, std::span<const std::int64_t> rows,
                        Workspace& workspace) const;

  /// The pooler's vector of each text: [texts, hidden].
  Tensor<S> pooled(std::span<const EncoderInput> inputs, Workspace& workspace) const;

 private:
  Model() = default;
  // `packed`: also writes what was built there, or null.
  static std::unique_ptr<Model> load(const std::filesystem::path& path, const LoadOptions& options,
                                     const std::filesystem::path* packed);
  friend void pack_weights(const std::filesystem::path& path, const std::filesystem::path& file,
                           const LoadOptions& options);
  Tensor<S> logits_at(TensorView<const S> hidden, std::span<const std::int64_t> rows,
                      Workspace& workspace) const;
  void check_head() const;
  TensorView<const S> decoder_states(std::span<const EncoderInput> inputs, Workspace& workspace,
                                     Taps<S>* taps) const;
  void check_input(const EncoderInput& input) const;

  TransformerConfig config_;
  ModelInfo info_;
  std::unique_ptr<ThreadPool> pool_;
  Encoder<S> encoder_;
  Decoder<S> decoder_;
  LmHead<S> lm_head_;
  Head<S> head_, pooler_;
};

/// Writes the weights of a model in the order and types in which they are used into one safetensors
/// file, which later loads map instead of reading, and share between processes. pack_model() makes
/// a whole folder with it. Throws Error.
void pack_weights(const std::filesystem::path& path, const std::filesystem::path& file,
                  const LoadOptions& options = {});
/// A folder that opens as the model itself does: packed weights and copies of all small files
/// (configuration, tokenizer). `folder` must not exist. Throws Error; nothing is left behind then.
void pack_model(const std::filesystem::path& path, const std::filesystem::path& folder,
                const LoadOptions& options = {});

extern template class Model<float>;
extern template class Model<double>;

}  // namespace llm
