// Tokenizer::open: which files there are decides which kind of tokenizer it is.
#include "llm/tokenizer/tokenizer.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/float_environment.hpp"
#include "core/folder.hpp"
#include "core/gguf_split.hpp"
#include "core/json.hpp"
#include "core/mapped_file.hpp"
#include "core/system_error.hpp"
#include "llm/core/error.hpp"
#include "tokenizer/sentencepiece_model.hpp"
#include "tokenizer/sources.hpp"
#include "tokenizer/tokenizer_class.hpp"

namespace llm {
namespace {

namespace fs = std::filesystem;
using detail::TokenizerConfig;

bool is_gguf(const fs::path& file) {
  const detail::MappedFile mapped(file);
  const auto bytes = mapped.bytes();
  return bytes.size() >= 4 && std::memcmp(bytes.data(), "GGUF", 4) == 0;
}

std::unique_ptr<Tokenizer> open_file(const fs::path& file, const TokenizerConfig& config) {
  const std::string extension = file.extension().string();
  if (extension == ".gguf" || is_gguf(file)) return detail::open_gguf_vocabulary(file);
  if (extension == ".json") return detail::open_tokenizer_json(file, config);
  if (extension == ".txt") return detail::open_vocab_txt(file, config);
  return detail::open_sentencepiece(file, config);
}

// The kinds of files in the order in which they are looked for.
enum class Kind { tokenizer_json, marian, sentencepiece, vocab_and_merges, vocab_txt, gguf };

struct Candidate {
  Kind kind;
  fs::path file;
};

std::vector<Candidate> candidates_in(const fs::path& folder) {
  std::vector<Candidate> found;
  const auto exists = [&](const char* name) { return detail::is_there(folder / name); };
  const auto add = [&](Kind kind, const fs::path& file) {
    const bool known = std::any_of(found.begin(), found.end(),
                                   [&](const Candidate& other) { return other.file == file; });
    if (!file.empty() && !known) found.push_back({kind, file});
  };
  if (exists("tokenizer.json")) add(Kind::tokenizer_json, folder / "tokenizer.json");
  const bool is_marian = exists("source.spm") && exists("target.spm") && exists("vocab.json");
  if (is_marian) add(Kind::marian, folder / "source.spm");
  for (const char* name : {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model"}) {
    if (exists(name)) add(Kind::sentencepiece, folder / name);
  }
  for (const char* extension : {".model", ".spm"}) {
    if (!is_marian) add(Kind::sentencepiece, detail::only_file(folder, extension));
  }
  if (exists("vocab.json") && exists("merges.txt")) {
    add(Kind::vocab_and_merges, folder / "vocab.json");
  }
  if (exists("vocab.txt")) add(Kind::vocab_txt, folder / "vocab.txt");
  add(Kind::gguf, found.empty() ? detail::gguf_in(folder) : detail::only_file(folder, ".gguf"));
  return found;
}

std::unique_ptr<Tokenizer> open_candidate(const Candidate& candidate,
                                          const TokenizerConfig& config) {
  const fs::path folder = candidate.file.parent_path();
  switch (candidate.kind) {
    case Kind::tokenizer_json:
      return detail::open_tokenizer_json(candidate.file, config);
    case Kind::marian:
      return detail::open_marian(folder, config);
    case Kind::sentencepiece:
      return detail::knows_sentencepiece_class(config)
                 ? detail::open_sentencepiece_folder(candidate.file, config)
                 : detail::open_sentencepiece(candidate.file, config);
    case Kind::vocab_and_merges:
      return detail::open_vocab_and_merges(folder, config);
    case Kind::vocab_txt:
      return detail::open_vocab_txt(candidate.file, config);
    case Kind::gguf:
      break;
  }
  return detail::open_gguf_vocabulary(candidate.file);
}

std::unique_ptr<Tokenizer> open_folder(const fs::path& folder) {
  TokenizerConfig config = detail::read_tokenizer_config(folder);
  const std::vector<Candidate> found = candidates_in(folder);
  // Only a tokenizer.json needs no class; other files are read as the model's own class does.
  const bool needs_class = found.empty() || found.front().kind != Kind::tokenizer_json;
  if (needs_class && detail::is_generic_class(config.tokenizer_class)) {
    config.tokenizer_class = config.model_class;
  }
  if (!found.empty()) return open_candidate(found.front(), config);
  std::string missing;
  if (detail::is_there(folder / "source.spm") != detail::is_there(folder / "target.spm")) {
    missing = "; of Marian's source.spm, target.spm and vocab.json only some are there";
  } else if (detail::is_there(folder / "vocab.json")) {
    missing = "; vocab.json is there, but not merges.txt, without which it says too little";
  }
  throw Error(
      ErrorCode::file_not_found,
      folder.string() +
          ": no tokenizer in this folder; expected tokenizer.json, a sentencepiece *.model, "
          "vocab.json with merges.txt, vocab.txt, or one .gguf file" +
          missing,
      folder.string());
}

// Why a kind of file is used though others are there.
const char* reason_for(Kind kind) {
  switch (kind) {
    case Kind::tokenizer_json:
      return "it says every step from text to ids, so it wins over all other files";
    case Kind::marian:
      return "source.spm, target.spm and vocab.json together are Marian's tokenizer";
    case Kind::sentencepiece:
      return "a sentencepiece model wins over vocabularies that are lists of words";
    case Kind::vocab_and_merges:
      return "with merges.txt it says how words are cut, which vocab.txt does not";
    case Kind::vocab_txt:
      return "it is the only list of words here";
    case Kind::gguf:
      break;
  }
  return "no tokenizer lies beside the weights, so theirs is used";
}

std::size_t count_tokens(const Candidate& candidate) {
  const std::string where = candidate.file.string();
  constexpr std::size_t max_bytes = std::size_t{256} << 20U;
  switch (candidate.kind) {
    case Kind::sentencepiece:
      return detail::count_sentencepieces(detail::read_file(candidate.file, max_bytes), where);
    case Kind::marian:
      return detail::read_json_file(candidate.file.parent_path() / "vocab.json",
                                    detail::max_table_bytes)
          .size();
    case Kind::vocab_and_merges:
      return detail::read_json_file(candidate.file, detail::max_table_bytes).size();
    case Kind::vocab_txt: {
      const std::string text = detail::read_file(candidate.file, max_bytes);
      return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) +
             (text.empty() || text.ends_with('\n') ? 0U : 1U);
    }
    case Kind::tokenizer_json:
    case Kind::gguf:
      break;
  }
  return static_cast<std::size_t>(open_candidate(candidate, TokenizerConfig{})->vocab_size());
}

std::optional<std::size_t> try_to_count(const Candidate& candidate) {
  try {
    return count_tokens(candidate);
  } catch (const Error&) {
    return std::nullopt;  // open() will say what is wrong with a file that it uses
  }
}

std::string note_on(const TokenizerFile& file, Kind kind, const TokenizerFile* used) {
  const auto size = [](const TokenizerFile& of) {
    return of.tokens ? std::to_string(*of.tokens) + " tokens" : "damaged or not supported";
  };
  const std::string name = file.file.filename().string() + " (" + size(file) + ")";
  if (used == nullptr) return name + " is used: " + reason_for(kind);
  std::string note = name + " is not used: " + used->file.filename().string() + " wins";
  if (file.tokens && used->tokens && *file.tokens != *used->tokens) {
    note += ", whose vocabulary has another size (" + size(*used) +
            "; tokens added later may be counted in one of them only)";
  }
  return note;
}

}  // namespace

std::string Tokenizer::join(std::span<const std::string> tokens) const {
  std::string text;
  std::vector<TokenId> run;  // of tokens that are decoded together
  const auto flush = [&] {
    text += decode(run, {.skip_special_tokens = false, .clean_up_spaces = false});
    run.clear();
  };
  for (const std::string& token : tokens) {
    if (const auto known = id(token)) {
      run.push_back(*known);
    } else {
      flush();
      text += token;
    }
  }
  flush();
  return text;
}

std::unique_ptr<Tokenizer> Tokenizer::open(const fs::path& path) try {
  const detail::FloatEnvironment environment;
  const fs::file_type type = detail::type_of(path);
  if (type == fs::file_type::directory) return open_folder(path);
  if (type == fs::file_type::not_found) {
    throw Error(ErrorCode::file_not_found,
                path.string() +
                    ": no such file or folder; give a model folder, a .gguf file or a "
                    "tokenizer file",
                path.string());
  }
  return open_file(path, TokenizerConfig{});
} catch (...) {
  detail::rethrow_as_error(path);
}

std::vector<TokenizerFile> Tokenizer::files(const fs::path& path) try {
  std::vector<TokenizerFile> files;
  if (!detail::is_folder(path)) {
    files.push_back({path, std::nullopt, path.filename().string() + " is used: it was named"});
    return files;
  }
  const std::vector<Candidate> found = candidates_in(path);
  for (const Candidate& candidate : found) {
    files.push_back({candidate.file, try_to_count(candidate), {}});
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    files[i].note = note_on(files[i], found[i].kind, i == 0 ? nullptr : &files.front());
  }
  return files;
} catch (...) {
  detail::rethrow_as_error(path);
}

}  // namespace llm
