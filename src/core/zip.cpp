// Reads a zip archive from its end: end record -> directory -> the header before each member. The
// file is untrusted: directory and headers must agree, lie inside the file and not overlap. Format:
// PKWARE APPNOTE 6.3, sections 4.3.7 to 4.3.16 and 4.5.3 (zip64).
#include "core/zip.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <set>

#include "llm/core/error.hpp"

namespace llm::detail {

namespace {

constexpr std::uint32_t header_signature = 0x04034b50;
constexpr std::uint32_t entry_signature = 0x02014b50;
constexpr std::uint32_t end_signature = 0x06054b50;
constexpr std::uint32_t end64_signature = 0x06064b50;
constexpr std::uint32_t locator64_signature = 0x07064b50;

constexpr std::uint64_t header_bytes = 30;
constexpr std::uint64_t entry_bytes = 46;
constexpr std::uint64_t end_bytes = 22;
constexpr std::uint64_t end64_bytes = 56;
constexpr std::uint64_t locator64_bytes = 20;
constexpr std::uint64_t max_comment_bytes = 65535;

constexpr unsigned encrypted_flag = 1;
constexpr unsigned descriptor_flag = 8;  // the header before the data does not know its size
constexpr std::uint16_t zip64_extra = 1;
constexpr std::uint32_t in_zip64 = 0xffffffff;  // the number is in the zip64 field instead

struct Directory {
  std::uint64_t begin = 0;
  std::uint64_t size = 0;
  std::uint64_t count = 0;
};

// A member as the directory describes it; [begin, end) are all its bytes, header included.
struct Entry {
  ZipMember member;
  unsigned flags = 0;
  std::uint64_t size = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

class Archive {
 public:
  Archive(std::span<const std::byte> bytes, const std::string& where)
      : bytes_(bytes), where_(where) {}

  std::vector<ZipMember> members() const {
    const Directory directory = find_directory();
    std::vector<Entry> entries;
    std::uint64_t at = directory.begin;
    for (std::uint64_t i = 0; i < directory.count; ++i) {
      entries.push_back(read_entry(at, directory));
      locate(entries.back(), directory);
    }
    if (at != directory.begin + directory.size) {
      fail("the zip directory does not end where the archive says it does");
    }
    check_apart(entries);
    std::vector<ZipMember> members;
    for (const Entry& entry : entries) members.push_back(entry.member);
    return members;
  }

 private:
  [[noreturn]] void fail(const std::string& what, ErrorCode code = ErrorCode::bad_format) const {
    throw Error(code, where_ + ": " + what, where_);
  }

  std::span<const std::byte> part(std::uint64_t begin, std::uint64_t size, const char* what) const {
    if (begin > bytes_.size() || size > bytes_.size() - begin) {
      fail(std::string(what) + " of the zip archive lies outside the file, which has " +
           std::to_string(bytes_.size()) + " bytes; it is damaged or cut off");
    }
    return bytes_.subspan(begin, size);
  }

  template <typename T>
  static T number(std::span<const std::byte> record, std::uint64_t at) {
    T value;
    std::memcpy(&value, record.data() + at, sizeof(T));  // zip is little endian, as we are
    return value;
  }

  // The end record is the last thing in the file, except for a comment, whose length it gives.
  std::uint64_t find_end() const {
    const std::uint64_t size = bytes_.size();
    for (std::uint64_t back = end_bytes; back <= std::min(size, end_bytes + max_comment_bytes);
         ++back) {
      const auto record = bytes_.subspan(size - back, end_bytes);
      if (number<std::uint32_t>(record, 0) == end_signature &&
          number<std::uint16_t>(record, 20) == back - end_bytes) {
        return size - back;
      }
    }
    fail("begins like a zip archive but has no zip directory at its end; it is cut off");
  }

  Directory find_directory() const {
    const std::uint64_t end = find_end();
    const auto record = part(end, end_bytes, "the end record");
    Directory d{number<std::uint32_t>(record, 16), number<std::uint32_t>(record, 12),
                number<std::uint16_t>(record, 10)};
    std::uint64_t disks = number<std::uint16_t>(record, 4) + number<std::uint16_t>(record, 6);
    std::uint64_t limit = end;
    if (end >= locator64_bytes &&
        number<std::uint32_t>(bytes_, end - locator64_bytes) == locator64_signature) {
      limit = number<std::uint64_t>(bytes_, end - locator64_bytes + 8);
      const auto record64 = part(limit, end64_bytes, "the zip64 end record");
      if (number<std::uint32_t>(record64, 0) != end64_signature) {
        fail("the zip64 end record is not where the archive says it is");
      }
      d = {number<std::uint64_t>(record64, 48), number<std::uint64_t>(record64, 40),
           number<std::uint64_t>(record64, 32)};
      disks = number<std::uint32_t>(record64, 16) | number<std::uint32_t>(record64, 20);
    }
    if (disks != 0) fail("is one part of a zip archive in several parts", ErrorCode::unsupported);
    part(d.begin, d.size, "the directory");
    if (d.begin + d.size > limit || d.count > d.size / entry_bytes) {
      fail("the zip directory is said to have " + std::to_string(d.count) + " entries in " +
           std::to_string(d.size) + " bytes, which cannot be");
    }
    return d;
  }

  // The entry at `at` in the directory; moves `at` behind it.
  Entry read_entry(std::uint64_t& at, const Directory& directory) const {
    const std::uint64_t left = directory.begin + directory.size - at;
    const auto fixed = part(at, std::min(left, entry_bytes), "the directory");
    if (left < entry_bytes || number<std::uint32_t>(fixed, 0) != entry_signature) {
      fail("the zip directory is damaged");
    }
    const std::uint64_t name = number<std::uint16_t>(fixed, 28);
    const std::uint64_t extra = number<std::uint16_t>(fixed, 30);
    const std::uint64_t all = entry_bytes + name + extra + number<std::uint16_t>(fixed, 32);
    if (all > left) fail("the zip directory is damaged");
    Entry entry;
    entry.member.name = {reinterpret_cast<const char*>(fixed.data() + entry_bytes), name};
    entry.flags = number<std::uint16_t>(fixed, 8);
    if (entry.flags & encrypted_flag) refuse(entry, "is encrypted");
    if (number<std::uint16_t>(fixed, 10) != 0) {
      refuse(entry, "is compressed (method " + std::to_string(number<std::uint16_t>(fixed, 10)) +
                        "), torch stores its files as they are; save it again with torch.save");
    }
    std::uint64_t packed = number<std::uint32_t>(fixed, 20);
    entry.size = number<std::uint32_t>(fixed, 24);
    entry.begin = number<std::uint32_t>(fixed, 42);
    read_zip64(bytes_.subspan(at + entry_bytes + name, extra),
               {&entry.size, &packed, &entry.begin});
    if (packed != entry.size) {
      fail("zip member " + quote(entry.member.name) + " is stored, but is said to have " +
           std::to_string(packed) + " bytes in the archive and " + std::to_string(entry.size) +
           " outside");
    }
    at += all;
    return entry;
  }

  [[noreturn]] void refuse(const Entry& entry, const std::string& why) const {
    fail("zip member " + quote(entry.member.name) + " " + why, ErrorCode::unsupported);
  }

  // Numbers that do not fit 32 bits are in an extra field, in this order.
  void read_zip64(std::span<const std::byte> extra,
                  std::initializer_list<std::uint64_t*> numbers) const {
    std::optional<std::span<const std::byte>> field;
    for (std::uint64_t at = 0; at + 4 <= extra.size() && !field;) {
      const std::uint64_t size = number<std::uint16_t>(extra, at + 2);
      if (size > extra.size() - at - 4) break;
      if (number<std::uint16_t>(extra, at) == zip64_extra) field = extra.subspan(at + 4, size);
      at += 4 + size;
    }
    std::uint64_t used = 0;
    for (std::uint64_t* const value : numbers) {
      if (*value != in_zip64) continue;
      if (!field || used + 8 > field->size()) fail("a zip64 field of the zip directory is missing");
      *value = number<std::uint64_t>(*field, used);
      used += 8;
    }
  }

  // Finds the member's bytes behind its own header, which must agree with the directory.
  void locate(Entry& entry, const Directory& directory) const {
    const auto header = part(entry.begin, header_bytes, "a member");
    const std::uint64_t name = number<std::uint16_t>(header, 26);
    const std::uint64_t data = header_bytes + name + number<std::uint16_t>(header, 28);
    const auto head = part(entry.begin, data, "a member");
    const std::string_view own(reinterpret_cast<const char*>(head.data() + header_bytes), name);
    const auto size = number<std::uint32_t>(header, 22);
    const bool sized = (entry.flags & descriptor_flag) == 0 && size != in_zip64;
    if (number<std::uint32_t>(header, 0) != header_signature || own != entry.member.name ||
        number<std::uint16_t>(header, 8) != 0 || (sized && size != entry.size)) {
      fail("zip member " + quote(entry.member.name) +
           " is described differently by the directory and by the header before its data");
    }
    entry.member.bytes = part(entry.begin + data, entry.size, "a member");
    entry.end = entry.begin + data + entry.size;
    if (entry.end > directory.begin) {
      fail("zip member " + quote(entry.member.name) + " reaches into the zip directory");
    }
  }

  void check_apart(const std::vector<Entry>& entries) const {
    std::vector<const Entry*> order;
    std::set<std::string_view> names;
    for (const Entry& entry : entries) {
      order.push_back(&entry);
      if (!names.insert(entry.member.name).second) {
        fail("zip member " + quote(entry.member.name) + " occurs twice");
      }
    }
    std::ranges::sort(order, {}, &Entry::begin);
    for (std::size_t i = 1; i < order.size(); ++i) {
      if (order[i]->begin >= order[i - 1]->end) continue;
      fail("zip members " + quote(order[i - 1]->member.name) + " and " +
           quote(order[i]->member.name) + " overlap");
    }
  }

  std::span<const std::byte> bytes_;
  const std::string& where_;
};

}  // namespace

bool is_zip(std::span<const std::byte> archive) {
  return archive.size() >= 4 && std::memcmp(archive.data(), "PK\x03\x04", 4) == 0;
}

std::vector<ZipMember> read_zip(std::span<const std::byte> archive, const std::string& where) {
  return Archive(archive, where).members();
}

}  // namespace llm::detail
