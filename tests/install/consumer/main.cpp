// For now: the library links and answers.
#include <iostream>
#include <llm/llm.hpp>

int other();

int main() {
  std::cout << llm::to_string(llm::ErrorCode::io) << ' ' << other() << '\n';
}
