// The kinds of files a tokenizer is read from; Tokenizer::open chooses.
#pragma once

#include <filesystem>
#include <memory>

#include "llm/tokenizer/tokenizer.hpp"
#include "tokenizer/tokenizer_config.hpp"

namespace llm::detail {

// Each throws Error: file_not_found, io, bad_format or unsupported.
std::unique_ptr<Tokenizer> open_tokenizer_json(const std::filesystem::path& file,
                                               const TokenizerConfig& config);
std::unique_ptr<Tokenizer> open_sentencepiece(const std::filesystem::path& file,
                                              const TokenizerConfig& config);
// A model in a folder of a class that knows_sentencepiece_class().
std::unique_ptr<Tokenizer> open_sentencepiece_folder(const std::filesystem::path& file,
                                                     const TokenizerConfig& config);
bool knows_sentencepiece_class(const TokenizerConfig& config);
// source.spm, target.spm and vocab.json.
std::unique_ptr<Tokenizer> open_marian(const std::filesystem::path& folder,
                                       const TokenizerConfig& config);
std::unique_ptr<Tokenizer> open_vocab_and_merges(const std::filesystem::path& folder,
                                                 const TokenizerConfig& config);
std::unique_ptr<Tokenizer> open_vocab_txt(const std::filesystem::path& file,
                                          const TokenizerConfig& config);
std::unique_ptr<Tokenizer> open_gguf_vocabulary(const std::filesystem::path& file);

}  // namespace llm::detail
