// Templates that attack: whatever they call with whatever arguments, what they touch is counted,
// memory is bounded, and they end in a text or in an error that says where.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <map>
#include <new>
#include <set>
#include <thread>

#include "chat/builtins.hpp"
#include "llm/core/error.hpp"
#include "llm/prompt/chat_template.hpp"

namespace {

// What operator new has given out and not got back.
std::atomic<std::size_t> live_bytes{0}, peak_bytes{0};
std::atomic<std::int64_t> allocations_until_failure{-1};  // negative: none fails

void* allocate(std::size_t size) {
  if (allocations_until_failure >= 0 && allocations_until_failure-- == 0) throw std::bad_alloc();
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  const std::size_t live = live_bytes += ::malloc_usable_size(memory);
  std::size_t peak = peak_bytes;
  while (live > peak && !peak_bytes.compare_exchange_weak(peak, live)) {
  }
  return memory;
}

void release(void* memory) noexcept {
  if (memory != nullptr) live_bytes -= ::malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { release(memory); }

namespace {

using namespace llm::detail::jinja;
using llm::Error;
using llm::ErrorCode;

constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t smallest = std::numeric_limits<std::int64_t>::min();
constexpr std::size_t mebibyte = std::size_t{1} << 20U;

// --- values ---

Value made(std::string_view piece, std::size_t bytes, Budget& budget) {
  Builder out(budget);
  out.repeat(piece, bytes / piece.size());
  return Value::made(out);
}

Value shared(const Value& value, std::size_t count, Budget& budget,
             SequenceKind kind = SequenceKind::list) {
  Items items(budget);
  for (std::size_t i = 0; i < count; ++i) items.push_back(value);
  return Value::sequence(kind, std::move(items));
}

// Two of two of two ...: of few bytes, but without end when it is gone through.
Value doubled(Budget& budget, SequenceKind kind) {
  constexpr int levels = 60;
  Value value(std::int64_t{1});
  for (int i = 0; i < levels; ++i) value = shared(value, 2, budget, kind);
  return value;
}

Value nested(Budget& budget) {
  Value value(std::int64_t{1});
  for (int i = 0; i + 2 < max_value_depth; ++i) value = shared(value, 1, budget);
  return value;
}

Value numbered_dict(std::size_t count, Budget& budget) {
  Dict dict(budget);
  for (std::size_t i = 0; i < count; ++i)
    dict.set(Value::made("key" + std::to_string(i), budget), Value(static_cast<std::int64_t>(i)));
  return Value::dict(std::move(dict));
}

constexpr std::size_t text_size = 2 << 10, list_size = 100;
using Make = std::function<Value(Interpreter&)>;

const std::map<std::string, Make>& large_values() {
  static const std::map<std::string, Make> values = {
      {"text", [](Interpreter& in) { return made("a", text_size, in.budget()); }},
      {"spaces", [](Interpreter& in) { return made(" ", text_size, in.budget()); }},
      {"letters", [](Interpreter& in) { return made("\u00e9\u4e8c", text_size, in.budget()); }},
      {"lines", [](Interpreter& in) { return made("\r\n", text_size, in.budget()); }},
      {"formats", [](Interpreter& in) { return made("%99999d{}", text_size, in.budget()); }},
      {"list", [](Interpreter& in) { return shared(Value(largest), list_size, in.budget()); }},
      {"texts",
       [](Interpreter& in) {
         return shared(made("ab", text_size, in.budget()), list_size, in.budget());
       }},
      {"pairs",
       [](Interpreter& in) {
         Value text = made("ab", text_size, in.budget());
         return shared(Value::pair(text, text, in.budget()), list_size, in.budget());
       }},
      {"dict", [](Interpreter& in) { return numbered_dict(list_size, in.budget()); }},
  };
  return values;
}

const std::map<std::string, Make>& small_values() {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  static const std::map<std::string, Make> values = {
      {"0", [](Interpreter&) { return Value(std::int64_t{0}); }},
      {"1", [](Interpreter&) { return Value(std::int64_t{1}); }},
      {"-1", [](Interpreter&) { return Value(std::int64_t{-1}); }},
      {"2^63-1", [](Interpreter&) { return Value(largest); }},
      {"-2^63", [](Interpreter&) { return Value(smallest); }},
      {"nan", [](Interpreter&) { return Value(std::nan("")); }},
      {"inf", [](Interpreter&) { return Value(infinity); }},
      {"-1e308", [](Interpreter&) { return Value(-1e308); }},
      {"none", [](Interpreter&) { return Value(nullptr); }},
      {"true", [](Interpreter&) { return Value(true); }},
      {"undefined", [](Interpreter&) { return Value(); }},
      {"empty text", [](Interpreter&) { return Value::given({}); }},
      {"a", [](Interpreter&) { return Value::given("a"); }},
      {"trim", [](Interpreter&) { return Value::given("trim"); }},
      {"empty list", [](Interpreter& in) { return Value::list(Items(in.budget())); }},
      {"doubled", [](Interpreter& in) { return doubled(in.budget(), SequenceKind::list); }},
      {"tuples", [](Interpreter& in) { return doubled(in.budget(), SequenceKind::tuple); }},
      {"nested", [](Interpreter& in) { return nested(in.budget()); }},
      {"function", [](Interpreter& in) { return Value::function({"range"}, in.budget()); }},
      {"namespace", [](Interpreter& in) { return Value(in.make_namespace()); }},
      {"loop", [](Interpreter&) { return Value(std::make_shared<Loop>()); }},
      {"generator",
       [](Interpreter& in) {
         Items items(in.budget());
         items.push_back(Value(largest));
         return Value::generator(std::move(items));
       }},
      {"cycler",
       [](Interpreter& in) {
         Counter* counter = in.make_counter();
         counter->items = Items(in.budget());
         counter->items.push_back(Value(largest));
         return Value(counter);
       }},
  };
  return values;
}

std::map<std::string, Make> all_values() {
  std::map<std::string, Make> all = small_values();
  all.insert(large_values().begin(), large_values().end());
  return all;
}

// --- everything that a template can call ---

using Call = std::function<void(Interpreter&, const Value&, const Arguments&)>;

template <typename Table>
void add_methods(std::map<std::string, Call>& calls, const Table& table, const char* kind) {
  for (const auto& method : table) {
    const std::string_view name = method.name;
    calls[std::string(kind) + "." + std::string(name)] =
        [name, call = method.call](Interpreter& in, const Value& value, const Arguments& given) {
          if (find_method(value, name) != call) fail("not a method of the value");
          call(in, value, given);
        };
  }
}

void add_operators(std::map<std::string, Call>& calls) {
  for (int i = 0; i <= static_cast<int>(Operator::not_in); ++i) {
    const auto op = static_cast<Operator>(i);
    calls["operator " + std::to_string(i)] = [op](Interpreter& in, const Value& value,
                                                  const Arguments& given) {
      if (given.positional.empty()) return;
      if (op <= Operator::power) {
        arithmetic(op, value, given.positional[0], in.budget());
      } else {
        compare(op, value, given.positional[0], in.budget());
      }
    };
  }
  calls["negative"] = [](Interpreter&, const Value& value, const Arguments&) { negative(value); };
  calls["truth"] = [](Interpreter&, const Value& value, const Arguments&) { is_true(value); };
  calls["text"] = [](Interpreter& in, const Value& value, const Arguments&) { in.text(value); };
  calls["items"] = [](Interpreter& in, const Value& value, const Arguments&) { in.items(value); };
  calls["item"] = [](Interpreter& in, const Value& value, const Arguments& given) {
    if (!given.positional.empty()) in.item(value, given.positional[0]);
  };
  calls["slice"] = [](Interpreter& in, const Value& value, const Arguments& given) {
    const auto part = [&](std::size_t i) {
      return i < given.positional.size() ? given.positional[i] : Value(nullptr);
    };
    slice(value, part(0), part(1), part(2), in.budget());
    slice(value, Value(nullptr), part(1), part(0), in.budget());
  };
}

const std::map<std::string, Call>& all_calls() {
  static const std::map<std::string, Call> all = [] {
    std::map<std::string, Call> calls;
    for (const auto* table : {&text_filters, &sequence_filters, &value_filters}) {
      for (const auto& filter : *table) calls["|" + std::string(filter.name)] = filter.call;
    }
    for (const auto& test : tests) calls["is " + std::string(test.name)] = test.call;
    for (const auto& function : functions) {
      calls[std::string(function.name) + "()"] =
          [call = function.call](Interpreter& in, const Value& value, const Arguments& given) {
            Arguments whole(in.budget());
            whole.positional.push_back(value);
            whole.positional.append(given.positional);
            call(in, whole);
          };
    }
    add_methods(calls, text_methods, "text");
    add_methods(calls, dict_methods, "dict");
    add_methods(calls, sequence_methods, "list");
    add_methods(calls, tuple_methods, "tuple");
    add_methods(calls, loop_methods, "loop");
    add_methods(calls, cycler_methods, "cycler");
    add_operators(calls);
    return calls;
  }();
  return all;
}

constexpr Limits small_limits{
    .steps = 5'000, .text_bytes = mebibyte / 32, .held_bytes = mebibyte / 2};

// Calls, and expects that nothing but a failure of ours comes out of it.
void attack(const Call& call, const Make& receiver, std::initializer_list<const Make*> arguments) {
  peak_bytes = live_bytes.load();
  const std::size_t before = peak_bytes;
  {
    Interpreter in(std::tm{}, nullptr, small_limits);
    try {
      const Value value = receiver(in);
      Arguments given(in.budget());
      for (const Make* argument : arguments) given.positional.push_back((*argument)(in));
      call(in, value, given);
    } catch (const Failure& failure) {
      EXPECT_FALSE(failure.sentence.empty());
      EXPECT_LT(failure.sentence.size(), 2000U);
    } catch (const RaisedFailure&) {
    }
    EXPECT_LE(in.budget().steps(), small_limits.steps);
  }
  EXPECT_LE(peak_bytes - before, 2 * small_limits.held_bytes);
  EXPECT_EQ(live_bytes, before);  // nothing holds itself
}

// Whether the call has anything to do with the value, or it is a method of others.
bool concerns(const std::string& name, const Make& receiver) {
  const std::size_t dot = name.find('.');
  if (dot == std::string::npos) return true;
  Interpreter in(std::tm{});
  const Value value = receiver(in);
  return find_method(value, std::string_view(name).substr(dot + 1)) != nullptr;
}

// What is made once, is made, and does not count as kept.
void warm_up() {
  all_values();
  for (const auto& [name, call] : all_calls()) {
    Interpreter in(std::tm{}, nullptr, small_limits);
    Arguments given(in.budget());
    given.positional.push_back(Value::given("a"));
    try {
      call(in, Value::given("%a"), given);
    } catch (const Failure&) {
    } catch (const RaisedFailure&) {
    }
  }
}

TEST(ChatAttacks, EverythingWithEveryArgument) {
  warm_up();
  const auto values = all_values();
  for (const auto& [name, call] : all_calls()) {
    for (const auto& [value, receiver] : values) {
      if (!concerns(name, receiver)) continue;
      SCOPED_TRACE(name + " of " + value);
      attack(call, receiver, {});
      for (const auto& [first, argument] : values) {
        SCOPED_TRACE("with " + first);
        attack(call, receiver, {&argument});
      }
      if (HasFailure()) return;
    }
  }
}

TEST(ChatAttacks, EverythingWithTwoArguments) {
  warm_up();
  const std::vector<std::string> arguments = {"2^63-1", "-2^63", "0", "a", "text", "texts"};
  const std::vector<std::string> receivers = {"text", "letters", "texts", "dict", "-2^63", "nan"};
  const auto values = all_values();
  for (const auto& [name, call] : all_calls()) {
    for (const std::string& value : receivers) {
      if (!concerns(name, values.at(value))) continue;
      for (const std::string& first : arguments) {
        for (const std::string& second : arguments) {
          SCOPED_TRACE(name + " of " + value + " with " + first + " and " + second);
          attack(call, values.at(value), {&values.at(first), &values.at(second)});
          attack(call, values.at(value),
                 {&values.at(first), &values.at(second), &values.at(first)});
        }
      }
    }
    if (HasFailure()) return;
  }
}

// What looks at a large value counts it: those that do not, look at what kind it is or take it as
// it is.
TEST(ChatAttacks, WhatIsTouchedIsCounted) {
  const std::set<std::string> lazy = {"truth",
                                      "|string",
                                      "|default",
                                      "|d",
                                      "is defined",
                                      "is undefined",
                                      "is none",
                                      "is string",
                                      "is number",
                                      "is integer",
                                      "is float",
                                      "is boolean",
                                      "is true",
                                      "is false",
                                      "is mapping",
                                      "is sequence",
                                      "is iterable",
                                      "is callable",
                                      "is escaped",
                                      "is equalto",
                                      "is eq",
                                      "is ==",
                                      "is ne",
                                      "is !=",
                                      "is sameas",
                                      "text.removeprefix",
                                      "text.removesuffix",
                                      "list.copy",
                                      "dict.copy",
                                      "dict.get",
                                      "cycler()",
                                      "joiner()",
                                      "is filter",
                                      "is test",
                                      "|length",
                                      "|count",
                                      "|int",
                                      "|float",
                                      "text",
                                      "is in",
                                      "slice"};
  for (const auto& [name, call] : all_calls()) {
    if (lazy.contains(name)) continue;
    for (const char* value : {"text", "letters", "list", "texts"}) {
      Interpreter in(std::tm{});
      const Value receiver = large_values().at(value)(in);
      Arguments none(in.budget());
      const std::size_t before = in.budget().steps();
      try {
        call(in, receiver, none);
      } catch (const Failure&) {
        continue;  // a call of another kind
      } catch (const RaisedFailure&) {
        continue;
      }
      const bool does_nothing = name.starts_with("operator") || name == "item";
      const bool is_method = name.find('.') != std::string::npos;
      const bool has_it = !is_method || find_method(receiver, name.substr(name.find('.') + 1));
      if (does_nothing || !has_it) continue;
      EXPECT_GE(in.budget().steps() - before, text_size / 64) << name << " of " << value;
    }
  }
}

// What decodes each character takes longer than what copies bytes.
TEST(ChatAttacks, CharactersCountMoreThanBytes) {
  for (const char* name :
       {"|tojson", "|upper", "|lower", "|title", "|capitalize", "|escape", "|wordcount", "|indent",
        "|int", "is upper", "is lower", "text.isalpha", "text.title"}) {
    Interpreter in(std::tm{});
    const Value text = made("a", text_size, in.budget());
    const std::size_t before = in.budget().steps();
    all_calls().at(name)(in, text, Arguments(in.budget()));
    EXPECT_GE(in.budget().steps() - before, text_size / 4) << name;
  }
}

// --- whole templates ---

// The error's code, or nothing when there is a text.
std::optional<ErrorCode> render(const std::string& source, std::string& sentence,
                                const std::atomic<bool>* interrupt = nullptr) {
  const std::vector<llm::Message> messages = {{"user", "hello", {}}};
  try {
    llm::ChatOptions options;
    options.interrupt = interrupt;
    sentence = llm::ChatTemplate::from_text(source, {}, "t.jinja").render(messages, options);
    return std::nullopt;
  } catch (const Error& error) {
    sentence = error.what();
    return error.code();
  }
}

std::string repeated(std::string_view piece, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += piece;
  return text;
}

TEST(ChatAttacks, TemplatesWithinAKilobyte) {
  const std::string long_text = "{% set s = 'ab' * 4000000 %}";
  const std::vector<std::string> sources = {
      "{{ [1]|slice(9223372036854775807)|list }}",
      "{{ [1]|slice(9223372036854775807, 1)|list }}",
      "{{ [1]|batch(9223372036854775807, 0)|list }}",
      "{{ 'x'.ljust(9223372036854775807) }}",
      "{{ 'x'|center(9223372036854775807) }}",
      "{{ 'x'.zfill(9223372036854775807) }}",
      "{{ 'x'|indent(9223372036854775807) }}",
      "{{ [1]|tojson(indent=9223372036854775807) }}",
      "{{ 'x' * 9223372036854775807 }}",
      "{{ [1] * 9223372036854775807 }}",
      "{{ '%99999s' * 90000 % ([1] * 90000) }}",
      long_text + "{{ ([s] * 300000)|map('trim')|list|length }}",
      long_text + "{{ ([s] * 300000)|map('upper')|list|length }}",
      long_text + "{{ ([s] * 300000)|map('attr', s)|list|length }}",
      long_text + "{{ ([s] * 300000)|unique|list|length }}",
      long_text + "{{ ([s] * 300000)|sort|length }}",
      long_text + "{{ ([s] * 300000)|join|length }}",
      long_text + "{{ ([s] * 300000)|select('in', s)|list|length }}",
      long_text + "{{ ([s] * 300000)|select('eq', s ~ 'c')|list|length }}{{ s|trim(s) }}",
      long_text + "{% for i in range(100000) %}{{ s.strip(s) }}{% endfor %}",
      long_text + "{% for i in range(100000) %}{% if 'c' in s %}{% endif %}{% endfor %}",
      long_text + "{% for i in range(100000) %}{% if s.find(s[1:]) %}{% endif %}{% endfor %}",
      long_text + "{% for i in range(100000) %}{{ {s: 1}[s] }}{% endfor %}",
      long_text + "{% for i in range(100000) %}{{ s[7999999] }}{% endfor %}",
      long_text + "{{ s.split('a')|length }}{{ s|list|length }}{{ s.splitlines() }}",
      "{% set ns = namespace(t=(1,)) %}{% for i in range(60) %}{% set ns.t = (ns.t, ns.t) %}"
      "{% endfor %}{{ {ns.t: 1} }}",
      "{% set ns = namespace(t=[1]) %}{% for i in range(60) %}{% set ns.t = [ns.t, ns.t] %}"
      "{% endfor %}{{ ns.t }}{{ ns.t == ns.t }}",
      "{% set ns = namespace(t='a') %}{% for i in range(60) %}{% set ns.t = ns.t ~ ns.t %}"
      "{% endfor %}",
      "{% for i in range(100000) %}{% for j in range(100000) %}"
      "{% set n = namespace(a=1, b=2, c=3) %}{% endfor %}{% endfor %}",
      "{% for i in range(100000) %}{% for j in range(100000) %}{% macro m() %}{% endmacro %}"
      "{% endfor %}{% endfor %}",
      "{% for i in range(100000) %}{% for j in range(100000) %}{% set c = cycler(1, 2) %}"
      "{% endfor %}{% endfor %}",
      "{% macro m(a) %}{{ m([a]) }}{% endmacro %}{{ m(1) }}",
      "{% macro m() %}{% call m() %}{% endcall %}{{ caller() }}{% endmacro %}"
      "{% call m() %}{% endcall %}",
      "{% for i in range(100000) %}{{ strftime_now('%c' * 1000) }}{% endfor %}",
      "{% for i in range(100000) %}{{ '{}' * 1000 }}{{ ('{}' * 1000).format(*range(1000)) }}"
      "{% endfor %}",
  };
  for (const std::string& source : sources) {
    SCOPED_TRACE(source);
    ASSERT_LE(source.size(), 1024U);
    const std::size_t before = live_bytes;
    peak_bytes = before;
    std::string sentence;
    const auto code = render(source, sentence);
    EXPECT_TRUE(code == ErrorCode::time_limit || code == ErrorCode::out_of_memory ||
                code == ErrorCode::invalid_input)
        << sentence.substr(0, 200);
    EXPECT_TRUE(sentence.starts_with("t.jinja, line 1, column ")) << sentence.substr(0, 200);
    EXPECT_LE(peak_bytes - before, 128 * mebibyte);
  }
}

TEST(ChatAttacks, NothingHoldsItself) {
  const std::string loops =
      "{% set ns = namespace(a=none) %}{% for i in range(20000) %}{% set ns.b = [loop] %}"
      "{% for j in [1] %}{{ loop.changed(loop, ns.a) }}{% set ns.a = [loop] %}{% endfor %}"
      "{{ loop.changed(ns.a) }}{% set ns.a = ns.b %}{% endfor %}{% set ns.a = ns %}";
  const auto run = [&] {
    std::string sentence;
    EXPECT_EQ(render(loops, sentence), std::nullopt) << sentence;
  };
  run();  // what is made once, is
  const std::size_t before = live_bytes;
  run();
  EXPECT_EQ(live_bytes, before);
}

TEST(ChatAttacks, DepthIsBounded) {
  for (const auto& [open, close] :
       std::vector<std::pair<std::string, std::string>>{{"(", ")"},
                                                        {"[", "]"},
                                                        {"-", ""},
                                                        {"not ", ""},
                                                        {"1 if 1 else ", ""},
                                                        {"f(", ")"},
                                                        {"x[", "]"},
                                                        {"x|f(", ")"}}) {
    std::string sentence;
    EXPECT_EQ(
        render("{{ " + repeated(open, 50000) + "1" + repeated(close, 50000) + " }}", sentence),
        ErrorCode::bad_format)
        << open;
  }
  std::string sentence;
  EXPECT_EQ(render("{{ 1" + repeated(" if 1", 50000) + " }}", sentence), ErrorCode::bad_format);
  EXPECT_EQ(render(repeated("{% if 1 %}", 10000) + repeated("{% endif %}", 10000), sentence),
            ErrorCode::bad_format);
  EXPECT_EQ(render(repeated("{% if 1 %}a{% elif 1 %}", 1) + repeated("{% elif 0 %}", 9000) +
                       "{% endif %}",
                   sentence),
            std::nullopt)
      << sentence;
}

TEST(ChatAttacks, LongTemplates) {
  std::string sentence;
  EXPECT_EQ(render(std::string(std::size_t{600} << 10U, 'a'), sentence), ErrorCode::bad_format);
  EXPECT_NE(sentence.find("t.jinja: the chat template has 614400 bytes, expected at most 524288"),
            std::string::npos)
      << sentence;
  const std::size_t before = live_bytes;
  for (const char* piece :
       {"{{a}}", "{%set a=1%}", "{#a#}", "{{'a'}}\n", "{% raw %}{% endraw %}"}) {
    SCOPED_TRACE(piece);
    peak_bytes = before;
    const std::size_t count = (std::size_t{500} << 10U) / std::string_view(piece).size();
    EXPECT_EQ(render(repeated(piece, count), sentence), std::nullopt) << sentence.substr(0, 200);
    EXPECT_LE(peak_bytes - before, 128 * mebibyte);
  }
  for (const char* piece :
       {"1,", "a.", "+1", "~1", " and 1", "|f", "==1", "'a'", "*1", "**1", " is f"}) {
    SCOPED_TRACE(piece);
    peak_bytes = before;
    const std::size_t count = (std::size_t{500} << 10U) / std::string_view(piece).size();
    render("{{ [1" + repeated(piece, count) + "] }}", sentence);
    EXPECT_LE(peak_bytes - before, 128 * mebibyte);
  }
}

TEST(ChatAttacks, AnInterruptEndsThem) {
  const std::string endless =
      "{% macro m() %}{% for i in range(100000) %}{% for j in range(100000) %}{{ i }}{% endfor %}"
      "{% endfor %}{% endmacro %}{{ m() }}";
  std::string sentence;
  std::atomic<bool> interrupt{true};
  EXPECT_EQ(render(endless, sentence, &interrupt), ErrorCode::interrupted);
  interrupt = false;
  EXPECT_EQ(render("{{ messages[0].content }}", sentence, &interrupt), std::nullopt);
  EXPECT_EQ(sentence, "hello");
}

TEST(ChatAttacks, AnAllocationThatFailsIsAnError) {
  const std::string source =
      "{% macro m(a) %}{{ a|upper }}{% endmacro %}{% set ns = namespace(l=[]) %}"
      "{% for x in [1, 2]|map('string') %}{% set ns.l = ns.l + [x] %}{{ m(x) }}{% endfor %}"
      "{{ ns.l|join(', ') }}{{ {'a': ns.l}|tojson }}{{ messages[0].content.split('l') }}";
  std::string whole;
  ASSERT_EQ(render(source, whole), std::nullopt) << whole;
  const auto parsed = llm::ChatTemplate::from_text(source, {}, "t.jinja");
  const std::vector<llm::Message> messages = {{"user", "hello", {}}};
  std::int64_t failed = 0;
  for (bool again = true; again; ++failed) {
    again = false;
    const std::size_t before = live_bytes;
    allocations_until_failure = failed;
    try {
      const std::string text = parsed.render(messages);
      again = allocations_until_failure < 0;
      allocations_until_failure = -1;
      EXPECT_EQ(text, whole);
    } catch (const Error& error) {
      again = true;
      EXPECT_EQ(error.code(), ErrorCode::out_of_memory) << error.what();
    }
    allocations_until_failure = -1;
    EXPECT_EQ(live_bytes, before);
  }
  EXPECT_GT(failed, 100);
}

}  // namespace
