#include "shell/row_evaluation.hpp"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "llm/core/error.hpp"
#include "shell/console.hpp"
#include "shell/eval_fields.hpp"
#include "shell/eval_report.hpp"
#include "shell/exit_code.hpp"
#include "shell/plot.hpp"
#include "shell/signals.hpp"
#include "shell/written_results.hpp"

namespace llm::shell {
namespace {

std::unique_ptr<Output> open_report(const std::string& path, bool force) {
  return path.empty() ? nullptr : std::make_unique<Output>(path, force);
}

// One path for each file, however it is spelled.
std::filesystem::path file_of(const std::string& path) {
  const bool is_stdout = path.empty() || path == "-";
  if (is_stdout) return "-";
  std::error_code failed;  // who opens it says why
  const std::filesystem::path canonical = std::filesystem::weakly_canonical(path, failed);
  return failed ? std::filesystem::path(path) : canonical;
}

void finish_report(Output* file, const std::string& text) {
  if (file == nullptr) return;
  file->write(text);
  file->finish();
}

}  // namespace

EvalFiles::EvalFiles(const EvalJob& job) {
  if (!job.plot.empty() && !job.plot.ends_with(".svg"))
    throw Error(ErrorCode::invalid_option,
                "--plot " + quote(job.plot) + ": the picture is SVG; name it FILE.svg", "--plot");
  std::vector<std::string> outputs = job.others;
  for (const std::string& path : {job.output, job.plot})
    if (!path.empty()) outputs.push_back(path);
  std::set<std::filesystem::path> files;
  for (const std::string& path : outputs)
    if (!files.insert(file_of(path)).second)
      throw Error(ErrorCode::invalid_option,
                  quote(path) + " is given for two outputs; each needs a file of its own", path);
  report_ = open_report(job.output, job.force);
  plot_ = open_report(job.plot, job.force);
}

void EvalFiles::write(const EvalSummary& summary) {
  const std::string picture = plot_ ? plot_svg(summary) : std::string();
  finish_report(report_.get(), report_ ? to_json(summary).dump(1) + "\n" : std::string());
  finish_report(plot_.get(), picture);
}

RowEvaluation::RowEvaluation(EvalJob job, RowJob& rows)
    : job_(std::move(job)), files_(job_), groups_(job_.options, job_.by) {
  if (!rows.batch() || rows.reading.format == InputFormat::lines)
    throw Error(ErrorCode::invalid_option,
                "--eval needs rows with references: --input FILE.jsonl, .csv or .tsv", "--eval");
  if (rows.resume && (rows.format == Format::text || rows.format == Format::json))
    throw Error(ErrorCode::invalid_option,
                "--eval and --resume together read the stopped run's rows back, which needs "
                "--jsonl, --format csv or --format tsv",
                "--resume");
  if (job_.reference.find('.') == std::string::npos) rows.reading.needed.push_back(job_.reference);
  rows.check = [this](const Row& row) { (void)references_of(row, job_.reference); };
  rows.seen = [this](const Row& row, const RowResult& result) { see(row, result); };
}

void RowEvaluation::see(const Row& row, const RowResult& result) {
  if (result.error) return groups_.add_failed();
  const std::vector<std::string> references = references_of(row, job_.reference);
  for (const OrderedJson& fields : result.results) {
    if (ended_by(fields, FinishReason::interrupted)) continue;
    const auto prediction =
        has_failed(fields) ? std::nullopt : text_at(fields, prediction_path(fields));
    if (!prediction) {
      groups_.add_failed();
      continue;
    }
    const auto group = job_.by.empty() ? fields.end() : fields.find(job_.by);
    try {
      groups_.add(group == fields.end() ? OrderedJson() : *group, *prediction, references);
    } catch (const Error& error) {  // the row is written; only its score is missing
      if (error.code() != ErrorCode::invalid_input) throw;
      console().warning(row.place + ": " + error.what());
      groups_.add_failed();
    }
  }
}

int RowEvaluation::finish(int code) {
  const EvalSummary summary = groups_.summary();
  const bool interrupted = interrupt_flag();
  if (!interrupted || !summary.groups.empty()) console().lines("\n" + to_table(summary));
  if (interrupted) return signal_exit_code();
  files_.write(summary);
  return code;
}

}  // namespace llm::shell
