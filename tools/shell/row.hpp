// A row: what a command works on, from a file of many or as the one text of an argument, and its
// results. RowReader reads rows, RowWriter writes them, RowRun keeps them in order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.hpp"
#include "llm/generation/generator.hpp"

namespace llm::shell {

// Objects keep the order of their members: that of the file, and that of the written columns.
using detail::OrderedJson;

// The value on one line; bytes that are not UTF-8 become replacement characters.
std::string dump(const OrderedJson& json);

struct Row {
  std::string id = "\"1\"";        // as JSON text: a string or a number
  bool has_own_id = false;         // false: the id is the number of its line
  std::string place;               // "rows.csv, line 3"
  std::uint64_t line = 1;          // where it begins
  std::uint64_t number = 0;        // its place among all rows of the input, from 0
  std::vector<std::string> texts;  // the fields the command asked for, in its order; empty when
                                   // the row gives token ids in their place (RowShape::ids)
  OrderedJson fields = OrderedJson::object();  // all there is, in the order of the file
  std::optional<RowError> error;               // the row cannot be used; commands never see it
  std::size_t bytes = 0;                       // of the file that it takes

  // Forgets its contents: it cannot be used, and its memory is needed.
  void give_up(RowError why);
  // The number for the row's random stream: made of its own id if it has one, so that it does not
  // depend on the order of rows; else its place.
  std::uint64_t stream() const;
};

// A field as text: strings as they are, numbers and truth values as JSON. nullopt when the row has
// no such field, or when it is not a text.
std::optional<std::string> text_field(const Row& row, const std::string& name);

// The list of token ids in the field "ids". Throws Error (invalid_input) with the row's place.
std::vector<TokenId> token_ids(const Row& row);

// "; did you mean "lable"?" or "; the row has: "a" "b"", for errors about a missing field.
std::string field_suggestion(const std::string& name, const OrderedJson& fields);

// What became of a row: result fields by name, in the order in which they are written; several
// objects when a row has several results (some may have `error` instead); or why there is none.
struct RowResult {
  RowResult(OrderedJson fields) { results.push_back(std::move(fields)); }
  RowResult(std::vector<OrderedJson> several) : results(std::move(several)) {}
  RowResult(RowError why) : error(std::move(why)) {}

  std::vector<OrderedJson> results;
  std::optional<RowError> error;
};

// The error of a row that there is not enough memory for.
RowError no_memory();

// Whether the generation of a result ended for this reason.
bool ended_by(const OrderedJson& fields, FinishReason reason);

// The fields "error" and "error_code".
OrderedJson to_fields(const RowError& error);

// A running hash (FNV-1a), which shows whether bytes are those of an earlier run.
class Digest {
 public:
  Digest() = default;
  // Goes on from another one's value().
  explicit Digest(std::uint64_t value) : value_(value) {}
  void add(std::string_view bytes) {
    for (const char c : bytes)
      value_ = (value_ ^ static_cast<unsigned char>(c)) * std::uint64_t{0x100000001b3};
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace llm::shell
