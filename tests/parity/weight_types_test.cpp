// Weights that are kept in fewer bits than their file's, and activations of 8 bits.
#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

#include "llm/model/model.hpp"
#include "support/paths.hpp"

namespace {

using llm::WeightType;

const std::vector<llm::TokenId> ids = {3, 77, 140, 8, 91, 12, 55, 101, 7, 64};

// Logits after each of the ids, fed `chunk` at a time.
template <typename S>
std::vector<double> logits(const llm::LoadOptions& options, std::size_t chunk = 10) {
  const auto model = llm::Model<S>::load(llm::test::models_dir() / "llama-wide", options);
  llm::Workspace workspace;
  const std::span<const llm::TokenId> no_source;
  const auto state = std::move(model->start({&no_source, 1}, workspace).front());
  std::vector<double> all;
  for (std::size_t first = 0; first < ids.size(); first += chunk) {
    const auto count = std::min(chunk, ids.size() - first);
    const llm::StepInput<S> input{state.get(), std::span(ids).subspan(first, count), true};
    const auto rows = model->step({&input, 1}, workspace);
    for (std::int64_t r = 0; r < rows.rows(); ++r) {
      all.insert(all.end(), rows.row(r).begin(), rows.row(r).end());
    }
  }
  return all;
}

double relative_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return std::sqrt(difference / size);
}

// The same rounded weights in float and in double: what differs is the arithmetic of float (as in
// the other parity tests) and, beside int8 and int4, activations rounded by at most 2^-16 of the
// largest of 32.
TEST(WeightTypes, FloatAndDoubleUseTheSameWeights) {
  for (const WeightType type : {WeightType::f32, WeightType::bf16, WeightType::int8,
                                WeightType::int8_channel, WeightType::int4}) {
    EXPECT_LT(
        relative_difference(logits<float>({.weights = type}), logits<double>({.weights = type})),
        1e-3)
        << int(type);
  }
}

// A weight matrix of normal values rounded to b bits is off by about 2^-b of its size per layer;
// the limits are four times what two layers and a head then add up to.
TEST(WeightTypes, FewerBitsAreFurtherOff) {
  const std::vector<double> exact = logits<double>({});
  const auto off = [&](WeightType type) {
    return relative_difference(logits<float>({.weights = type}), exact);
  };
  EXPECT_LT(off(WeightType::bf16), 0.01);
  EXPECT_LT(off(WeightType::int8), 0.03);
  EXPECT_LT(off(WeightType::int8_channel), 0.03);
  EXPECT_LT(off(WeightType::int8_channel), off(WeightType::int4));
  EXPECT_LT(off(WeightType::int4), 0.4);
  EXPECT_LT(off(WeightType::f32), off(WeightType::bf16));
  EXPECT_LT(off(WeightType::int8), off(WeightType::int4));
}

TEST(WeightTypes, TakeLessMemory) {
  const auto bytes = [](WeightType type) {
    llm::LoadOptions options;
    options.weights = type;
    return llm::Model<float>::load(llm::test::models_dir() / "llama-wide", options)
        ->info()
        .weight_bytes;
  };
  EXPECT_LT(bytes(WeightType::bf16), bytes(WeightType::f32));
  EXPECT_LT(bytes(WeightType::int8), bytes(WeightType::bf16));
  EXPECT_LT(bytes(WeightType::int8_channel), bytes(WeightType::int8));
  EXPECT_LT(bytes(WeightType::int4), bytes(WeightType::int8_channel));
}

TEST(WeightTypes, FastIsTheSameForAnyChunkAndThreads) {
  for (const WeightType type : {WeightType::int8, WeightType::int8_channel}) {
    const llm::LoadOptions one{.threads = 1, .weights = type, .fast = true};
    llm::LoadOptions three = one;
    three.threads = 3;
    const std::vector<double> whole = logits<float>(one);
    EXPECT_EQ(whole, logits<float>(three));
    EXPECT_EQ(whole, logits<float>(one, 3));
    EXPECT_EQ(whole, logits<float>(three, 1));
    llm::LoadOptions exact = one;
    exact.fast = false;
    EXPECT_NE(whole, logits<float>(exact));
    EXPECT_LT(relative_difference(whole, logits<float>(exact)), 0.03);
  }
}

}  // namespace
