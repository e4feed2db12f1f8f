// The order of rows, the state of a run that can be resumed, and the progress that people see.
#include "shell/row_run.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <new>
#include <random>
#include <utility>

#include "llm/core/error.hpp"
#include "shell/console.hpp"
#include "shell/exit_code.hpp"
#include "shell/signals.hpp"
#include "shell/written_results.hpp"

namespace llm::shell {
namespace {

using namespace std::chrono_literals;

// How much work a killed run may lose, beside the rows that are being computed.
constexpr auto save_interval = 20ms;
constexpr auto progress_interval = 500ms;
// Rows to look at for one group of good rows: bad rows must not pile up.
constexpr std::size_t max_group_rows = 4096;
// Bytes of input after which a group is large enough.
constexpr std::size_t max_group_bytes = std::size_t{16} << 20;

std::uint64_t draw_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

std::string clock_time(double seconds) {
  const auto whole = static_cast<long long>(std::min(seconds, 1e9));
  char text[40];
  if (whole >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60,
                  whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld", whole / 60, whole % 60);
  }
  return text;
}

}  // namespace

RowRun::RowRun(const RowJob& job, std::vector<std::string> columns, TextForm text, bool several)
    : job_(job), seed_(draw_seed()) {
  if (job.batch()) reader_.emplace(job.input, job.reading);
  open_output();
  writer_ = std::make_unique<RowWriter>(
      RowWriter::Layout{.format = job.format,
                        .list = job.format == Format::json && (job.batch() || several),
                        .keep_all = job.keep_all,
                        .keep = job.keep,
                        .columns = std::move(columns),
                        .id_field = job.reading.id_field.empty() ? "id" : job.reading.id_field,
                        .text = std::move(text)},
      done_.results);
  progress_ = job.batch() && console().shows_progress() &&
              (!out_->is_stdout() || ::isatty(STDOUT_FILENO) == 0);
}

RowRun::~RowRun() {
  show_progress(true);
  if (!checkpoint_ || finished_) return;
  if (done_.rows == 0) {
    out_->discard();
    checkpoint_->remove();
  } else {
    console().note("what is done is kept in " + Output::partial_path(job_.output) +
                   "; --resume goes on from there");
  }
}

// A partial output with its checkpoint, for rows of a file that go to a file.
void RowRun::open_output() {
  const bool partial = job_.batch() && Output::is_file(job_.output);
  if (job_.resume && !partial)
    throw Error(ErrorCode::invalid_option,
                "--resume needs rows of a file and -o FILE, which it goes on writing", "--resume");
  if (!partial) {
    out_ = std::make_unique<Output>(job_.output, job_.force);
    return;
  }
  const std::string path = Output::partial_path(job_.output);
  std::error_code failed;
  const auto status = std::filesystem::symlink_status(path, failed);  // also a link
  const bool exists = std::filesystem::exists(status);
  if (exists && !job_.resume && !job_.force)
    throw Error(ErrorCode::invalid_option,
                quote(path) +
                    " is left from a run that was stopped; --resume goes on with it, "
                    "--force begins again",
                path);
  // Left by a run that was killed when its file already had its name.
  if (!exists) std::filesystem::remove(path + ".run", failed);
  // A run that was killed before its first row leaves nothing to go on from.
  const bool is_empty =
      std::filesystem::is_regular_file(status) && std::filesystem::file_size(path, failed) == 0;
  const bool resumed = job_.resume && exists && !is_empty;
  out_ = std::make_unique<Output>(job_.output, job_.force,
                                  resumed ? Output::Unfinished::resumed : Output::Unfinished::kept);
  checkpoint_ = std::make_unique<Checkpoint>(path + ".run");
  if (resumed) {
    resume();
  } else {
    begin();
  }
}

void RowRun::begin() {
  try {
    checkpoint_->create(job_.identity, seed_);
  } catch (...) {
    out_->discard();
    throw;
  }
}

void RowRun::resume() {
  done_ = checkpoint_->open(job_.identity, Output::partial_path(job_.output));
  seed_ = checkpoint_->seed();
  resumed_ = done_.rows;
  out_->cut(done_.bytes);
  if (resumed_ > 0) output_digest_ = Digest(done_.output_digest);
}

// Reads the rows that earlier runs wrote once more: this shows that the input is still the same.
void RowRun::skip_done_rows() {
  std::optional<WrittenResults> written;
  if (job_.seen) written.emplace(Output::partial_path(job_.output), job_.format);
  for (std::uint64_t left = done_.rows; left > 0; --left) {
    const std::optional<Row> row = read();
    if (!row) break;
    if (written) see(*row, written->of(*row));
  }
  if (!interrupt_flag() && reader_->digest() != done_.input_digest)
    throw Error(ErrorCode::invalid_option,
                job_.input +
                    ": is not the input of the stopped run: its first rows are others; "
                    "give --force without --resume to begin again",
                "--resume");
  begun_ = Clock::now();
  begun_part_ = reader_->fraction().value_or(0);
}

// The next row of this shard.
std::optional<Row> RowRun::read() {
  while (std::optional<Row> row = reader_->next()) {
    if (read_++ == 0) writer_->set_input_fields(row->fields);
    if (row->number % job_.shards != job_.shard) continue;
    if (const auto name = writer_->unforeseen_field(row->fields); name && !row->error)
      row->error = RowError{ErrorCode::invalid_input,
                            row->place + ": the row has a field " + quote(*name) +
                                " that the first row has not, and so there is no column to keep it "
                                "in; name the fields to keep, or write JSON lines"};
    check(*row);
    return row;
  }
  if (read_ == 0 && !interrupt_flag())
    throw Error(ErrorCode::invalid_input, job_.input + ": there are no rows in it", job_.input);
  return std::nullopt;
}

// When there is no memory for the score, the row is still written.
void RowRun::see(const Row& row, const RowResult& result) const {
  try {
    job_.seen(row, result);
  } catch (const std::bad_alloc&) {
    job_.seen(row, no_memory());
  }
}

void RowRun::check(Row& row) const {
  if (!job_.check || row.error) return;
  try {
    job_.check(row);
  } catch (const Error& error) {
    row.error = RowError{error.code(), error.what()};
  }
}

std::optional<Row> RowRun::next() {
  std::optional<Row> row;
  if (!job_.batch()) {
    if (!std::exchange(single_taken_, true)) row = job_.single;
  } else if (!stopped_ && !interrupt_flag()) {
    if (read_ == 0 && resumed_ > 0) skip_done_rows();
    row = read();
  }
  if (row) remember(*row);
  return row;
}

// Keeps it until it is written. When there is no memory for the row a second time, it has failed.
void RowRun::remember(Row& row) {
  const std::uint64_t digest = reader_ ? reader_->digest() : 0;
  try {
    pending_.push_back({written_part(row), digest});
  } catch (const std::bad_alloc&) {
    row.give_up(no_memory());
    pending_.push_back({row, digest});
  }
}

// What the writer needs of a row: many rows may wait for an earlier one.
Row RowRun::written_part(const Row& row) const {
  if (job_.seen || job_.keep_all || job_.format == Format::text) return row;
  Row part;
  part.id = row.id;
  part.has_own_id = row.has_own_id;
  part.place = row.place;
  part.line = row.line;
  part.number = row.number;
  part.error = row.error;
  for (const std::string& name : job_.keep)
    if (const auto field = row.fields.find(name); field != row.fields.end())
      part.fields[name] = *field;
  return part;
}

void RowRun::put(std::string_view bytes) {
  out_->write(bytes);
  if (!checkpoint_) return out_->flush();  // a reader sees each row when it is done
  output_digest_.add(bytes);
  done_.bytes += bytes.size();
}

void RowRun::stream(std::string_view piece) {
  put(piece);
  streamed_ += piece.size();
}

void RowRun::write(const RowResult& result) {
  if (stopped_) return;
  Row& row = pending_.front().row;
  try {
    write(row, result, writer_->bytes(row, result));
  } catch (const std::bad_alloc&) {  // nothing has been written yet
    row.give_up(no_memory());
    write(row, *row.error, writer_->bytes(row, *row.error));
  }
}

void RowRun::write(const Row& row, const RowResult& result, std::string_view bytes) {
  out_->reserve(bytes.size());
  if (result.error) fail(row, result.error->code, result.error->message);
  const auto failed = std::ranges::find_if(
      result.results, [](const OrderedJson& fields) { return fields.contains("error"); });
  if (failed != result.results.end())
    fail(row, ErrorCode::invalid_input, (*failed)["error"].get<std::string>());
  put(bytes.substr(std::min(std::exchange(streamed_, 0), bytes.size())));
  if (job_.seen) see(row, result);
  count(result.results, std::max<std::size_t>(result.results.size(), 1));
}

void RowRun::written(std::span<const OrderedJson> results) {
  streamed_ = 0;
  count(results, results.size());
}

// The earliest row is done.
void RowRun::count(std::span<const OrderedJson> results, std::size_t written) {
  ++done_.rows;
  done_.results += written;
  for (const OrderedJson& fields : results) done_.late += ended_by(fields, FinishReason::time);
  done_.output_digest = output_digest_.value();
  done_.input_digest = pending_.front().input_digest;
  pending_.pop_front();
  save(false);
  show_progress(false);
}

// Ends the run, or counts the row.
void RowRun::fail(const Row& row, ErrorCode code, const std::string& message) {
  if (!job_.batch()) throw Error(code, message);
  const std::string sentence =
      message.starts_with(row.place) ? message : row.place + ": " + message;
  if (job_.strict) {
    save(true);
    throw Error(code, sentence, row.place);
  }
  if (job_.format == Format::text) console().error(sentence);
  ++done_.failed;
}

void RowRun::save(bool at_once) {
  if (!checkpoint_ || (!at_once && Clock::now() - saved_ < save_interval)) return;
  out_->flush();
  checkpoint_->save(done_);
  saved_ = Clock::now();
}

void RowRun::show_progress(bool last) {
  if (!progress_ || (!last && Clock::now() - shown_ < progress_interval)) return;
  if (last && shown_ == begun_) return;  // there is no line to clear
  shown_ = last ? begun_ : Clock::now();
  std::string line = "\r\033[K";
  if (!last) {
    const double seconds = std::chrono::duration<double>(shown_ - begun_).count();
    const double rate = static_cast<double>(done_.rows - resumed_) / seconds;
    char text[80];
    std::snprintf(text, sizeof text, "%llu rows, %.1f rows/s",
                  static_cast<unsigned long long>(done_.rows), rate);
    line += text;
    const std::optional<double> part = reader_->fraction();
    if (part && *part > begun_part_)
      line += ", " + clock_time(seconds * (1 - *part) / (*part - begun_part_)) + " left";
  }
  std::fwrite(line.data(), 1, line.size(), stderr);
}

int RowRun::finish() {
  show_progress(true);
  const std::string rows = std::to_string(done_.results) + " results";
  const bool is_interrupted =
      interrupt_flag();  // asked once: a signal that comes later finds the file whole
  if (is_interrupted && checkpoint_) {
    save(true);
    console().note("interrupted after " + rows);
    return signal_exit_code();
  }
  if (is_interrupted && done_.results == 0) {  // there is nothing to keep
    console().note("interrupted after " + rows);
    return signal_exit_code();
  }
  put(writer_->end());
  out_->finish();
  finished_ = true;
  if (checkpoint_) checkpoint_->remove();
  if (is_interrupted) {
    console().note("interrupted after " + rows);
    return signal_exit_code();
  }
  if (done_.failed == 0 && done_.late == 0) return exit_ok;
  if (done_.late > 0)
    console().note(std::to_string(done_.late) + " of " + rows + " ended at their limit of time");
  if (done_.failed == 0) return exit_limit;
  console().note(std::to_string(done_.failed) + " of " + std::to_string(done_.rows) +
                 " rows failed");
  return exit_some_rows_failed;
}

namespace {

// The results of `rows`; when that fails, of each row alone, to find the one that fails.
std::vector<RowResult> compute(const RowTask& task, std::span<const Row> rows) {
  try {
    std::vector<RowResult> results = task.compute(rows);
    if (results.size() == rows.size()) return results;
    throw std::logic_error("a command gave " + std::to_string(results.size()) + " results for " +
                           std::to_string(rows.size()) + " rows");
  } catch (const Error& error) {
    if (error.code() == ErrorCode::interrupted) throw;
    if (rows.size() == 1) return {RowResult(RowError{error.code(), error.what()})};
  } catch (const std::bad_alloc&) {
    if (rows.size() == 1) return {RowResult(no_memory())};
  }
  std::vector<RowResult> results;
  for (std::size_t i = 0; i < rows.size(); ++i)
    results.push_back(std::move(compute(task, rows.subspan(i, 1))[0]));
  return results;
}

// Rows that are computed together; false when there are none left.
bool run_group(const RowJob& job, const RowTask& task, RowRun& run) {
  std::vector<Row> good;
  std::vector<std::optional<RowError>> errors;  // of all rows of the group
  bool more = true;
  for (std::size_t bytes = 0; good.size() < static_cast<std::size_t>(job.batch_size) &&
                              errors.size() < max_group_rows && bytes < max_group_bytes;) {
    std::optional<Row> row = run.next();
    more = row.has_value();
    if (!more) break;
    bytes += row->bytes;
    errors.push_back(row->error);
    if (!row->error) good.push_back(std::move(*row));
  }
  const std::vector<RowResult> results =
      good.empty() ? std::vector<RowResult>() : compute(task, good);
  auto result = results.begin();
  for (const std::optional<RowError>& error : errors)
    run.write(error ? RowResult(*error) : *result++);
  return more;
}

}  // namespace

int run_rows(const RowJob& job, const RowTask& task) {
  RowRun run(job, task.columns, task.text, task.several);
  try {
    while (!interrupt_flag() && run_group(job, task, run)) continue;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::interrupted || !interrupt_flag()) throw;
  }
  return run.finish();
}

}  // namespace llm::shell
