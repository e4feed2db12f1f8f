#include "tokenizer/bpe.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <queue>

#include "llm/core/error.hpp"
#include "tokenizer/byte_alphabet.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail {
namespace {

constexpr std::size_t long_piece = 48;  // symbols; longer ones are merged with a queue
constexpr std::uint32_t no_rank = 0xFFFFFFFFU;

}  // namespace

MergeTable::MergeTable(std::size_t count)
    : slots_(std::bit_ceil(count * 2 + 16)), mask_(slots_.size() - 1) {}

void MergeTable::insert(TokenId left, TokenId right, Merge merge) {
  const std::uint64_t key = key_of(left, right);
  std::size_t slot = hash(key) & mask_;
  while (slots_[slot].key != free_slot && slots_[slot].key != key) slot = (slot + 1) & mask_;
  slots_[slot] = {key, merge};
}

MergeTable merges_by_score(const Vocabulary& vocabulary, const std::vector<double>& scores,
                           const std::vector<bool>& may_merge) {
  constexpr std::size_t max_bytes = 512;  // longer tokens are found as a whole or not at all
  struct Found {
    TokenId left, right;
    Merge merge;
  };
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  std::vector<Found> found;
  std::uint32_t rank = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && scores[order[i]] != scores[order[i - 1]]) ++rank;
    const auto id = static_cast<TokenId>(order[i]);
    const std::string_view token = vocabulary.token(id);
    const bool may = may_merge.empty() || may_merge[order[i]];
    if (!may || token.size() > max_bytes || vocabulary.find(token) != id) continue;
    for (std::size_t cut = 1; cut < token.size(); ++cut) {
      const auto left = vocabulary.find(token.substr(0, cut));
      const auto right = left ? vocabulary.find(token.substr(cut)) : std::nullopt;
      if (right) found.push_back({*left, *right, {rank, id}});
    }
  }
  MergeTable merges(found.size());
  for (const Found& pair : found) merges.insert(pair.left, pair.right, pair.merge);
  return merges;
}

// Pieces of one text repeat: the most recent short ones are remembered, slot by hash.
struct Bpe::Scratch final : ModelScratch {
  static constexpr std::size_t max_piece = 15;
  static constexpr std::size_t max_tokens = 4;
  struct Entry {
    std::array<char, max_piece> piece{};
    std::uint8_t length = 0;  // 0: free
    std::uint8_t tokens = 0;
    std::array<std::uint8_t, max_tokens> ends{};
    std::array<TokenId, max_tokens> ids{};
  };
  static constexpr std::size_t entries = 4096;
  std::vector<Entry> cache{};
  std::vector<Symbol> symbols;
  std::vector<std::uint32_t> ranks;
  std::size_t seen = 0;

  static std::size_t slot_of(std::string_view piece) {
    std::array<std::uint64_t, 2> words{};
    std::memcpy(words.data(), piece.data(), piece.size());
    const std::uint64_t mixed =
        (words[0] * 0x9E3779B97F4A7C15ULL) ^ ((words[1] + piece.size()) * 0xC2B2AE3D27D4EB4FULL);
    return static_cast<std::size_t>((mixed * 0x9E3779B97F4A7C15ULL) >> 52U);
  }
};

Bpe::Bpe(Vocabulary vocabulary, const Merges& merges, BpeOptions options, const std::string& where)
    : vocabulary_(std::move(vocabulary)), merges_(merges.size()), options_(std::move(options)) {
  const auto id_of = [&](std::string_view token, std::size_t rank) {
    const auto id = vocabulary_.find(token);
    if (!id) {
      throw Error(
          ErrorCode::bad_format,
          where + ": merge " + std::to_string(rank) + " needs the token " + quote(token) +
              ", which is not in the vocabulary; vocabulary and merges do not belong together",
          where);
    }
    return *id;
  };
  std::string merged;
  const std::size_t prefix = options_.continuing_subword_prefix.size();
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const TokenId left_id = id_of(left, rank);
    const TokenId right_id = id_of(right, rank);
    merged.assign(left);
    merged += right.substr(std::min(prefix, right.size()));
    merges_.insert(left_id, right_id, {static_cast<std::uint32_t>(rank), id_of(merged, rank)});
  }
  find_symbols();
}

Bpe::Bpe(Vocabulary vocabulary, MergeTable merges, BpeOptions options)
    : vocabulary_(std::move(vocabulary)), merges_(std::move(merges)), options_(std::move(options)) {
  find_symbols();
}

void Bpe::find_symbols() {
  if (!options_.unk_token.empty()) unk_ = vocabulary_.find(options_.unk_token).value_or(-1);
  bool complete = options_.continuing_subword_prefix.empty();
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::string letter;
    append_utf8(letter, byte_to_letter(static_cast<unsigned char>(byte)));
    byte_ids_[byte] = vocabulary_.find(letter).value_or(-1);
    last_byte_ids_[byte] = vocabulary_.find(letter + options_.end_of_word_suffix).value_or(-1);
    fallback_ids_[byte] =
        vocabulary_.find(byte_fallback_token(static_cast<unsigned char>(byte))).value_or(-1);
    complete = complete && byte_ids_[byte] >= 0 && last_byte_ids_[byte] >= 0;
  }
  takes_raw_bytes_ = complete;
}

std::unique_ptr<ModelScratch> Bpe::make_scratch() const { return std::make_unique<Scratch>(); }

void Bpe::encode(std::string_view piece, bool raw_bytes, ModelScratch* scratch,
                 std::vector<ModelToken>& out, Work& work) const {
  if (piece.empty()) return;
  auto& own = static_cast<Scratch&>(*scratch);
  // The cache pays only once a text is longer than the cache is expensive to set up.
  if (own.cache.empty() && ++own.seen > Scratch::entries / 4) own.cache.resize(Scratch::entries);
  if (piece.size() > Scratch::max_piece || own.cache.empty()) {
    encode_uncached(piece, raw_bytes, own, out, work);
    return;
  }
  Scratch::Entry& entry = own.cache[Scratch::slot_of(piece)];
  if (entry.length == piece.size() &&
      std::memcmp(entry.piece.data(), piece.data(), piece.size()) == 0) {
    std::uint32_t begin = 0;
    for (std::size_t i = 0; i < entry.tokens; ++i) {
      out.push_back({entry.ids[i], begin, entry.ends[i]});
      begin = entry.ends[i];
    }
    return;
  }
  const std::size_t before = out.size();
  encode_uncached(piece, raw_bytes, own, out, work);
  const std::size_t count = out.size() - before;
  if (count > Scratch::max_tokens) return;
  std::memcpy(entry.piece.data(), piece.data(), piece.size());
  entry.length = static_cast<std::uint8_t>(piece.size());
  entry.tokens = static_cast<std::uint8_t>(count);
  for (std::size_t i = 0; i < count; ++i) {
    entry.ids[i] = out[before + i].id;
    entry.ends[i] = static_cast<std::uint8_t>(out[before + i].end);
  }
}

void Bpe::encode_uncached(std::string_view piece, bool raw_bytes, Scratch& scratch,
                          std::vector<ModelToken>& out, Work& work) const {
  if (options_.ignore_merges) {
    const auto id = raw_bytes ? vocabulary_.find(spell_bytes(piece)) : vocabulary_.find(piece);
    if (id) {
      out.push_back({*id, 0, static_cast<std::uint32_t>(piece.size())});
      return;
    }
  }
  std::vector<Symbol>& symbols = scratch.symbols;
  symbols.clear();
  if (raw_bytes) {
    split_bytes(piece, symbols);
  } else {
    split_code_points(piece, symbols, work);
  }
  if (symbols.size() > long_piece) {
    merge_long(symbols, work);
  } else {
    merge_short(symbols, scratch.ranks);
  }
  std::uint32_t begin = 0;
  for (const Symbol& symbol : symbols) {
    if (symbol.length == 0) continue;
    out.push_back({symbol.id, begin, begin + symbol.length});
    begin += symbol.length;
  }
}

void Bpe::split_bytes(std::string_view piece, std::vector<Symbol>& symbols) const {
  for (const char c : piece) {
    symbols.push_back({byte_ids_[static_cast<unsigned char>(c)], 1, 0, 0});
  }
  symbols.back().id = last_byte_ids_[static_cast<unsigned char>(piece.back())];
}

void Bpe::split_code_points(std::string_view piece, std::vector<Symbol>& symbols,
                            Work& work) const {
  const bool plain =
      options_.continuing_subword_prefix.empty() && options_.end_of_word_suffix.empty();
  std::uint32_t unknown = 0;  // bytes of unknown symbols that wait for their token
  std::string spelled;
  for (std::size_t at = 0; at < piece.size();) {
    const std::uint32_t bytes = decode_utf8(piece, at).bytes;
    std::string_view symbol = piece.substr(at, bytes);
    if (!plain) {
      spelled = at > 0 ? options_.continuing_subword_prefix : "";
      spelled += symbol;
      if (at + bytes == piece.size()) spelled += options_.end_of_word_suffix;
      symbol = spelled;
      work.look(spelled.size());
    }
    at += bytes;
    if (const auto id = vocabulary_.find(symbol)) {
      if (unknown > 0) symbols.push_back({unk_, unknown, 0, 0});
      unknown = 0;
      symbols.push_back({*id, bytes, 0, 0});
      continue;
    }
    if (options_.byte_fallback && add_byte_fallback(symbol, symbols)) continue;
    if (unk_ < 0) continue;
    if (unknown > 0 && !options_.fuse_unk) {
      symbols.push_back({unk_, unknown, 0, 0});
      unknown = 0;
    }
    unknown += bytes;
  }
  if (unknown > 0) symbols.push_back({unk_, unknown, 0, 0});
}

bool Bpe::add_byte_fallback(std::string_view symbol, std::vector<Symbol>& symbols) const {
  const auto id_of = [&](char c) { return fallback_ids_[static_cast<unsigned char>(c)]; };
  if (!std::all_of(symbol.begin(), symbol.end(), [&](char c) { return id_of(c) >= 0; })) {
    return false;
  }
  for (const char c : symbol) symbols.push_back({id_of(c), 1, 0, 0});
  return true;
}

// Quadratic, but without a queue: the fastest way for the few symbols of a word.
void Bpe::merge_short(std::vector<Symbol>& symbols, std::vector<std::uint32_t>& ranks) const {
  std::size_t count = symbols.size();
  if (count < 2) return;
  const auto rank_at = [&](std::size_t i) {
    if (i + 1 >= count) return no_rank;
    const Merge* merge = merges_.find(symbols[i].id, symbols[i + 1].id);
    return merge == nullptr ? no_rank : merge->rank;
  };
  ranks.resize(count);
  for (std::size_t i = 0; i < count; ++i) ranks[i] = rank_at(i);
  while (count > 1) {
    const auto best =
        std::min_element(ranks.begin(), ranks.begin() + static_cast<std::ptrdiff_t>(count));
    if (*best == no_rank) break;
    const auto i = static_cast<std::size_t>(best - ranks.begin());
    symbols[i].id = merges_.find(symbols[i].id, symbols[i + 1].id)->id;
    symbols[i].length += symbols[i + 1].length;
    for (std::size_t j = i + 1; j + 1 < count; ++j) {
      symbols[j] = symbols[j + 1];
      ranks[j] = ranks[j + 1];
    }
    --count;
    ranks[i] = rank_at(i);
    if (i > 0) ranks[i - 1] = rank_at(i - 1);
  }
  symbols.resize(count);
}

// A queue of (rank, position): n log n for a piece of any length.
void Bpe::merge_long(std::vector<Symbol>& symbols, Work& work) const {
  std::vector<std::uint64_t> pairs;
  const auto push_to = [&](auto&& add, std::int32_t at) {
    const Symbol& symbol = symbols[static_cast<std::size_t>(at)];
    if (symbol.next < 0) return;
    const Merge* merge = merges_.find(symbol.id, symbols[static_cast<std::size_t>(symbol.next)].id);
    if (merge != nullptr) {
      add((std::uint64_t{merge->rank} << 32U) | static_cast<std::uint32_t>(at));
    }
  };
  const auto count = static_cast<std::int32_t>(symbols.size());
  for (std::int32_t i = 0; i < count; ++i) {
    symbols[static_cast<std::size_t>(i)].previous = i - 1;
    symbols[static_cast<std::size_t>(i)].next = i + 1 < count ? i + 1 : -1;
  }
  for (std::int32_t i = 0; i < count; ++i) {
    push_to([&](std::uint64_t pair) { pairs.push_back(pair); }, i);
  }
  std::priority_queue queue(std::greater<std::uint64_t>{}, std::move(pairs));
  const auto push = [&](std::int32_t at) {
    push_to([&](std::uint64_t pair) { queue.push(pair); }, at);
  };
  while (!queue.empty()) {
    const std::uint64_t top = queue.top();
    queue.pop();
    work.look(1);
    const auto at = static_cast<std::int32_t>(top & 0xFFFFFFFFU);
    Symbol& left = symbols[static_cast<std::size_t>(at)];
    if (left.length == 0 || left.next < 0) continue;
    Symbol& right = symbols[static_cast<std::size_t>(left.next)];
    const Merge* merge = merges_.find(left.id, right.id);
    if (merge == nullptr || merge->rank != top >> 32U) continue;  // the pair has changed since
    left.id = merge->id;
    left.length += right.length;
    left.next = right.next;
    right.length = 0;
    if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = at;
    if (left.previous >= 0) push(left.previous);
    push(at);
  }
}

namespace {

// A merge is ["a", "b"] or, in older files, "a b".
std::pair<std::string_view, std::string_view> read_merge(const Json& merge, std::size_t rank,
                                                         const std::string& where) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return {merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>()};
  }
  if (merge.is_string()) {
    const std::string_view text = merge.get_ref<const std::string&>();
    const std::size_t space = text.find(' ');
    if (space != std::string_view::npos && text.find(' ', space + 1) == std::string_view::npos) {
      return {text.substr(0, space), text.substr(space + 1)};
    }
  }
  throw Error(ErrorCode::bad_format,
              where + ": merge " + std::to_string(rank) + " is " +
                  quote(merge.dump(-1, ' ', false, Json::error_handler_t::replace)) +
                  ", expected two tokens",
              where);
}

BpeOptions read_options(const JsonFields& fields) {
  if (const Json* dropout = fields.find("dropout")) {
    if (!dropout->is_number() || dropout->get<double>() != 0.0) {
      fail_unsupported(fields.where(), "dropout", dropout->dump(), "null and 0");
    }
  }
  BpeOptions options;
  options.unk_token = fields.string_or("unk_token", "");
  options.continuing_subword_prefix = fields.string_or("continuing_subword_prefix", "");
  options.end_of_word_suffix = fields.string_or("end_of_word_suffix", "");
  options.fuse_unk = fields.boolean_or("fuse_unk", false);
  options.byte_fallback = fields.boolean_or("byte_fallback", false);
  options.ignore_merges = fields.boolean_or("ignore_merges", false);
  return options;
}

}  // namespace

std::unique_ptr<TokenModel> read_bpe(const Json& json, const std::string& where) {
  const JsonFields fields(json, where);
  BpeOptions options = read_options(fields);
  const Json& listed = fields.array("merges");
  Bpe::Merges merges;
  merges.reserve(listed.size());
  for (const Json& merge : listed) {
    // The first line of a merges.txt, which some tools take over.
    if (merge.is_string() && merge.get_ref<const std::string&>().starts_with("#version")) continue;
    merges.push_back(read_merge(merge, merges.size(), where));
  }
  return std::make_unique<Bpe>(read_vocabulary(fields, "vocab"), merges, std::move(options), where);
}

}  // namespace llm::detail
