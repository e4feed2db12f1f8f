// A mapped file that becomes shorter while it is read: the system answers with SIGBUS.
#pragma once

namespace llm::shell {

// From now on such a process says which file it was, and ends with exit_model.
void install_lost_file_handler();

}  // namespace llm::shell
