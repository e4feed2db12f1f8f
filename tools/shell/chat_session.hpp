// A conversation that is typed line by line: reads a message, writes the answer as it comes, and
// remembers both.
#pragma once

#include <vector>

#include "shell/chat_prompts.hpp"
#include "shell/generation_job.hpp"

namespace llm::shell {

// Runs until the end of the input or /exit. The conversation begins with `messages`. Returns the
// exit code; throws Error for what is wrong before the first message, and ClosedPipe.
int run_chat_session(GenerationJob job, ChatPrompts prompts, std::vector<Message> messages);

}  // namespace llm::shell
