// Builds the bytes of small zip archives and pickles, as torch writes them; tests poke lies into
// them.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "support/write_gguf.hpp"

namespace llm::test {

// A zip archive of stored members.
class ZipWriter {
 public:
  ZipWriter& add(std::string_view name, std::string_view data) {
    headers.push_back(static_cast<std::uint32_t>(bytes_.bytes().size()));
    bytes_.raw("PK\x03\x04").raw(std::string(14, '\0')).number(size(data)).number(size(data));
    bytes_.number(static_cast<std::uint16_t>(name.size())).number<std::uint16_t>(0);
    bytes_.raw(name).raw(data);
    names_.emplace_back(name);
    sizes_.push_back(size(data));
    return *this;
  }
  // Closes the archive; `entries` then tells where the directory's entries begin.
  std::string bytes() {
    const std::uint32_t begin = static_cast<std::uint32_t>(bytes_.bytes().size());
    for (std::size_t i = 0; i < names_.size(); ++i) {
      entries.push_back(static_cast<std::uint32_t>(bytes_.bytes().size()));
      bytes_.raw("PK\x01\x02").raw(std::string(16, '\0')).number(sizes_[i]).number(sizes_[i]);
      bytes_.number(static_cast<std::uint16_t>(names_[i].size())).raw(std::string(12, '\0'));
      bytes_.number(headers[i]).raw(names_[i]);
    }
    const auto end = static_cast<std::uint32_t>(bytes_.bytes().size());
    const auto count = static_cast<std::uint16_t>(names_.size());
    bytes_.raw("PK\x05\x06").raw(std::string(4, '\0')).number(count).number(count);
    bytes_.number(end - begin).number(begin).number<std::uint16_t>(0);
    return bytes_.bytes();
  }

  std::vector<std::uint32_t> headers, entries;

 private:
  static std::uint32_t size(std::string_view data) {
    return static_cast<std::uint32_t>(data.size());
  }
  ByteWriter bytes_;
  std::vector<std::string> names_;
  std::vector<std::uint32_t> sizes_;
};

template <typename T>
std::string poke(std::string bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(T));
  return bytes;
}

// --- pieces of pickles ---

inline std::string pickle_text(std::string_view text) {
  return ByteWriter().raw("X").number(static_cast<std::uint32_t>(text.size())).raw(text).bytes();
}
inline std::string pickle_int(std::int64_t value) {
  return ByteWriter().raw("\x8a\x08").number(value).bytes();
}
inline std::string pickle_tuple(const std::vector<std::int64_t>& values) {
  ByteWriter bytes;
  bytes.raw("(");
  for (const std::int64_t value : values) bytes.raw(pickle_int(value));
  return bytes.raw("t").bytes();
}
inline std::string pickle_call(std::string_view module, std::string_view name,
                               std::string_view arguments) {
  ByteWriter bytes;
  bytes.raw("c").raw(module).raw("\n").raw(name).raw("\n(").raw(arguments);
  return bytes.raw("tR").bytes();
}
inline std::string pickle_storage(std::string_view type, std::string_view key, std::int64_t count) {
  ByteWriter bytes;
  bytes.raw("(").raw(pickle_text("storage")).raw("ctorch\n").raw(type).raw("\n");
  bytes.raw(pickle_text(key)).raw(pickle_text("cpu")).raw(pickle_int(count));
  return bytes.raw("tQ").bytes();
}

// A tensor of f32 in storage "0" of `count` values.
struct PickledTensor {
  std::vector<std::int64_t> shape, strides;
  std::int64_t offset = 0;
  std::int64_t count = 8;
  std::string bytes() const {
    return pickle_call("torch._utils", "_rebuild_tensor_v2",
                       pickle_storage("FloatStorage", "0", count) + pickle_int(offset) +
                           pickle_tuple(shape) + pickle_tuple(strides) + "\x89}");
  }
};

inline std::string pickle_dict(std::string_view items) {
  return ByteWriter().raw("\x80\x02}(").raw(items).raw("u.").bytes();
}

// An archive around a pickle, with a storage "0" of eight floats.
inline std::string pytorch_bin(std::string_view pickle) {
  return ZipWriter().add("m/data.pkl", pickle).add("m/data/0", std::string(32, 'f')).bytes();
}

}  // namespace llm::test
