#include <iostream>
#include <llm/llm.hpp>

int main(int argc, char** argv) try {
  const std::string path = argc > 1 ? argv[1] : "models/llama-gqa";
  const auto tokenizer = llm::Tokenizer::open(path);
  const auto model = llm::Model<float>::load(path);
  llm::GenerationConfig config = llm::model_generation_config(path, model->config());
  config.max_new_tokens = 20;
  const llm::Generator<float> generator(*model, tokenizer.get());
  generator.generate("Once upon a time", config, [](std::string_view piece) {
    std::cout << piece << std::flush;
    return true;  // go on
  });
  std::cout << '\n';
} catch (const llm::Error& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
