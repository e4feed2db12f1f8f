// Filters that go through the items of a value.
#include <algorithm>

#include "chat/builtins.hpp"
#include "chat/sequence_steps.hpp"

namespace llm::detail::jinja {
namespace {

Value to_list(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("list", arguments, {});
  return Value::list(in.items(value));
}

Value first(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("first", arguments, {});
  if (ItemGenerator* generator = value.generator()) {
    if (generator->next < generator->items.size()) return generator->items[generator->next++];
    return Value::undefined("the first item of an empty sequence");
  }
  const std::vector<Value> all = in.items(value);
  return all.empty() ? Value::undefined("the first item of an empty sequence") : all.front();
}

Value last(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("last", arguments, {});
  if (value.generator() != nullptr)
    fail("a generator has no last item; use the filter list before");
  if (value.is_undefined()) fail_undefined(value);
  const std::vector<Value> all = in.items(value);
  return all.empty() ? Value::undefined("the last item of an empty sequence") : all.back();
}

Value reverse(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("reverse", arguments, {});
  std::vector<Value> all = in.items(value);
  std::reverse(all.begin(), all.end());
  if (value.text() == nullptr) return Value::generator(std::move(all));
  Builder out(in.budget());
  for (const Value& character : all) out += character.text()->bytes;
  return Value(out.take());
}

Value join(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("join", arguments, {"d", "attribute"});
  const std::string between = given[0] ? in.text(*given[0]) : "";
  const AttributePath path(given[1]);
  Builder out(in.budget());
  bool is_first = true;
  for (const Value& item : in.items(value)) {
    if (!is_first) out += between;
    is_first = false;
    out += in.text(path.read(in, item));
  }
  return Value(out.take());
}

Value sum(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("sum", arguments, {"attribute", "start"});
  const AttributePath path(given[0]);
  Value total = given[1] ? *given[1] : Value(std::int64_t{0});
  for (const Value& item : in.items(value))
    total = arithmetic(Operator::add, total, path.read(in, item), in.budget());
  return total;
}

template <bool greatest>
Value extreme(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind(greatest ? "max" : "min", arguments, {"case_sensitive", "attribute"});
  const SortKey key(flag(given[0], false), given[1], in);
  const std::vector<Value> all = in.items(value);
  if (all.empty()) return Value::undefined("the least or greatest of nothing");
  std::size_t best = 0;
  for (std::size_t i = 1; i < all.size(); ++i) {
    const Value a = key.of(all[i]), b = key.of(all[best]);
    if (greatest ? less_than(b, a, in.budget()) : less_than(a, b, in.budget())) best = i;
  }
  return all[best];
}

Value sort(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  const SortKey key(flag(given[1], false), given[2], in);
  return Value::list(key.sorted(in.items(value), flag(given[0], false)));
}

Value unique(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("unique", arguments, {"case_sensitive", "attribute"});
  const SortKey key(flag(given[0], false), given[1], in);
  Dict seen;
  std::vector<Value> kept;
  for (const Value& item : in.items(value)) {
    const Value id = key.of(item);
    if (seen.find(id) != nullptr) continue;
    seen.set(id, Value(true));
    kept.push_back(item);
  }
  return Value::generator(std::move(kept));
}

Value map(Interpreter& in, const Value& value, const Arguments& arguments) {
  std::vector<Value> out;
  if (arguments.positional.empty()) {
    const auto given = bind("map", arguments, {"attribute", "default"}, 1);
    const AttributePath path(given[0]);
    for (const Value& item : in.items(value)) {
      const Value found = path.read(in, item);
      out.push_back(found.is_undefined() && given[1] ? *given[1] : found);
    }
    return Value::generator(std::move(out));
  }
  Arguments rest = arguments;
  const std::string name = to_string_argument(rest.positional[0], "map");
  rest.positional.erase(rest.positional.begin());
  for (const Value& item : in.items(value)) out.push_back(in.apply_filter(name, item, rest));
  return Value::generator(std::move(out));
}

// select, reject, selectattr and rejectattr: `wanted` is what the test must say.
template <bool wanted, bool by_attribute>
Value select(Interpreter& in, const Value& value, const Arguments& arguments) {
  Arguments rest = arguments;
  const auto take = [&rest]() -> std::optional<Value> {
    if (rest.positional.empty()) return std::nullopt;
    Value argument = rest.positional.front();
    rest.positional.erase(rest.positional.begin());
    return argument;
  };
  const std::optional<Value> attribute = by_attribute ? take() : std::nullopt;
  if (by_attribute && !attribute) fail("\"selectattr\" needs the name of an attribute");
  const AttributePath path(attribute);
  const std::optional<Value> test = take();
  std::vector<Value> kept;
  for (const Value& item : in.items(value)) {
    const Value looked_at = path.read(in, item);
    const bool holds = test ? in.apply_test(to_string_argument(*test, "select"), looked_at, rest)
                            : is_true(looked_at);
    if (holds == wanted) kept.push_back(item);
  }
  return Value::generator(std::move(kept));
}

Value items_filter(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("items", arguments, {});
  std::vector<Value> pairs;
  if (value.is_undefined()) return Value::generator({});
  if (value.dict() == nullptr) fail("\"items\" needs a dict, got " + kind_name(value));
  in.budget().spend(value.dict()->entries().size());
  for (const auto& [key, item] : value.dict()->entries()) pairs.push_back(Value::pair(key, item));
  return Value::generator(std::move(pairs));
}

Value dictsort(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const std::string by = given[1] ? in.text(*given[1]) : "key";
  if (by != "key" && by != "value") fail("\"dictsort\" sorts by \"key\" or \"value\"");
  if (value.dict() == nullptr) fail("\"dictsort\" needs a dict, got " + kind_name(value));
  std::vector<Value> pairs;
  for (const auto& [key, item] : value.dict()->entries()) pairs.push_back(Value::pair(key, item));
  const SortKey key(flag(given[0], false), Value(std::int64_t{by == "key" ? 0 : 1}), in);
  return Value::list(key.sorted(std::move(pairs), flag(given[2], false)));
}

Value batch(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("batch", arguments, {"linecount", "fill_with"}, 1);
  const std::int64_t count = to_integer(*given[0], "batch");
  if (count < 1) fail("\"batch\" needs a count of at least 1");
  std::vector<Value> rows, row;
  const auto size = static_cast<std::size_t>(count);
  for (const Value& item : in.items(value)) {
    if (row.size() == size) rows.push_back(Value::list(std::exchange(row, {})));
    row.push_back(item);
  }
  if (given[1] && !given[1]->is_none() && !row.empty()) {
    in.budget().spend(size);
    row.resize(size, *given[1]);
  }
  if (!row.empty()) rows.push_back(Value::list(std::move(row)));
  return Value::generator(std::move(rows));
}

Value slice_filter(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("slice", arguments, {"slices", "fill_with"}, 1);
  const std::int64_t slices = to_integer(*given[0], "slice");
  if (slices < 1) fail("\"slice\" needs a count of at least 1");
  const std::vector<Value> all = in.items(value);
  const auto count = static_cast<std::size_t>(slices);
  in.budget().spend(count);
  const std::size_t each = all.size() / count, longer = all.size() % count;
  std::vector<Value> columns;
  auto next = all.begin();
  for (std::size_t i = 0; i < count; ++i) {
    const auto end = next + static_cast<std::ptrdiff_t>(each + (i < longer ? 1 : 0));
    std::vector<Value> column(next, end);
    next = end;
    if (given[1] && !given[1]->is_none() && i >= longer) column.push_back(*given[1]);
    columns.push_back(Value::list(std::move(column)));
  }
  return Value::generator(std::move(columns));
}

// Items with equal keys beside each other: (grouper, list) of each.
Value groupby(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("groupby", arguments, {"attribute", "default", "case_sensitive"}, 1);
  const SortKey key(flag(given[2], false), given[0], in, given[1]);
  const std::vector<Value> sorted = key.sorted(in.items(value), false);
  std::vector<Value> groups;
  for (std::size_t begin = 0, end = 0; begin < sorted.size(); begin = end) {
    std::vector<Value> group;
    for (end = begin; end < sorted.size() && in.equals(key.of(sorted[begin]), key.of(sorted[end]));
         ++end)
      group.push_back(sorted[end]);
    if (group.empty()) fail("\"groupby\" needs keys that are equal to themselves");
    groups.push_back(Value::pair(key.plain(sorted[begin]), Value::list(std::move(group))));
  }
  return Value::list(std::move(groups));
}

}  // namespace

const std::vector<Builtin<Filter>> sequence_filters = {
    {"list", to_list},
    {"first", first},
    {"last", last},
    {"reverse", reverse},
    {"join", join},
    {"sum", sum},
    {"min", extreme<false>},
    {"max", extreme<true>},
    {"sort", sort},
    {"unique", unique},
    {"map", map},
    {"select", select<true, false>},
    {"reject", select<false, false>},
    {"selectattr", select<true, true>},
    {"rejectattr", select<false, true>},
    {"items", items_filter},
    {"dictsort", dictsort},
    {"batch", batch},
    {"slice", slice_filter},
    {"groupby", groupby},
};

}  // namespace llm::detail::jinja
