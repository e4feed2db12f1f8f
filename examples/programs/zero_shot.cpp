// Classifies a text by labels that no classifier was trained for, with any model of natural
// language inference: zero_shot MODEL TEXT LABEL...
#include <iostream>
#include <llm/llm.hpp>

int main(int argc, char** argv) try {
  if (argc < 4) throw std::invalid_argument("usage: zero_shot MODEL TEXT LABEL...");
  const auto model = llm::Model<float>::load(argv[1]);
  const auto tokenizer = llm::Tokenizer::open(argv[1]);
  const llm::ZeroShotClassifier<float> classifier(
      *model, *tokenizer, {.hypothesis_template = "This example is about {}."});

  // Any number of texts may be classified together; here it is one.
  const std::vector<std::string> labels(argv + 3, argv + argc);
  const llm::ZeroShotText text = classifier.encode(argv[2], labels);
  const llm::ZeroShotResult result = classifier.classify({&text, 1}).front();
  for (std::size_t i = 0; i < result.labels.size(); ++i)
    std::cout << result.scores[i] << ' ' << result.labels[i] << '\n';
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
