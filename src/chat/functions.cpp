// The functions that every template finds.
#include <algorithm>
#include <iomanip>
#include <locale>
#include <sstream>

#include "chat/builtins.hpp"

namespace llm::detail::jinja {
namespace {

Value range(Interpreter& in, const Arguments& arguments) {
  constexpr std::int64_t most = 100'000;  // the reference's limit too
  const auto given = bind("range", arguments, {"start", "stop", "step"}, 1);
  const std::int64_t first = to_integer(*given[0], "range");
  const std::int64_t start = given[1] ? first : 0;
  const std::int64_t stop = given[1] ? to_integer(*given[1], "range") : first;
  const std::int64_t step = given[2] ? to_integer(*given[2], "range") : 1;
  if (step == 0) fail("\"range\" needs a step that is not 0");
  Items items(in.budget());
  std::string label = "range(" + std::to_string(start) + ", " + std::to_string(stop);
  label += step == 1 ? ")" : ", " + std::to_string(step) + ")";
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (static_cast<std::int64_t>(items.size()) == most)
      fail("\"range\" of more than " + std::to_string(most) + " numbers");
    items.push_back(Value(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return Value::sequence(SequenceKind::range, std::move(items), std::move(label));
}

// dict(other, a=b): of a dict or of pairs.
Dict make_dict(Interpreter& in, const Arguments& arguments) {
  if (arguments.positional.size() > 1) fail("\"dict\" takes one value and names");
  Dict dict(in.budget());
  if (!arguments.positional.empty()) {
    const Value& from = arguments.positional[0];
    if (from.dict() != nullptr) {
      for (const auto& [key, value] : from.dict()->entries()) dict.set(key, value);
    } else {
      for (const Value& entry : in.items(from)) {
        const Items parts = in.items(entry);
        if (parts.size() != 2) fail("\"dict\" needs pairs of a key and a value");
        dict.set(parts[0], parts[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.named) dict.set(Value::made(name, in.budget()), value);
  return dict;
}

Value dict_function(Interpreter& in, const Arguments& arguments) {
  return Value::dict(make_dict(in, arguments));
}

Value namespace_function(Interpreter& in, const Arguments& arguments) {
  const Dict dict = make_dict(in, arguments);
  Namespace* made = in.make_namespace();
  for (const auto& [key, value] : dict.entries()) {
    if (key.text() == nullptr || key.text()->bytes.starts_with('_'))
      fail("an attribute of a namespace must be a name that does not begin with an underscore");
    made->attributes.set(key.text()->bytes, value, in.budget());
  }
  return Value(made);
}

Value cycler(Interpreter& in, const Arguments& arguments) {
  if (arguments.positional.empty() || !arguments.named.empty()) fail("\"cycler\" needs values");
  Items items(in.budget());
  items.append(arguments.positional);
  Counter* made = in.make_counter();
  made->items = std::move(items);
  return Value(made);
}

Value joiner(Interpreter& in, const Arguments& arguments) {
  const auto given = bind("joiner", arguments, {"sep"});
  Counter* made = in.make_counter();
  made->separator = given[0] ? Value(in.text(*given[0])) : Value::given(", ");
  return Value(made);
}

Value raise_exception(Interpreter& in, const Arguments& arguments) {
  const auto given = bind("raise_exception", arguments, {"message"}, 1);
  throw RaisedFailure{in.text(*given[0])->bytes};
}

// One conversion of strftime, in English whatever the program's locale is.
std::string time_part(const std::tm& time, std::string_view conversion) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  const std::string format = "%" + std::string(conversion);
  out << std::put_time(&time, format.c_str());
  return out.str();
}

Value strftime_now(Interpreter& in, const Arguments& arguments) {
  static constexpr std::string_view known = "aAbBcCdDeFgGhHIjklmMnprRStTuUVwWxXyY";
  const auto given = bind("strftime_now", arguments, {"format"}, 1);
  const std::string& format = to_string_argument(*given[0], "strftime_now");
  Builder out(in.budget());
  for (std::size_t at = 0; at < format.size(); ++at) {
    if (format[at] != '%' || at + 1 == format.size()) {
      out += format[at];
      continue;
    }
    const bool is_short =
        format[at + 1] == '-' && at + 2 < format.size();  // without zeros in front
    at += is_short ? 2 : 1;
    if (format[at] == '%') {
      out += '%';
    } else if (known.find(format[at]) != std::string_view::npos) {
      in.budget().spend(32);  // the standard library takes its time
      std::string part = time_part(in.now(), format.substr(at, 1));
      if (is_short) part.erase(0, std::min(part.find_first_not_of("0 "), part.size() - 1));
      out += part;
    } else {
      fail("\"strftime_now\" does not know %" + format.substr(at, 1));
    }
  }
  return Value::made(out);
}

}  // namespace

const std::vector<Builtin<GlobalFunction>> functions = {
    {"range", range},
    {"dict", dict_function},
    {"namespace", namespace_function},
    {"cycler", cycler},
    {"joiner", joiner},
    {"raise_exception", raise_exception},
    {"strftime_now", strftime_now},
};

}  // namespace llm::detail::jinja
