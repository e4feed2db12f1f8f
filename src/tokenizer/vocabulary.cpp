#include "tokenizer/vocabulary.hpp"

#include <bit>
#include <functional>

#include "llm/core/error.hpp"

namespace llm::detail {

void Vocabulary::add(std::string_view token, std::int64_t id, const std::string& where) {
  if (id < 0 || id >= max_ids) {
    throw Error(ErrorCode::bad_format,
                where + ": token " + quote(token) + " has id " + std::to_string(id) +
                    ", expected 0 to " + std::to_string(max_ids - 1),
                where);
  }
  const auto index = static_cast<std::size_t>(id);
  if (index >= entries_.size()) entries_.resize(index + 1);
  if (entries_[index].offset != unused) {
    throw Error(ErrorCode::bad_format,
                where + ": id " + std::to_string(id) + " is given to both " +
                    quote(this->token(static_cast<TokenId>(id))) + " and " + quote(token) +
                    "; every token needs an id of its own",
                where);
  }
  if (arena_.size() + token.size() >= unused) {
    throw Error(ErrorCode::bad_format, where + ": the tokens take more than 4 GiB", where);
  }
  entries_[index] = {static_cast<std::uint32_t>(arena_.size()),
                     static_cast<std::uint32_t>(token.size())};
  arena_ += token;
  ++count_;
  if ((used_slots_ + 1) * 2 > slots_.size()) grow(slots_.size() * 2 + 16);
  const std::size_t slot = slot_of(token);
  if (slots_[slot] < 0) ++used_slots_;
  slots_[slot] = static_cast<TokenId>(id);
}

void Vocabulary::reserve(std::size_t count) {
  if (count > static_cast<std::size_t>(max_ids)) return;  // add() will name the first id beyond
  entries_.reserve(count);
  grow(count * 2 + 16);
}

std::optional<TokenId> Vocabulary::find(std::string_view token) const {
  if (slots_.empty()) return std::nullopt;
  const TokenId id = slots_[slot_of(token)];
  return id < 0 ? std::nullopt : std::optional<TokenId>(id);
}

std::string_view Vocabulary::token(TokenId id) const {
  if (!contains(id)) return {};
  const Entry& entry = entries_[static_cast<std::size_t>(id)];
  return std::string_view(arena_).substr(entry.offset, entry.length);
}

bool Vocabulary::contains(TokenId id) const {
  return id >= 0 && id < size() && entries_[static_cast<std::size_t>(id)].offset != unused;
}

std::size_t Vocabulary::slot_of(std::string_view token) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = std::hash<std::string_view>{}(token)&mask;
  while (slots_[slot] >= 0 && this->token(slots_[slot]) != token) slot = (slot + 1) & mask;
  return slot;
}

void Vocabulary::grow(std::size_t slots) {
  slots = std::bit_ceil(slots);
  if (slots <= slots_.size()) return;
  std::vector<TokenId> old(slots, -1);
  old.swap(slots_);
  for (const TokenId id : old) {
    if (id >= 0) slots_[slot_of(token(id))] = id;
  }
}

}  // namespace llm::detail
