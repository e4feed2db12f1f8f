// Completes a prompt, or answers it with an encoder-decoder: generate MODEL PROMPT
#include <iostream>
#include <llm/llm.hpp>

int main(int argc, char** argv) try {
  if (argc != 3) throw std::invalid_argument("usage: generate MODEL PROMPT");
  const auto model = llm::Model<float>::load(argv[1]);
  const auto tokenizer = llm::Tokenizer::open(argv[1]);

  // What generation_config.json says, then what is set here. All names are Hugging Face's.
  llm::GenerationConfig config = llm::model_generation_config(argv[1], model->config());
  config.max_new_tokens = 24;
  config.no_repeat_ngram_size = 3;

  const llm::Generator<float> generator(*model, tokenizer.get());
  const llm::GenerationResult result = generator.generate(argv[2], config);
  std::cout << result.text << '\n';
  std::cerr << result.prompt_tokens << " tokens read, " << result.new_tokens
            << " written, ended by " << to_string(result.finish_reason) << '\n';
} catch (const std::exception& error) {  // llm::Error is one
  std::cerr << error.what() << '\n';
  return 1;
}
