#include "tasks/entities.hpp"

#include <algorithm>
#include <utility>

namespace llm::detail {
namespace {

std::size_t best_of(const std::vector<double>& scores) {
  return static_cast<std::size_t>(std::ranges::max_element(scores) - scores.begin());
}

Entity single(const TaggedToken& token, const std::vector<std::string>& labels) {
  const std::size_t best = best_of(token.scores);
  return {labels[best], token.scores[best], token.word, {.bytes = token.bytes}, token.index};
}

// The scores that speak for a whole word.
std::vector<double> word_scores(std::span<const TaggedToken> tokens, Aggregation aggregation) {
  if (aggregation == Aggregation::first) return tokens.front().scores;
  if (aggregation == Aggregation::max)
    return std::ranges::max_element(
               tokens, {},
               [](const TaggedToken& token) { return token.scores[best_of(token.scores)]; })
        ->scores;
  std::vector<double> mean(tokens.front().scores.size());
  for (const TaggedToken& token : tokens)
    for (std::size_t k = 0; k < mean.size(); ++k) mean[k] += token.scores[k];
  for (double& score : mean) score /= static_cast<double>(tokens.size());
  return mean;
}

Entity word_of(std::span<const TaggedToken> tokens, Aggregation aggregation,
               const std::vector<std::string>& labels, const Tokenizer& tokenizer) {
  const std::vector<double> scores = word_scores(tokens, aggregation);
  const std::size_t best = best_of(scores);
  std::vector<std::string> spelled;
  for (const TaggedToken& token : tokens) spelled.push_back(token.word);
  return {labels[best],
          scores[best],
          tokenizer.join(spelled),
          {.bytes = {tokens.front().bytes.begin, tokens.back().bytes.end}}};
}

std::vector<Entity> words_of(const std::vector<TaggedToken>& tokens, Aggregation aggregation,
                             const std::vector<std::string>& labels, const Tokenizer& tokenizer) {
  std::vector<Entity> words;
  for (std::size_t begin = 0; begin < tokens.size();) {
    std::size_t end = begin + 1;
    while (end < tokens.size() && tokens[end].is_subword) ++end;
    words.push_back(
        word_of(std::span(tokens).subspan(begin, end - begin), aggregation, labels, tokenizer));
    begin = end;
  }
  return words;
}

// Whether a label begins an entity, and the label without what says so.
std::pair<bool, std::string_view> tag_of(std::string_view label) {
  if (label.starts_with("B-")) return {true, label.substr(2)};
  if (label.starts_with("I-")) return {false, label.substr(2)};
  return {false, label};
}

Entity group_of(std::span<const Entity> members, const Tokenizer& tokenizer) {
  const std::string& label = members.front().label;
  const std::size_t dash = label.find('-');
  std::vector<std::string> words;
  double sum = 0.0;
  for (const Entity& member : members) {
    words.push_back(member.word);
    sum += member.score;
  }
  return {dash == std::string::npos ? label : label.substr(dash + 1),
          sum / static_cast<double>(members.size()),
          tokenizer.join(words),
          {.bytes = {members.front().span.bytes.begin, members.back().span.bytes.end}}};
}

}  // namespace

std::vector<Entity> group_tokens(const std::vector<TaggedToken>& tokens, Aggregation aggregation,
                                 const std::vector<std::string>& labels,
                                 const Tokenizer& tokenizer) {
  std::vector<Entity> members;
  if (aggregation == Aggregation::none || aggregation == Aggregation::simple) {
    for (const TaggedToken& token : tokens) members.push_back(single(token, labels));
  } else {
    members = words_of(tokens, aggregation, labels, tokenizer);
  }
  if (aggregation == Aggregation::none) return members;
  std::vector<Entity> groups;
  for (std::size_t begin = 0; begin < members.size();) {
    std::size_t end = begin + 1;
    for (; end < members.size(); ++end) {
      const auto [begins, tag] = tag_of(members[end].label);
      if (begins || tag != tag_of(members[end - 1].label).second) break;
    }
    groups.push_back(group_of(std::span(members).subspan(begin, end - begin), tokenizer));
    begin = end;
  }
  return groups;
}

std::vector<Entity> resolve_overlaps(std::vector<Entity> entities) {
  if (entities.empty()) return entities;
  const auto length = [](const Entity& entity) { return entity.span.end - entity.span.start; };
  std::ranges::stable_sort(entities, {}, [](const Entity& e) { return e.span.start; });
  std::vector<Entity> kept;
  Entity last = entities.front();
  for (const Entity& entity : entities) {
    if (entity.span.start >= last.span.end) {
      kept.push_back(std::exchange(last, entity));
    } else if (length(entity) > length(last) ||
               (length(entity) == length(last) && entity.score > last.score)) {
      last = entity;
    }
  }
  kept.push_back(std::move(last));
  return kept;
}

}  // namespace llm::detail
