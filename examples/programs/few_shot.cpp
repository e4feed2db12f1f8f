// Classifies a text by examples: which label does the model expect behind them?
// few_shot MODEL TEMPLATE.json EXAMPLES.jsonl TEXT
#include <cmath>
#include <iostream>
#include <llm/llm.hpp>

int main(int argc, char** argv) try {
  if (argc != 5) throw std::invalid_argument("usage: few_shot MODEL TEMPLATE EXAMPLES TEXT");
  const auto model = llm::Model<float>::load(argv[1]);
  const auto tokenizer = llm::Tokenizer::open(argv[1]);
  const llm::FewShotBuilder builder(llm::FewShotTemplate::read(argv[2]),
                                    llm::read_field_rows(argv[3]), {.label_field = "label"});

  // The prompt: all examples, then the text without its label.
  const llm::FieldRow query{{{"text", argv[4]}}, "the command line"};
  const auto shots = builder.choose(builder.examples().size(), query);
  const std::string prompt = builder.prompt(shots, query);

  // Each label stands where the template has it: "Answer: positive".
  const std::vector<std::string> labels = builder.labels();
  std::vector<std::string> completions;
  for (const std::string& label : labels)
    completions.push_back(std::string(builder.few_shot_template().answer().leading_text()) + label);

  const llm::Scorer<float> scorer(*model, tokenizer.get());
  const llm::ScoreRequest request = scorer.request(prompt, completions);
  const llm::ScoreResult result = scorer.score({&request, 1}).front();
  if (result.error) throw llm::Error(result.error->code, result.error->message);
  for (std::size_t i = 0; i < labels.size(); ++i)
    std::cout << result.continuations[i].logprob << ' ' << labels[i] << '\n';
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
