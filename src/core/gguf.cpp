// Reads the GGUF container. The file is untrusted: a count is compared with the bytes that are left
// before anything is allocated for it, and every span that is handed out lies inside the mapping.
#include "core/gguf.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <set>
#include <utility>

#include "core/ggml_types.hpp"
#include "core/gguf_split.hpp"
#include "llm/core/error.hpp"

namespace llm::detail {

namespace {

static_assert(std::endian::native == std::endian::little, "files are read as little endian");

using Metadata = std::map<std::string, GgufValue, std::less<>>;

// Numbers of the value types in the file.
enum class ValueType : std::uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64
};

constexpr std::uint32_t max_dimensions = 4;
constexpr std::uint64_t default_alignment = 32;

// A cursor over the file. What does not fit is a bad_format that names the offset.
class Cursor {
 public:
  explicit Cursor(const MappedFile& file) : file_(file.path().string()), bytes_(file.bytes()) {}

  std::uint64_t offset() const { return offset_; }
  std::uint64_t left() const { return bytes_.size() - offset_; }
  std::uint64_t size() const { return bytes_.size(); }
  std::span<const std::byte> bytes(std::uint64_t first, std::uint64_t count) const {
    return bytes_.subspan(first, count);
  }

  [[noreturn]] void fail(const std::string& what, ErrorCode code = ErrorCode::bad_format) const {
    throw Error(code, file_ + ": at byte " + std::to_string(offset_) + ": " + what, file_);
  }

  template <typename T>
  T number(const char* what) {
    require(sizeof(T), what);
    T value;
    std::memcpy(&value, bytes_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
    return value;
  }

  std::string_view string(const char* what) {
    const auto length = number<std::uint64_t>(what);
    require(length, what);
    const auto* const start = reinterpret_cast<const char*>(bytes_.data() + offset_);
    offset_ += length;
    return {start, length};
  }

  // A count of items that take at least `item_bytes` each, so the file bounds it.
  std::uint64_t count(std::uint64_t item_bytes, const char* what) {
    const auto value = number<std::uint64_t>(what);
    if (value > left() / item_bytes) {
      fail(std::string(what) + " is " + std::to_string(value) + ", but only " +
           std::to_string(left()) + " bytes follow; the file is truncated or damaged");
    }
    return value;
  }

  bool boolean() {
    const auto value = number<std::uint8_t>("a boolean");
    if (value > 1) fail("expected a boolean (0 or 1), got " + std::to_string(value));
    return value == 1;
  }

 private:
  void require(std::uint64_t count, const char* what) const {
    if (count > left()) {
      fail("expected " + std::string(what) + " of " + std::to_string(count) + " bytes, but only " +
           std::to_string(left()) + " are left; the file is truncated or damaged");
    }
  }

  std::string file_;
  std::span<const std::byte> bytes_;
  std::uint64_t offset_ = 0;
};

// Magic and version; leaves the cursor at the two counts.
void read_version(Cursor& cursor) {
  constexpr std::uint32_t magic = 0x46554747;  // "GGUF"
  if (cursor.left() < 24 || cursor.number<std::uint32_t>("the magic number") != magic) {
    cursor.fail("not a GGUF file: expected it to begin with \"GGUF\" and a header of 24 bytes");
  }
  const auto version = cursor.number<std::uint32_t>("the version");
  if (version == 2 || version == 3) return;
  if (version != 0 && (version & 0xffff) == 0) {
    cursor.fail("a big-endian GGUF file; convert it to little endian", ErrorCode::unsupported);
  }
  cursor.fail("GGUF version " + std::to_string(version) +
                  "; versions 2 and 3 can be read, convert the file to one of them",
              ErrorCode::unsupported);
}

template <typename T>
std::vector<std::int64_t> read_ints(Cursor& cursor) {
  std::vector<std::int64_t> values(cursor.count(sizeof(T), "the length of an array"));
  for (std::int64_t& value : values) {
    const T raw = cursor.number<T>("an array item");
    if (!std::in_range<std::int64_t>(raw)) {
      cursor.fail("the array item " + std::to_string(raw) + " does not fit 64 bits with a sign");
    }
    value = static_cast<std::int64_t>(raw);
  }
  return values;
}

template <typename T>
std::vector<double> read_floats(Cursor& cursor) {
  std::vector<double> values(cursor.count(sizeof(T), "the length of an array"));
  for (double& value : values) value = static_cast<double>(cursor.number<T>("an array item"));
  return values;
}

std::vector<bool> read_booleans(Cursor& cursor) {
  std::vector<bool> values(cursor.count(1, "the length of an array"));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = cursor.boolean();
  return values;
}

GgufStrings read_strings(Cursor& cursor) {
  GgufStrings values(cursor.count(sizeof(std::uint64_t), "the length of an array"));
  for (std::string_view& value : values) value = cursor.string("a string");
  return values;
}

GgufValue read_array(Cursor& cursor) {
  const auto type = cursor.number<std::uint32_t>("an array's item type");
  switch (static_cast<ValueType>(type)) {
    case ValueType::u8:
      return {read_ints<std::uint8_t>(cursor)};
    case ValueType::i8:
      return {read_ints<std::int8_t>(cursor)};
    case ValueType::u16:
      return {read_ints<std::uint16_t>(cursor)};
    case ValueType::i16:
      return {read_ints<std::int16_t>(cursor)};
    case ValueType::u32:
      return {read_ints<std::uint32_t>(cursor)};
    case ValueType::i32:
      return {read_ints<std::int32_t>(cursor)};
    case ValueType::u64:
      return {read_ints<std::uint64_t>(cursor)};
    case ValueType::i64:
      return {read_ints<std::int64_t>(cursor)};
    case ValueType::f32:
      return {read_floats<float>(cursor)};
    case ValueType::f64:
      return {read_floats<double>(cursor)};
    case ValueType::boolean:
      return {read_booleans(cursor)};
    case ValueType::string:
      return {read_strings(cursor)};
    case ValueType::array:
      cursor.fail("an array of arrays, which is not supported", ErrorCode::unsupported);
  }
  cursor.fail("expected an array's item type from 0 to 12, got " + std::to_string(type));
}

template <typename T>
GgufValue read_int(Cursor& cursor) {
  using Wide = std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>;
  return {static_cast<Wide>(cursor.number<T>("an integer"))};
}

GgufValue read_value(Cursor& cursor) {
  const auto type = cursor.number<std::uint32_t>("a value's type");
  switch (static_cast<ValueType>(type)) {
    case ValueType::u8:
      return read_int<std::uint8_t>(cursor);
    case ValueType::i8:
      return read_int<std::int8_t>(cursor);
    case ValueType::u16:
      return read_int<std::uint16_t>(cursor);
    case ValueType::i16:
      return read_int<std::int16_t>(cursor);
    case ValueType::u32:
      return read_int<std::uint32_t>(cursor);
    case ValueType::i32:
      return read_int<std::int32_t>(cursor);
    case ValueType::u64:
      return read_int<std::uint64_t>(cursor);
    case ValueType::i64:
      return read_int<std::int64_t>(cursor);
    case ValueType::f32:
      return {static_cast<double>(cursor.number<float>("a number"))};
    case ValueType::f64:
      return {cursor.number<double>("a number")};
    case ValueType::boolean:
      return {cursor.boolean()};
    case ValueType::string:
      return {cursor.string("a string")};
    case ValueType::array:
      return read_array(cursor);
  }
  cursor.fail("expected a value's type from 0 to 12, got " + std::to_string(type));
}

Metadata read_metadata(Cursor& cursor, std::uint64_t count) {
  Metadata metadata;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string_view key = cursor.string("a key");
    if (metadata.find(key) != metadata.end()) {
      cursor.fail("the key " + quote(key) + " occurs twice");
    }
    GgufValue value = read_value(cursor);
    metadata.emplace(key, std::move(value));
  }
  return metadata;
}

// A tensor's row of the table, before it is compared with the data section.
struct TensorRow {
  GgufTensor tensor;
  std::uint64_t offset = 0;  // from the start of the data section
  std::uint64_t bytes = 0;   // 0 for an unknown type
};

std::vector<std::int64_t> read_shape(Cursor& cursor, const std::string& name) {
  const auto dimensions = cursor.number<std::uint32_t>("a number of dimensions");
  if (dimensions > max_dimensions) {
    cursor.fail("tensor " + quote(name) + " has " + std::to_string(dimensions) +
                " dimensions, expected at most " + std::to_string(max_dimensions));
  }
  std::vector<std::int64_t> shape(dimensions);
  // Zeros count as 1, so that a product over some of the dimensions cannot overflow either.
  std::uint64_t product = 1;
  constexpr auto limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  for (auto it = shape.rbegin(); it != shape.rend(); ++it) {
    const auto size = cursor.number<std::uint64_t>("a dimension");
    if (size > limit / product) {
      cursor.fail("the shape of tensor " + quote(name) + " is too large to be true");
    }
    product *= std::max<std::uint64_t>(size, 1);
    *it = static_cast<std::int64_t>(size);
  }
  return shape;
}

// The bytes of a tensor. Its number of values is known not to overflow, but its bytes may.
std::uint64_t tensor_bytes(const Cursor& cursor, const GgufTensor& tensor) {
  const GgmlType* const type = find_ggml_type(tensor.type);
  if (type == nullptr) return 0;
  const std::int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (row % type->block_values != 0) {
    cursor.fail("tensor " + quote(tensor.name) + " has rows of " + std::to_string(row) +
                " values, expected a multiple of " + std::to_string(type->block_values) +
                " for the type " + type->name);
  }
  std::uint64_t values = 1;
  for (const std::int64_t size : tensor.shape) values *= static_cast<std::uint64_t>(size);
  const std::uint64_t blocks = values / type->block_values;
  if (blocks > cursor.size() / type->block_bytes) {
    cursor.fail("tensor " + quote(tensor.name) + " has " + std::to_string(values) +
                " values of type " + type->name + ", more than the file of " +
                std::to_string(cursor.size()) + " bytes holds");
  }
  return blocks * type->block_bytes;
}

std::vector<TensorRow> read_table(Cursor& cursor, std::uint64_t count) {
  std::vector<TensorRow> rows;
  std::set<std::string_view> names;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string_view name = cursor.string("a tensor name");
    if (!names.insert(name).second) cursor.fail("the tensor " + quote(name) + " occurs twice");
    TensorRow& row = rows.emplace_back();
    row.tensor.name = name;
    row.tensor.shape = read_shape(cursor, row.tensor.name);
    row.tensor.type = cursor.number<std::uint32_t>("a tensor type");
    row.offset = cursor.number<std::uint64_t>("a tensor offset");
    row.bytes = tensor_bytes(cursor, row.tensor);
  }
  return rows;
}

std::uint64_t alignment_of(const Cursor& cursor, const Metadata& metadata) {
  const auto it = metadata.find(std::string_view("general.alignment"));
  if (it == metadata.end()) return default_alignment;
  const auto* const value = std::get_if<std::uint64_t>(&it->second.value);
  if (value == nullptr || !std::has_single_bit(*value) || *value > cursor.size()) {
    cursor.fail("general.alignment must be an unsigned power of two no larger than the file, got " +
                (value == nullptr ? "another type" : std::to_string(*value)));
  }
  return *value;
}

void refuse_overlap(const Cursor& cursor, const std::vector<TensorRow>& rows) {
  std::vector<const TensorRow*> by_offset;
  for (const TensorRow& row : rows) {
    if (row.bytes > 0) by_offset.push_back(&row);
  }
  std::sort(by_offset.begin(), by_offset.end(),
            [](const TensorRow* a, const TensorRow* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < by_offset.size(); ++i) {
    const TensorRow& before = *by_offset[i - 1];
    if (before.bytes > by_offset[i]->offset - before.offset) {
      cursor.fail("the data of tensor " + quote(by_offset[i]->tensor.name) +
                  " overlaps that of tensor " + quote(before.tensor.name));
    }
  }
}

// Checks that the row lies inside the data section of `size` bytes.
void check_place(const Cursor& cursor, const TensorRow& row, std::uint64_t alignment,
                 std::uint64_t size) {
  const std::string name = "tensor " + quote(row.tensor.name);
  if (row.offset % alignment != 0) {
    cursor.fail(name + " begins at offset " + std::to_string(row.offset) +
                ", expected a multiple of the alignment " + std::to_string(alignment));
  }
  if (row.offset > size || row.bytes > size - row.offset) {
    cursor.fail(name + " of " + std::to_string(row.bytes) + " bytes begins at offset " +
                std::to_string(row.offset) + ", but the data section has " + std::to_string(size) +
                " bytes; the file is truncated or damaged");
  }
}

// Compares the table with the data section and points every tensor at its bytes.
std::vector<GgufTensor> place_tensors(const Cursor& cursor, std::vector<TensorRow> rows,
                                      std::uint64_t alignment) {
  std::vector<GgufTensor> tensors;
  if (rows.empty()) return tensors;  // a file with metadata only may end here, without padding
  const std::uint64_t start = (cursor.offset() + alignment - 1) / alignment * alignment;
  const std::uint64_t size = start < cursor.size() ? cursor.size() - start : 0;
  for (const TensorRow& row : rows) check_place(cursor, row, alignment, size);
  refuse_overlap(cursor, rows);
  for (TensorRow& row : rows) {
    if (row.bytes > 0) row.tensor.bytes = cursor.bytes(start + row.offset, row.bytes);
    tensors.push_back(std::move(row.tensor));
  }
  return tensors;
}

// The value under `key` as a T; nullptr when the key is absent.
template <typename T>
const T* find_as(const GgufFile& file, std::string_view key, const char* expected) {
  const auto it = file.metadata().find(key);
  if (it == file.metadata().end()) return nullptr;
  if (const T* const value = std::get_if<T>(&it->second.value)) return value;
  throw Error(ErrorCode::bad_format,
              file.path().string() + ": the key " + quote(key) + " is not " + expected,
              file.path().string());
}

const GgufValue* find_value(const GgufFile& file, std::string_view key) {
  const auto it = file.metadata().find(key);
  return it == file.metadata().end() ? nullptr : &it->second;
}

}  // namespace

std::shared_ptr<const GgufFile> GgufFile::open(const std::filesystem::path& path) {
  auto file = open_part(path);
  const std::int64_t before = file->find_int("split.no").value_or(0);
  if (before == 0) return file;
  const auto name = split_name(path);
  throw Error(ErrorCode::unsupported,
              path.string() + ": is part " + std::to_string(before + 1) + " of the " +
                  std::to_string(file->find_int("split.count").value_or(0)) +
                  " parts of a split GGUF file; give the first of them" +
                  (name ? ", " + split_part(path, *name, 1).filename().string() : std::string()) +
                  ", which opens them all",
              path.string());
}

std::shared_ptr<const GgufFile> GgufFile::open_part(const std::filesystem::path& path) {
  const auto file = std::make_shared<GgufFile>();
  file->file_ = MappedFile(path);
  refuse_lfs_pointer(file->file_);
  Cursor cursor(file->file_);
  read_version(cursor);
  // The least that a row of each table takes: a length and a type, and a value or an offset.
  const std::uint64_t tensor_count = cursor.count(24, "the number of tensors");
  const std::uint64_t key_count = cursor.count(13, "the number of keys");
  file->metadata_ = read_metadata(cursor, key_count);
  file->metadata_end_ = cursor.offset();
  const std::uint64_t alignment = alignment_of(cursor, file->metadata_);
  file->tensors_ = place_tensors(cursor, read_table(cursor, tensor_count), alignment);
  return file;
}

std::vector<std::byte> GgufFile::without_tensors() const {
  constexpr std::size_t tensor_count = 8;  // behind magic number and version: 8 bytes
  const auto head = file_.bytes().first(metadata_end_);
  std::vector<std::byte> copy(head.begin(), head.end());
  std::fill_n(copy.begin() + tensor_count, 8, std::byte(0));
  return copy;
}

std::optional<std::int64_t> GgufFile::find_int(std::string_view key) const {
  const GgufValue* const found = find_value(*this, key);
  if (found == nullptr) return std::nullopt;
  if (const auto* const value = std::get_if<std::uint64_t>(&found->value)) {
    if (std::in_range<std::int64_t>(*value)) return static_cast<std::int64_t>(*value);
  }
  return *find_as<std::int64_t>(*this, key, "an integer of 64 bits with a sign");
}

std::optional<double> GgufFile::find_float(std::string_view key) const {
  const GgufValue* const found = find_value(*this, key);
  if (found == nullptr) return std::nullopt;
  if (const auto* const value = std::get_if<std::uint64_t>(&found->value)) {
    return static_cast<double>(*value);
  }
  if (const auto* const value = std::get_if<std::int64_t>(&found->value)) {
    return static_cast<double>(*value);
  }
  return *find_as<double>(*this, key, "a number");
}

std::optional<bool> GgufFile::find_bool(std::string_view key) const {
  const bool* const value = find_as<bool>(*this, key, "a boolean");
  return value == nullptr ? std::nullopt : std::optional(*value);
}

std::optional<std::string_view> GgufFile::find_string(std::string_view key) const {
  const auto* const value = find_as<std::string_view>(*this, key, "a string");
  return value == nullptr ? std::nullopt : std::optional(*value);
}

const GgufStrings* GgufFile::find_strings(std::string_view key) const {
  return find_as<GgufStrings>(*this, key, "an array of strings");
}

const std::vector<std::int64_t>* GgufFile::find_ints(std::string_view key) const {
  return find_as<std::vector<std::int64_t>>(*this, key, "an array of integers");
}

const std::vector<double>* GgufFile::find_floats(std::string_view key) const {
  return find_as<std::vector<double>>(*this, key, "an array of numbers");
}

}  // namespace llm::detail
