// Makes a run of rows resumable: FILE.partial.run beside the growing FILE.partial says which run
// this is, and how far it certainly got. It is written before the first row and removed when FILE
// is whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "shell/row.hpp"

namespace llm::shell {

// How far a run got.
struct RunProgress {
  std::uint64_t rows = 0;     // of this shard that are written, also failed ones
  std::uint64_t failed = 0;   // of these
  std::uint64_t results = 0;  // written for these rows
  std::uint64_t late = 0;     // results that a time limit cut short
  std::uint64_t bytes = 0;    // of the output that these rows take
  std::uint64_t output_digest = 0;
  std::uint64_t input_digest = 0;  // of the input up to the last of these rows
};

class Checkpoint {
 public:
  explicit Checkpoint(std::string path) : path_(std::move(path)) {}
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;
  ~Checkpoint();

  // Begins one for a new run, which the object `identity` describes. Throws Error (io).
  void create(const OrderedJson& identity, std::uint64_t seed);
  // Opens that of a stopped run and says how far the run got. `output` is what it wrote. Throws
  // Error: invalid_option when there is none, or it is of another run, or the output is not what
  // that run wrote.
  RunProgress open(const OrderedJson& identity, const std::string& output);
  // Replaces the older of the two slots. Throws Error (io).
  void save(const RunProgress& progress);
  void remove();

  // The random number that was drawn when the run began.
  std::uint64_t seed() const { return seed_; }

 private:
  std::string path_;
  int file_ = -1;
  std::uint64_t seed_ = 0;
  std::uint64_t header_bytes_ = 0;
  int slot_ = 0;  // the next to write
};

}  // namespace llm::shell
