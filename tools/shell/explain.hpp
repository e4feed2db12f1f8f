// --explain: how every token was chosen, for people, on standard error.
#pragma once

#include <cstdio>
#include <string>

#include "core/json.hpp"
#include "llm/generation/observer.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "shell/console.hpp"

namespace llm::shell {

// One line per processor and token: the five most probable tokens after it.
template <typename S>
class Explainer : public GenerationObserver<S> {
 public:
  explicit Explainer(const Tokenizer* tokenizer) : tokenizer_(tokenizer) {}

  void scores(const StepPlace& place, std::string_view stage, std::span<const S> scores) override {
    std::string line = head(place) + std::string(stage) + ":";
    for (const Candidate& candidate : top_probabilities(scores, 5)) {
      char percent[32];
      std::snprintf(percent, sizeof percent, " %.2f%%", 100 * candidate.value);
      line += " " + name(candidate.id) + percent;
    }
    print(line);
  }

  void draw(const StepPlace& place, const Draw& draw) override {
    char numbers[64];
    std::snprintf(numbers, sizeof numbers, " (probability %.4f, draw %.4f)", draw.probability,
                  draw.uniform);
    print(head(place) + "-> " + name(draw.id) + numbers);
  }

  void finished(const StepPlace& place, std::string_view reason, std::string_view stop) override {
    print(head(place) + "end: " + std::string(reason) + (stop.empty() ? "" : " " + quote(stop)));
  }

 private:
  static std::string head(const StepPlace& place) {
    return "row " + std::to_string(place.row + 1) + ", sample " + std::to_string(place.sample) +
           ", token " + std::to_string(place.step + 1) + "  ";
  }
  std::string name(TokenId id) const {
    if (tokenizer_ == nullptr) return std::to_string(id);
    return detail::Json(tokenizer_->decode({&id, 1}, {.skip_special_tokens = false})).dump();
  }
  static void print(const std::string& line) { console().show(line + '\n'); }

  const Tokenizer* tokenizer_;
};

}  // namespace llm::shell
