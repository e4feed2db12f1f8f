// Choosing examples, and prompts made of them.
#include "llm/prompt/few_shot_builder.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <random>
#include <set>
#include <utility>

#include "core/float_environment.hpp"
#include "core/split.hpp"
#include "llm/core/error.hpp"

namespace llm {
namespace {

constexpr std::size_t max_examples_bytes = std::size_t{1} << 30U;

constexpr std::array<std::pair<std::string_view, Selection>, 4> selections{{
    {"first", Selection::first},
    {"random", Selection::random},
    {"balanced", Selection::balanced},
    {"similar", Selection::similar},
}};

void normalize(std::vector<float>& vector) {
  double squares = 0;
  for (const float value : vector) squares += static_cast<double>(value) * value;
  const double length = std::sqrt(squares);
  if (!(length > 0)) return;
  for (float& value : vector) value = static_cast<float>(value / length);
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

}  // namespace

Selection selection_from_name(std::string_view name) {
  for (const auto& [known, selection] : selections)
    if (known == name) return selection;
  throw Error(ErrorCode::invalid_option,
              "the selection " + quote(name) +
                  " does not exist; expected first, random, balanced or similar",
              "selection");
}

void check_labels(std::span<const std::string> labels) {
  const auto fail = [](const std::string& what) {
    throw Error(ErrorCode::invalid_option, what, "labels");
  };
  if (labels.size() < 2)
    fail("expected at least two labels to choose from, got " + std::to_string(labels.size()));
  // What a label is the beginning of stands behind it when they are sorted.
  std::vector<std::string_view> sorted(labels.begin(), labels.end());
  std::sort(sorted.begin(), sorted.end());
  if (sorted.front().empty()) fail("a label is empty");
  for (std::size_t i = 0; i + 1 < sorted.size(); ++i) {
    if (!sorted[i + 1].starts_with(sorted[i])) continue;
    if (sorted[i + 1] == sorted[i]) fail("the label " + quote(sorted[i]) + " is there twice");
    fail("the label " + quote(sorted[i]) + " is the beginning of " + quote(sorted[i + 1]) +
         " and would always be at least as probable; choose labels that differ");
  }
}

FewShotBuilder::FewShotBuilder(FewShotTemplate few, std::vector<FieldRow> examples,
                               FewShotOptions options)
    : template_(std::move(few)), examples_(std::move(examples)), options_(std::move(options)) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < examples_.size(); ++i) {
    texts_.push_back(template_.example(examples_[i]) + template_.separator());
    const auto asked = question(examples_[i]);
    bytes += texts_.back().size() + (asked ? asked->size() : 0);
    if (bytes > max_examples_bytes)
      throw Error(ErrorCode::invalid_input,
                  examples_[i].where + ": the examples up to here have more than " +
                      std::to_string(max_examples_bytes >> 20U) + " MiB as the template shows them",
                  examples_[i].where);
    if (asked) questions_.emplace(*asked, i);
  }
  if (!options_.label_field.empty()) check_labels();
  if (options_.selection == Selection::similar) embed_examples();
  order_.resize(examples_.size());
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  if (options_.selection == Selection::random) order_random();
  if (options_.selection == Selection::balanced) order_balanced();
}

void FewShotBuilder::check_labels() const {
  for (const FieldRow& example : examples_) {
    if (example.fields.contains(options_.label_field)) continue;
    throw Error(ErrorCode::invalid_input,
                example.where + ": the example has no " + quote(options_.label_field),
                example.where);
  }
}

// The engine's numbers are laid down by the standard; distributions of the library are not.
void FewShotBuilder::order_random() {
  std::mt19937_64 random(options_.seed);
  for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[random() % i]);
}

void FewShotBuilder::order_balanced() {
  if (options_.label_field.empty())
    throw Error(ErrorCode::invalid_option,
                "a balanced selection needs to know which field of an example is its label",
                "selection");
  // The turn of an example: how many of its label stand before it. Labels come in the order of
  // their first examples.
  struct Place {
    std::size_t turn, label, example;
    auto operator<=>(const Place&) const = default;
  };
  std::map<std::string_view, std::pair<std::size_t, std::size_t>> seen;  // label: number, count
  std::vector<Place> places;
  for (std::size_t i = 0; i < examples_.size(); ++i) {
    const std::string& label = examples_[i].fields.at(options_.label_field);
    auto& [number, count] = seen.try_emplace(label, seen.size(), 0).first->second;
    places.push_back({count++, number, i});
  }
  std::sort(places.begin(), places.end());
  for (std::size_t i = 0; i < places.size(); ++i) order_[i] = places[i].example;
}

// What an example or a query asks; nullopt when it lacks a field of the query.
std::optional<std::string> FewShotBuilder::question(const FieldRow& row) const {
  for (const std::string& name : template_.query().field_names())
    if (!row.fields.contains(name)) return std::nullopt;
  return template_.query().fill(row.fields, row.where);
}

void FewShotBuilder::embed_examples() {
  const detail::FloatEnvironment environment;
  if (!options_.embed)
    throw Error(ErrorCode::invalid_option,
                "a selection of similar examples needs a model that embeds texts", "selection");
  std::vector<std::string> texts;
  for (const FieldRow& example : examples_)
    texts.push_back(template_.query().fill(example.fields, example.where));
  embeddings_ = options_.embed(texts);
  for (std::vector<float>& vector : embeddings_) normalize(vector);
}

FewShotBuilder::Shots FewShotBuilder::choose(std::size_t count, const FieldRow& query) const {
  const bool similar = options_.selection == Selection::similar;
  if (count > examples_.size())
    throw Error(ErrorCode::invalid_option,
                "a prompt of " + std::to_string(count) +
                    " shots is asked for, but there are only " + std::to_string(examples_.size()) +
                    " examples",
                "shots");
  if (similar) return count == 0 ? Shots() : most_similar(count, query);
  return {order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(count)};
}

FewShotBuilder::Shots FewShotBuilder::most_similar(std::size_t count, const FieldRow& query) const {
  const detail::FloatEnvironment environment;
  const std::string asked = template_.query().fill(query.fields, query.where);
  std::vector<float> vector = options_.embed({&asked, 1})[0];
  normalize(vector);
  std::vector<std::pair<double, std::size_t>> near;  // those to leave out are not in it
  for (std::size_t i = 0; i < examples_.size(); ++i)
    if (question(examples_[i]) != asked) near.emplace_back(-dot(vector, embeddings_[i]), i);
  count = std::min(count, near.size());
  std::partial_sort(near.begin(), near.begin() + static_cast<std::ptrdiff_t>(count), near.end());
  Shots shots;
  for (std::size_t i = count; i > 0; --i) shots.push_back(near[i - 1].second);
  return shots;
}

std::string FewShotBuilder::prompt(const Shots& shots, const FieldRow& query) const {
  std::string text = template_.header();
  for (const std::size_t i : shots) text += texts_.at(i);
  return text + template_.query().fill(query.fields, query.where);
}

std::vector<Message> FewShotBuilder::messages(const Shots& shots, const FieldRow& query) const {
  std::vector<Message> messages;
  const auto add = [&messages](const char* role, const std::string& text) {
    messages.push_back({role, std::string(detail::trim_white_space(text))});
  };
  if (!template_.header().empty()) add("system", template_.header());
  for (const std::size_t i : shots) {
    const FieldRow& example = examples_.at(i);
    add("user", template_.query().fill(example.fields, example.where));
    add("assistant", template_.answer().fill(example.fields, example.where));
  }
  add("user", template_.query().fill(query.fields, query.where));
  return messages;
}

std::optional<std::size_t> FewShotBuilder::same_question(const FieldRow& query) const {
  const auto asked = question(query);
  const auto found = asked ? questions_.find(*asked) : questions_.end();
  return found == questions_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<std::string> FewShotBuilder::labels() const {
  std::vector<std::string> labels;
  std::set<std::string_view> seen;
  for (const FieldRow& example : examples_) {
    const auto label = example.fields.find(options_.label_field);
    if (label != example.fields.end() && seen.insert(label->second).second)
      labels.push_back(label->second);
  }
  return labels;
}

}  // namespace llm
