// Finds the files of a checkpoint and puts their tensors together by name.
#include "llm/weights/weight_store.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <utility>

#include "core/folder.hpp"
#include "core/gguf.hpp"
#include "core/gguf_split.hpp"
#include "core/json.hpp"
#include "core/mapped_file.hpp"
#include "core/system_error.hpp"
#include "llm/core/error.hpp"
#include "weights/packed_weights.hpp"
#include "weights/weight_file.hpp"

namespace llm {

std::int64_t FileTensor::rows() const {
  std::int64_t product = 1;
  for (std::size_t i = 0; i + 1 < shape.size(); ++i) product *= shape[i];
  return product;
}

std::int64_t FileTensor::cols() const { return shape.empty() ? 1 : shape.back(); }

namespace {

namespace fs = std::filesystem;
using detail::WeightFile;

// How one kind of weight files is named in a folder, and how it is read. Suffix: of an index with
// any name.
struct Kind {
  const char* single_name;
  const char* index_name;
  std::string_view index_suffix;
  WeightFile (*open)(const fs::path&);
};

// In order of preference: safetensors is easier to check and never needs a copy.
constexpr Kind kinds[] = {{"model.safetensors", "model.safetensors.index.json",
                           ".safetensors.index.json", detail::open_safetensors},
                          {"pytorch_model.bin", "pytorch_model.bin.index.json", ".bin.index.json",
                           detail::open_pytorch_bin}};

class FileWeightStore : public WeightStore {
 public:
  explicit FileWeightStore(std::vector<WeightFile> files) : files_(std::move(files)) {
    for (const WeightFile& file : files_) {
      paths_.push_back(file.path);
      for (const FileTensor& tensor : file.tensors) add(tensor, file.path);
    }
    for (const auto& [name, entry] : tensors_) names_.emplace_back(name);
  }

  const FileTensor* find(std::string_view name) const override {
    const auto it = tensors_.find(name);
    return it == tensors_.end() ? nullptr : it->second.tensor;
  }
  const std::vector<std::string>& names() const override { return names_; }
  const std::map<std::string, std::string>& metadata() const override {
    return files_.front().metadata;
  }
  const std::vector<fs::path>& files() const override { return paths_; }

 private:
  struct Place {
    const FileTensor* tensor;
    const fs::path* file;
  };

  void add(const FileTensor& tensor, const fs::path& file) {
    const auto [it, added] = tensors_.emplace(tensor.name, Place{&tensor, &file});
    if (added) return;
    throw Error(ErrorCode::bad_format,
                file.string() + ": tensor " + quote(tensor.name) + " is also in " +
                    it->second.file->filename().string() + "; each may be in one file only",
                file.string());
  }

  std::vector<WeightFile> files_;  // never empty, never changed: tensors_ points into it
  std::map<std::string_view, Place> tensors_;
  std::vector<std::string> names_;
  std::vector<fs::path> paths_;
};

// Shard -> the tensors that the index says it has.
using Shards = std::map<std::string, std::vector<std::string>>;

// A shard must be in the folder of its index: an index must not open other files.
bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

Shards read_index(const fs::path& index) {
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorCode::bad_format, index.string() + ": " + what, index.string());
  };
  const detail::Json json = detail::read_json_file(index, detail::max_table_bytes);
  const auto map = json.is_object() ? json.find("weight_map") : json.end();
  if (map == json.end() || !map->is_object() || map->empty()) {
    fail("expected an object \"weight_map\" from tensor names to files");
  }
  Shards shards;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string() || !is_plain_name(file.get_ref<const std::string&>())) {
      fail("weight_map gives tensor " + quote(tensor) +
           " no plain file name; shards lie in the folder of the index");
    }
    shards[file.get<std::string>()].push_back(tensor);
  }
  return shards;
}

WeightFile open_shard(const Kind& kind, const fs::path& index, const std::string& shard,
                      const std::vector<std::string>& listed) {
  const fs::path path = index.parent_path() / shard;
  if (!detail::is_there(path)) {
    throw Error(ErrorCode::file_not_found,
                path.string() + ": this shard is missing; " + index.filename().string() +
                    " lists " + std::to_string(listed.size()) + " tensors in it",
                path.string());
  }
  WeightFile file = kind.open(path);
  std::set<std::string_view> names;
  for (const FileTensor& tensor : file.tensors) names.insert(tensor.name);
  for (const std::string& tensor : listed) {
    if (names.count(tensor) > 0) continue;
    throw Error(ErrorCode::bad_format,
                path.string() + ": does not hold tensor " + quote(tensor) + ", which " +
                    index.filename().string() + " lists in it",
                path.string());
  }
  return file;
}

std::vector<WeightFile> open_shards(const Kind& kind, const fs::path& index) {
  std::vector<WeightFile> files;
  for (const auto& [shard, listed] : read_index(index)) {
    files.push_back(open_shard(kind, index, shard, listed));
  }
  return files;
}

[[noreturn]] void fail_no_weights(const fs::path& folder) {
  const auto others =
      detail::files_ending_in(folder, {".safetensors", ".gguf", ".bin", ".bin.index.json", ".h5",
                                       ".msgpack", ".onnx", ".pt", ".pth", ".ckpt"});
  constexpr std::size_t max_named = 5;
  std::string found;
  for (std::size_t i = 0; i < std::min(others.size(), max_named); ++i) {
    found += (i == 0 ? "" : ", ") + others[i].filename().string();
  }
  if (others.size() > max_named) found += ", ...";
  throw Error(ErrorCode::file_not_found,
              folder.string() +
                  ": no weights found; expected model.safetensors, model.safetensors.index.json "
                  "with its shards, pytorch_model.bin, pytorch_model.bin.index.json with its "
                  "shards, or one .gguf file; found " +
                  (found.empty() ? "no other weight files" : "instead: " + found),
              folder.string());
}

std::vector<WeightFile> open_folder(const fs::path& folder) {
  std::vector<WeightFile> files;
  for (const Kind& kind : kinds) {
    if (detail::is_there(folder / kind.single_name)) {
      files.push_back(kind.open(folder / kind.single_name));
      return files;
    }
    if (detail::is_there(folder / kind.index_name)) {
      return open_shards(kind, folder / kind.index_name);
    }
  }
  const fs::path gguf = detail::gguf_in(folder);
  if (gguf.empty()) fail_no_weights(folder);
  return detail::open_gguf(detail::GgufFile::open(gguf));
}

// Files in a cache may have lost their extension, so the first bytes are looked at too.
std::vector<WeightFile> open_file(const fs::path& path) {
  const std::string name = path.filename().string();
  for (const Kind& kind : kinds) {
    if (name.ends_with(kind.index_suffix)) return open_shards(kind, path);
  }
  const std::string extension = path.extension().string();
  const detail::MappedFile file(path);
  const bool gguf = file.bytes().size() >= 4 && std::memcmp(file.bytes().data(), "GGUF", 4) == 0;
  std::vector<WeightFile> files;
  if (extension == ".safetensors") {
    files.push_back(detail::open_safetensors(path));
  } else if (extension == ".gguf" || gguf) {
    return detail::open_gguf(detail::GgufFile::open(path));
  } else if (extension == ".bin" || detail::is_pytorch_bin(file.bytes())) {
    files.push_back(detail::open_pytorch_bin(path));
  } else {
    throw Error(
        ErrorCode::unsupported,
        path.string() + ": expected a folder, or a file of weights: .safetensors, .bin or .gguf",
        path.string());
  }
  return files;
}

}  // namespace

std::shared_ptr<const WeightStore> detail::open_gguf_store(
    const std::shared_ptr<const detail::GgufFile>& gguf) {
  return std::make_shared<FileWeightStore>(open_gguf(gguf));
}

std::shared_ptr<const WeightStore> WeightStore::open(const std::filesystem::path& path) try {
  const bool folder = detail::is_folder(path);
  if (folder && detail::is_there(path / detail::packed_file_name)) {
    return detail::PackedWeights::open(path / detail::packed_file_name)->store();
  }
  return std::make_shared<FileWeightStore>(folder ? open_folder(path) : open_file(path));
} catch (...) {
  detail::rethrow_as_error(path);
}

}  // namespace llm
