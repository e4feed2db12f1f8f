// Sound inputs of the fuzz targets, made of the project's fixtures and examples.
#pragma once

#include <vector>

#include "fuzz/folder_input.hpp"

namespace llm::fuzz {

using Seeds = std::vector<std::vector<Part>>;

Seeds safetensors_seeds();
Seeds gguf_seeds();
Seeds gguf_model_seeds();
Seeds pickle_seeds();
Seeds torch_archive_seeds();
Seeds index_seeds();
Seeds config_seeds();
Seeds generation_config_seeds();
Seeds packed_seeds();
Seeds adapter_seeds();
Seeds sentence_folder_seeds();
Seeds reference_seeds();
Seeds tokenizer_seeds();
Seeds chat_template_seeds();
Seeds prompt_template_seeds();
Seeds chain_seeds();
Seeds rows_seeds();

}  // namespace llm::fuzz
