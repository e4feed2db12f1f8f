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
    return Value::undefined("the first item of an empty sequence", in.budget());
  }
  const Items all = in.items(value);
  return all.empty() ? Value::undefined("the first item of an empty sequence", in.budget())
                     : all[0];
}

Value last(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("last", arguments, {});
  if (value.generator() != nullptr)
    fail("a generator has no last item; use the filter list before");
  if (value.is_undefined()) fail_undefined(value);
  const Items all = in.items(value);
  return all.empty() ? Value::undefined("the last item of an empty sequence", in.budget())
                     : all[all.size() - 1];
}

Value reverse(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("reverse", arguments, {});
  Items all = in.items(value);
  all.reverse();
  if (value.text() == nullptr) return Value::generator(std::move(all));
  Builder out(in.budget());
  for (const Value& character : all) out += character.text()->bytes;
  return Value::made(out);
}

Value join(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("join", arguments, {"d", "attribute"});
  const Value between = given[0] ? Value(in.text(*given[0])) : Value::given({});
  const AttributePath path(given[1], in.budget());
  Builder out(in.budget());
  bool is_first = true;
  for (const Value& item : in.items(value)) {
    if (!is_first) out += between.text()->bytes;
    is_first = false;
    out += in.text(path.read(in, item))->bytes;
  }
  return Value::made(out);
}

Value sum(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("sum", arguments, {"attribute", "start"});
  const AttributePath path(given[0], in.budget());
  Value total = given[1] ? *given[1] : Value(std::int64_t{0});
  for (const Value& item : in.items(value))
    total = arithmetic(Operator::add, total, path.read(in, item), in.budget());
  return total;
}

template <bool greatest>
Value extreme(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind(greatest ? "max" : "min", arguments, {"case_sensitive", "attribute"});
  const SortKey key(flag(given[0], false), given[1], in);
  const Items all = in.items(value);
  if (all.empty()) return Value::undefined("the least or greatest of nothing", in.budget());
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
  Dict seen(in.budget());
  Items kept(in.budget());
  for (const Value& item : in.items(value)) {
    const Value id = key.of(item);
    if (seen.find(id, in.budget()) != nullptr) continue;
    seen.set(id, Value(true));
    kept.push_back(item);
  }
  return Value::generator(std::move(kept));
}

// The arguments behind the first `count`.
Arguments rest_of(const Arguments& arguments, std::size_t count, Budget& budget) {
  Arguments rest(budget);
  for (std::size_t i = count; i < arguments.positional.size(); ++i)
    rest.positional.push_back(arguments.positional[i]);
  for (const auto& [name, value] : arguments.named) rest.add(name, value, budget);
  return rest;
}

Value map(Interpreter& in, const Value& value, const Arguments& arguments) {
  Items out(in.budget());
  if (arguments.positional.empty()) {
    const auto given = bind("map", arguments, {"attribute", "default"}, 1);
    const AttributePath path(given[0], in.budget());
    for (const Value& item : in.items(value)) {
      const Value found = path.read(in, item);
      out.push_back(found.is_undefined() && given[1] ? *given[1] : found);
    }
    return Value::generator(std::move(out));
  }
  const std::string& name = to_string_argument(arguments.positional[0], "map");
  const Arguments rest = rest_of(arguments, 1, in.budget());
  for (const Value& item : in.items(value)) out.push_back(in.apply_filter(name, item, rest));
  return Value::generator(std::move(out));
}

// select, reject, selectattr and rejectattr: `wanted` is what the test must say.
template <bool wanted, bool by_attribute>
Value select(Interpreter& in, const Value& value, const Arguments& arguments) {
  const Items& given = arguments.positional;
  constexpr std::size_t at = by_attribute ? 1 : 0;  // where the test stands
  if (given.size() < at) fail("\"selectattr\" needs the name of an attribute");
  const AttributePath path(by_attribute ? std::optional(given[0]) : std::nullopt, in.budget());
  const Value* const test = given.size() > at ? &given[at] : nullptr;
  const Arguments rest = rest_of(arguments, at + 1, in.budget());
  Items kept(in.budget());
  for (const Value& item : in.items(value)) {
    const Value looked_at = path.read(in, item);
    const bool holds = test != nullptr
                           ? in.apply_test(to_string_argument(*test, "select"), looked_at, rest)
                           : is_true(looked_at);
    if (holds == wanted) kept.push_back(item);
  }
  return Value::generator(std::move(kept));
}

Items pairs_of(const Dict& dict, Budget& budget) {
  Items pairs(budget);
  for (const auto& [key, item] : dict.entries()) pairs.push_back(Value::pair(key, item, budget));
  return pairs;
}

Value items_filter(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("items", arguments, {});
  if (value.is_undefined()) return Value::generator(Items(in.budget()));
  if (value.dict() == nullptr) fail("\"items\" needs a dict, got " + kind_name(value));
  return Value::generator(pairs_of(*value.dict(), in.budget()));
}

Value dictsort(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const bool by_value = given[1] && in.text(*given[1])->bytes == "value";
  if (given[1] && !by_value && in.text(*given[1])->bytes != "key")
    fail("\"dictsort\" sorts by \"key\" or \"value\"");
  if (value.dict() == nullptr) fail("\"dictsort\" needs a dict, got " + kind_name(value));
  const SortKey key(flag(given[0], false), Value(std::int64_t{by_value ? 1 : 0}), in);
  return Value::list(key.sorted(pairs_of(*value.dict(), in.budget()), flag(given[2], false)));
}

Value batch(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("batch", arguments, {"linecount", "fill_with"}, 1);
  const std::int64_t count = to_integer(*given[0], "batch");
  if (count < 1) fail("\"batch\" needs a count of at least 1");
  const auto size = static_cast<std::size_t>(count);
  Items rows(in.budget()), row(in.budget());
  for (const Value& item : in.items(value)) {
    if (row.size() == size) rows.push_back(Value::list(std::exchange(row, Items(in.budget()))));
    row.push_back(item);
  }
  if (given[1] && !given[1]->is_none() && !row.empty()) {
    while (row.size() < size) row.push_back(*given[1]);
  }
  if (!row.empty()) rows.push_back(Value::list(std::move(row)));
  return Value::generator(std::move(rows));
}

Value slice_filter(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("slice", arguments, {"slices", "fill_with"}, 1);
  const std::int64_t slices = to_integer(*given[0], "slice");
  if (slices < 1) fail("\"slice\" needs a count of at least 1");
  const Items all = in.items(value);
  const auto count = static_cast<std::size_t>(slices);
  const std::size_t each = all.size() / count, longer = all.size() % count;
  Items columns(in.budget());
  for (std::size_t i = 0, next = 0; i < count; ++i) {
    Items column(in.budget());
    for (const std::size_t end = next + each + (i < longer ? 1 : 0); next < end; ++next)
      column.push_back(all[next]);
    if (given[1] && !given[1]->is_none() && i >= longer) column.push_back(*given[1]);
    columns.push_back(Value::list(std::move(column)));
  }
  return Value::generator(std::move(columns));
}

// Items with equal keys beside each other: (grouper, list) of each.
Value groupby(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("groupby", arguments, {"attribute", "default", "case_sensitive"}, 1);
  const SortKey key(flag(given[2], false), given[0], in, given[1]);
  const Items sorted = key.sorted(in.items(value), false);
  Items groups(in.budget());
  for (std::size_t begin = 0, end = 0; begin < sorted.size(); begin = end) {
    Items group(in.budget());
    for (end = begin; end < sorted.size() && in.equals(key.of(sorted[begin]), key.of(sorted[end]));
         ++end)
      group.push_back(sorted[end]);
    if (group.empty()) fail("\"groupby\" needs keys that are equal to themselves");
    groups.push_back(
        Value::pair(key.plain(sorted[begin]), Value::list(std::move(group)), in.budget()));
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
