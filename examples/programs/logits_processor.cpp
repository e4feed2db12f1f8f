// Writes without a letter, by a processor of its own among those of the options:
// logits_processor MODEL PROMPT LETTER
#include <iostream>
#include <limits>
#include <llm/llm.hpp>

// Bans all tokens that have the letter. Keeps no state, so that it serves any number of rows.
class WithoutLetter : public llm::LogitsProcessor<float> {
 public:
  WithoutLetter(const llm::Tokenizer& tokenizer, char letter) {
    for (llm::TokenId id = 0; id < tokenizer.vocab_size(); ++id)
      if (tokenizer.decode({&id, 1}).find(letter) != std::string::npos) banned_.push_back(id);
  }
  std::string_view name() const override { return "without_letter"; }
  void apply(const llm::SequenceView& /*sequence*/, std::span<float> scores) const override {
    for (const llm::TokenId id : banned_)
      if (static_cast<std::size_t>(id) < scores.size())
        scores[static_cast<std::size_t>(id)] = -std::numeric_limits<float>::infinity();
  }

 private:
  std::vector<llm::TokenId> banned_;
};

int main(int argc, char** argv) try {
  if (argc != 4) throw std::invalid_argument("usage: logits_processor MODEL PROMPT LETTER");
  const auto model = llm::Model<float>::load(argv[1]);
  const auto tokenizer = llm::Tokenizer::open(argv[1]);
  llm::GenerationConfig config = llm::model_generation_config(argv[1], model->config());
  config.max_new_tokens = 40;
  llm::RunOptions<float> options;
  options.processors.push_back(std::make_shared<WithoutLetter>(*tokenizer, argv[3][0]));
  const llm::Generator<float> generator(*model, tokenizer.get(), options);
  std::cout << generator.generate(argv[2], config).text << '\n';
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
