#include "shell/supported.hpp"

#include <vector>

#include "llm/model/model.hpp"
#include "llm/weights/weight_store.hpp"

namespace llm::shell {
namespace {

std::string code_list(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "`" : ", `") + name + "`";
  return list;
}

}  // namespace

std::string supported_table() {
  std::string table = "| `model_type` | heads | GGUF architectures |\n|---|---|---|\n";
  for (const SupportedFamily& family : supported_families()) {
    std::string heads;
    for (const HeadKind head : family.heads) {
      heads += (heads.empty() ? "" : ", ") + std::string(to_string(head));
    }
    table += "| " + code_list(family.model_types) + " | " + heads + " | " +
             code_list(family.gguf_architectures) + " |\n";
  }
  return table + "\nElement types of GGUF files: " + supported_gguf_types() + ".\n";
}

}  // namespace llm::shell
