// Prints a text while it is written, and breaks it off after some characters:
// stream MODEL PROMPT CHARACTERS
#include <iostream>
#include <llm/llm.hpp>

int main(int argc, char** argv) try {
  if (argc != 4) throw std::invalid_argument("usage: stream MODEL PROMPT CHARACTERS");
  const auto model = llm::Model<float>::load(argv[1]);
  const auto tokenizer = llm::Tokenizer::open(argv[1]);
  llm::GenerationConfig config = llm::model_generation_config(argv[1], model->config());
  config.max_new_tokens = 100;

  std::size_t room = std::stoul(argv[3]);
  const llm::Generator<float> generator(*model, tokenizer.get());
  const auto result = generator.generate(argv[2], config, [&](std::string_view piece) {
    // A piece is whole characters, and nothing that a stop string may still take back.
    std::cout << piece << std::flush;
    room -= std::min(room, llm::count_code_points(piece));
    return room > 0;  // false ends the text
  });
  std::cout << '\n';
  std::cerr << "ended by " << to_string(result.finish_reason) << '\n';
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
