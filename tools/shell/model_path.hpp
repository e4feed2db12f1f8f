// Finds a model on this machine. Never uses the network.
#pragma once

#include <filesystem>
#include <string>

#include "llm/weights/adapter.hpp"

namespace llm::shell {

// A folder or `.gguf` file for what the user named: a path; a folder that holds nothing but one
// `.gguf`; or a repository name (`org/name`, with `@revision` if not the main one) found in the
// local Hugging Face cache. Throws Error (file_not_found) that says where was looked and what is
// there, unsupported for models whose weights are not public.
std::filesystem::path find_model(const std::string& name);

// A LoRA adapter as `--adapter` names it: FOLDER, or FOLDER@WEIGHT. Throws Error (file_not_found,
// invalid_option).
Adapter find_adapter(const std::string& text);

// The folder of the Hugging Face cache as HF_HUB_CACHE, HF_HOME and XDG_CACHE_HOME say; empty when
// none does.
std::filesystem::path hub_cache();

}  // namespace llm::shell
