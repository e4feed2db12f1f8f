#include "fuzz/structure_mutator.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "fuzz/folder_input.hpp"

namespace llm::fuzz {
namespace {

using OrderedJson = nlohmann::ordered_json;

template <std::size_t n, typename T>
const T& pick(test::Mutator& random, const std::array<T, n>& list) {
  return list[random.below(n)];
}

// --- JSON ---

void collect(OrderedJson& node, std::vector<OrderedJson*>& nodes) {
  nodes.push_back(&node);
  if (node.is_structured()) {
    for (OrderedJson& child : node) collect(child, nodes);
  }
}

OrderedJson telling_value(test::Mutator& random) {
  static const std::vector<OrderedJson> values{
      nullptr,
      true,
      false,
      0,
      1,
      -1,
      2,
      64,
      1 << 20,
      std::numeric_limits<std::int64_t>::max(),
      std::numeric_limits<std::int64_t>::min(),
      std::numeric_limits<std::uint64_t>::max(),
      1e300,
      -0.5,
      5e-324,
      "",
      "a",
      "\u2581",
      "0",
      "\u0000",
      "(a*)*b",
      "../x",
      std::string(300, 'x'),
      OrderedJson::array(),
      OrderedJson::object(),
      OrderedJson::array({nullptr}),
  };
  return values[random.below(values.size())];
}

void damage_object(OrderedJson& node, test::Mutator& random) {
  auto at = node.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(random.below(node.size())));
  const std::string key = at.key();
  if (random.below(2) == 0) {
    node.erase(key);
  } else {
    node[key + (random.below(2) == 0 ? "_" : "0")] = node[key];
  }
}

void damage_array(OrderedJson& node, test::Mutator& random) {
  const std::size_t at = random.below(node.size());
  if (random.below(2) == 0) {
    node.erase(at);
  } else {
    const OrderedJson element = node[at];
    for (std::size_t i = 0, n = 1 + random.below(40); i < n; ++i) node.push_back(element);
  }
}

// One change somewhere in the tree.
void damage_tree(OrderedJson& tree, test::Mutator& random,
                 const StructureMutator::ByteMutator& bytes) {
  std::vector<OrderedJson*> nodes;
  collect(tree, nodes);
  OrderedJson& node = *nodes[random.below(nodes.size())];
  const std::size_t kind = random.below(4);
  if (kind == 0) {
    node = telling_value(random);
  } else if (kind == 1) {
    node = OrderedJson(*nodes[random.below(nodes.size())]);
  } else if (node.is_object() && !node.empty()) {
    damage_object(node, random);
  } else if (node.is_array() && !node.empty()) {
    damage_array(node, random);
  } else if (node.is_string()) {
    node = bytes(node.get<std::string>());
  } else if (node.is_number()) {
    const double value = node.get<double>();
    const std::array<double, 5> others{value + 1, value - 1, value * 2, -value, value / 3};
    node = pick(random, others);
    if (value == std::floor(value) && std::abs(value) < 1e15) {
      node = static_cast<std::int64_t>(pick(random, others));
    }
  } else {
    node = OrderedJson::array({node});
  }
}

// Numbers in JSON may be of any depth and size, but what we write must not recurse too deeply.
std::optional<OrderedJson> parse_tree(const std::string& text) {
  constexpr int deepest = 200;
  bool too_deep = false;
  const auto watch = [&](int depth, OrderedJson::parse_event_t, OrderedJson&) {
    too_deep = too_deep || depth > deepest;
    return !too_deep;
  };
  OrderedJson tree = OrderedJson::parse(text, watch, false);
  if (tree.is_discarded() || too_deep) return std::nullopt;
  return tree;
}

// --- numbers in binary files ---

template <typename T>
T load(const std::string& bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

template <typename T>
void store(std::string& bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(T));
}

std::uint64_t telling_number(test::Mutator& random, std::uint64_t now) {
  const std::array<std::uint64_t, 14> values{now + 1,
                                             now - 1,
                                             now * 2,
                                             0,
                                             1,
                                             2,
                                             0x7f,
                                             0x8000'0000,
                                             0xffff'ffff,
                                             0x1'0000'0000,
                                             std::uint64_t{1} << 40U,
                                             0x7fff'ffff'ffff'ffff,
                                             0x8000'0000'0000'0000,
                                             0xffff'ffff'ffff'ffff};
  return pick(random, values);
}

// --- GGUF ---

// Where a GGUF file has its numbers and strings; ends where the file stops making sense.
class GgufFields {
 public:
  struct Field {
    std::size_t at;
    std::size_t size;  // of a number; of a string: of its text, behind eight bytes of length
    bool is_string;
  };

  explicit GgufFields(const std::string& file) : file_(file) { walk(); }
  const std::vector<Field>& fields() const { return fields_; }

 private:
  bool number(std::size_t size, std::uint64_t& value) {
    if (at_ + size > file_.size()) return false;
    value = 0;
    std::memcpy(&value, file_.data() + at_, size);
    fields_.push_back({at_, size, false});
    at_ += size;
    return true;
  }
  bool string() {
    std::uint64_t size = 0;
    if (at_ + 8 > file_.size()) return false;
    size = load<std::uint64_t>(file_, at_);
    if (size > file_.size() - at_ - 8) return false;
    fields_.push_back({at_ + 8, static_cast<std::size_t>(size), true});
    at_ += 8 + static_cast<std::size_t>(size);
    return true;
  }
  bool value(std::uint64_t type) {
    static constexpr std::array<std::size_t, 13> sizes{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    constexpr std::uint64_t text = 8, array = 9;
    if (type == text) return string();
    std::uint64_t ignored = 0;
    if (type != array) return type < sizes.size() && number(sizes[type], ignored);
    std::uint64_t element = 0, count = 0;
    if (!number(4, element) || !number(8, count) || element == array) return false;
    for (std::uint64_t i = 0; i < count; ++i) {
      if (!value(element)) return false;
    }
    return true;
  }
  void walk() {
    std::uint64_t version = 0, tensors = 0, keys = 0, type = 0, dimensions = 0, ignored = 0;
    at_ = 4;
    if (!number(4, version) || !number(8, tensors) || !number(8, keys)) return;
    for (std::uint64_t i = 0; i < keys; ++i) {
      if (!string() || !number(4, type) || !value(type)) return;
    }
    for (std::uint64_t i = 0; i < tensors; ++i) {
      if (!string() || !number(4, dimensions)) return;
      for (std::uint64_t d = 0; d < dimensions; ++d) {
        if (!number(8, ignored)) return;
      }
      if (!number(4, ignored) || !number(8, ignored)) return;
    }
  }

  const std::string& file_;
  std::size_t at_ = 0;
  std::vector<Field> fields_;
};

// --- protocol buffers ---

std::optional<std::uint64_t> read_varint(const std::string& bytes, std::size_t& at) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && at < bytes.size(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes[at++]);
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if ((byte & 0x80U) == 0) return value;
  }
  return std::nullopt;
}

std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7U) bytes += static_cast<char>((value & 0x7fU) | 0x80U);
  return bytes + static_cast<char>(value);
}

struct ProtocolField {
  std::uint64_t tag = 0;
  std::uint64_t number = 0;  // wire type 0
  std::string bytes;         // of the other wire types

  std::string encoded() const {
    const std::uint64_t wire = tag & 7U;
    if (wire == 0) return varint(tag) + varint(number);
    return varint(tag) + (wire == 2 ? varint(bytes.size()) : std::string()) + bytes;
  }
};

std::optional<std::vector<ProtocolField>> parse_message(const std::string& message) {
  std::vector<ProtocolField> fields;
  for (std::size_t at = 0; at < message.size();) {
    ProtocolField field;
    const auto tag = read_varint(message, at);
    if (!tag) return std::nullopt;
    field.tag = *tag;
    const std::uint64_t wire = *tag & 7U;
    std::uint64_t size = wire == 1 ? 8 : 4;
    if (wire == 0 || wire == 2) {
      const auto value = read_varint(message, at);
      if (!value) return std::nullopt;
      field.number = size = *value;
    } else if (wire != 1 && wire != 5) {
      return std::nullopt;
    }
    if (wire != 0) {
      if (size > message.size() - at) return std::nullopt;
      field.bytes = message.substr(at, static_cast<std::size_t>(size));
      at += static_cast<std::size_t>(size);
    }
    fields.push_back(std::move(field));
  }
  return fields;
}

}  // namespace

std::string StructureMutator::json(const std::string& text) {
  std::optional<OrderedJson> tree = one_in(10) ? std::nullopt : parse_tree(text);
  if (!tree) return bytes_(text);
  for (std::size_t i = 0, n = 1 + random_.below(3); i < n; ++i) damage_tree(*tree, random_, bytes_);
  return tree->dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

std::string StructureMutator::safetensors(const std::string& file) {
  if (file.size() < 8 || one_in(8)) return bytes_(file);
  const auto size = load<std::uint64_t>(file, 0);
  if (size > file.size() - 8) return bytes_(file);
  const auto length = static_cast<std::size_t>(size);
  std::string data = file.substr(8 + length);
  if (one_in(8)) data = bytes_(data);
  const std::string header = json(file.substr(8, length));
  std::string damaged(8, '\0');
  store<std::uint64_t>(damaged, 0, header.size());
  return damaged + header + data;
}

std::string StructureMutator::gguf(const std::string& file) {
  const GgufFields walk(file);
  if (walk.fields().empty() || one_in(10)) return bytes_(file);
  const GgufFields::Field field = walk.fields()[random_.below(walk.fields().size())];
  std::string damaged = file;
  if (field.is_string) {
    const std::string text = bytes_(file.substr(field.at, field.size));
    store<std::uint64_t>(damaged, field.at - 8, text.size());
    return damaged.replace(field.at, field.size, text);
  }
  std::uint64_t now = 0;
  std::memcpy(&now, file.data() + field.at, field.size);
  now = telling_number(random_, now);
  std::memcpy(damaged.data() + field.at, &now, field.size);
  return damaged;
}

std::string StructureMutator::pickle(const std::string& stream) {
  using namespace std::string_literals;
  static const std::array<std::string, 34> pieces{"("s,
                                                  ")"s,
                                                  "]"s,
                                                  "}"s,
                                                  "t"s,
                                                  "s"s,
                                                  "u"s,
                                                  "e"s,
                                                  "a"s,
                                                  "R"s,
                                                  "b"s,
                                                  "Q"s,
                                                  "0"s,
                                                  "1"s,
                                                  "2"s,
                                                  "."s,
                                                  "N"s,
                                                  "\x88"s,
                                                  "\x89"s,
                                                  "\x85"s,
                                                  "\x86"s,
                                                  "\x87"s,
                                                  "\x94"s,
                                                  "h\x00"s,
                                                  "h\x01"s,
                                                  "q\x01"s,
                                                  "K\x02"s,
                                                  "M\xff\xff"s,
                                                  "J\xff\xff\xff\x7f"s,
                                                  "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"s,
                                                  "X\x01\x00\x00\x00x"s,
                                                  "ctorch\nFloatStorage\n"s,
                                                  "ccollections\nOrderedDict\n"s,
                                                  "ctorch._utils\n_rebuild_tensor_v2\n"s};
  if (one_in(3)) return bytes_(stream);
  std::string damaged = stream;
  for (std::size_t i = 0, n = 1 + random_.below(3); i < n; ++i) {
    const std::size_t at = random_.below(damaged.size() + 1);
    if (one_in(4) && at < damaged.size()) {
      damaged.erase(at, 1 + random_.below(8));
    } else if (one_in(4) && at < damaged.size()) {
      damaged.insert(random_.below(damaged.size()), damaged.substr(at, 1 + random_.below(64)));
    } else {
      damaged.insert(at, pick(random_, pieces));
    }
  }
  return damaged;
}

std::string StructureMutator::protocol_buffer(const std::string& message, int depth) {
  auto fields = one_in(10) ? std::nullopt : parse_message(message);
  if (!fields || fields->empty()) return bytes_(message);
  const std::size_t at = random_.below(fields->size());
  ProtocolField& field = (*fields)[at];
  constexpr int deepest = 3;
  switch (random_.below(6)) {
    case 0:
      fields->erase(fields->begin() + static_cast<std::ptrdiff_t>(at));
      break;
    case 1:
      fields->push_back(field);
      break;
    case 2:
      std::swap(field, (*fields)[random_.below(fields->size())]);
      break;
    default:
      field.number = telling_number(random_, field.number);
      field.bytes = depth < deepest ? protocol_buffer(field.bytes, depth + 1) : bytes_(field.bytes);
      if ((field.tag & 7U) == 1) field.bytes.resize(8);
      if ((field.tag & 7U) == 5) field.bytes.resize(4);
  }
  std::string damaged;
  for (const ProtocolField& each : *fields) damaged += each.encoded();
  return damaged;
}

std::string StructureMutator::chat_template(std::string source) {
  static constexpr std::array<std::string_view, 40> pieces{
      "{{ messages }}",
      "{% for m in messages %}",
      "{% endfor %}",
      "{% if loop.first %}",
      "{% else %}",
      "{% endif %}",
      "{% set x = [1, 2] %}",
      "{% set ns = namespace(a=1) %}",
      "{% macro f(a, b=2) %}",
      "{% endmacro %}",
      "{{ f(1) }}",
      "{{ loop.index0 }}",
      " | length",
      " | tojson",
      " | trim",
      " | replace('a', 'b')",
      " | join(', ')",
      " | map(attribute='role')",
      " | selectattr('role', 'equalto', 'user')",
      " | batch(2)",
      " | slice(3)",
      " | sort",
      " | list",
      " | default('x')",
      " is defined",
      " is mapping",
      " is string",
      ".split(' ')",
      ".items()",
      "[1:-1]",
      "[::-1]",
      "[::2]",
      " * 1000000",
      " ~ ",
      " in ",
      " // 0",
      " ** 99",
      "range(100000)",
      "9223372036854775807",
      "-9223372036854775808"};
  if (one_in(4)) return bytes_(source);
  for (std::size_t i = 0, n = 1 + random_.below(3); i < n; ++i) {
    const std::size_t at = random_.below(source.size() + 1);
    if (one_in(3) && at < source.size()) {
      const std::string copy = source.substr(at, 1 + random_.below(40));
      source.insert(random_.below(source.size()), copy);
    } else if (one_in(5) && at < source.size()) {
      source.erase(at, 1 + random_.below(20));
    } else {
      source.insert(at, pick(random_, pieces));
    }
  }
  return source;
}

std::string StructureMutator::lines(const std::string& text) {
  const std::size_t at = random_.below(text.size() + 1);
  std::size_t begin = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;  // npos + 1 is 0
  const std::size_t end = std::min(text.find('\n', begin), text.size());
  const std::string line = text.substr(begin, end - begin);
  const std::string damaged = line.starts_with('{') ? json(line) : bytes_(line);
  switch (random_.below(4)) {
    case 0:
      return bytes_(text);
    case 1:
      return text.substr(0, end) + "\n" + damaged + text.substr(end);
    default:
      return text.substr(0, begin) + damaged + text.substr(end);
  }
}

std::string StructureMutator::part(const std::string& name, const std::string& bytes) {
  const std::string extension = name.substr(std::min(name.rfind('.'), name.size()));
  if (extension == ".json") return json(bytes);
  if (extension == ".safetensors") return safetensors(bytes);
  if (extension == ".gguf") return gguf(bytes);
  if (extension == ".pkl") return pickle(bytes);
  if (extension == ".model" || extension == ".spm") return protocol_buffer(bytes);
  if (extension == ".jinja") return chat_template(bytes);
  if (extension == ".txt" || extension == ".jsonl" || extension == ".csv" || extension == ".tsv") {
    return lines(bytes);
  }
  return bytes_(bytes);
}

std::string StructureMutator::folder(const std::string& input) {
  std::vector<Part> parts = parse_folder(input);
  std::vector<Part*> open;  // to damage; the base stays
  for (Part& each : parts) {
    if (each.name != "base") open.push_back(&each);
  }
  if (open.empty()) return bytes_(input);
  Part& chosen = *open[random_.below(open.size())];
  chosen.bytes = part(chosen.name, chosen.bytes);
  return folder_bytes(parts);
}

}  // namespace llm::fuzz
