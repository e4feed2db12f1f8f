// A packed folder: the weights in memory order beside copies of everything small the model's folder
// holds. It is made under another name and renamed, so that it is whole or not there.
#include <fstream>
#include <string>
#include <vector>

#include "core/folder.hpp"
#include "core/gguf.hpp"
#include "llm/core/error.hpp"
#include "llm/model/model.hpp"
#include "weights/packed_weights.hpp"

namespace llm {
namespace {

namespace fs = std::filesystem;

// Files that hold weights, here or for other programs.
bool holds_weights(const fs::path& file) {
  const std::string name = file.filename().string();
  for (const char* ending : {".safetensors", ".bin", ".gguf", ".h5", ".msgpack", ".onnx", ".pt",
                             ".pth", ".ckpt", ".index.json", ".ot"}) {
    if (name.ends_with(ending)) return true;
  }
  return false;
}

// Everything but weights; folders inside (1_Pooling), too.
void copy_small_files(const fs::path& from, const fs::path& to) {
  for (const auto& entry : fs::directory_iterator(from)) {
    const fs::path target = to / entry.path().filename();
    if (entry.is_directory()) {
      if (entry.path().filename().string().starts_with('.')) continue;
      fs::create_directory(target);
      copy_small_files(entry.path(), target);
      if (fs::is_empty(target)) fs::remove(target);
    } else if (entry.is_regular_file() && !holds_weights(entry.path())) {
      fs::copy_file(entry.path(), target);
    }
  }
}

// What a GGUF file holds beside its tensors: configuration and vocabulary.
void copy_metadata(const fs::path& gguf, const fs::path& to) {
  const std::vector<std::byte> bytes = detail::GgufFile::open(gguf)->without_tensors();
  std::ofstream out(to / "model.gguf", std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) {
    throw Error(ErrorCode::io, to.string() + ": cannot be written; is the disk full?", to.string());
  }
}

void fill_folder(const fs::path& path, const fs::path& folder, const LoadOptions& options) {
  pack_weights(path, folder / detail::packed_file_name, options);
  fs::path gguf = fs::is_directory(path) ? fs::path() : path;
  if (gguf.empty() && !fs::exists(path / "config.json")) gguf = detail::only_file(path, ".gguf");
  gguf.empty() ? copy_small_files(path, folder) : copy_metadata(gguf, folder);
}

}  // namespace

void pack_model(const fs::path& path, const fs::path& folder, const LoadOptions& options) {
  std::error_code error;
  if (fs::exists(folder, error)) {
    throw Error(ErrorCode::invalid_option,
                folder.string() + ": exists already; give a folder that does not, or remove it",
                folder.string());
  }
  const fs::path unfinished = folder.string() + ".unfinished";
  fs::remove_all(unfinished, error);
  try {
    fs::create_directories(unfinished);
    fill_folder(path, unfinished, options);
    fs::rename(unfinished, folder);
  } catch (const fs::filesystem_error& problem) {
    fs::remove_all(unfinished, error);
    throw Error(ErrorCode::io, folder.string() + ": cannot be written: " + problem.what(),
                folder.string());
  } catch (...) {
    fs::remove_all(unfinished, error);
    throw;
  }
}

}  // namespace llm
