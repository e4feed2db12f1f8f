// A `reference.safetensors`: the outputs of the reference implementation for some inputs.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "llm/core/types.hpp"
#include "llm/weights/weight_store.hpp"

namespace llm::detail {

struct ReferenceGeneration {
  std::string name;
  Json options;
};

struct ReferenceText {
  std::string text;
  std::vector<TokenId> ids;
  bool add_special_tokens = true;
};

class ReferenceFile {
 public:
  // Throws Error (file_not_found, bad_format).
  explicit ReferenceFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::string& class_name() const { return class_name_; }
  const std::vector<std::string>& cases() const { return cases_; }
  const std::vector<ReferenceGeneration>& generations() const { return generations_; }
  const std::vector<ReferenceText>& texts() const { return texts_; }

  // Names of all tensors of F64.
  std::vector<std::string> value_names() const;
  // A tensor of F64; nullptr when absent.
  const FileTensor* values(const std::string& name) const;
  // A tensor of I64 as token ids; nullopt when absent. Rows of a matrix follow one another.
  std::optional<std::vector<TokenId>> ids(const std::string& name) const;
  std::vector<std::vector<TokenId>> id_rows(const std::string& name) const;

 private:
  [[noreturn]] void reject(const std::string& sentence) const;
  const FileTensor* find(const std::string& name, DType dtype) const;
  void read_header(const Json& header);

  std::filesystem::path path_;
  std::shared_ptr<const WeightStore> store_;
  std::string class_name_;
  std::vector<std::string> cases_;
  std::vector<ReferenceGeneration> generations_;
  std::vector<ReferenceText> texts_;
};

}  // namespace llm::detail
