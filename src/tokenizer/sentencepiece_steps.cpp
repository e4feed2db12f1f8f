#include "tokenizer/sentencepiece_steps.hpp"

#include <algorithm>

#include "llm/core/error.hpp"
#include "tokenizer/bpe.hpp"
#include "tokenizer/byte_trie.hpp"
#include "tokenizer/character_map.hpp"
#include "tokenizer/unigram.hpp"

namespace llm::detail {
namespace {

// The user-defined pieces of a model, by their text.
class UserDefined {
 public:
  explicit UserDefined(const SentencepieceModel& model) {
    for (std::size_t id = 0; id < model.pieces.size(); ++id) {
      const SentencepieceModel::Piece& piece = model.pieces[id];
      if (piece.kind != PieceKind::user_defined || piece.text.empty()) continue;
      trie_.insert(piece.text, static_cast<std::int32_t>(id));
      empty_ = false;
    }
  }
  bool empty() const { return empty_; }
  // Bytes of the longest one that `text` begins with, 0 for none, and its id.
  std::size_t longest(std::string_view text, TokenId& id, Work& work) const {
    if (empty_) return 0;
    std::size_t longest = 0;
    std::uint32_t node = ByteTrie::root;
    std::size_t i = 0;
    for (; i < text.size(); ++i) {
      node = trie_.child(node, static_cast<unsigned char>(text[i]));
      if (node == ByteTrie::no_node) break;
      if (trie_.value(node) == ByteTrie::no_value) continue;
      longest = i + 1;
      id = trie_.value(node);
    }
    work.look(i);
    return longest;
  }

 private:
  ByteTrie trie_;
  bool empty_ = true;
};

// Replaces by the longest match, user-defined pieces stay what they are; then sees to spaces.
class SentencepieceNormalizer final : public Normalizer {
 public:
  SentencepieceNormalizer(const SentencepieceModel& model, const std::string& where)
      : space_(model.escapes_spaces ? escaped_space : " "),
        adds_prefix_(model.adds_prefix),
        removes_extra_(model.removes_extra_spaces),
        is_suffix_(model.space_is_suffix),
        kept_(model) {
    if (!model.charsmap.empty()) map_ = CharacterMap(model.charsmap, where);
  }

  void run(AlignedText& text, Work& work) const override {
    const std::string_view rest = text.text;
    std::size_t at = removes_extra_ ? skip_spaces(rest, work) : 0;
    AlignedText made;
    made.origin = text.origin;
    if (at < rest.size()) {
      made.text.reserve(rest.size() * 5 / 4 + 3);
      made.spans.reserve(rest.size() * 5 / 4 + 3);
      const Span first = {text.spans[at].begin, text.spans[at].begin};
      if (adds_prefix_ && !is_suffix_) append(space_, first, made);
      bool after_space = removes_extra_;
      while (at < rest.size()) {
        std::string_view form;
        const std::size_t bytes = next(rest.substr(at), form, work);
        work.look(bytes);
        if (form.size() > bytes) work.make(form.size() - bytes);
        append_form(form, {text.spans[at].begin, text.spans[at + bytes - 1].end}, after_space,
                    made);
        at += bytes;
      }
      std::uint32_t end = text.spans.back().end;
      if (removes_extra_) end = drop_trailing_spaces(made, end);
      if (adds_prefix_ && is_suffix_) append(space_, {end, end}, made);
    }
    text = std::move(made);
  }

 private:
  static void append(std::string_view what, Span span, AlignedText& made) {
    made.text += what;
    made.spans.insert(made.spans.end(), what.size(), span);
  }

  void append_form(std::string_view form, Span span, bool& after_space, AlignedText& made) const {
    while (after_space && form.starts_with(' ')) form.remove_prefix(1);
    for (const char& c : form) {
      append(c == ' ' ? space_ : std::string_view(&c, 1), span, made);
    }
    if (!form.empty()) after_space = form.ends_with(' ');
    if (!removes_extra_) after_space = false;
  }

  // Where the text, which ended at `end`, ends without them.
  std::uint32_t drop_trailing_spaces(AlignedText& made, std::uint32_t end) const {
    while (made.text.ends_with(space_)) {
      made.text.resize(made.text.size() - space_.size());
      end = made.spans[made.text.size()].begin;
    }
    made.spans.resize(made.text.size());
    return end;
  }

  std::size_t skip_spaces(std::string_view text, Work& work) const {
    std::size_t at = 0;
    std::string_view form;
    while (at < text.size()) {
      const std::size_t bytes = next(text.substr(at), form, work);
      if (form != " ") break;
      at += bytes;
    }
    return at;
  }

  // The normalized form of what `text` begins with, and how many bytes that is.
  std::size_t next(std::string_view text, std::string_view& form, Work& work) const {
    TokenId id = Piece::none;
    std::size_t bytes = kept_.longest(text, id, work);
    if (bytes > 0) {
      form = text.substr(0, bytes);
      return bytes;
    }
    bytes = map_.find_longest(text, form);
    if (bytes > 0) return bytes;
    form = text.substr(0, decode_utf8(text, 0).bytes);
    return form.size();
  }

  CharacterMap map_;
  std::string_view space_;
  bool adds_prefix_, removes_extra_, is_suffix_;
  UserDefined kept_;
};

// User-defined pieces, which no merge touches.
class KeptPieces final : public PreTokenizer {
 public:
  explicit KeptPieces(const SentencepieceModel& model) : kept_(model) {}
  void run(Pieces& pieces, Work& work) const override {
    pieces.split([&](std::string_view text, std::vector<Pieces::Match>& parts) {
      const auto end_of = [](std::size_t at) { return static_cast<std::uint32_t>(at); };
      std::size_t done = 0;
      for (std::size_t at = 0; at < text.size();) {
        TokenId id = Piece::none;
        const std::size_t bytes = kept_.longest(text.substr(at), id, work);
        if (bytes > 0) {
          if (done < at) parts.push_back({end_of(done), end_of(at)});
          parts.push_back({end_of(at), end_of(at + bytes), false, id});
          done = at + bytes;
        }
        at += bytes > 0 ? bytes : 1;
      }
      if (done < text.size()) parts.push_back({end_of(done), end_of(text.size())});
    });
  }

 private:
  UserDefined kept_;
};

bool is_normal(const SentencepieceModel::Piece& piece) { return piece.kind == PieceKind::normal; }

Vocabulary vocabulary_of(const SentencepieceModel& model, const std::string& where) {
  Vocabulary vocabulary;
  vocabulary.reserve(model.pieces.size());
  for (std::size_t id = 0; id < model.pieces.size(); ++id) {
    vocabulary.add(model.pieces[id].text, static_cast<std::int64_t>(id), where);
  }
  return vocabulary;
}

std::int64_t unknown_id(const SentencepieceModel& model) {
  const auto found = std::find_if(model.pieces.begin(), model.pieces.end(), [](const auto& piece) {
    return piece.kind == PieceKind::unknown;
  });
  return found == model.pieces.end() ? -1 : found - model.pieces.begin();
}

std::unique_ptr<TokenModel> make_unigram(const SentencepieceModel& model,
                                         const std::string& where) {
  float lowest = 0;
  float highest = 0;
  bool first = true;
  for (const SentencepieceModel::Piece& piece : model.pieces) {
    if (!is_normal(piece)) continue;
    lowest = first ? piece.score : std::min(lowest, piece.score);
    highest = first ? piece.score : std::max(highest, piece.score);
    first = false;
  }
  std::vector<double> scores;
  scores.reserve(model.pieces.size());
  for (const SentencepieceModel::Piece& piece : model.pieces) {
    // A user-defined piece is worth more than any other way to write it.
    const double bonus = static_cast<float>(piece.text.size()) * highest - 0.1;
    scores.push_back(is_normal(piece)                        ? piece.score
                     : piece.kind == PieceKind::user_defined ? bonus
                                                             : Unigram::never);
  }
  const UnigramOptions options{unknown_id(model), model.byte_fallback, true, lowest};
  return std::make_unique<Unigram>(vocabulary_of(model, where), std::move(scores), options, where);
}

std::unique_ptr<TokenModel> make_bpe(const SentencepieceModel& model, const std::string& where) {
  Vocabulary vocabulary = vocabulary_of(model, where);
  std::vector<double> scores;
  std::vector<bool> may_merge;
  for (const SentencepieceModel::Piece& piece : model.pieces) {
    scores.push_back(piece.score);
    may_merge.push_back(is_normal(piece));
  }
  MergeTable merges = merges_by_score(vocabulary, scores, may_merge);
  BpeOptions options;
  options.fuse_unk = true;
  options.byte_fallback = model.byte_fallback;
  const std::int64_t unk = unknown_id(model);
  if (unk >= 0) options.unk_token = model.pieces[static_cast<std::size_t>(unk)].text;
  return std::make_unique<Bpe>(std::move(vocabulary), std::move(merges), std::move(options));
}

}  // namespace

SentencepieceSteps make_sentencepiece_steps(const SentencepieceModel& model,
                                            const std::string& where) {
  SentencepieceSteps steps;
  steps.normalizer = std::make_unique<SentencepieceNormalizer>(model, where);
  const bool is_bpe = model.algorithm == SentencepieceModel::bpe;
  if (is_bpe && !UserDefined(model).empty()) {
    steps.pre_tokenizer = std::make_unique<KeptPieces>(model);
  }
  steps.model = is_bpe ? make_bpe(model, where) : make_unigram(model, where);
  return steps;
}

}  // namespace llm::detail
