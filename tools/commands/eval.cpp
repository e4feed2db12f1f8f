// llm-generate eval: results that were written before, against references in the same file or in
// another one.
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>

#include "commands/eval_flags.hpp"
#include "llm/core/error.hpp"
#include "shell/console.hpp"
#include "shell/eval_fields.hpp"
#include "shell/eval_report.hpp"
#include "shell/exit_code.hpp"
#include "shell/input.hpp"
#include "shell/signals.hpp"
#include "shell/written_results.hpp"

namespace llm::shell {
namespace {

struct EvalCommandFlags {
  std::string file, input_format, prediction, reference, references, id_field;
  std::string metrics = "accuracy", by, labels, format, row_scores;
  bool json = false, strict = false;
  EvalJob job;
};

// An id as people write it: of a number and of its text the same.
std::string bare_text(const Row& row) {
  const OrderedJson id = OrderedJson::parse(row.id);
  return id.is_string() ? id.get<std::string>() : row.id;
}

// References of another file, by id.
class ReferenceFile {
 public:
  ReferenceFile(const std::string& path, const EvalCommandFlags& flags) : path_(path) {
    RowReader reader(
        path, {.format = input_format_of(path), .id_field = flags.id_field, .unique_ids = false});
    while (const std::optional<Row> row = reader.next()) {
      if (row->error) throw Error(row->error->code, row->error->message, path);
      Entry entry{row->place, references_of(*row, flags.reference)};
      const auto [known, is_new] = entries_.emplace(bare_text(*row), std::move(entry));
      if (!is_new)
        bad_input(row->place, "the id " + quote(known->first) + " is that of " +
                                  known->second.place + ", too; --id-field names another field");
    }
    check_not_interrupted();
    if (entries_.empty())
      throw Error(ErrorCode::invalid_input, path + ": there are no rows in it", path);
  }

  const std::vector<std::string>& of(const Row& row) {
    const auto found = entries_.find(bare_text(row));
    if (found == entries_.end())
      bad_input(row.place, path_ + " has no row with the id " + quote(bare_text(row)) +
                               (row.has_own_id ? "" : " (the line, as the row has no id)") +
                               "; --id-field names the field of ids");
    used_ += !found->second.used;
    found->second.used = true;
    return found->second.references;
  }

  void warn_of_unused() const {
    if (used_ < entries_.size())
      console().warning(std::to_string(entries_.size() - used_) + " of the " +
                        std::to_string(entries_.size()) + " references of " + path_ +
                        " have no prediction");
  }

 private:
  struct Entry {
    std::string place;
    std::vector<std::string> references;
    bool used = false;
  };
  std::string path_;
  std::map<std::string, Entry> entries_;
  std::size_t used_ = 0;
};

class EvalRun {
 public:
  explicit EvalRun(const EvalCommandFlags& flags)
      : flags_(flags),
        reader_(flags.file,
                {.format = flags.input_format.empty() ? input_format_of(flags.file)
                                                      : input_format_from_name(flags.input_format),
                 .id_field = flags.id_field,
                 .unique_ids = false}) {
    if (!flags.references.empty()) references_.emplace(flags.references, flags);
    if (!flags.row_scores.empty())
      row_scores_ = std::make_unique<Output>(flags.row_scores, flags.job.force);
  }

  EvalSummary execute() {
    std::uint64_t rows = 0;
    for (; const std::optional<Row> row = reader_.next(); ++rows) {
      if (row->error) throw Error(row->error->code, row->error->message, row->place);
      take(*row);
    }
    if (interrupt_flag()) return {};
    if (rows == 0)
      throw Error(ErrorCode::invalid_input, flags_.file + ": there are no rows in it", flags_.file);
    if (!groups_)
      throw Error(ErrorCode::invalid_input,
                  flags_.file + ": all of its " + std::to_string(rows) + " rows failed",
                  flags_.file);
    if (references_) references_->warn_of_unused();
    if (row_scores_) row_scores_->finish();
    for (std::uint64_t i = 0; i < failed_; ++i) groups_->add_failed();
    return groups_->summary();
  }

 private:
  void take(const Row& row) {
    if (has_failed(row.fields)) {
      if (flags_.strict) bad_input(row.place, "the row failed: " + dump(row.fields["error"]));
      ++failed_;
      return;
    }
    if (!groups_) begin(row);
    const auto prediction = text_at(row.fields, prediction_);
    if (!prediction) refuse_prediction(row);
    const std::optional<OrderedJson> group =
        by_.empty() ? OrderedJson() : value_at(row.fields, by_);
    if (!group)
      bad_input(row.place, "the row has no " + quote(by_) + field_suggestion(by_, row.fields));
    check_id(row, *group);
    const std::vector<std::string> references =
        references_ ? references_->of(row) : references_of(row, flags_.reference);
    try {
      const auto scores = groups_->add(*group, *prediction, references);
      if (row_scores_) write_scores(row, *group, scores);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::invalid_input) bad_input(row.place, error.what());
      throw;
    }
  }

  // What the flags leave open, the first row says.
  void begin(const Row& row) {
    prediction_ = flags_.prediction.empty() ? prediction_path(row.fields) : flags_.prediction;
    if (prediction_.empty())
      throw usage("which field of " + flags_.file + " is predicted? --prediction names it" +
                      field_suggestion("", row.fields),
                  "--prediction");
    by_ = flags_.by == "none" ? "" : flags_.by;
    if (flags_.by.empty() && row.fields.contains("shots")) by_ = "shots";
    EvalOptions options = flags_.job.options;
    groups_.emplace(options, by_);
  }

  [[noreturn]] void refuse_prediction(const Row& row) const {
    const auto value = value_at(row.fields, prediction_);
    if (!value)
      bad_input(row.place, "the row has no prediction " + quote(prediction_) +
                               field_suggestion(prediction_, row.fields));
    bad_input(row.place, "the prediction " + quote(prediction_) +
                             " must be a text or a number, got " + dump(*value).substr(0, 80));
  }

  // One row, one prediction; several numbers of shots and several samples are several rows.
  void check_id(const Row& row, const OrderedJson& group) {
    if (!row.has_own_id) return;
    std::string key = bare_text(row) + '\n' + dump(group);
    for (const char* name : {"shots", "sample"})
      if (row.fields.contains(name)) key += '\n' + dump(row.fields[name]);
    if (const auto line = seen_.add(key, row.line))
      bad_input(row.place, "the id " + row.id.substr(0, 80) + " is that of line " +
                               std::to_string(*line) +
                               ", too; --by names a field that tells the rows apart");
  }

  void write_scores(const Row& row, const OrderedJson& group,
                    const std::vector<std::pair<Metric, double>>& scores) {
    OrderedJson line;
    line["id"] = OrderedJson::parse(row.id);
    if (!by_.empty()) line[by_] = group;
    for (const auto& [metric, value] : scores) line[std::string(to_string(metric))] = value;
    row_scores_->write(dump(line) + "\n");
  }

  const EvalCommandFlags& flags_;
  RowReader reader_;
  std::optional<ReferenceFile> references_;
  std::unique_ptr<Output> row_scores_;
  std::string prediction_, by_;
  std::optional<EvalGroups> groups_;
  std::uint64_t failed_ = 0;
  SeenIds seen_;
};

void add_eval_flags(CommandLine& line, EvalCommandFlags& flags) {
  line.option("--input,FILE", flags.file,
              "Results of another command: .jsonl, .csv or .tsv; - is stdin");
  line.option("--input-format", flags.input_format, "What FILE is: jsonl, csv, tsv");
  line.option("--prediction", flags.prediction,
              "Field, or path (labels.0.label), of what was predicted (default: where the command "
              "that wrote the row puts it)");
  line.option("--reference,--reference-field", flags.reference,
              "Field of the right answer, or of a list of them")
      ->required();
  line.option("--references", flags.references,
              "Another file that has the right answers, in rows with the same ids");
  line.option("--id-field", flags.id_field,
              "Field that names a row (default: \"id\", or else the line's number)");
  line.option("--metrics", flags.metrics,
              "accuracy, exact_match, f1 (of labels), squad_f1 (of words), rouge, bleu: "
              "with commas (default: accuracy)");
  line.option("--labels,--eval-labels", flags.labels,
              "f1 is the average over these labels only: a,b");
  line.option("--by", flags.by,
              "Evaluate rows apart by the values of this field (default: shots, where rows have "
              "it); none");
  add_measure_flags(line, flags.job.options, "--seed");
  line.option("--format", flags.format, "Write text or json (default: text to a terminal)")
      ->check(CLI::IsMember({"text", "json"}));
  line.flag("--json", flags.json, "Write JSON");
  line.option("--plot", flags.job.plot, "Draw the first score over the values of --by: FILE.svg");
  line.option("--row-scores", flags.row_scores,
              "Write the scores of every row to this file, as JSON lines");
  line.flag("--strict", flags.strict,
            "End at the first row that failed instead of passing it over");
  line.output_options();
}

bool writes_json(const CommandLine& line, const EvalCommandFlags& flags) {
  if (flags.json && flags.format == "text")
    throw usage("--json and --format exclude each other; give one", "--json");
  if (flags.json || !flags.format.empty()) return flags.json || flags.format == "json";
  const std::string& path = line.output_path();
  if (path.empty() || path == "-") return ::isatty(STDOUT_FILENO) == 0;
  return !path.ends_with(".txt");
}

}  // namespace

int run_eval(const Arguments& arguments) {
  CommandLine line("eval",
                   "Scores of results against right answers, which stand in the same rows or in "
                   "another file.");
  EvalCommandFlags flags;
  add_eval_flags(line, flags);
  if (const auto done = line.parse(arguments)) return *done;
  if (flags.file.empty() && !stdin_is_piped())
    throw usage("no file is given; usage: llm-generate eval FILE.jsonl --reference FIELD", "FILE");
  if (flags.file.empty()) flags.file = "-";
  EvalJob& job = flags.job;
  job.force = line.force();
  job.others = {line.output_path()};
  if (!flags.row_scores.empty()) job.others.push_back(flags.row_scores);
  job.options.metrics = metrics_from_names(split_list(flags.metrics));
  if (!flags.labels.empty()) job.options.labels = split_list(flags.labels);
  job.options.validate();
  const bool json = writes_json(line, flags);
  EvalFiles files(job);
  Output out(line.output_path(), line.force());
  const EvalSummary summary = EvalRun(flags).execute();
  if (interrupt_flag()) return signal_exit_code();
  out.write(json ? dump(to_json(summary)) + "\n" : to_table(summary));
  files.write(summary);
  out.finish();
  return exit_ok;
}

}  // namespace llm::shell
