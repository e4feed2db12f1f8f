// Finds a model on this machine. Never uses the network.
#pragma once

#include <filesystem>
#include <string>

#include "llm/weights/adapter.hpp"

namespace llm::shell {

// The folder or `.gguf` file that the user means: a path; a folder that holds only one `.gguf`; or
// a repository name (`org/name`, with `@revision` for another one than the main one) in the local
// Hugging Face cache. Throws Error: file_not_found, which says where it looked and what is there;
// unsupported for models whose weights are not public.
std::filesystem::path find_model(const std::string& name);

// A LoRA adapter as `--adapter` names it: FOLDER, or FOLDER@WEIGHT. Throws Error (file_not_found,
// invalid_option).
Adapter find_adapter(const std::string& text);

// The folder of the Hugging Face cache, by HF_HUB_CACHE, HF_HOME and XDG_CACHE_HOME; empty when
// none is set.
std::filesystem::path hub_cache();

}  // namespace llm::shell
