#include "weights/packed_weights.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "weights/pack.hpp"

namespace llm::detail {
namespace {

constexpr const char* version_key = "llm_packed_version";
constexpr const char* version = "2";

std::optional<DType> dtype_named(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(DType::iq4_xs); ++i) {
    if (to_string(static_cast<DType>(i)) == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

// Sorts in the order of the numbers.
std::string part_name(std::size_t index) {
  std::string digits = std::to_string(index);
  return std::string(8 - std::min<std::size_t>(8, digits.size()), '0') + digits;
}

// The table of the original tensors.
class TensorTable : public WeightStore {
 public:
  TensorTable(const Json& table, std::filesystem::path file) : files_{std::move(file)} {
    for (const Json& row : table) {
      FileTensor tensor;
      tensor.name = row.at(0).get<std::string>();
      const auto dtype = dtype_named(row.at(1).get<std::string>());
      if (!dtype) throw Json::other_error::create(501, "unknown type", nullptr);
      tensor.dtype = *dtype;
      tensor.shape = row.at(2).get<std::vector<std::int64_t>>();
      names_.push_back(tensor.name);
      tensors_.emplace(tensor.name, std::move(tensor));
    }
    std::sort(names_.begin(), names_.end());
  }
  const FileTensor* find(std::string_view name) const override {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : &found->second;
  }
  const std::vector<std::string>& names() const override { return names_; }
  const std::map<std::string, std::string>& metadata() const override { return metadata_; }
  const std::vector<std::filesystem::path>& files() const override { return files_; }

 private:
  std::map<std::string, FileTensor, std::less<>> tensors_;
  std::vector<std::string> names_;
  std::map<std::string, std::string> metadata_;
  std::vector<std::filesystem::path> files_;
};

std::string table_of(const WeightStore& store,
                     const std::set<std::string, std::less<>>& duplicates) {
  Json table = Json::array();
  for (const std::string& name : store.names()) {
    if (duplicates.contains(name)) continue;
    const FileTensor& tensor = *store.find(name);
    table.push_back({name, std::string(to_string(tensor.dtype)), tensor.shape});
  }
  return table.dump();
}

// Bytes of a matrix in memory.
std::int64_t matrix_bytes(DType dtype, WeightLayout layout, std::int64_t rows, std::int64_t cols) {
  if (layout == WeightLayout::panels) return panel_count(rows) * panel_bytes(dtype, cols);
  return rows * (cols / block_values(dtype) * block_bytes(dtype));
}

}  // namespace

void PackedWriter::add(std::shared_ptr<const Weight> matrix) {
  parts_.push_back({std::move(matrix), {}});
}
void PackedWriter::add(std::vector<float> vector) {
  parts_.push_back({nullptr, std::move(vector)});
}

void PackedWriter::write(const std::filesystem::path& path, const WeightStore& original,
                         const std::set<std::string, std::less<>>& duplicates,
                         const std::string& head) const {
  std::vector<std::vector<std::byte>> padded(
      parts_.size());  // parts whose size is not a multiple of the padding
  std::vector<TensorToWrite> tensors;
  Json description = Json::array();
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    std::span<const std::byte> bytes =
        part.matrix ? part.matrix->bytes_in_memory() : std::as_bytes(std::span(part.vector));
    if (bytes.size() % 64 != 0) {
      padded[i].assign(bytes.begin(), bytes.end());
      padded[i].resize((bytes.size() + 63) / 64 * 64);
      bytes = padded[i];
    }
    tensors.push_back({part_name(i), DType::u8, {static_cast<std::int64_t>(bytes.size())}, bytes});
    if (part.matrix) {
      const bool panels = part.matrix->layout() == WeightLayout::panels;
      description.push_back({panels ? "panels" : "rows",
                             std::string(to_string(part.matrix->dtype())), part.matrix->rows(),
                             part.matrix->cols()});
    } else {
      description.push_back({"vector", "f32", 1, part.vector.size()});
    }
  }
  write_safetensors(path, tensors,
                    {{version_key, version},
                     {"head", head},
                     {"parts", description.dump()},
                     {"tensors", table_of(original, duplicates)}});
}

std::shared_ptr<const PackedWeights> PackedWeights::open(const std::filesystem::path& path) {
  auto packed = std::make_shared<PackedWeights>();
  packed->where_ = path.string();
  packed->file_ = WeightStore::open(path);
  const auto& metadata = packed->file_->metadata();
  const auto value = [&](const char* key) -> const std::string& {
    const auto found = metadata.find(key);
    if (found == metadata.end()) packed->fail("has no " + quote(key) + "; pack the model again");
    return found->second;
  };
  if (value(version_key) != version) {
    throw Error(ErrorCode::unsupported,
                packed->where_ + ": was packed in version " + value(version_key) + ", expected " +
                    version + "; pack the model again",
                packed->where_);
  }
  packed->head_ = value("head");
  try {
    packed->store_ = std::make_shared<TensorTable>(Json::parse(value("tensors")), path);
    for (const Json& row : Json::parse(value("parts"))) {
      Part part;
      const std::string kind = row.at(0).get<std::string>();
      part.is_matrix = kind != "vector";
      part.layout = kind == "rows" ? WeightLayout::rows : WeightLayout::panels;
      const auto dtype = dtype_named(row.at(1).get<std::string>());
      part.rows = row.at(2).get<std::int64_t>();
      part.cols = row.at(3).get<std::int64_t>();
      const FileTensor* tensor = packed->file_->find(part_name(packed->parts_.size()));
      if (!dtype || !tensor)
        packed->fail("part " + part_name(packed->parts_.size()) + " is missing");
      part.dtype = *dtype;
      part.bytes = tensor->bytes;
      packed->parts_.push_back(part);
    }
  } catch (const Json::exception& e) {
    packed->fail(std::string("its description is damaged: ") + e.what());
  }
  return packed;
}

void PackedWeights::fail(const std::string& what) const {
  throw Error(ErrorCode::bad_format, where_ + ": " + what, where_);
}

const PackedWeights::Part& PackedWeights::part(std::size_t index) const {
  if (index >= parts_.size()) {
    fail("has " + std::to_string(parts_.size()) +
         " parts, but the model needs more; pack it again");
  }
  return parts_[index];
}

Weight PackedWeights::matrix(std::size_t index, std::int64_t rows, std::int64_t cols) const {
  const Part& p = part(index);
  const bool known = is_floating(p.dtype) || is_quantized(p.dtype);
  if (!p.is_matrix || !known || p.rows != rows || p.cols != cols || !can_be(p.dtype, p.cols) ||
      (p.layout == WeightLayout::panels && p.dtype == DType::f64)) {
    fail("part " + std::to_string(index) + " is no matrix of " + std::to_string(rows) + " x " +
         std::to_string(cols) + ", which config.json asks for; pack the model again");
  }
  const auto bytes = static_cast<std::size_t>(matrix_bytes(p.dtype, p.layout, rows, cols));
  const bool aligned = reinterpret_cast<std::uintptr_t>(p.bytes.data()) % 64 == 0;
  if (p.bytes.size() != (bytes + 63) / 64 * 64 || !aligned) {
    fail("part " + std::to_string(index) + " has " + std::to_string(p.bytes.size()) +
         " bytes, expected " + std::to_string(bytes) + " at a multiple of 64");
  }
  return Weight({file_, p.bytes.first(bytes)}, p.dtype, p.layout, rows, cols);
}

std::span<const float> PackedWeights::vector(std::size_t index, std::int64_t size) const {
  const Part& p = part(index);
  const auto bytes = static_cast<std::size_t>(size) * sizeof(float);
  const bool aligned = reinterpret_cast<std::uintptr_t>(p.bytes.data()) % 64 == 0;
  if (p.is_matrix || p.cols != size || p.bytes.size() != (bytes + 63) / 64 * 64 || !aligned) {
    fail("part " + std::to_string(index) + " is no vector of " + std::to_string(size) +
         " values, which config.json asks for; pack the model again");
  }
  return {reinterpret_cast<const float*>(p.bytes.data()), static_cast<std::size_t>(size)};
}

}  // namespace llm::detail
