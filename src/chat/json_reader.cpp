// Reads JSON text into values. The library's other reader sorts the keys of objects; templates show
// them in the order they were written in.
#include "chat/text.hpp"
#include "chat/value.hpp"
#include "core/float_environment.hpp"
#include "core/json.hpp"

namespace llm::detail::jinja {
namespace {

class Reader : public nlohmann::json_sax<Json> {
 public:
  explicit Reader(const std::string& where) : where_(where) {}

  Value take() { return std::move(root_); }
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(ErrorCode::invalid_input, where_ + ": " + what, where_);
  }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<number_unsigned_t>(INT64_MAX))
      refuse("the number " + std::to_string(value) + " is too large");
    return add(static_cast<std::int64_t>(value));
  }
  bool number_float(number_float_t value, const string_t& text) override {
    if (text.find_first_not_of("-0123456789") == std::string::npos)  // not ".", it is the locale's
      refuse("the number " + quote(text) + " is too large");
    return add(value);
  }
  bool string(string_t& value) override { return add(Value::given(std::move(value))); }
  bool binary(binary_t&) override { return false; }  // JSON text has none
  bool start_object(std::size_t) override { return open(true); }
  bool start_array(std::size_t) override { return open(false); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (open_.back().dict.member(name) != nullptr)
      refuse("the name " + quote(name) + " occurs twice in one JSON object; remove one of them");
    open_.back().name = std::move(name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    refuse("not valid JSON at byte " + std::to_string(position));
  }

 private:
  struct Open {
    bool is_object = false;
    Items items;
    Dict dict;
    std::string name;
  };

  bool add(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().is_object) {
      open_.back().dict.set(Value::given(open_.back().name), std::move(value));
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }

  bool open(bool is_object) {
    if (open_.size() >= static_cast<std::size_t>(max_json_depth))
      refuse("JSON is nested deeper than " + std::to_string(max_json_depth) + " levels");
    open_.emplace_back().is_object = is_object;
    return true;
  }

  bool close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    return add(done.is_object ? Value::dict(std::move(done.dict))
                              : Value::list(std::move(done.items)));
  }

  const std::string& where_;
  Value root_;
  std::vector<Open> open_;
};

}  // namespace

Value read_json(std::string_view text, const std::string& where) {
  const FloatEnvironment environment;
  Reader reader(where);
  // The parser takes a NUL for the end of its input and would ignore what follows.
  if (text.find('\0') != std::string_view::npos)
    reader.refuse("not valid JSON: it holds a NUL byte");
  try {
    Json::sax_parse(text.begin(), text.end(), &reader);
  } catch (const Failure& failure) {  // a key that is too long
    reader.refuse(failure.sentence);
  }
  return reader.take();
}

}  // namespace llm::detail::jinja
