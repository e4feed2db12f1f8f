// encode: texts and tokens per second of an encoder (hidden states, no head). An encoder-decoder
// that ends in a classifier runs as it classifies: its decoder reads the text too.
#include <algorithm>
#include <fstream>
#include <numeric>
#include <span>

#include "bench/bench.hpp"

namespace llm::bench {

namespace {

// 64 texts as people write them: log-normal with a median of 27 tokens, in no order.
constexpr int default_lengths[] = {
    27, 22, 60,  34, 19, 41, 12, 24, 30, 88, 17, 26, 38, 15, 51, 21, 33, 9,  46, 28, 23, 128,
    14, 36, 20,  55, 29, 11, 31, 70, 18, 25, 43, 16, 37, 22, 27, 62, 13, 32, 49, 21, 40, 24,
    10, 35, 100, 28, 19, 45, 26, 15, 53, 30, 8,  39, 23, 76, 18, 29, 34, 6,  48, 25};

[[noreturn]] void fail_lengths(const std::filesystem::path& file, const char* what) {
  throw Error(ErrorCode::bad_format,
              file.string() + ": " + what +
                  "; expected a JSON array of numbers of tokens, or of arrays of token ids",
              file.string());
}

std::vector<std::int64_t> read_lengths(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) {
    throw Error(ErrorCode::file_not_found, file.string() + ": cannot be read", file.string());
  }
  const nlohmann::json json = nlohmann::json::parse(in, nullptr, false);
  if (!json.is_array() || json.empty()) fail_lengths(file, "is no JSON array or an empty one");
  std::vector<std::int64_t> lengths;
  for (const nlohmann::json& entry : json) {
    constexpr std::uint64_t longest = 1 << 20;
    std::uint64_t length = 0;
    if (entry.is_array()) length = entry.size();
    if (entry.is_number_unsigned()) length = entry.get<std::uint64_t>();
    if (length == 0 || length > longest) fail_lengths(file, "has an entry that is no length");
    lengths.push_back(static_cast<std::int64_t>(length));
  }
  return lengths;
}

// Lengths that the model can take; those of a file are taken as they are.
template <typename S>
std::vector<std::int64_t> text_lengths(const Options& options, const Model<S>& model) {
  if (!options.lengths.empty()) return read_lengths(options.lengths);
  std::vector<std::int64_t> lengths(std::begin(default_lengths), std::end(default_lengths));
  const auto limit =
      model.kind() == ModelKind::decoder ? model.max_length() : model.max_source_length();
  if (limit) {
    for (std::int64_t& length : lengths) length = std::min(length, *limit);
  }
  return lengths;
}

template <typename S>
class Texts {
 public:
  Texts(const Setting& setting, const Model<S>& model)
      : model_(model), lengths_(text_lengths(setting.options, model)) {
    ids_ = some_tokens(tokens(), model.source_vocab_size());
    std::size_t begin = 0;
    for (const std::int64_t length : lengths_) {
      const auto size = static_cast<std::size_t>(length);
      inputs_.push_back({std::span(ids_).subspan(begin, size), {}});
      begin += size;
    }
    const std::int64_t batch = setting.options.batch;
    batch_ = batch > 0 ? std::min(static_cast<std::size_t>(batch), inputs_.size()) : inputs_.size();
  }

  std::int64_t tokens() const { return std::accumulate(lengths_.begin(), lengths_.end(), 0L); }
  std::size_t count() const { return inputs_.size(); }
  std::size_t batch() const { return batch_; }

  void encode_all() {
    const std::span<const EncoderInput> all(inputs_);
    for (std::size_t begin = 0; begin < all.size(); begin += batch_) {
      const auto texts = all.subspan(begin, std::min(batch_, all.size() - begin));
      const bool classifies = model_.is_encoder_decoder() && model_.head() != HeadKind::none &&
                              model_.head() != HeadKind::language_model;
      if (model_.kind() == ModelKind::decoder || classifies) {
        model_.hidden_states(texts, workspace_);
      } else {
        model_.encode(texts, workspace_);
      }
    }
  }

 private:
  const Model<S>& model_;
  std::vector<std::int64_t> lengths_;
  std::vector<TokenId> ids_;
  std::vector<EncoderInput> inputs_;
  std::size_t batch_ = 1;
  Workspace workspace_;
};

}  // namespace

template <typename S>
void bench_encode(const Setting& setting, const Model<S>& model) {
  Texts<S> texts(setting, model);
  const std::vector<double> times = repeated_seconds(setting, [&] { texts.encode_all(); });
  const nlohmann::ordered_json details = {
      {"texts", texts.count()}, {"tokens", texts.tokens()}, {"batch", texts.batch()}};
  print_figure(setting,
               {"encode", "tokens/s", rates(static_cast<double>(texts.tokens()), times), details});
  print_figure(setting,
               {"encode", "texts/s", rates(static_cast<double>(texts.count()), times), details});
}

template <typename S>
void encode_once(const Setting& setting, const Model<S>& model) {
  Texts<S>(setting, model).encode_all();
}

template void bench_encode<float>(const Setting&, const Model<float>&);
template void bench_encode<double>(const Setting&, const Model<double>&);
template void encode_once<float>(const Setting&, const Model<float>&);
template void encode_once<double>(const Setting&, const Model<double>&);

}  // namespace llm::bench
