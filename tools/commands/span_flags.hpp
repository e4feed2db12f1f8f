// What commands share whose results are parts of a text: --offsets.
#pragma once

#include <string>

#include "commands/options.hpp"
#include "llm/tasks/text_span.hpp"
#include "shell/input.hpp"
#include "shell/row.hpp"

namespace llm::shell {

class SpanFlags {
 public:
  explicit SpanFlags(CommandLine& line) {
    line.option("--offsets", offsets_, "What start and end count: chars (default) or bytes")
        ->check(CLI::IsMember({"chars", "bytes"}))
        ->group("Input and output");
  }

  // Adds "start" and "end".
  void write(const TextSpan& span, OrderedJson& fields) const {
    const bool bytes = offsets_ == "bytes";
    fields["start"] = bytes ? span.bytes.begin : span.start;
    fields["end"] = bytes ? span.bytes.end : span.end;
  }

 private:
  std::string offsets_ = "chars";
};

// "  (11-19)", for people.
inline std::string span_note(const OrderedJson& fields) {
  return "  (" + fields["start"].dump() + "-" + fields["end"].dump() + ")";
}

}  // namespace llm::shell
