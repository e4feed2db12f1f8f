// How filters, tests, methods and functions take their arguments.
#include <algorithm>

#include "chat/builtins.hpp"

namespace llm::detail::jinja {

std::vector<std::optional<Value>> bind(std::string_view what, const Arguments& arguments,
                                       std::initializer_list<std::string_view> names,
                                       std::size_t required) {
  const auto refuse = [&](const std::string& sentence) { fail(quote(what) + " " + sentence); };
  if (arguments.positional.size() > names.size())
    refuse("takes at most " + std::to_string(names.size()) + " arguments, got " +
           std::to_string(arguments.positional.size()));
  std::vector<std::optional<Value>> bound(names.size());
  std::copy(arguments.positional.begin(), arguments.positional.end(), bound.begin());
  for (const auto& [name, value] : arguments.named) {
    const auto* const found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) refuse("has no argument " + quote(name));
    std::optional<Value>& slot = bound[static_cast<std::size_t>(found - names.begin())];
    if (slot) refuse("is given " + quote(name) + " twice");
    slot = value;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (!bound[i]) refuse("needs the argument " + quote(names.begin()[i]));
  }
  return bound;
}

std::int64_t to_integer(const Value& value, std::string_view what) {
  if (value.is_undefined()) fail_undefined(value);
  const auto integer = integer_of(value);
  if (!integer) fail(quote(what) + " needs an integer, got " + kind_name(value));
  return *integer;
}

const std::string& to_string_argument(const Value& value, std::string_view what) {
  if (value.is_undefined()) fail_undefined(value);
  if (value.text() == nullptr) fail(quote(what) + " needs a string, got " + kind_name(value));
  return value.text()->bytes;
}

bool flag(const std::optional<Value>& value, bool otherwise) {
  return value ? is_true(*value) : otherwise;
}

}  // namespace llm::detail::jinja
