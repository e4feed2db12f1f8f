#include "shell/few_shot_prompts.hpp"

#include <algorithm>
#include <utility>

#include "shell/console.hpp"
#include "shell/signals.hpp"

namespace llm::shell {

FieldRow to_field_row(const Row& row) {
  FieldRow fields{{}, row.place};
  for (const auto& [name, value] : row.fields.items())
    if (auto text = text_field(row, name)) fields.fields[name] = std::move(*text);
  return fields;
}

FewShotPrompts::FewShotPrompts(FewShotBuilder builder, Options options)
    : builder_(std::move(builder)), options_(std::move(options)) {}

std::string FewShotPrompts::text(const FewShotBuilder::Shots& shots, const FieldRow& query) const {
  return options_.chat ? options_.chat->render(builder_.messages(shots, query),
                                               {.interrupt = &interrupt_flag()})
                       : builder_.prompt(shots, query);
}

std::vector<FewShotPrompt> FewShotPrompts::make(const Row& row, const PromptRoom& room) {
  const FieldRow query = to_field_row(row);
  std::vector<FewShotPrompt> prompts;
  for (const std::size_t count : options_.shots) {
    FewShotPrompt prompt{builder_.choose(count, query), count, {}};
    warn_about_shown(prompt.shots, query);
    prompt.text = text(prompt.shots, query);
    while (options_.fit && !prompt.shots.empty() && !room.holds(prompt.text)) {
      prompt.shots.erase(prompt.shots.begin());
      prompt.text = text(prompt.shots, query);
    }
    if (prompt.shots.size() < count && !std::exchange(warned_dropped_, true))
      console().warning(query.where + ": only " + std::to_string(prompt.shots.size()) + " of " +
                        std::to_string(count) +
                        " examples are shown, more do not fit; \"dropped\" tells it of each row");
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

void FewShotPrompts::warn_about_shown(const FewShotBuilder::Shots& shots, const FieldRow& query) {
  if (warned_shown_) return;
  const auto same = builder_.same_question(query);
  if (!same || std::find(shots.begin(), shots.end(), *same) == shots.end()) return;
  warned_shown_ = true;
  console().warning(query.where + " is also an example (" + builder_.examples()[*same].where +
                    "): the prompt shows its answer; other rows may be, too");
}

FieldRow FewShotPrompts::made_up_query(const std::string& value) const {
  FieldRow query{{}, "a made-up query"};
  for (const std::string& name : builder_.few_shot_template().query().field_names())
    query.fields[name] = value;
  return query;
}

std::string FewShotPrompts::shared() const {
  if (builder_.options().selection == Selection::similar || options_.shots.empty()) return {};
  const std::size_t most = std::ranges::max(options_.shots);
  const FieldRow one = made_up_query("0"), other = made_up_query("a");
  const auto shots = builder_.choose(most, one);
  const std::string a = text(shots, one), b = text(shots, other);
  return a.substr(0, static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin()));
}

OrderedJson FewShotPrompts::fields(const FewShotPrompt& prompt) const {
  OrderedJson fields = {{"shots", prompt.asked}};
  if (options_.fit) fields["dropped"] = prompt.asked - prompt.shots.size();
  return fields;
}

std::vector<std::string> FewShotPrompts::columns() const {
  return options_.fit ? std::vector<std::string>{"shots", "dropped"}
                      : std::vector<std::string>{"shots"};
}

}  // namespace llm::shell
