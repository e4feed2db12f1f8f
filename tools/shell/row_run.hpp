// One run over rows: reads them, hands them out, and writes their results in the same order.
// Commands give run_rows() a function from rows to results; generation, where rows join and leave
// one by one, uses RowRun itself.
// A run that writes a file (-o) can be resumed: the rows that are done are in FILE.partial, which
// is renamed when it is whole; see row_checkpoint.hpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shell/output.hpp"
#include "shell/row.hpp"
#include "shell/row_checkpoint.hpp"
#include "shell/row_reader.hpp"
#include "shell/row_writer.hpp"

namespace llm::shell {

// What the flags say about rows; RowFlags makes it.
struct RowJob {
  std::optional<Row> single;  // the one row that arguments gave; otherwise `input` is read
  std::string input;          // "-" is standard input
  RowReader::Options reading;
  std::uint64_t shard = 0, shards = 1;  // rows whose number leaves the rest `shard`
  bool strict = false;                  // the first bad row ends the run
  bool resume = false;                  // go on from FILE.partial when there is one
  std::int64_t batch_size = 8;          // rows computed together
  Format format = Format::text;
  bool keep_all = false;
  std::vector<std::string> keep;  // input fields to write
  std::string output;             // empty: standard output
  bool force = false;             // replace `output`, and begin again where a run was stopped
  OrderedJson identity = OrderedJson::object();  // what must be the same in the run that resumes it

  // Both may be empty. The first throws Error about a row that cannot be used. The second sees
  // every row of a file with its results, in order; also those that earlier runs wrote, read back
  // from their output (JSON lines, CSV and TSV).
  std::function<void(const Row&)> check = {};
  std::function<void(const Row&, const RowResult&)> seen = {};

  bool batch() const { return !single; }
};

class RowRun {
 public:
  // `columns`: the names of all result fields, for CSV. `several`: a row has several results, so
  // that --json is a list even for one row. Throws Error.
  RowRun(const RowJob& job, std::vector<std::string> columns, TextForm text, bool several = false);
  ~RowRun();

  // The next row of this run, or nullopt at the end and after a signal. Give a row with `error`
  // back to write() with it. Throws Error (invalid_input) when the input has no rows at all.
  std::optional<Row> next();
  // Takes the results of the earliest row that is not written yet. Throws Error: the row's own if
  // it is the only row or with --strict, io when it cannot be written; ClosedPipe.
  void write(const RowResult& result);
  // Writes a piece of the only row's text as soon as it is there. After the last piece call
  // write(), or written() with the results if the pieces were all of it.
  void stream(std::string_view piece);
  void written(std::span<const OrderedJson> results);
  // The rows that are not written yet will not be: another run is to resume here.
  void stop() { stopped_ = true; }
  // Ends the file, reports failed rows, and returns the exit code.
  int finish();

  bool resumable() const { return checkpoint_ != nullptr; }
  // Drawn for this run; the same when it is resumed.
  std::uint64_t seed() const { return seed_; }
  std::uint64_t written_rows() const { return done_.rows; }

 private:
  struct Pending {
    Row row;
    std::uint64_t input_digest = 0;
  };

  void open_output();
  void begin();
  void resume();
  void skip_done_rows();
  std::optional<Row> read();
  void check(Row& row) const;
  void put(std::string_view bytes);
  void remember(Row& row);
  Row written_part(const Row& row) const;
  void write(const Row& row, const RowResult& result, std::string_view bytes);
  void see(const Row& row, const RowResult& result) const;
  void fail(const Row& row, ErrorCode code, const std::string& message);
  void count(std::span<const OrderedJson> results, std::size_t written);
  void save(bool at_once);
  void show_progress(bool last);

  const RowJob& job_;
  std::optional<RowReader> reader_;
  bool single_taken_ = false;
  std::unique_ptr<Output> out_;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<RowWriter> writer_;
  std::uint64_t seed_ = 0;
  std::deque<Pending> pending_;
  std::uint64_t read_ = 0;     // rows of the whole input
  RunProgress done_;           // of all runs together
  std::uint64_t resumed_ = 0;  // rows that earlier runs wrote
  Digest output_digest_;
  std::size_t streamed_ = 0;
  bool stopped_ = false;
  bool finished_ = false;
  double begun_part_ = 0;  // part of the input that earlier runs did
  bool progress_ = false;  // shown on standard error
  using Clock = std::chrono::steady_clock;
  Clock::time_point begun_ = Clock::now(), saved_ = begun_, shown_ = begun_;
};

// What a command does with rows.
struct RowTask {
  // The names of all result fields, in CSV's order.
  std::vector<std::string> columns;
  // One result per row, in order. May throw Error and std::bad_alloc: the rows are then computed
  // one by one, so that the error stays with its row; but `interrupted` ends the run.
  std::function<std::vector<RowResult>(std::span<const Row> rows)> compute;
  // For people (--format text, or a terminal).
  TextForm text;
  bool several = false;  // a row has several results: --json is always a list
};

// Computes all rows, batch_size at a time. Returns the exit code; throws Error and ClosedPipe.
int run_rows(const RowJob& job, const RowTask& task);

}  // namespace llm::shell
