// The members of a zip archive that are stored without compression: torch wraps its files so.
// Compressed members are refused, so nothing is ever unpacked and no archive can grow.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llm::detail {

struct ZipMember {
  std::string_view name;
  std::span<const std::byte> bytes;  // inside the archive
};

// Whether the bytes begin as a zip archive does.
bool is_zip(std::span<const std::byte> archive);

// All members, in the order of the directory; names are unique and no two share a byte. `where`
// names the file in errors (bad_format; unsupported for compression, encryption, several parts).
std::vector<ZipMember> read_zip(std::span<const std::byte> archive, const std::string& where);

}  // namespace llm::detail
