// A copy of a fixture in which one tensor's values are others: not numbers, or too large ones.
#pragma once

#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "llm/weights/weight_store.hpp"
#include "support/paths.hpp"
#include "support/temp_dir.hpp"

namespace llm::test {

class DamagedModel {
 public:
  // All values of the float32 tensor `name` become `value`, or the first one alone.
  DamagedModel(const std::string& fixture, const std::string& name, float value,
               bool first_only = false) {
    const std::filesystem::path from = models_dir() / fixture;
    for (const auto& entry : std::filesystem::directory_iterator(from)) {
      if (entry.path().filename() == "model.safetensors") continue;
      std::filesystem::create_symlink(entry.path(), path() / entry.path().filename());
    }
    const auto store = WeightStore::open(from);
    std::vector<TensorToWrite> tensors;
    std::vector<float> values;
    for (const std::string& each : store->names()) {
      tensors.push_back(*store->find(each));
      if (each != name) continue;
      values.resize(tensors.back().bytes.size() / sizeof(float));
      std::memcpy(values.data(), tensors.back().bytes.data(), values.size() * sizeof(float));
      for (std::size_t i = 0; i < (first_only ? 1 : values.size()); ++i) values[i] = value;
      tensors.back().bytes = std::as_bytes(std::span<const float>(values));
    }
    write_safetensors(path() / "model.safetensors", tensors, {});
    if (values.empty()) throw std::runtime_error(fixture + " has no tensor " + name);
  }
  const std::filesystem::path& path() const { return dir_.path(); }

 private:
  TempDir dir_;
};

}  // namespace llm::test
