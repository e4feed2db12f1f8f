/// \file
/// A loaded model, where loading ends and running begins: folder or GGUF file -> Model -> hidden
/// states or logits.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/core/dtype.hpp"
#include "llm/core/types.hpp"
#include "llm/model/language_model.hpp"
#include "llm/nn/inputs.hpp"
#include "llm/nn/transformer_config.hpp"
#include "llm/weights/adapter.hpp"

namespace llm {

/// How the weight matrices of products are kept. Norms, biases and embeddings stay as they are.
/// Only f32 makes a matrix wider than it is in its file.
enum class WeightType : std::uint8_t {
  as_stored,  ///< as in the file
  f32,        ///< 32 bits
  bf16,       ///< 16 bits
  int8,       ///< 8 bits, groups of 32 with an fp16 scale
  /// One scale per output, and with `fast` also one per row of activations. Made for encoders,
  /// whose activations differ little in size. Sensitive matrices, except those of encoders, become
  /// int8.
  int8_channel,
  int4,  ///< groups of 32 with fp16 scale and minimum; sensitive matrices become int8
};

/// The value of "auto" (as_stored), "f32", "bf16", "int8", "int8-channel" or "int4"; nullopt for
/// other names.
std::optional<WeightType> weight_type_from_name(std::string_view name);

/// The element type of a WeightType; nullopt: the matrix's own. Sensitive matrices are LM heads,
/// which decide between close logits, and those that make queries, keys and values: with these in 4
/// bits, a model of 135M parameters lost twice as much (perplexity +23 % instead of +9 %).
std::optional<DType> dtype_of(WeightType type, bool is_sensitive = false);

/// How to load a model.
struct LoadOptions {
  /// Threads of a forward pass, the caller's included; 0: one per core. No result depends on it.
  int threads = 0;
  /// The head to load; default: the one that the configuration's `architectures` names.
  std::optional<HeadKind> head = std::nullopt;
  /// LoRA adapters that are merged into the weights; see merge_adapters().
  std::vector<Adapter> adapters = {};
  WeightType weights = WeightType::as_stored;  ///< how the weights are kept
  /// Rounds activations beside quantized weights to 8 bits instead of 16, and those beside bf16
  /// weights to bf16. Prompts are read faster; now and then the answer differs.
  bool fast = false;
  /// How a decoder keeps keys and values. bf16: half the memory, and half the time to read it.
  KVType kv = KVType::full;
};

/// What was loaded, to be shown.
struct ModelInfo {
  std::vector<std::filesystem::path> files;  ///< with weights
  std::int64_t parameters = 0;               ///< values in the weight matrices and vectors
  std::size_t weight_bytes = 0;              ///< memory that the weights take
  std::vector<std::string> dtypes;  ///< of the matrices in the file, the one with most bytes first
  std::vector<std::string> unused_tensors;  ///< tensors of the file that the model does not use
};

/// What a head computes for some texts: rows of logits, one text after another.
template <typename S>
struct HeadOutput {
  Tensor<S> logits;         ///< [rows, labels or vocabulary]
  std::vector<Range> rows;  ///< the rows of each text: one, or one per token
};

/// Reads the configuration of a folder or `.gguf` file, not its weights. Throws Error.
TransformerConfig read_model_config(const std::filesystem::path& path);

/// Models of one kind that can be opened.
struct SupportedFamily {
  std::vector<std::string> model_types;         ///< `model_type` of config.json
  std::vector<HeadKind> heads;                  ///< besides hidden states alone
  std::vector<std::string> gguf_architectures;  ///< `general.architecture`; empty: folders only
};

/// All families, in the order of the documentation's table.
std::vector<SupportedFamily> supported_families();

/// A loaded model. Immutable: any number of threads may use one, each with its own states and
/// workspace, and a child of fork() too. Its files stay mapped: do not change them in place. `S` is
/// the type of activations: `float` is the product, `double` the built-in reference.
template <typename S>
class Model : public LanguageModel<S> {
 public:
  ~Model() override;

  /// Opens a Hugging Face folder (config.json and weights) or a `.gguf` file. Throws Error:
  /// file_not_found, bad_format, unsupported (says what is supported), tensor_mismatch,
  /// out_of_memory.
  static std::unique_ptr<Model> load(const std::filesystem::path& path,
                                     const LoadOptions& options = {});

  /// The configuration.
  const TransformerConfig& config() const { return config_; }
  /// Encoder, decoder or encoder-decoder.
  ModelKind kind() const { return config_.kind; }
  /// What was loaded.
  const ModelInfo& info() const { return info_; }
  /// The checkpoint's head.
  HeadKind head() const { return config_.head; }
  /// Whether pooled() works (BERT's pooler).
  bool has_pooler() const;

  std::int64_t vocab_size() const override;
  std::int64_t source_vocab_size() const override { return config_.vocab_size; }
  bool is_encoder_decoder() const override { return config_.kind == ModelKind::encoder_decoder; }
  std::optional<std::int64_t> max_length() const override;
  std::optional<std::int64_t> max_source_length() const override;
  std::vector<std::unique_ptr<SequenceState<S>>> start(
      std::span<const std::span<const TokenId>> sources, Workspace& workspace) const override;
  TensorView<const S> step(std::span<const StepInput<S>> batch,
                           Workspace& workspace) const override;
  /// step() that also copies the hidden states between the layers into `taps`, if it is not null.
  TensorView<const S> step(std::span<const StepInput<S>> batch, Workspace& workspace,
                           Taps<S>* taps) const;

  /// The encoder's hidden states, one text after another: [tokens of all texts, hidden]. Valid
  /// until the workspace is used again. Throws Error (unsupported for a decoder, context_overflow,
  /// invalid_input).
  TensorView<const S> encode(std::span<const EncoderInput> inputs, Workspace& workspace,
                             Taps<S>* taps = nullptr) const;

  /// The hidden states that a head reads, one text after another: an encoder's, a decoder's, or
  /// those of an encoder-decoder whose decoder reads the same text shifted right (BART's
  /// classifiers): [tokens of all texts, hidden]. Otherwise as encode().
  TensorView<const S> hidden_states(std::span<const EncoderInput> inputs, Workspace& workspace,
                                    Taps<S>* taps = nullptr) const;

  /// The head's logits for each text. Throws as encode(), Error (unsupported, with the checkpoint's
  /// head) when there is no masked-LM, classification or question-answering head, and Error
  /// (bad_format) when a logit is not a number (see check_logits()). So do the next two.
  HeadOutput<S> run_head(std::span<const EncoderInput> inputs, Workspace& workspace,
                         Taps<S>* taps = nullptr) const;

  /// run_head() for some tokens only, for a head that reads every token. `rows` are indices into
  /// the tokens of all texts, one text after another. [rows, labels or vocabulary].
  Tensor<S> run_head_at(std::span<const EncoderInput> inputs, std::span<const std::int64_t> rows,
                        Workspace& workspace) const;

  /// The pooler's vector of each text: [texts, hidden].
  Tensor<S> pooled(std::span<const EncoderInput> inputs, Workspace& workspace) const;

 private:
  Model();
  // Also writes the packed weights to the file `packed`, if it is not null.
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
  struct Network;  // stacks and heads, and the threads that run them
  std::unique_ptr<Network> network_;
};

/// Writes the weights of a model into one safetensors file, in the order and types in which they
/// are used. Later loads map the file instead of reading it, and share it between processes.
/// pack_model() makes a whole folder. Throws Error.
void pack_weights(const std::filesystem::path& path, const std::filesystem::path& file,
                  const LoadOptions& options = {});
/// Writes a folder that opens as the model itself does: packed weights, and copies of the small
/// files (configuration, tokenizer). `folder` must not exist. Throws Error, and then leaves nothing
/// behind.
void pack_model(const std::filesystem::path& path, const std::filesystem::path& folder,
                const LoadOptions& options = {});

extern template class Model<float>;
extern template class Model<double>;

}  // namespace llm
