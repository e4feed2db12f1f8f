// What is known of models that are not supported, for people who try to open one.
#pragma once

#include <string>
#include <string_view>

namespace llm::detail {

// What a model_type that is not supported is: ", an image model; only text models can be run", or
// ", which is not supported". Continues "model_type is X".
std::string about_other_model(std::string_view model_type);

}  // namespace llm::detail
