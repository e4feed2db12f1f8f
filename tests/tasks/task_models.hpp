// Models and tokenizers that tasks are tested with, and vectors of the reference's answers.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "core/json.hpp"
#include "llm/model/model.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "support/catch_error.hpp"
#include "support/json_rows.hpp"
#include "support/paths.hpp"
#include "support/temp_dir.hpp"

namespace llm::test {

using nlohmann::json;

inline std::filesystem::path fixture(const std::string& name) { return models_dir() / name; }

// A model and its tokenizer, of one folder.
template <typename S>
struct TaskModel {
  explicit TaskModel(const std::filesystem::path& folder, std::optional<HeadKind> head = {},
                     int threads = 1)
      : model(Model<S>::load(folder, {.threads = threads, .head = head})),
        tokenizer(Tokenizer::open(folder)) {}
  std::unique_ptr<Model<S>> model;
  std::unique_ptr<Tokenizer> tokenizer;
};

// The same of a fixture.
template <typename S>
struct FixtureModel : TaskModel<S> {
  explicit FixtureModel(const std::string& name, int threads = 1)
      : TaskModel<S>(fixture(name), {}, threads) {}
};

// A copy of a fixture with another configuration; its other files are linked to.
class EditedFixture {
 public:
  template <typename Edit>
  EditedFixture(const std::string& name, const Edit& edit) {
    for (const auto& entry : std::filesystem::directory_iterator(fixture(name))) {
      if (entry.path().filename() == "config.json") continue;
      std::filesystem::create_symlink(entry.path(), path() / entry.path().filename());
    }
    detail::Json config = detail::read_json_file(fixture(name) / "config.json");
    edit(config);
    std::ofstream(path() / "config.json") << config;
  }
  const std::filesystem::path& path() const { return dir_.path(); }

 private:
  TempDir dir_;
};

inline std::vector<json> task_rows(const std::string& file) {
  const auto rows = read_json_rows(source_dir() / "tests" / "tasks" / "data" / file);
  EXPECT_FALSE(rows.empty()) << file;
  return rows;
}

// The vectors have 9 digits: an error of 5e-9 of each value. float32 has 24 bits, which makes
// probabilities exact to 1e-6; logits and hidden states, which are not squeezed, are sums of some
// hundred products of size 1 in two layers: a few units of 2^-23.
template <typename S>
constexpr double task_tolerance = std::is_same_v<S, double> ? 1e-8 : 1e-6;

template <typename S>
void expect_near(double value, double expected, const std::string& what, bool raw = false) {
  const double tolerance = (raw && std::is_same_v<S, float> ? 5 : 1) * task_tolerance<S>;
  EXPECT_NEAR(value, expected, tolerance * std::max(1.0, std::abs(expected))) << what;
}

using Scalars = ::testing::Types<double, float>;

}  // namespace llm::test
