#include "tokenizer/json_fields.hpp"

#include "llm/core/error.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail {

JsonFields::JsonFields(const Json& object, std::string where)
    : object_(object), where_(std::move(where)) {
  if (!object_.is_object()) {
    throw Error(ErrorCode::bad_format,
                where_ + ": expected a JSON object, got " + std::string(object_.type_name()),
                where_);
  }
}

const Json* JsonFields::find(const char* name) const {
  const auto field = object_.find(name);
  return field == object_.end() || field->is_null() ? nullptr : &*field;
}

const Json& JsonFields::at(const char* name) const {
  const Json* field = find(name);
  if (field == nullptr) fail(name, "a value");
  return *field;
}

JsonFields JsonFields::object(const char* name) const { return {at(name), where_ + "." + name}; }

std::string JsonFields::string(const char* name) const {
  const Json& field = at(name);
  if (!field.is_string()) fail(name, "a string");
  return field.get<std::string>();
}

std::string JsonFields::string_or(const char* name, const std::string& otherwise) const {
  return find(name) == nullptr ? otherwise : string(name);
}

bool JsonFields::boolean(const char* name) const {
  const Json& field = at(name);
  if (!field.is_boolean()) fail(name, "true or false");
  return field.get<bool>();
}

bool JsonFields::boolean_or(const char* name, bool otherwise) const {
  return find(name) == nullptr ? otherwise : boolean(name);
}

std::int64_t JsonFields::integer(const char* name) const {
  const Json& field = at(name);
  if (!field.is_number_integer()) fail(name, "an integer");
  return field.get<std::int64_t>();
}

std::int64_t JsonFields::integer_or(const char* name, std::int64_t otherwise) const {
  return find(name) == nullptr ? otherwise : integer(name);
}

const Json& JsonFields::array(const char* name) const {
  const Json& field = at(name);
  if (!field.is_array()) fail(name, "an array");
  return field;
}

char32_t JsonFields::code_point(const char* name) const {
  const std::string text = string(name);
  if (text.empty() || find_invalid_utf8(text)) fail(name, "one character");
  const CodePoint first = decode_utf8(text, 0);
  if (first.bytes != text.size()) fail(name, "one character");
  return first.value;
}

std::string JsonFields::base64(const char* name) const {
  const auto digit = [](char c) {
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
  };
  std::string text = string(name);
  while (!text.empty() && text.back() == '=') text.pop_back();
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  unsigned buffer = 0;
  unsigned bits = 0;
  for (const char c : text) {
    const int value = digit(c);
    if (value < 0) fail(name, "base64");
    buffer = ((buffer << 6U) | static_cast<unsigned>(value)) & 0xFFFFFFU;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>((buffer >> bits) & 0xFFU);
  }
  return bytes;
}

void JsonFields::fail(const char* name, const std::string& expected) const {
  const auto field = object_.find(name);
  const bool absent = field == object_.end();
  throw Error(
      ErrorCode::bad_format,
      where_ + ": \"" + name + "\" " +
          (absent ? "is missing"
                  : "is " + quote(field->dump(-1, ' ', false, Json::error_handler_t::replace))) +
          ", expected " + expected,
      where_);
}

void fail_unsupported(const std::string& where, const std::string& what, const std::string& type,
                      const std::string& supported) {
  throw Error(ErrorCode::unsupported,
              where + ": the " + what + " " + quote(type) + " is not implemented; supported are " +
                  supported,
              where);
}

}  // namespace llm::detail
