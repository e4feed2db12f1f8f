// Ends a text by a rule of its own, which no stop string can express: after some words.
// stop_rule MODEL PROMPT WORDS
#include <algorithm>
#include <iostream>
#include <llm/llm.hpp>

// Is asked after every token, with the text so far.
class AfterWords : public llm::StopRule {
 public:
  explicit AfterWords(std::ptrdiff_t most) : most_(most) {}
  std::optional<std::string> check(const llm::SequenceView& /*sequence*/,
                                   std::string_view text) const override {
    // The last word is whole when something stands behind it.
    const auto words = std::ranges::count(text.substr(std::min<std::size_t>(1, text.size())), ' ');
    if (words < most_) return std::nullopt;  // go on
    return "after " + std::to_string(most_) + " words";
  }

 private:
  std::ptrdiff_t most_;
};

int main(int argc, char** argv) try {
  if (argc != 4) throw std::invalid_argument("usage: stop_rule MODEL PROMPT WORDS");
  const auto model = llm::Model<float>::load(argv[1]);
  const auto tokenizer = llm::Tokenizer::open(argv[1]);
  llm::GenerationConfig config = llm::model_generation_config(argv[1], model->config());
  config.max_new_tokens = 100;
  llm::RunOptions<float> options;
  options.stop_rules.push_back(std::make_shared<AfterWords>(std::stol(argv[3])));
  const llm::Generator<float> generator(*model, tokenizer.get(), options);
  const llm::GenerationResult result = generator.generate(argv[2], config);
  std::cout << result.text << '\n';
  std::cerr << "ended by " << to_string(result.finish_reason) << " " << result.stop << '\n';
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
