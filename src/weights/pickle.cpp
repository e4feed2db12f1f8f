// The stack machine of pickles, reduced to what builds plain values. Meaning of the opcodes:
// Python's pickletools.py. Its work is bounded: a step adds at most one value and a few pointers,
// steps and values are limited, and nothing recurses.
#include "weights/pickle.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <map>
#include <utility>

#include "llm/core/error.hpp"

namespace llm::detail {

namespace {

// A tensor takes about 60 steps and 14 values: this is enough for a hundred thousand tensors.
// Values and the pointers to them are the memory: at most some 200 MB.
constexpr std::size_t max_steps = 6'000'000;
constexpr std::size_t max_values = 1'500'000;
constexpr std::size_t max_stack = 1'000'000;
constexpr std::size_t max_marks = 1'000;  // lists and dicts inside each other
constexpr int max_protocol = 5;
constexpr std::string_view ordered_dict = "collections.OrderedDict";

// Opcodes that are known but not supported, for messages.
constexpr std::pair<unsigned char, const char*> refused_opcodes[] = {
    {'i', "INST"},       {'o', "OBJ"},         {0x81, "NEWOBJ"},      {0x92, "NEWOBJ_EX"},
    {0x82, "EXT1"},      {0x83, "EXT2"},       {0x84, "EXT4"},        {'P', "PERSID"},
    {'I', "INT"},        {'L', "LONG"},        {'F', "FLOAT"},        {'S', "STRING"},
    {'V', "UNICODE"},    {0x8b, "LONG4"},      {0x8f, "EMPTY_SET"},   {0x90, "ADDITEMS"},
    {0x91, "FROZENSET"}, {0x96, "BYTEARRAY8"}, {0x97, "NEXT_BUFFER"}, {0x98, "READONLY_BUFFER"},
    {'p', "PUT"},        {'g', "GET"}};

std::string hex(unsigned char byte) {
  constexpr char digits[] = "0123456789abcdef";
  return {'0', 'x', digits[byte >> 4], digits[byte & 15]};
}

}  // namespace

class PickleMachine {
 public:
  PickleMachine(Pickle& pickle, std::span<const std::byte> bytes, std::size_t begin,
                const std::string& where, std::span<const std::string_view> allowed)
      : pickle_(pickle), bytes_(bytes), at_(begin), where_(where), allowed_(allowed) {}

  void run() {
    while (true) {
      spend(1);
      opcode_at_ = at_;
      const auto opcode = number<unsigned char>();
      if (opcode == '.') break;
      if (!constant(opcode) && !text(opcode) && !collection(opcode) && !shuffle(opcode) &&
          !object(opcode)) {
        refuse(opcode);
      }
    }
    pickle_.root_ = pop();
    pickle_.end_ = at_;
  }

 private:
  [[noreturn]] void fail(const std::string& what, ErrorCode code = ErrorCode::bad_format) const {
    throw Error(code,
                where_ + ": at byte " + std::to_string(opcode_at_) + " of the pickle: " + what,
                where_);
  }

  [[noreturn]] void refuse(unsigned char opcode) {
    if (opcode == 'i') {
      const std::string_view module = line();
      allowed_name(module, line());
    }
    for (const auto& [code, name] : refused_opcodes) {
      if (code == opcode) {
        fail("opcode " + std::string(name) + " (" + hex(opcode) +
                 ") is not among those that tensors need; save the file again as model.safetensors",
             ErrorCode::unsupported);
      }
    }
    fail(hex(opcode) + " is no opcode of a pickle; the file is damaged");
  }

  void spend(std::size_t steps) {
    steps_ += steps;
    bound(steps_, max_steps, "takes", "steps");
  }
  void bound(std::size_t count, std::size_t most, const char* does, const char* what) const {
    if (count <= most) return;
    fail("the pickle " + std::string(does) + " more than " + std::to_string(most) + " " + what +
         ", which no file of tensors needs");
  }

  // --- reading ---

  std::string_view take(std::uint64_t size) {
    if (size > bytes_.size() - at_) {
      fail("needs " + std::to_string(size) + " bytes, only " + std::to_string(bytes_.size() - at_) +
           " are left; the file is damaged or cut off");
    }
    const auto* const first = reinterpret_cast<const char*>(bytes_.data() + at_);
    at_ += size;
    return {first, size};
  }

  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));  // little endian, as we are
    return value;
  }

  std::string_view line() {
    const std::string_view rest(reinterpret_cast<const char*>(bytes_.data() + at_),
                                bytes_.size() - at_);
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) fail("a name has no end; the file is damaged");
    at_ += end + 1;
    return rest.substr(0, end);
  }

  // --- the stack ---

  PickleValue& make(PickleKind kind) {
    bound(pickle_.values_.size() + 1, max_values, "has", "values");
    PickleValue& value = pickle_.values_.emplace_back();
    value.kind = kind;
    return value;
  }
  PickleValue& push(PickleKind kind) {
    PickleValue& value = make(kind);
    push(value);
    return value;
  }
  void push(PickleValue& value) {
    bound(stack_.size() + 1, max_stack, "keeps", "values on its stack");
    stack_.push_back(&value);
  }

  PickleValue* pop() {
    PickleValue* const value = top();
    stack_.pop_back();
    return value;
  }
  PickleValue* top() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("the stack is empty");
    return stack_.back();
  }
  PickleValue* top(PickleKind kind, const char* what) {
    PickleValue* const value = top();
    if (value->kind != kind) fail(std::string("expected ") + what + " on the stack");
    return value;
  }

  // The values since the last mark; removes them and the mark.
  std::vector<const PickleValue*> pop_to_mark() {
    if (marks_.empty()) fail("there is no mark on the stack");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<const PickleValue*> values(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return values;
  }

  // --- groups of opcodes; false: not in this group ---

  bool constant(unsigned char opcode) {
    switch (opcode) {
      case 'N':  // NONE
        push(PickleKind::none);
        return true;
      case 0x88:  // NEWTRUE
      case 0x89:  // NEWFALSE
        push(PickleKind::boolean).integer = opcode == 0x88;
        return true;
      case 'J':  // BININT
        push(PickleKind::integer).integer = number<std::int32_t>();
        return true;
      case 'K':  // BININT1
        push(PickleKind::integer).integer = number<std::uint8_t>();
        return true;
      case 'M':  // BININT2
        push(PickleKind::integer).integer = number<std::uint16_t>();
        return true;
      case 0x8a:  // LONG1
        push_long(take(number<std::uint8_t>()));
        return true;
      case 'G': {  // BINFLOAT, big endian
        std::array<char, 8> raw;
        std::ranges::reverse_copy(take(8), raw.begin());
        push(PickleKind::real).real = std::bit_cast<double>(raw);
        return true;
      }
      default:
        return false;
    }
  }

  // Two's complement, little endian, of any length.
  void push_long(std::string_view digits) {
    if (digits.size() > 8) {
      push(PickleKind::wide).text = digits;
      return;
    }
    std::uint64_t value =
        !digits.empty() && static_cast<signed char>(digits.back()) < 0 ? ~std::uint64_t{0} : 0;
    std::memcpy(&value, digits.data(), digits.size());
    push(PickleKind::integer).integer = static_cast<std::int64_t>(value);
  }

  bool text(unsigned char opcode) {
    switch (opcode) {
      case 'U':   // SHORT_BINSTRING
      case 'C':   // SHORT_BINBYTES
      case 0x8c:  // SHORT_BINUNICODE
        return push_text(number<std::uint8_t>());
      case 'T':  // BINSTRING
      case 'B':  // BINBYTES
      case 'X':  // BINUNICODE
        return push_text(number<std::uint32_t>());
      case 0x8d:  // BINUNICODE8
      case 0x8e:  // BINBYTES8
        return push_text(number<std::uint64_t>());
      default:
        return false;
    }
  }
  bool push_text(std::uint64_t size) {
    const std::string_view text = take(size);
    push(PickleKind::text).text = text;
    return true;
  }

  bool collection(unsigned char opcode) {
    switch (opcode) {
      case ')':  // EMPTY_TUPLE
        push(PickleKind::tuple);
        return true;
      case ']':  // EMPTY_LIST
        push(PickleKind::list);
        return true;
      case '}':  // EMPTY_DICT
        push(PickleKind::dict);
        return true;
      case 't':  // TUPLE
        push_items(PickleKind::tuple, pop_to_mark());
        return true;
      case 0x85:  // TUPLE1
      case 0x86:  // TUPLE2
      case 0x87:  // TUPLE3
        push_tuple(opcode - 0x84u);
        return true;
      case 'a':  // APPEND
        extend(PickleKind::list, {pop()});
        return true;
      case 'e':  // APPENDS
        extend(PickleKind::list, pop_to_mark());
        return true;
      case 's': {  // SETITEM
        const PickleValue* const value = pop();
        extend(PickleKind::dict, {pop(), value});
        return true;
      }
      case 'u':  // SETITEMS
        extend(PickleKind::dict, pop_to_mark());
        return true;
      default:
        return false;
    }
  }

  void push_items(PickleKind kind, std::vector<const PickleValue*> items) {
    push(kind).items = std::move(items);
  }
  void push_tuple(unsigned size) {
    std::vector<const PickleValue*> items(size);
    for (unsigned i = size; i-- > 0;) items[i] = pop();
    push_items(PickleKind::tuple, std::move(items));
  }

  void extend(PickleKind kind, const std::vector<const PickleValue*>& items) {
    PickleValue* const target = top(kind, kind == PickleKind::list ? "a list" : "a dict");
    if (kind == PickleKind::dict && items.size() % 2 != 0) fail("a key of a dict has no value");
    target->items.insert(target->items.end(), items.begin(), items.end());
  }

  // Marks, the memo, and opcodes that change no values.
  bool shuffle(unsigned char opcode) {
    switch (opcode) {
      case 0x80:  // PROTO
        check_protocol(number<std::uint8_t>());
        return true;
      case 0x95:  // FRAME: a hint for reading ahead
        number<std::uint64_t>();
        return true;
      case '(':  // MARK
        bound(marks_.size() + 1, max_marks, "has", "marks within each other");
        marks_.push_back(stack_.size());
        return true;
      case '0':  // POP: or a mark, when one is on top
        if (!marks_.empty() && marks_.back() == stack_.size()) {
          marks_.pop_back();
        } else {
          pop();
        }
        return true;
      case '1':  // POP_MARK
        pop_to_mark();
        return true;
      case '2':  // DUP
        push(*top());
        return true;
      case 'q':  // BINPUT
        remember(number<std::uint8_t>());
        return true;
      case 'r':  // LONG_BINPUT
        remember(number<std::uint32_t>());
        return true;
      case 0x94:  // MEMOIZE
        remember(memo_.size());
        return true;
      case 'h':  // BINGET
        recall(number<std::uint8_t>());
        return true;
      case 'j':  // LONG_BINGET
        recall(number<std::uint32_t>());
        return true;
      default:
        return false;
    }
  }

  void check_protocol(int protocol) const {
    if (protocol >= 2 && protocol <= max_protocol) return;
    fail("pickle protocol " + std::to_string(protocol) + " is not supported, expected 2 to 5",
         ErrorCode::unsupported);
  }
  void remember(std::uint64_t key) {
    memo_[key] = top();
    bound(memo_.size(), max_values, "remembers", "values");
  }
  void recall(std::uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) fail("memo entry " + std::to_string(key) + " was never written");
    push(*found->second);
  }

  // Opcodes that would run code in Python; here they only leave a note of it.
  bool object(unsigned char opcode) {
    switch (opcode) {
      case 'c': {  // GLOBAL
        const std::string_view module = line();
        push_global(module, line());
        return true;
      }
      case 0x93: {  // STACK_GLOBAL
        const PickleValue* const name = pop();
        const PickleValue* const module = pop();
        if (name->kind != PickleKind::text || module->kind != PickleKind::text) {
          fail("the name of a global is no text");
        }
        push_global(module->text, name->text);
        return true;
      }
      case 'R': {  // REDUCE
        PickleValue* const arguments = top(PickleKind::tuple, "a tuple of arguments");
        stack_.pop_back();
        const PickleValue* const function = top(PickleKind::global, "a function");
        stack_.pop_back();
        push_call(function->text, *arguments);
        return true;
      }
      case 'b':  // BUILD: the attributes of a dict, such as _metadata of a state dict
        pop();
        top(PickleKind::dict, "a dict that gets attributes");
        return true;
      case 'Q': {  // BINPERSID
        const PickleValue* const id = pop();
        PickleValue& value = push(PickleKind::persistent);
        value.items.push_back(id);
        pickle_.persistent_.push_back(&value);
        return true;
      }
      default:
        return false;
    }
  }

  // The entry of the allowed list. Nothing else may be named.
  std::string_view allowed_name(std::string_view module, std::string_view name) const {
    const std::string full = std::string(module) + "." + std::string(name);
    const auto found = std::ranges::find(allowed_, full);
    if (found != allowed_.end()) return *found;
    const std::string shown = quote(full);
    fail("it would run " + shown.substr(1, shown.size() - 2) +
             ", which is not among the functions that rebuild tensors; nothing was run. If you "
             "trust the file, open it with torch and save its tensors as model.safetensors",
         ErrorCode::unsupported);
  }
  void push_global(std::string_view module, std::string_view name) {
    const std::string_view known = allowed_name(module, name);
    push(PickleKind::global).text = known;
  }

  void push_call(std::string_view function, const PickleValue& arguments) {
    if (function != ordered_dict) {
      PickleValue& call = push(PickleKind::call);
      call.text = function;
      call.items.push_back(&arguments);
      return;
    }
    // The only function whose result is changed afterwards; old files give it a list of pairs.
    PickleValue& dict = push(PickleKind::dict);
    if (arguments.items.empty()) return;
    const PickleValue& pairs = *arguments.items.front();
    spend(pairs.items.size());
    for (const PickleValue* const pair : pairs.items) {
      if (pair->items.size() != 2) fail("an OrderedDict is not made of pairs");
      dict.items.insert(dict.items.end(), pair->items.begin(), pair->items.end());
    }
  }

  Pickle& pickle_;
  std::span<const std::byte> bytes_;
  std::size_t at_;
  std::size_t opcode_at_ = 0;
  std::size_t steps_ = 0;
  const std::string& where_;
  std::span<const std::string_view> allowed_;
  std::vector<PickleValue*> stack_;
  std::vector<std::size_t> marks_;
  std::map<std::uint64_t, PickleValue*> memo_;  // a tree, because the file chooses the keys
};

Pickle::Pickle(std::span<const std::byte> bytes, std::size_t begin, const std::string& where,
               std::span<const std::string_view> allowed) {
  PickleMachine(*this, bytes, begin, where, allowed).run();
}

const PickleValue* find_item(const PickleValue& dict, std::string_view key) {
  if (dict.kind != PickleKind::dict) return nullptr;
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const PickleValue& name = *dict.items[i];
    if (name.kind == PickleKind::text && name.text == key) return dict.items[i + 1];
  }
  return nullptr;
}

}  // namespace llm::detail
