// Typed access to the fields of a JSON object from a file, with errors that name file and field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/json.hpp"

namespace llm::detail {

class JsonFields {
 public:
  // `where` names the object in errors: "tokenizer.json: decoder". Throws bad_format when `object`
  // is not an object. Both must outlive the fields.
  JsonFields(const Json& object, std::string where);

  const std::string& where() const { return where_; }
  // Whether there is such a field, be it null.
  bool contains(const char* name) const { return object_.contains(name); }
  // The field, or nullptr when it is absent or null.
  const Json* find(const char* name) const;
  const Json& at(const char* name) const;
  JsonFields object(const char* name) const;

  std::string string(const char* name) const;
  std::string string_or(const char* name, const std::string& otherwise) const;
  bool boolean(const char* name) const;
  bool boolean_or(const char* name, bool otherwise) const;
  std::int64_t integer(const char* name) const;
  std::int64_t integer_or(const char* name, std::int64_t otherwise) const;
  // A field that must be an array.
  const Json& array(const char* name) const;
  // A string of exactly one code point.
  char32_t code_point(const char* name) const;

  // The bytes that a string in base64 stands for.
  std::string base64(const char* name) const;

  [[noreturn]] void fail(const char* name, const std::string& expected) const;

 private:
  const Json& object_;
  std::string where_;
};

// Throws Error (unsupported): `what` of kind `type` is not one of `supported`.
[[noreturn]] void fail_unsupported(const std::string& where, const std::string& what,
                                   const std::string& type, const std::string& supported);

}  // namespace llm::detail
