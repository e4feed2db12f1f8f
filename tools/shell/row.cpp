// Small questions about rows.
#include "shell/row.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "llm/core/error.hpp"

namespace llm::shell {

std::string dump(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

RowError no_memory() {
  return {ErrorCode::out_of_memory, "there is not enough memory for this row"};
}

bool ended_by(const OrderedJson& fields, FinishReason reason) {
  const auto found = fields.find("finish_reason");
  return found != fields.end() && *found == to_string(reason);
}

OrderedJson to_fields(const RowError& error) {
  return {{"error", error.message}, {"error_code", to_string(error.code)}};
}

void Row::give_up(RowError why) {
  texts = {};
  fields = OrderedJson::object();
  error = std::move(why);
}

std::uint64_t Row::stream() const {
  if (!has_own_id) return number;
  Digest digest;
  digest.add(id);
  return digest.value();
}

std::optional<std::string> text_field(const Row& row, const std::string& name) {
  const auto field = row.fields.find(name);
  if (field == row.fields.end()) return std::nullopt;
  if (field->is_string()) return field->get<std::string>();
  if (field->is_number() || field->is_boolean()) return field->dump();
  return std::nullopt;
}

std::vector<TokenId> token_ids(const Row& row) {
  const auto fail = [&row](const std::string& what) {
    throw Error(ErrorCode::invalid_input, row.place + ": \"ids\" " + what, row.place);
  };
  const auto field = row.fields.find("ids");
  if (field == row.fields.end() || !field->is_array()) fail("must be a list of token ids");
  std::vector<TokenId> ids;
  ids.reserve(field->size());
  for (const OrderedJson& id : *field) {
    if (!id.is_number_integer() || id < 0 || id > std::numeric_limits<TokenId>::max())
      fail("holds " + id.dump().substr(0, 80) + ", which is not a token id");
    ids.push_back(id.get<TokenId>());
  }
  return ids;
}

std::string field_suggestion(const std::string& name, const OrderedJson& fields) {
  std::vector<std::string_view> names;
  for (const auto& [key, value] : fields.items()) names.push_back(key);
  const std::string_view nearest = nearest_name(name, names.data(), names.size());
  if (!nearest.empty()) return "; did you mean " + quote(nearest) + "?";
  constexpr std::size_t most_named = 20;
  std::string list = names.empty() ? "; the row has no fields" : "; the row has:";
  for (std::size_t i = 0; i < std::min(names.size(), most_named); ++i)
    list += " " + quote(names[i]);
  if (names.size() > most_named)
    list += " and " + std::to_string(names.size() - most_named) + " more";
  return list;
}

}  // namespace llm::shell
