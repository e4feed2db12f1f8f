// What is said when a task is asked of a model that ends in another head.
#pragma once

#include <string>
#include <string_view>

#include "llm/core/error.hpp"
#include "llm/model/uses.hpp"

namespace llm::detail {

// Throws Error (unsupported) unless the model has that head. `task`: "classify".
inline void require_head(const TransformerConfig& config, HeadKind head, std::string_view task) {
  if (config.head == head) return;
  throw Error(
      ErrorCode::unsupported,
      std::string(task) + " needs a " + std::string(to_string(head)) + " head, but this model (" +
          config.model_type + ") has " +
          (config.head == HeadKind::none ? "none"
                                         : "a " + std::string(to_string(config.head)) + " head") +
          "; it can be used for " + describe_uses(config));
}

}  // namespace llm::detail
