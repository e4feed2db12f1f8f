// Models of well-known shapes with random weights: speed does not depend on the values.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace llm::bench {

std::vector<std::string> shape_names();

// The folder of a shape (config.json and model.safetensors) below `folder`; written when it is not
// there yet. `dtype` of the file: f32, bf16, or auto: as the shape is published. Throws Error
// (invalid_option for another name; io).
std::filesystem::path shape_folder(const std::string& name, const std::string& dtype,
                                   const std::filesystem::path& folder);

}  // namespace llm::bench
