// A packed folder: the weights in memory order beside copies of everything small the model's folder
// holds. It is made under another name and renamed, so that it is whole or not there.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "core/folder.hpp"
#include "core/gguf.hpp"
#include "core/gguf_split.hpp"
#include "core/mapped_file.hpp"
#include "core/system_error.hpp"
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

void write_new_file(const fs::path& to, std::span<const std::byte> bytes, mode_t mode) {
  const int file = ::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0) detail::fail_writing(to, "created", errno);
  int reason = 0;
  while (!bytes.empty() && reason == 0) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written >= 0) bytes = bytes.subspan(static_cast<std::size_t>(written));
    if (written < 0 && errno != EINTR) reason = errno;
  }
  if (::close(file) != 0 && errno != EINTR && reason == 0) reason = errno;
  if (reason != 0) detail::fail_writing(to, "written", reason);
}

void copy_whole(const fs::path& from, const fs::path& to) {
  std::error_code ignored;
  const auto mode = static_cast<mode_t>(fs::status(from, ignored).permissions()) & 0777U;
  write_new_file(to, detail::MappedFile(from).bytes(), mode);
}

void make_folder(const fs::path& folder) {
  if (::mkdir(folder.c_str(), 0777) != 0) detail::fail_writing(folder, "created", errno);
}

// Everything but weights; folders inside (1_Pooling), too, but not the one that is being made.
void copy_small_files(const fs::path& from, const fs::path& to, const fs::path& made) {
  std::error_code ignored;
  for (const fs::path& file : detail::files_ending_in(from, {""})) {
    if (holds_weights(file)) continue;
    const fs::path target = to / file.filename();
    const fs::file_type type = detail::type_of(file);
    if (type == fs::file_type::directory) {
      if (file.filename().string().starts_with('.') || fs::equivalent(file, made, ignored))
        continue;
      make_folder(target);
      copy_small_files(file, target, made);
      ::rmdir(target.c_str());  // which an empty one is
    } else if (type == fs::file_type::regular) {
      copy_whole(file, target);
    }
  }
}

// What a GGUF file holds beside its tensors: configuration and vocabulary.
void copy_metadata(const fs::path& gguf, const fs::path& to) {
  const std::vector<std::byte> bytes = detail::GgufFile::open(gguf)->without_tensors();
  write_new_file(to / "model.gguf", bytes, 0666);
}

void fill_folder(const fs::path& path, const fs::path& folder, const LoadOptions& options) {
  pack_weights(path, folder / detail::packed_file_name, options);
  fs::path gguf = detail::is_folder(path) ? fs::path() : path;
  if (gguf.empty() && !detail::is_there(path / "config.json")) gguf = detail::gguf_in(path);
  gguf.empty() ? copy_small_files(path, folder, folder) : copy_metadata(gguf, folder);
}

// A folder that nobody else has, beside the one that it becomes: it is never one that is there,
// whoever made that.
class PendingFolder {
 public:
  explicit PendingFolder(const fs::path& folder) {
    constexpr int max_attempts = 1000;
    const std::string stem = folder.string() + ".unfinished-" + std::to_string(::getpid()) + "-";
    for (int i = 0; i < max_attempts; ++i) {
      path_ = stem + std::to_string(i);
      if (::mkdir(path_.c_str(), 0777) == 0) return;
      if (errno != EEXIST) break;
    }
    detail::fail_writing(folder, "created", errno);
  }
  PendingFolder(const PendingFolder&) = delete;
  PendingFolder& operator=(const PendingFolder&) = delete;
  ~PendingFolder() {
    std::error_code ignored;
    if (!placed_) fs::remove_all(path_, ignored);
  }

  const fs::path& path() const { return path_; }

  void put_in_place(const fs::path& folder) {
    if (::rename(path_.c_str(), folder.c_str()) != 0)
      detail::fail_writing(folder, "created", errno);
    placed_ = true;
  }

 private:
  fs::path path_;
  bool placed_ = false;
};

void make_parents(const fs::path& folder) {
  std::error_code error;
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), error);
  if (error) detail::fail_writing(folder.parent_path(), "created", error.value());
}

}  // namespace

void pack_model(const fs::path& path, const fs::path& output, const LoadOptions& options) try {
  const fs::path folder = output.has_filename() ? output : output.parent_path();
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(folder, ignored))) {
    throw Error(ErrorCode::invalid_option,
                folder.string() + ": exists already; give a folder that does not, or remove it",
                folder.string());
  }
  make_parents(folder);
  PendingFolder unfinished(folder);
  fill_folder(path, unfinished.path(), options);
  unfinished.put_in_place(folder);
} catch (...) {
  detail::rethrow_as_error(path);
}

}  // namespace llm
