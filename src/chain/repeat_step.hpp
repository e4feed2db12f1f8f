// A step whose output is appended to its prompt, again and again: long stories, dialogues.
#pragma once

#include <algorithm>
#include <charconv>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "chain/chain_seeds.hpp"
#include "chain/step_runner.hpp"
#include "llm/tasks/text_span.hpp"

namespace llm::detail {

// The number that a text of ours is; 0 for null.
template <typename Number>
Number to_number(const std::string& text) {
  Number number{};
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// What has been written behind one prompt.
class RepeatedText {
 public:
  explicit RepeatedText(const ChainRepeat& repeat) : repeat_(&repeat) {}

  bool is_done() const { return !ended_.empty(); }
  bool is_interrupted() const { return ended_ == "interrupted"; }
  std::int64_t rounds() const { return rounds_; }
  // What stands behind the prompt in the next round.
  std::string next_input() const { return text_ + separator(); }

  // Takes the output of a round.
  void add(const ChainValue& output) {
    ++rounds_;
    finish_reason_ = *output.find("finish_reason");
    stop_ = *output.find("stop");
    new_tokens_ += to_number<std::int64_t>(output.find("new_tokens")->text);
    logprob_ += to_number<double>(output.find("logprob")->text);
    truncated_ = truncated_ || output.find("truncated")->text == "true";
    ended_ = append(*output.text);
  }
  // Takes what there is of an output that was interrupted, if there is one.
  void interrupt(const ChainValue& output) {
    if (output.text) add(output);
    ended_ = "interrupted";
  }

  ChainValue value() const {
    ChainValue value = ChainValue::of(text_);
    value.fields = {{"rounds", std::to_string(rounds_), true},
                    {"ended", ended_},
                    finish_reason_,
                    stop_,
                    {"new_tokens", std::to_string(new_tokens_), true},
                    {"truncated", truncated_ ? "true" : "false", true},
                    {"logprob", json_number(logprob_), true}};
    return value;
  }

 private:
  // Why it ends with this output; empty when it goes on.
  std::string append(const std::string& output) {
    const auto& until = repeat_->until;
    const bool stopped = !stop_.is_json && std::ranges::count(until, stop_.text) > 0;
    if (output.empty()) return stopped ? "until" : "empty";
    const std::size_t before = text_.size();
    text_ += separator() + output;
    ++outputs_;
    if (const std::size_t at = first_of(until, before); at != std::string::npos) {
      text_.resize(at);
      return "until";
    }
    if (stopped) return "until";
    if (is_long()) return "length";
    return rounds_ == repeat_->times ? "times" : "";
  }

  std::string separator() const {
    const auto& between = repeat_->between;
    return outputs_ == 0 || between.empty() ? std::string()
                                            : between[(outputs_ - 1) % between.size()];
  }

  // Where the first of the strings is, which may have begun before what came last.
  std::size_t first_of(const std::vector<std::string>& strings, std::size_t last) const {
    std::size_t first = std::string::npos;
    for (const std::string& string : strings)
      first = std::min(first, text_.find(string, last - std::min(last, string.size() - 1)));
    return first;
  }

  bool is_long() const {
    return (repeat_->max_chars &&
            count_code_points(text_) >= static_cast<std::size_t>(*repeat_->max_chars)) ||
           (repeat_->max_new_tokens && new_tokens_ >= *repeat_->max_new_tokens);
  }

  const ChainRepeat* repeat_;
  std::string text_;
  std::int64_t rounds_ = 0;
  std::size_t outputs_ = 0;  // in the text
  std::string ended_;
  ChainField finish_reason_, stop_;
  std::int64_t new_tokens_ = 0;
  double logprob_ = 0;
  bool truncated_ = false;
};

// All requests go through their rounds together.
template <typename S>
class RepeatStep : public StepRunner<S> {
 public:
  using OnRound = std::function<void(std::size_t request, std::int64_t round, const ChainValue&)>;

  RepeatStep(std::unique_ptr<StepRunner<S>> step, const ChainRepeat& repeat)
      : step_(std::move(step)), repeat_(repeat) {}

  void set_on_round(OnRound on_round) { on_round_ = std::move(on_round); }

  void run(std::span<const StepRequest> requests,
           const typename StepRunner<S>::Sink& sink) override {
    std::vector<RepeatedText> texts(requests.size(), RepeatedText(repeat_));
    std::vector<std::optional<RowError>> errors(requests.size());
    const auto is_over = [&](std::size_t i) { return texts[i].is_done() || errors[i]; };
    std::size_t sent = 0;
    while (sent < requests.size()) {
      run_round(requests, texts, errors);
      for (; sent < requests.size() && is_over(sent); ++sent)
        sink(sent, errors[sent] ? StepOutcome{.value = {}, .error = std::move(errors[sent])}
                                : outcome_of(texts[sent]));
    }
  }

 private:
  static StepOutcome outcome_of(const RepeatedText& text) {
    if (text.is_interrupted() && text.rounds() == 0) return {.value = {}, .interrupted = true};
    return {.value = text.value(), .interrupted = text.is_interrupted()};
  }

  void run_round(std::span<const StepRequest> requests, std::vector<RepeatedText>& texts,
                 std::vector<std::optional<RowError>>& errors) {
    std::vector<std::size_t> numbers;
    std::vector<StepRequest> round;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (texts[i].is_done() || errors[i]) continue;
      numbers.push_back(i);
      StepRequest& request = round.emplace_back(requests[i]);
      request.texts["prompt"] += texts[i].next_input();
      request.seed = value_seed(request.seed, 0, 0, static_cast<std::uint64_t>(texts[i].rounds()));
    }
    step_->run(round, [&](std::size_t place, StepOutcome&& outcome) {
      const std::size_t i = numbers[place];
      if (outcome.error) {
        errors[i] = std::move(outcome.error);
      } else if (outcome.interrupted) {
        texts[i].interrupt(outcome.value);
      } else {
        texts[i].add(outcome.value);
        if (on_round_) on_round_(i, texts[i].rounds(), outcome.value);
      }
    });
  }

  std::unique_ptr<StepRunner<S>> step_;
  const ChainRepeat& repeat_;
  OnRound on_round_;
};

}  // namespace llm::detail
