// The input of a fuzz target: the files of a folder, one after the other in one string, so that one
// format and one mutator serve every kind of file.
//
//   === config.json 19
//   {"model_type":"t5"}
//   === text 5
//   Hello
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llm::fuzz {

struct Part {
  std::string name;  // of the file: letters, digits, "._-/", not leading out of the folder
  std::string bytes;
};

// Lenient: sizes are clamped to what is there, and parts with other names are left out.
std::vector<Part> parse_folder(std::string_view input);
std::string folder_bytes(const std::vector<Part>& parts);

// The part of that name, or nullptr.
const Part* find_part(const std::vector<Part>& parts, std::string_view name);
// Its bytes, or nothing.
std::string_view part_bytes(const std::vector<Part>& parts, std::string_view name);

// A folder that is filled anew for each input; in memory where the system has such a place.
class InputFolder {
 public:
  InputFolder();
  InputFolder(const InputFolder&) = delete;
  InputFolder& operator=(const InputFolder&) = delete;
  ~InputFolder();

  // Writes the parts, and links what they do not have from the fixture that the part "base" names.
  // Parts without an extension ("base", "text") are not files.
  const std::filesystem::path& fill(const std::vector<Part>& parts);

 private:
  std::filesystem::path path_;
};

}  // namespace llm::fuzz
