#include "shell/model_path.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "core/folder.hpp"
#include "core/gguf_split.hpp"
#include "llm/core/error.hpp"
#include "shell/file_roles.hpp"
#include "shell/input.hpp"

namespace llm::shell {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' ||
                  c == '.';
         });
}

// "org/name" or "name".
bool is_repository_name(std::string_view name) {
  const auto slash = name.find('/');
  if (slash == std::string_view::npos) return is_plain_name(name);
  return is_plain_name(name.substr(0, slash)) && is_plain_name(name.substr(slash + 1));
}

// "org/name" -> "models--org--name"
std::string cache_folder(std::string name) {
  if (const auto slash = name.find('/'); slash != std::string::npos) name.replace(slash, 1, "--");
  return "models--" + name;
}

// The folder of `revision` (a branch, tag or commit) inside one repository of the cache.
fs::path snapshot(const fs::path& repository, const std::string& revision) {
  std::error_code ignored;
  const fs::path ref = repository / "refs" / revision;
  if (fs::is_regular_file(ref, ignored)) {
    const std::string commit = without_last_newline(read_input(ref.string()));
    fs::path folder = repository / "snapshots" / commit;
    if (is_plain_name(commit) && fs::is_directory(folder, ignored)) return folder;
  }
  const fs::path folder = repository / "snapshots" / revision;
  return fs::is_directory(folder, ignored) ? folder : fs::path();
}

std::vector<std::string> cached_models() {
  std::vector<std::string> names;
  std::error_code failed;
  if (!fs::is_directory(hub_cache(), failed)) return names;
  for (const fs::path& folder : detail::files_ending_in(hub_cache(), {""})) {
    std::string name = folder.filename().string();
    if (!name.starts_with("models--")) continue;
    name.erase(0, 8);
    if (const auto dashes = name.find("--"); dashes != std::string::npos)
      name.replace(dashes, 2, "/");
    names.push_back(std::move(name));
  }
  return names;
}

void refuse_closed_models(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  name.erase(0, name.rfind('/') + 1);
  for (const char* closed : {"palm", "jurassic", "j1-", "j2-"}) {
    if (name.starts_with(closed))
      throw Error(ErrorCode::unsupported,
                  "the weights of " + quote(name) +
                      " are not public (PaLM and Jurassic are only offered as services), so it "
                      "cannot be run here; choose a model with published weights",
                  name);
  }
}

[[noreturn]] void not_found(const std::string& name) {
  refuse_closed_models(name);
  std::string sentence = "there is no model " + quote(name) + ": it is no folder or .gguf file";
  const std::vector<std::string> cached = cached_models();
  const std::vector<std::string_view> views(cached.begin(), cached.end());
  const std::string_view nearest = nearest_name(name, views.data(), views.size());
  if (is_repository_name(name.substr(0, name.find('@')))) {
    sentence += ", and no repository in the local cache " + quote(hub_cache().string());
  }
  if (!nearest.empty()) sentence += "; did you mean " + quote(nearest) + "?";
  throw Error(ErrorCode::file_not_found, sentence, name);
}

// A folder as it is, or its only .gguf when it has no config.json.
fs::path model_in(const fs::path& folder) {
  std::error_code failed;
  if (fs::exists(folder / "config.json", failed)) return folder;
  if (fs::path only = detail::gguf_in(folder); !only.empty()) return only;
  const std::vector<fs::path> files = detail::files_ending_in(folder, {".gguf"});
  if (files.empty()) return folder;  // who opens it knows what is missing
  std::string sentence =
      "the folder " + quote(folder.string()) + " holds several .gguf files; name one of:";
  for (const fs::path& file : files) sentence += " " + file.filename().string();
  throw Error(ErrorCode::file_not_found, sentence, folder.string());
}

// Where a model of that name is. Throws Error.
fs::path locate_model(const std::string& name) {
  std::error_code failed;
  if (fs::is_directory(name, failed)) return model_in(name);
  if (fs::exists(fs::symlink_status(name, failed))) return name;  // also a link that leads nowhere
  const auto at = name.find('@');
  const std::string repository = name.substr(0, at);
  const std::string revision = at == std::string::npos ? "main" : name.substr(at + 1);
  if (!is_repository_name(repository) || !is_plain_name(revision)) not_found(name);
  const fs::path folder = snapshot(hub_cache() / cache_folder(repository), revision);
  if (!folder.empty()) return model_in(folder);
  not_found(name);
}

// No output may replace any of them.
void note_files(const fs::path& model) {
  note_reading(model.string());
  if (const auto split = detail::split_name(model)) {
    for (std::int64_t number = 1; number <= split->count; ++number) {
      const fs::path part = detail::split_part(model, *split, number);
      if (!detail::is_there(part)) break;
      note_reading(part.string());
    }
  }
  if (!detail::is_folder(model)) return;
  for (const fs::path& file : detail::files_ending_in(model, {""})) note_reading(file.string());
}

}  // namespace

fs::path hub_cache() {
  for (const char* variable : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})
    if (const std::string value = environment(variable); !value.empty()) return value;
  if (const std::string home = environment("HF_HOME"); !home.empty()) return fs::path(home) / "hub";
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty())
    return fs::path(cache) / "huggingface" / "hub";
  if (const std::string home = environment("HOME"); !home.empty())
    return fs::path(home) / ".cache" / "huggingface" / "hub";
  return {};
}

fs::path find_model(const std::string& name) {
  fs::path model = locate_model(name);
  note_files(model);
  return model;
}

Adapter find_adapter(const std::string& text) {
  std::error_code failed;
  const auto at = text.rfind('@');
  if (at == std::string::npos || fs::exists(text, failed)) {
    if (fs::is_directory(text, failed)) {
      note_files(text);
      return {text, 1.0};
    }
    throw Error(
        ErrorCode::file_not_found,
        "there is no adapter " + quote(text) + "; expected a folder with adapter_config.json",
        text);
  }
  const std::string folder = text.substr(0, at), weight = text.substr(at + 1);
  double value = 0;
  const auto [end, error] = std::from_chars(weight.data(), weight.data() + weight.size(), value);
  if (error != std::errc() || end != weight.data() + weight.size() || !std::isfinite(value)) {
    throw Error(ErrorCode::invalid_option,
                "--adapter " + quote(text) + ": the weight after @ is no number; expected " +
                    "FOLDER or FOLDER@WEIGHT, as in my-adapter@0.5",
                "--adapter");
  }
  Adapter adapter = find_adapter(folder);
  adapter.weight = value;
  return adapter;
}

}  // namespace llm::shell
