// Where a model keeps its chat templates and the tokens they write.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace llm::detail::jinja {

struct TemplateFile {
  std::string source;
  std::string where;  // for errors
};

struct TemplateFiles {
  std::map<std::string, TemplateFile, std::less<>> templates;      // by name
  std::map<std::string, std::string, std::less<>> special_tokens;  // "bos_token" and so on
};

// Of a folder or GGUF file; `instead`: a file whose template is taken in place of the model's own,
// or empty. Throws Error (unsupported) when there is no template.
TemplateFiles read_template_files(const std::filesystem::path& path,
                                  const std::filesystem::path& instead);

}  // namespace llm::detail::jinja
