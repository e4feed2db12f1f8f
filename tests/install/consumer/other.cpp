// A second translation unit with all headers: whatever is not inline would be defined twice.
#include <llm/llm.hpp>

int unused() { return static_cast<int>(llm::block_values(llm::DType::q8_0)); }
