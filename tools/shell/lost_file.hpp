// When a mapped file becomes shorter while it is read, the system sends SIGBUS.
#pragma once

namespace llm::shell {

// From now on the process then says which file it was, and ends with exit_model.
void install_lost_file_handler();

}  // namespace llm::shell
