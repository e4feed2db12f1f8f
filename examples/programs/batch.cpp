// Completes every line of a file, several at a time: batch MODEL FILE
// Lines are read as they are needed and results come in their order, so that memory does not grow
// with the file. What becomes of a line does not depend on the lines beside it.
#include <fstream>
#include <iostream>
#include <llm/llm.hpp>

int main(int argc, char** argv) try {
  if (argc != 3) throw std::invalid_argument("usage: batch MODEL FILE");
  const auto model = llm::Model<float>::load(argv[1]);
  const auto tokenizer = llm::Tokenizer::open(argv[1]);
  llm::GenerationConfig config = llm::model_generation_config(argv[1], model->config());
  config.max_new_tokens = 16;

  std::ifstream file(argv[2]);
  const auto next_row = [&]() -> std::optional<llm::GenerationRequest> {
    std::string line;
    if (!std::getline(file, line)) return std::nullopt;
    return llm::GenerationRequest{.id = line, .text = line};
  };
  const auto on_result = [](llm::GenerationResult&& result) {
    std::cout << result.row + 1 << ": " << result.id;
    if (result.error) {  // the other rows go on
      std::cout << " [" << result.error->message << "]\n";
    } else {
      std::cout << " ->" << result.text << '\n';
    }
  };
  const llm::Generator<float> generator(*model, tokenizer.get(), {.batch_size = 16});
  generator.run(next_row, config, on_result);
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
