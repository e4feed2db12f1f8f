// Methods of dicts and lists, and the attributes of loops, namespaces, cyclers and macros.
#include <algorithm>

#include "chat/builtins.hpp"

namespace llm::detail::jinja {
namespace {

// Which part of the entries a view of a dict shows.
enum class Part { keys, values, items };

template <Part which>
Value view(Interpreter& in, const Value& value, const Arguments& arguments) {
  static constexpr const char* names[] = {"dict_keys", "dict_values", "dict_items"};
  bind(names[static_cast<int>(which)], arguments, {});
  Items items(in.budget());
  for (const auto& [key, item] : value.dict()->entries())
    items.push_back(which == Part::keys     ? key
                    : which == Part::values ? item
                                            : Value::pair(key, item, in.budget()));
  return Value::sequence(SequenceKind::view, std::move(items), names[static_cast<int>(which)]);
}

Value get(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("get", arguments, {"key", "default"}, 1);
  if (const Value* found = value.dict()->find(*given[0], in.budget())) return *found;
  return given[1] ? *given[1] : Value(nullptr);
}

Value copy(Interpreter&, const Value& value, const Arguments& arguments) {
  bind("copy", arguments, {});
  return value;
}

Value index(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("index", arguments, {"value"}, 1);
  const auto& items = value.sequence()->items;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (in.equals(items[i], *given[0])) return Value(static_cast<std::int64_t>(i));
  }
  fail("\"index\" does not find the value in the list");
}

Value count_items(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("count", arguments, {"value"}, 1);
  std::int64_t found = 0;
  for (const Value& item : value.sequence()->items) found += in.equals(item, *given[0]) ? 1 : 0;
  return Value(found);
}

Value refuse_change(Interpreter&, const Value& value, const Arguments&) {
  fail("a template may not change " + kind_name(value) +
       "; make a new one with + or a namespace, as the reference demands too");
}

Value cycle(Interpreter&, const Value& value, const Arguments& arguments) {
  if (arguments.positional.empty()) fail("\"loop.cycle\" needs values");
  return arguments.positional[value.loop()->index % arguments.positional.size()];
}

// Whether the values are others than at the last time that this loop was asked.
Value changed(Interpreter& in, const Value& value, const Arguments& arguments) {
  Loop& loop = *value.loop();
  const auto same = [&](const Value& a, const Value& b) { return in.equals(a, b); };
  const auto& now = arguments.positional;
  const bool is_same =
      std::equal(loop.last_changed.begin(), loop.last_changed.end(), now.begin(), now.end(), same);
  if (is_same && !now.empty()) return Value(false);
  in.keep(value);
  Items kept(in.budget());
  kept.append(now);
  loop.last_changed = std::move(kept);
  return Value(true);
}

Value next(Interpreter&, const Value& value, const Arguments&) {
  Counter& counter = *value.counter();
  Value current = counter.items[counter.position];
  counter.position = (counter.position + 1) % counter.items.size();
  return current;
}

Value reset(Interpreter&, const Value& value, const Arguments&) {
  value.counter()->position = 0;
  return Value(nullptr);
}

std::optional<Value> loop_attribute(const Loop& loop, std::string_view name, Budget& budget) {
  const auto integer = [](std::size_t number) { return Value(static_cast<std::int64_t>(number)); };
  const std::size_t at = loop.index, size = loop.items.size();
  if (name == "index") return integer(at + 1);
  if (name == "index0") return integer(at);
  if (name == "revindex") return integer(size - at);
  if (name == "revindex0") return integer(size - at - 1);
  if (name == "first") return Value(at == 0);
  if (name == "last") return Value(at + 1 == size);
  if (name == "length") return integer(size);
  if (name == "depth") return Value(std::int64_t{1});
  if (name == "depth0") return Value(std::int64_t{0});
  if (name == "previtem")
    return at == 0 ? Value::undefined("the item before the first", budget) : loop.items[at - 1];
  if (name == "nextitem")
    return at + 1 >= size ? Value::undefined("the item after the last", budget)
                          : loop.items[at + 1];
  return std::nullopt;
}

}  // namespace

std::optional<Value> own_attribute(Interpreter& in, const Value& value, std::string_view name) {
  if (const Loop* loop = value.loop()) return loop_attribute(*loop, name, in.budget());
  if (const Namespace* attributes = value.as_namespace()) {
    if (const Value* found = attributes->attributes.find(name)) return *found;
  }
  if (const Counter* counter = value.counter();
      counter != nullptr && !counter->items.empty() && name == "current")
    return counter->items[counter->position];
  if (const Function* function = value.function();
      function != nullptr && function->macro != nullptr && name == "name")
    return Value::made(function->name, in.budget());
  return std::nullopt;
}

Filter find_method(const Value& value, std::string_view name) {
  if (value.text() != nullptr) return find_builtin(text_methods, name);
  if (value.dict() != nullptr) return find_builtin(dict_methods, name);
  if (value.loop() != nullptr) return find_builtin(loop_methods, name);
  if (const Counter* counter = value.counter(); counter != nullptr && !counter->items.empty())
    return find_builtin(cycler_methods, name);
  const Sequence* sequence = value.sequence();
  if (sequence == nullptr || sequence->kind == SequenceKind::view) return nullptr;
  return find_builtin(sequence->kind == SequenceKind::list ? sequence_methods : tuple_methods,
                      name);
}

const std::vector<Builtin<Filter>> loop_methods = {{"cycle", cycle}, {"changed", changed}};
const std::vector<Builtin<Filter>> cycler_methods = {{"next", next}, {"reset", reset}};
const std::vector<Builtin<Filter>> tuple_methods = {{"index", index}, {"count", count_items}};

const std::vector<Builtin<Filter>> dict_methods = {
    {"items", view<Part::items>},
    {"keys", view<Part::keys>},
    {"values", view<Part::values>},
    {"get", get},
    {"copy", copy},
    {"update", refuse_change},
    {"pop", refuse_change},
    {"clear", refuse_change},
    {"setdefault", refuse_change},
    {"popitem", refuse_change},
};

const std::vector<Builtin<Filter>> sequence_methods = {
    {"index", index},           {"count", count_items},    {"copy", copy},
    {"append", refuse_change},  {"extend", refuse_change}, {"insert", refuse_change},
    {"pop", refuse_change},     {"remove", refuse_change}, {"clear", refuse_change},
    {"reverse", refuse_change}, {"sort", refuse_change},
};

}  // namespace llm::detail::jinja
