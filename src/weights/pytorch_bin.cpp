// Reads what torch.save writes (pytorch_model.bin): a pickle that says how tensors lie in storages,
// and the storages; in a zip archive (since torch 1.6) or one after another (before). Contiguous
// tensors are used where they are in the file, others are copied into order. Formats:
// torch/serialization.py, torch/_utils.py.
#include <algorithm>
#include <cstring>
#include <deque>
#include <set>
#include <string_view>
#include <utility>

#include "core/mapped_file.hpp"
#include "core/zip.hpp"
#include "llm/core/error.hpp"
#include "weights/pickle.hpp"
#include "weights/weight_file.hpp"

namespace llm::detail {

namespace {

using Bytes = std::span<const std::byte>;
using Storages = std::map<std::string_view, Bytes>;

constexpr std::string_view rebuild_tensor = "torch._utils._rebuild_tensor";
constexpr std::string_view rebuild_tensor_v2 = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view rebuild_parameter = "torch._utils._rebuild_parameter";
constexpr std::string_view rebuild_parameter_with_state =
    "torch._utils._rebuild_parameter_with_state";

constexpr std::pair<std::string_view, DType> storage_types[] = {
    {"torch.FloatStorage", DType::f32},     {"torch.HalfStorage", DType::f16},
    {"torch.BFloat16Storage", DType::bf16}, {"torch.DoubleStorage", DType::f64},
    {"torch.LongStorage", DType::i64},      {"torch.IntStorage", DType::i32},
    {"torch.ShortStorage", DType::i16},     {"torch.CharStorage", DType::i8},
    {"torch.ByteStorage", DType::u8},       {"torch.BoolStorage", DType::boolean}};

// All that a pickle may name. TensorReader does here what these would do in Python.
constexpr std::string_view allowed[] = {
    "collections.OrderedDict", "torch.Size",           rebuild_tensor,
    rebuild_tensor_v2,         rebuild_parameter,      rebuild_parameter_with_state,
    storage_types[0].first,    storage_types[1].first, storage_types[2].first,
    storage_types[3].first,    storage_types[4].first, storage_types[5].first,
    storage_types[6].first,    storage_types[7].first, storage_types[8].first,
    storage_types[9].first};

// Training checkpoints have the tensors under one of these names.
constexpr std::string_view nested_names[] = {"state_dict", "model_state_dict", "model"};

constexpr std::size_t most_dimensions = 16;
constexpr int most_parameters = 4;  // inside each other; torch writes one
// Of the pickle, without storages: a tensor takes about 200.
constexpr std::size_t most_pickle_bytes = std::size_t{64} << 20;

// The bytes that tensors point to.
struct Backing {
  MappedFile file;
  std::deque<std::vector<std::byte>> copies;
};

[[noreturn]] void fail(const std::string& where, const std::string& what,
                       ErrorCode code = ErrorCode::bad_format) {
  throw Error(code, where + ": " + what, where);
}

// A storage as the pickle names it: ("storage", type, key, location, number of values).
struct StorageId {
  DType dtype;
  std::string_view key;
  std::uint64_t values;
};

StorageId read_storage_id(const PickleValue& value, const std::string& where) {
  const auto& id = value.items.front()->items;  // empty when it is not a tuple
  const auto of = [&](std::size_t i, PickleKind kind) {
    return i < id.size() && id[i]->kind == kind;
  };
  if (!of(0, PickleKind::text) || id[0]->text != "storage" || !of(1, PickleKind::global) ||
      !of(2, PickleKind::text) || !of(4, PickleKind::integer) || id[4]->integer < 0) {
    fail(where, "the pickle refers to something outside that is not a storage");
  }
  if (id.size() > 5 && !of(5, PickleKind::none)) {
    fail(where, "a storage is a view of another one, as only very old torch wrote it",
         ErrorCode::unsupported);
  }
  for (const auto& [name, dtype] : storage_types) {
    if (name == id[1]->text)
      return {dtype, id[2]->text, static_cast<std::uint64_t>(id[4]->integer)};
  }
  fail(where, "the type of storage " + quote(id[2]->text) + " is no type of storage");
}

// Offset and strides of a tensor in its storage, in values.
struct Layout {
  std::uint64_t offset = 0;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;

  bool contiguous() const {
    std::int64_t expected = 1;
    for (std::size_t i = shape.size(); i-- > 0;) {
      if (shape[i] != 1 && strides[i] != expected) return false;
      expected *= shape[i];
    }
    return true;
  }
};

class TensorReader {
 public:
  TensorReader(Backing& backing, const Storages& storages, const std::string& where)
      : backing_(backing), storages_(storages), where_(where) {
    // Copies may be as large as the file several times over (a storage with several views), but not
    // larger: a view may repeat one value without end.
    left_to_copy_ = 4 * backing.file.bytes().size() + (std::size_t{16} << 20);
  }

  std::vector<FileTensor> read(const PickleValue& root) {
    const PickleValue& state = state_dict(root);
    std::vector<FileTensor> tensors;
    std::set<std::string_view> names;
    for (std::size_t i = 0; i + 1 < state.items.size(); i += 2) {
      const PickleValue& name = *state.items[i];
      if (!is_tensor(*state.items[i + 1])) continue;
      if (name.kind != PickleKind::text) fail(where_, "a tensor has a name that is no text");
      if (!names.insert(name.text).second) {
        fail(where_, "tensor " + quote(name.text) + " occurs twice");
      }
      tensors.push_back(read_tensor(name.text, *state.items[i + 1]));
    }
    return tensors;
  }

 private:
  static bool is_tensor(const PickleValue& value) {
    return value.kind == PickleKind::call && value.text != "torch.Size";
  }
  static bool holds_tensors(const PickleValue& value) {
    if (value.kind != PickleKind::dict) return false;
    for (std::size_t i = 1; i < value.items.size(); i += 2) {
      if (is_tensor(*value.items[i])) return true;
    }
    return false;
  }

  const PickleValue& state_dict(const PickleValue& root) const {
    if (holds_tensors(root)) return root;
    for (const std::string_view name : nested_names) {
      const PickleValue* const nested = find_item(root, name);
      if (nested && holds_tensors(*nested)) return *nested;
    }
    fail(where_,
         "holds no tensors by name; expected a dict of tensors (a state_dict), alone or under "
         "\"state_dict\", \"model_state_dict\" or \"model\"");
  }

  FileTensor read_tensor(std::string_view name, const PickleValue& value) {
    const std::string what = "tensor " + quote(name);
    const PickleValue* call = &value;
    for (int depth = 0;
         call->text == rebuild_parameter || call->text == rebuild_parameter_with_state; ++depth) {
      const auto& inner = call->items.front()->items;
      if (inner.empty() || !is_tensor(*inner.front())) fail(where_, what + " is damaged");
      if (depth == most_parameters)
        fail(where_, what + " is a parameter of a parameter more than " +
                         std::to_string(most_parameters) + " times over, which torch never writes");
      call = inner.front();
    }
    const auto& arguments = call->items.front()->items;
    if (call->text.starts_with(rebuild_parameter) || arguments.size() < 4 ||
        arguments[0]->kind != PickleKind::persistent || arguments[1]->kind != PickleKind::integer ||
        arguments[1]->integer < 0) {
      fail(where_, what + " is not made of a storage, an offset, sizes and strides");
    }
    const StorageId id = read_storage_id(*arguments[0], where_);
    const Layout layout{static_cast<std::uint64_t>(arguments[1]->integer),
                        sizes(*arguments[2], what), sizes(*arguments[3], what)};
    FileTensor tensor{std::string(name), id.dtype, layout.shape, view(id, layout, what)};
    if (layout.contiguous()) tensor.mapping = backing_.file.bytes();
    return tensor;
  }

  // A tuple of sizes or strides, or a torch.Size.
  std::vector<std::int64_t> sizes(const PickleValue& value, const std::string& what) const {
    const PickleValue* tuple = &value;
    if (tuple->kind == PickleKind::call && !tuple->items.front()->items.empty()) {
      tuple = tuple->items.front()->items.front();
    }
    std::vector<std::int64_t> numbers;
    for (const PickleValue* const item : tuple->items) {
      if (item->kind != PickleKind::integer || item->integer < 0 ||
          numbers.size() == most_dimensions) {
        fail(where_, what + " has sizes or strides that are not up to " +
                         std::to_string(most_dimensions) + " whole numbers from 0");
      }
      numbers.push_back(item->integer);
    }
    return numbers;
  }

  // The bytes of the tensor in row-major order.
  Bytes view(const StorageId& id, const Layout& layout, const std::string& what) {
    const auto unit = static_cast<std::uint64_t>(block_bytes(id.dtype));
    const auto found = storages_.find(id.key);
    if (found == storages_.end()) {
      fail(where_, what + " lies in storage " + quote(id.key) + ", which the file does not have");
    }
    if (id.values > found->second.size() / unit) {
      fail(where_, "storage " + quote(id.key) + " is said to have " + std::to_string(id.values) +
                       " values of " + std::to_string(unit) + " bytes, but has " +
                       std::to_string(found->second.size()) + " bytes");
    }
    const auto size = byte_size(id.dtype, layout.shape);
    if (!size || !fits(layout, *size / unit, id.values)) {
      fail(where_,
           what + " reaches beyond its storage of " + std::to_string(id.values) + " values");
    }
    if (*size == 0) return {};
    const Bytes from = found->second.subspan(layout.offset * unit);
    return layout.contiguous() ? from.first(*size) : copy(from, layout, unit, *size, what);
  }

  static bool fits(const Layout& layout, std::uint64_t values, std::uint64_t storage) {
    if (layout.shape.size() != layout.strides.size()) return false;
    if (values == 0) return true;
    if (layout.offset >= storage) return false;
    std::uint64_t last = layout.offset;  // the value farthest from the beginning
    for (std::size_t i = 0; i < layout.shape.size(); ++i) {
      const auto steps = static_cast<std::uint64_t>(layout.shape[i] - 1);
      const auto stride = static_cast<std::uint64_t>(layout.strides[i]);
      if (steps > 0 && stride > (storage - 1 - last) / steps) return false;
      last += steps * stride;
    }
    return true;
  }

  Bytes copy(Bytes from, const Layout& layout, std::uint64_t unit, std::uint64_t size,
             const std::string& what) {
    if (size > left_to_copy_) {
      fail(where_, what + " repeats values of its storage to a size of " + std::to_string(size) +
                       " bytes, out of proportion to the file");
    }
    left_to_copy_ -= size;
    std::vector<std::byte>& to = backing_.copies.emplace_back(size);
    std::vector<std::int64_t> index(layout.shape.size());
    std::int64_t at = 0;
    for (std::uint64_t done = 0; done < size; done += unit) {
      std::memcpy(to.data() + done, from.data() + static_cast<std::uint64_t>(at) * unit, unit);
      for (std::size_t i = index.size(); i-- > 0;) {  // the next index, last dimension first
        at += layout.strides[i];
        if (++index[i] < layout.shape[i]) break;
        at -= layout.shape[i] * layout.strides[i];
        index[i] = 0;
      }
    }
    return to;
  }

  Backing& backing_;
  const Storages& storages_;
  const std::string& where_;
  std::size_t left_to_copy_ = 0;
};

// The zip archive: NAME/data.pkl, and each storage as NAME/data/KEY.
std::vector<FileTensor> read_archive(Backing& backing, const std::string& where) {
  constexpr std::string_view pickle_name = "/data.pkl";
  const std::vector<ZipMember> members = read_zip(backing.file.bytes(), where);
  const auto pickle = std::ranges::find_if(
      members, [&](const ZipMember& member) { return member.name.ends_with(pickle_name); });
  if (pickle == members.end()) {
    fail(where, "is a zip archive without data.pkl, so torch.save did not write it");
  }
  const std::string top(pickle->name.substr(0, pickle->name.size() - pickle_name.size() + 1));
  Storages storages;
  for (const ZipMember& member : members) {
    if (!member.name.starts_with(top)) continue;
    const std::string_view name = member.name.substr(top.size());
    if (name == "constants.pkl") {
      fail(where, "is a TorchScript program, expected tensors saved by torch.save",
           ErrorCode::unsupported);
    }
    if (name == "byteorder" && member.bytes.size() == 3) {  // "big"; else "little"
      fail(where, "was written by a big-endian machine", ErrorCode::unsupported);
    }
    if (name.starts_with("data/")) storages[name.substr(5)] = member.bytes;
  }
  if (pickle->bytes.size() > most_pickle_bytes) {
    fail(where, "its pickle has " + std::to_string(pickle->bytes.size()) +
                    " bytes, expected at most " + std::to_string(most_pickle_bytes));
  }
  const Pickle state(pickle->bytes, 0, where, allowed);
  return TensorReader(backing, storages, where).read(state.root());
}

// The storages after the pickles in the older format: for each key of `keys`, in order, the number
// of values and the values. Only the pickle of the tensors says their type.
Storages walk_storages(Bytes bytes, const Pickle& state, const Pickle& keys,
                       const std::string& where) {
  std::map<std::string_view, StorageId> ids;
  for (const PickleValue* const id : state.persistent()) {
    const StorageId storage = read_storage_id(*id, where);
    ids.emplace(storage.key, storage);
  }
  Storages storages;
  std::size_t at = keys.end();
  for (const PickleValue* const key : keys.root().items) {
    const auto id = ids.find(key->text);
    if (id == ids.end()) fail(where, "holds storage " + quote(key->text) + " of unknown type");
    const auto unit = static_cast<std::uint64_t>(block_bytes(id->second.dtype));
    std::uint64_t values = 0;
    const bool counted = bytes.size() - at >= sizeof values;
    if (counted) std::memcpy(&values, bytes.data() + at, sizeof values);
    if (!counted || values > (bytes.size() - at - sizeof values) / unit) {
      fail(where, "ends before storage " + quote(key->text) + "; the file is damaged or cut off");
    }
    storages[key->text] = bytes.subspan(at + sizeof values, values * unit);
    at += sizeof values + values * unit;
  }
  return storages;
}

// The older format: five pickles (a magic number, a version, the machine, the tensors, the keys of
// the storages), then the storages.
std::vector<FileTensor> read_stream(Backing& backing, const std::string& where) {
  constexpr std::string_view magic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  constexpr std::int64_t version = 1001;
  const Bytes bytes = backing.file.bytes();
  const Pickle first(bytes, 0, where, allowed);
  if (first.root().kind != PickleKind::wide || first.root().text != magic) {
    fail(where, "is a pickle, but not one that torch.save wrote");
  }
  const Pickle second(bytes, first.end(), where, allowed);
  if (second.root().kind != PickleKind::integer || second.root().integer != version) {
    fail(where, "is of an unknown version of torch's older format, expected 1001",
         ErrorCode::unsupported);
  }
  const Pickle machine(bytes, second.end(), where, allowed);
  const PickleValue* const little = find_item(machine.root(), "little_endian");
  if (!little || little->integer != 1) {
    fail(where, "was written by a big-endian machine", ErrorCode::unsupported);
  }
  const Pickle state(bytes, machine.end(), where, allowed);
  const Pickle keys(bytes, state.end(), where, allowed);
  const Storages storages = walk_storages(bytes, state, keys, where);
  return TensorReader(backing, storages, where).read(state.root());
}

}  // namespace

bool is_pytorch_bin(std::span<const std::byte> bytes) {
  return is_zip(bytes) || (!bytes.empty() && bytes[0] == std::byte{0x80});  // opcode PROTO
}

WeightFile open_pytorch_bin(const std::filesystem::path& path) {
  const auto backing = std::make_shared<Backing>();
  backing->file = MappedFile(path);
  refuse_lfs_pointer(backing->file);
  const std::string where = path.string();
  if (!is_pytorch_bin(backing->file.bytes())) {
    fail(where, "is neither a zip archive nor a pickle, so torch.save did not write it");
  }
  WeightFile file;
  file.path = path;
  file.tensors =
      is_zip(backing->file.bytes()) ? read_archive(*backing, where) : read_stream(*backing, where);
  file.mapping = backing;
  return file;
}

}  // namespace llm::detail
