// Tokenizer::open: which files there are decides which kind of tokenizer it is.
#include "llm/tokenizer/tokenizer.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <vector>

#include "llm/core/error.hpp"
#include "tokenizer/sources.hpp"

namespace llm {
namespace {

namespace fs = std::filesystem;
using detail::TokenizerConfig;

std::array<char, 4> first_bytes(const fs::path& file) {
  std::array<char, 4> bytes{};
  std::ifstream(file, std::ios::binary).read(bytes.data(), bytes.size());
  return bytes;
}

std::unique_ptr<Tokenizer> open_file(const fs::path& file, const TokenizerConfig& config) {
  const std::array<char, 4> bytes = first_bytes(file);
  const std::string extension = file.extension().string();
  if (std::string_view(bytes.data(), 4) == "GGUF" || extension == ".gguf") {
    return detail::open_gguf_vocabulary(file);
  }
  if (extension == ".json") return detail::open_tokenizer_json(file, config);
  if (extension == ".txt") return detail::open_vocab_txt(file, config);
  return detail::open_sentencepiece(file, config);
}

// The only file in the folder with this extension; several are as good as none.
fs::path only_file(const fs::path& folder, const std::string& extension) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == extension) found.push_back(entry.path());
  }
  return found.size() == 1 ? found.front() : fs::path();
}

std::unique_ptr<Tokenizer> open_folder(const fs::path& folder) {
  const TokenizerConfig config = detail::read_tokenizer_config(folder);
  const auto exists = [&](const char* name) { return fs::exists(folder / name); };
  if (exists("tokenizer.json"))
    return detail::open_tokenizer_json(folder / "tokenizer.json", config);
  for (const char* name : {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model"}) {
    if (exists(name)) return detail::open_sentencepiece(folder / name, config);
  }
  for (const char* extension : {".model", ".spm"}) {
    const fs::path file = only_file(folder, extension);
    if (!file.empty()) return detail::open_sentencepiece(file, config);
  }
  if (exists("vocab.json") && exists("merges.txt")) {
    return detail::open_vocab_and_merges(folder, config);
  }
  if (exists("vocab.txt")) return detail::open_vocab_txt(folder / "vocab.txt", config);
  const fs::path gguf = only_file(folder, ".gguf");
  if (!gguf.empty()) return detail::open_gguf_vocabulary(gguf);
  throw Error(
      ErrorCode::file_not_found,
      folder.string() +
          ": no tokenizer in this folder; expected tokenizer.json, a sentencepiece *.model, "
          "vocab.json with merges.txt, vocab.txt, or one .gguf file",
      folder.string());
}

}  // namespace

std::unique_ptr<Tokenizer> Tokenizer::open(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return open_folder(path);
  if (!fs::exists(path, error)) {
    throw Error(ErrorCode::file_not_found,
                path.string() +
                    ": no such file or folder; give a model folder, a .gguf file or a "
                    "tokenizer file",
                path.string());
  }
  return open_file(path, TokenizerConfig{});
}

}  // namespace llm
