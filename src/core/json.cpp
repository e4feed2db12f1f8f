// Builds JSON values from untrusted text, in one pass over the events of nlohmann's parser.
#include "core/json.hpp"

#include <algorithm>
#include <new>
#include <utility>
#include <vector>

#include "core/float_environment.hpp"
#include "core/mapped_file.hpp"
#include "llm/core/error.hpp"

namespace llm::detail {

namespace {

// The parser's sentence without its prefix "[json.exception...] " and without the text it read
// last, which may have any length and any bytes.
std::string reason_of(const nlohmann::detail::exception& e) {
  constexpr std::size_t max_bytes = 160;
  std::string reason = e.what();
  if (reason.starts_with('[')) reason.erase(0, reason.find(']') + 2);
  reason.resize(std::min({reason.size(), reason.find("; last read"), max_bytes}));
  return reason;
}

// Receives the events and builds the value. Pointers in open_ stay valid: nothing is added to a
// container while one inside it is open.
template <class Value>
class Builder : public nlohmann::json_sax<Value> {
 public:
  Builder(const std::string& where, const std::atomic<bool>* interrupt)
      : where_(where), interrupt_(interrupt) {}

  Value take() { return std::move(root_); }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::bad_format, where_ + ": " + what, where_);
  }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(typename Value::number_integer_t value) override { return add(value); }
  bool number_unsigned(typename Value::number_unsigned_t value) override { return add(value); }
  bool number_float(typename Value::number_float_t value,
                    const typename Value::string_t&) override {
    return add(value);
  }
  bool string(typename Value::string_t& value) override { return add(std::move(value)); }
  bool binary(typename Value::binary_t&) override { return false; }  // JSON text has none
  bool start_object(std::size_t) override { return open(Value::object()); }
  bool start_array(std::size_t) override { return open(Value::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(typename Value::string_t& name) override {
    const auto [it, added] = open_.back()->emplace(std::move(name), nullptr);
    if (!added) {
      fail("the name " + quote(it.key()) + " occurs twice in one JSON object; remove one of them");
    }
    member_ = &*it;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) override {
    fail("not valid JSON: " + reason_of(e));
    return false;
  }

 private:
  bool add(Value value) {
    place(std::move(value));
    return interrupt_ == nullptr || !interrupt_->load(std::memory_order_relaxed);
  }

  // Puts the value where it belongs: the root, the end of an array, or the member just named.
  Value* place(Value value) {
    Value* slot = &root_;
    if (!open_.empty() && open_.back()->is_array()) {
      open_.back()->push_back(nullptr);
      slot = &open_.back()->back();
    } else if (!open_.empty()) {
      slot = member_;
    }
    *slot = std::move(value);
    return slot;
  }

  bool open(Value container) {
    if (open_.size() >= static_cast<std::size_t>(max_json_depth)) {
      fail("JSON is nested deeper than " + std::to_string(max_json_depth) +
           " levels, which nothing that is read here needs");
    }
    open_.push_back(place(std::move(container)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  const std::string& where_;
  const std::atomic<bool>* interrupt_;
  Value root_;
  std::vector<Value*> open_;  // containers from the root inwards
  Value* member_ = nullptr;   // of the innermost object
};

template <class Value>
Value parse_value(std::string_view text, const std::string& where,
                  const std::atomic<bool>* interrupt) {
  const FloatEnvironment environment;
  Builder<Value> builder(where, interrupt);
  // The parser takes a NUL for the end of its input and would ignore the rest.
  if (const std::size_t at = text.find('\0'); at != std::string_view::npos) {
    builder.fail("not valid JSON: a NUL byte at position " + std::to_string(at));
  }
  try {
    if (!Value::sax_parse(text.begin(), text.end(), &builder))
      throw Error(ErrorCode::interrupted, where + ": reading it was interrupted", where);
  } catch (const std::bad_alloc&) {
    throw Error(
        ErrorCode::out_of_memory,
        where + ": not enough memory for its JSON of " + std::to_string(text.size()) + " bytes",
        where);
  }
  return builder.take();
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  return parse_value<Json>(text, where, nullptr);
}

OrderedJson parse_ordered_json(std::string_view text, const std::string& where,
                               const std::atomic<bool>* interrupt) {
  return parse_value<OrderedJson>(text, where, interrupt);
}

Json read_json_file(const std::filesystem::path& file, std::size_t max_bytes) {
  return parse_json(read_file(file, max_bytes), file.string());
}

std::string read_file(const std::filesystem::path& file, std::size_t max_bytes) {
  const MappedFile mapped(file);
  const auto bytes = mapped.bytes();
  if (bytes.size() > max_bytes) {
    throw Error(ErrorCode::bad_format,
                file.string() + ": is " + std::to_string(bytes.size()) +
                    " bytes, expected at most " + std::to_string(max_bytes) +
                    " for a file of this kind",
                file.string());
  }
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace llm::detail
