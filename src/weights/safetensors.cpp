// Reads one safetensors file: 8 bytes of header length, a JSON header, the data. The header is
// untrusted and must describe the data exactly, without overlap or holes.
// Format: github.com/huggingface/safetensors, README.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "core/json.hpp"
#include "core/mapped_file.hpp"
#include "llm/core/error.hpp"
#include "weights/weight_file.hpp"

namespace llm::detail {

namespace {

static_assert(std::endian::native == std::endian::little, "files are read as little endian");

constexpr std::uint64_t max_header_bytes = 100'000'000;  // the format's own limit
constexpr const char* metadata_key = "__metadata__";

// A tensor with its place in the data section.
struct HeaderEntry {
  FileTensor tensor;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// What every check needs: the file for messages, and the data section.
struct Source {
  std::string path;
  std::string_view header;
  std::span<const std::byte> data;
  std::span<const std::byte> file;

  [[noreturn]] void fail(const std::string& what, ErrorCode code = ErrorCode::bad_format) const {
    throw Error(code, path + ": " + what, path);
  }
};

Source split(const MappedFile& file) {
  Source source{file.path().string(), {}, {}, file.bytes()};
  const auto bytes = file.bytes();
  if (bytes.size() < 8) {
    source.fail("is " + std::to_string(bytes.size()) +
                " bytes, expected a safetensors file of at least 8; it is truncated");
  }
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  if (length > max_header_bytes || length > bytes.size() - 8) {
    source.fail("the header is said to have " + std::to_string(length) +
                " bytes, expected at most " +
                std::to_string(std::min<std::uint64_t>(max_header_bytes, bytes.size() - 8)) +
                "; the file is truncated or not a safetensors file");
  }
  source.header = {reinterpret_cast<const char*>(bytes.data()) + 8, length};
  source.data = bytes.subspan(8 + length);
  if (!source.header.starts_with('{')) {
    source.fail("the header does not begin with \"{\"; this is not a safetensors file");
  }
  return source;
}

DType read_dtype(const Source& source, const std::string& name, const Json& info) {
  constexpr std::pair<const char*, DType> known[] = {
      {"F64", DType::f64}, {"F32", DType::f32},     {"F16", DType::f16}, {"BF16", DType::bf16},
      {"I64", DType::i64}, {"I32", DType::i32},     {"I16", DType::i16}, {"I8", DType::i8},
      {"U8", DType::u8},   {"BOOL", DType::boolean}};
  const auto it = info.find("dtype");
  if (it == info.end() || !it->is_string()) {
    source.fail("tensor " + quote(name) + " has no dtype, expected a string");
  }
  const auto& dtype = it->get_ref<const std::string&>();
  for (const auto& [text, value] : known) {
    if (dtype == text) return value;
  }
  source.fail("tensor " + quote(name) + " is of type " + quote(dtype) +
                  ", which is not supported; expected F64, F32, F16, BF16, I64, I32, I16, I8, U8 "
                  "or BOOL",
              ErrorCode::unsupported);
}

// The array of sizes or offsets under `key`, none above the largest signed number.
std::vector<std::int64_t> read_numbers(const Source& source, const std::string& name,
                                       const Json& info, const char* key) {
  const auto it = info.find(key);
  std::vector<std::int64_t> numbers;
  bool sound = it != info.end() && it->is_array();
  for (std::size_t i = 0; sound && i < it->size(); ++i) {
    const Json& item = (*it)[i];
    sound = item.is_number_unsigned() && std::in_range<std::int64_t>(item.get<std::uint64_t>());
    if (sound) numbers.push_back(item.get<std::int64_t>());
  }
  if (!sound) {
    source.fail("the " + std::string(key) + " of tensor " + quote(name) +
                " is not an array of whole numbers from 0 to 2^63-1");
  }
  return numbers;
}

HeaderEntry read_entry(const Source& source, const std::string& name, const Json& info) {
  if (!info.is_object()) source.fail("tensor " + quote(name) + " is not described by an object");
  HeaderEntry entry;
  entry.tensor.name = name;
  entry.tensor.dtype = read_dtype(source, name, info);
  entry.tensor.shape = read_numbers(source, name, info, "shape");
  const auto offsets = read_numbers(source, name, info, "data_offsets");
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    source.fail("the data_offsets of tensor " + quote(name) + " are not [begin, end]");
  }
  entry.begin = static_cast<std::uint64_t>(offsets[0]);
  entry.end = static_cast<std::uint64_t>(offsets[1]);
  if (entry.end > source.data.size()) {
    source.fail("tensor " + quote(name) + " ends at byte " + std::to_string(entry.end) +
                " of the data, which has only " + std::to_string(source.data.size()) +
                " bytes; the file is truncated");
  }
  const auto size = byte_size(entry.tensor.dtype, entry.tensor.shape);
  if (size != entry.end - entry.begin) {
    source.fail("tensor " + quote(name) + " has " + std::to_string(entry.end - entry.begin) +
                " bytes, but its shape and type " +
                (size ? "need " + std::to_string(*size) : std::string("are too large to be true")));
  }
  entry.tensor.bytes = source.data.subspan(entry.begin, entry.end - entry.begin);
  entry.tensor.mapping = source.file;
  return entry;
}

// The tensors must cover the data from the first byte to the last, each byte once.
void check_cover(const Source& source, const std::vector<HeaderEntry>& entries) {
  std::vector<const HeaderEntry*> order;
  for (const HeaderEntry& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const HeaderEntry* a, const HeaderEntry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  std::uint64_t covered = 0;
  for (const HeaderEntry* const entry : order) {
    if (entry->begin != covered) {
      source.fail("the data of tensor " + quote(entry->tensor.name) + " begins at byte " +
                  std::to_string(entry->begin) + ", expected " + std::to_string(covered) +
                  ", where the tensor before it ends");
    }
    covered = entry->end;
  }
  if (covered != source.data.size()) {
    source.fail("has " + std::to_string(source.data.size()) +
                " bytes of data, but its tensors end at byte " + std::to_string(covered));
  }
}

std::map<std::string, std::string> read_metadata(const Source& source, const Json& object) {
  std::map<std::string, std::string> metadata;
  if (!object.is_object()) source.fail("__metadata__ is not an object");
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) source.fail("__metadata__ " + quote(key) + " is not a string");
    metadata.emplace(key, value.get<std::string>());
  }
  return metadata;
}

}  // namespace

std::optional<std::uint64_t> byte_size(DType dtype, const std::vector<std::int64_t>& shape) {
  constexpr std::uint64_t limit = std::uint64_t{1} << 62;
  // Zeros count as 1, so that a product over some of the dimensions cannot overflow either.
  std::uint64_t product = static_cast<std::uint64_t>(block_bytes(dtype));
  bool empty = false;
  for (const std::int64_t size : shape) {
    if (size < 0 || static_cast<std::uint64_t>(size) > limit / product) return std::nullopt;
    empty = empty || size == 0;
    product *= static_cast<std::uint64_t>(std::max<std::int64_t>(size, 1));
  }
  const std::int64_t row = shape.empty() ? 1 : shape.back();
  if (row % block_values(dtype) != 0) return std::nullopt;
  return empty ? 0 : product / static_cast<std::uint64_t>(block_values(dtype));
}

WeightFile open_safetensors(const std::filesystem::path& path) {
  const auto mapping = std::make_shared<MappedFile>(path);
  refuse_lfs_pointer(*mapping);
  const Source source = split(*mapping);
  const Json header = parse_json(source.header, source.path);
  WeightFile file;
  std::vector<HeaderEntry> entries;
  for (const auto& [name, info] : header.items()) {
    if (name == metadata_key) {
      file.metadata = read_metadata(source, info);
    } else {
      entries.push_back(read_entry(source, name, info));
    }
  }
  check_cover(source, entries);
  for (HeaderEntry& entry : entries) file.tensors.push_back(std::move(entry.tensor));
  file.path = path;
  file.mapping = mapping;
  return file;
}

}  // namespace llm::detail
