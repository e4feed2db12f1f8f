// Finds the lines of a file that are the nearest to a text in meaning: search MODEL FILE TEXT
#include <fstream>
#include <iostream>
#include <llm/llm.hpp>

int main(int argc, char** argv) try {
  if (argc != 4) throw std::invalid_argument("usage: search MODEL FILE TEXT");
  // Whatever the model was made for: only its hidden states are needed.
  const auto model = llm::Model<float>::load(argv[1], {.head = llm::HeadKind::none});
  const auto tokenizer = llm::Tokenizer::open(argv[1]);
  const llm::TextEmbedder<float> embedder(*model, *tokenizer, llm::embedding_config(argv[1]));

  std::vector<std::string> lines;
  std::vector<llm::TextTokens> texts = {embedder.encode(argv[3])};
  std::ifstream file(argv[2]);
  for (std::string line; std::getline(file, line); lines.push_back(line))
    texts.push_back(embedder.encode(line));

  const std::vector<std::vector<float>> vectors = embedder.embed(texts);
  llm::NearestNeighbours<float> nearest(vectors[0], 3);
  for (std::size_t i = 0; i < lines.size(); ++i) nearest.add(i, vectors[i + 1]);
  for (const llm::Neighbour& neighbour : nearest.nearest())
    std::cout << neighbour.similarity.cosine << ' ' << lines[neighbour.row] << '\n';
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
