// Flags to a RowJob.
#include "commands/row_flags.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include "core/folder.hpp"
#include "llm/core/error.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "shell/input.hpp"
#include "shell/model_path.hpp"

namespace llm::shell {
namespace {

namespace fs = std::filesystem;

constexpr const char* row_group = "Input and output";

constexpr std::pair<std::string_view, Format> format_extensions[] = {{".jsonl", Format::jsonl},
                                                                     {".json", Format::json},
                                                                     {".csv", Format::csv},
                                                                     {".tsv", Format::tsv}};

// Options that may differ between a run and the one that resumes it: they change no result.
constexpr std::array<std::string_view, 24> free_options = {
    "--help",   "--quiet",      "--verbose",    "--color",     "--model",       "--threads",
    "--input",  "--lines",      "--batch-size", "--output",    "--force",       "--resume",
    "--strict", "--explain",    "--stream",     "--no-stream", "--eval-output", "--eval-labels",
    "--plot",   "--confidence", "--resamples",  "--eval-seed", "--use-stemmer", "--raw"};

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

}  // namespace

std::string model_identity(const fs::path& model) {
  const std::vector<fs::path> files = detail::is_folder(model)
                                          ? detail::files_ending_in(model, {""})
                                          : std::vector<fs::path>{model};
  std::error_code failed;
  std::string text = fs::canonical(model, failed).string();
  Digest digest;
  for (const fs::path& file : files) {
    struct stat status = {};
    if (::stat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    digest.add(file.filename().string() + ' ' + std::to_string(status.st_size) + ' ' +
               std::to_string(status.st_mtim.tv_sec) + '.' +
               std::to_string(status.st_mtim.tv_nsec) + '\n');
  }
  return text + ", files " + std::to_string(digest.value());
}

void max_input_tokens_flag(CommandLine& line, std::optional<std::int64_t>& value) {
  line.option("--max-input-tokens", value,
              "Most tokens of one text; longer ones are treated as --overflow says (default: what "
              "the model takes, or " +
                  std::to_string(default_max_input_tokens) + " where it sets no limit)")
      ->group("Run")
      ->check(CLI::PositiveNumber);
}

RowFlags::RowFlags(CommandLine& line, RowShape shape)
    : line_(line),
      shape_(std::move(shape)),
      noun_(lower(shape_.argument.empty() && !shape_.fields.empty() ? shape_.fields[0]
                                                                    : shape_.argument)),
      names_(shape_.fields) {
  add_source_flags();
  add_field_flags();
  add_format_flags();
  line_.output_options();
}

void RowFlags::add_source_flags() {
  if (!shape_.argument.empty()) {
    argument_option_ = line_.app().add_option(shape_.argument, argument_, "The " + noun_);
    if (!shape_.option.empty())
      option_option_ = line_.option(shape_.option, option_, "The same, as an option")
                           ->excludes(argument_option_);
    line_.option("-f,--file", file_, "The file is the " + noun_ + " (without its last line end)")
        ->group(row_group);
    line_.option("--lines", lines_, "Every line of the file is a row; - is stdin")
        ->group(row_group);
  }
  line_
      .option("--input", input_,
              "Rows: .jsonl, .csv or .tsv (with a header), .txt (lines); - is stdin")
      ->group(row_group);
  line_.option("--input-format", input_format_, "What --input is: jsonl, csv, tsv, lines")
      ->group(row_group);
  line_
      .option("--id-field", id_field_,
              "Field that names a row (default: \"id\", or else the line's number)")
      ->group(row_group);
}

void RowFlags::add_field_flags() {
  if (names_.size() == 1) {
    line_.option("--field", names_[0], "Name of the text in a row of --input")->group(row_group);
    return;
  }
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const std::string& name = shape_.fields[i];
    fixed_options_[name] =
        line_.option("--" + name, fixed_[name], "The " + name + " (of all rows)")->group(row_group);
    line_.option("--" + name + "-field", names_[i], "Name of the " + name + " in a row of --input")
        ->group(row_group);
  }
}

void RowFlags::add_format_flags() {
  std::string own;
  for (const std::string& name : shape_.formats) own += ", " + name;
  line_.option("--format", format_, "Write jsonl, csv, tsv, json or text" + own)->group(row_group);
  line_.flag("--json", json_, "Write JSON (one object, a list for several)")->group(row_group);
  line_.flag("--jsonl", jsonl_, "Write one JSON object a line")->group(row_group);
  line_
      .option("--keep", keep_,
              "Write these fields of the input, too: NAME,NAME or all (as input_NAME where a "
              "result has the same name)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group(row_group);
  line_.flag("--strict", strict_, "End at the first bad row instead of writing its error")
      ->group(row_group);
  line_.option("--shard", shard_, "I/N: of N runs that share the rows, this one is the I-th")
      ->group(row_group);
  line_
      .flag("--resume", resume_,
            "Go on where a stopped run left FILE.partial; begin when there is none")
      ->group(row_group);
  line_.option("--batch-size", batch_size_, "Rows computed together; changes no result")
      ->group("Run")
      ->check(CLI::Range(1, 1 << 20));
}

RowJob RowFlags::job() const {
  check_source();
  RowJob job = job_without_rows();
  read_source(job);
  if (!job.output.empty() && job.batch()) job.identity = identity();
  return job;
}

RowJob RowFlags::job_without_rows() const {
  RowJob job;
  job.strict = strict_;
  job.resume = resume_;
  job.batch_size = batch_size_;
  job.output = line_.output_path();
  job.force = line_.force();
  job.format = format();
  job.keep_all = std::find(keep_.begin(), keep_.end(), "all") != keep_.end();
  if (!job.keep_all) job.keep = job.reading.needed = keep_;
  if (!keep_.empty() && job.format == Format::text)
    throw usage("--keep needs a format with fields to be written in: --jsonl, --format csv ...",
                "--keep");
  read_shard(job);
  return job;
}

void RowFlags::check_source() const {
  const int files = !file_.empty() + !lines_.empty() + !input_.empty();
  if (files > 1 || (files == 1 && has_argument()))
    throw usage("the " + noun_ + " comes from one place: an argument, -f, --lines or --input",
                "--input");
}

void RowFlags::read_source(RowJob& job) const {
  job.reading.id_field = id_field_;
  job.reading.ids = shape_.ids;
  for (std::size_t i = 0; i < names_.size(); ++i)
    job.reading.fields.push_back({names_[i], fixed_value(shape_.fields[i])});
  const auto open =
      std::ranges::find_if(job.reading.fields, [](const auto& field) { return !field.value; });
  if (open != job.reading.fields.end()) job.reading.line_field = open->name;
  if (!is_there()) {
    job.single = row_of_arguments(job.reading.fields);
    return;
  }
  job.input = lines_.empty() ? input_ : lines_;
  job.reading.format = !lines_.empty()          ? InputFormat::lines
                       : !input_format_.empty() ? input_format_from_name(input_format_)
                                                : input_format_of(input_);
}

bool RowFlags::has_argument() const {
  return (argument_option_ != nullptr && argument_option_->count() > 0) ||
         (option_option_ != nullptr && option_option_->count() > 0);
}

// What a flag of the field's name gave for all rows.
std::optional<std::string> RowFlags::fixed_value(const std::string& field) const {
  const auto option = fixed_options_.find(field);
  if (option == fixed_options_.end() || option->second->count() == 0) return std::nullopt;
  return fixed_.at(field);
}

// The row that is no file's: fields given by flags, and one more from the argument, -f or a pipe.
std::optional<Row> RowFlags::row_of_arguments(const std::vector<RowReader::Field>& fields) const {
  if (fields.empty()) return std::nullopt;
  Row row;
  row.place = "the argument";
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (!fields[i].value) open.push_back(i);
    row.texts.push_back(fields[i].value.value_or(""));
  }
  if (open.size() > 1)
    throw usage("there is no " + shape_.fields[open[1]] + "; give --" + shape_.fields[open[1]] +
                    " TEXT, or --input FILE with rows",
                "--" + shape_.fields[open[1]]);
  if (open.size() == 1) {
    std::optional<std::string> text = given_text(row.place);
    if (!text) throw nothing_given();
    row.texts[open[0]] = std::move(*text);
  }
  for (std::size_t i = 0; i < fields.size(); ++i) row.fields[fields[i].name] = row.texts[i];
  return row;
}

Error RowFlags::nothing_given() const {
  const std::string command = line_.command() == "generate" ? "" : line_.command() + " ";
  return usage("no " + noun_ + " is given; usage: llm-generate " + command + "-m MODEL \"" +
                   (shape_.prompt ? "Once upon a time" : shape_.argument) +
                   "\" (or a pipe, -f FILE, --lines FILE, --input FILE.jsonl); see llm-generate " +
                   command + "--help",
               noun_);
}

std::optional<std::string> RowFlags::given_text(std::string& place) const {
  if (!file_.empty()) {
    place = file_;
    return without_last_newline(read_input(file_));
  }
  if (has_argument() && !shape_.prompt) return argument_ + option_;
  if (!stdin_is_piped()) return has_argument() ? std::optional(argument_ + option_) : std::nullopt;
  const std::string piped = read_input("-");
  if (has_argument()) return piped + argument_ + option_;
  place = "standard input";
  return without_last_newline(piped);
}

std::string RowFlags::own_format() const {
  const auto& formats = shape_.formats;
  return std::find(formats.begin(), formats.end(), format_) != formats.end() ? format_ : "";
}

Format RowFlags::format() const {
  if (json_ + jsonl_ + !format_.empty() > 1)
    throw usage("--json, --jsonl and --format exclude each other; give one", "--json");
  if (json_) return Format::json;
  if (jsonl_) return Format::jsonl;
  if (!own_format().empty()) return Format::jsonl;
  if (!format_.empty()) return format_from_name(format_);
  const std::string& path = line_.output_path();
  for (const auto& [extension, format] : format_extensions)
    if (path.ends_with(extension)) return format;
  const bool is_read = (path.empty() || path == "-") && ::isatty(STDOUT_FILENO) != 0;
  return shape_.plain || is_read ? Format::text : Format::jsonl;
}

void RowFlags::read_shard(RowJob& job) const {
  if (shard_.empty()) return;
  const auto number = [](std::string_view text, std::uint64_t& value) {
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    return read.ec == std::errc() && read.ptr == text.data() + text.size();
  };
  const std::size_t slash = shard_.find('/');
  std::uint64_t index = 0;
  if (slash == std::string::npos || !number(std::string_view(shard_).substr(0, slash), index) ||
      !number(std::string_view(shard_).substr(slash + 1), job.shards) || index < 1 ||
      index > job.shards)
    throw usage("--shard " + quote(shard_) + ": expected I/N with I from 1 to N, as in 1/4",
                "--shard");
  job.shard = index - 1;
}

// All options given that can change what is written, and which model it is.
OrderedJson RowFlags::identity() const {
  OrderedJson identity;
  if (line_.app().get_option_no_throw("--model") != nullptr && line_.has_model_name())
    identity["model"] = model_identity(find_model(line_.model_name()));
  for (const CLI::Option* option : line_.app().get_options()) {
    if (option->count() == 0) continue;
    const std::string name =
        option->get_lnames().empty() ? option->get_name() : "--" + option->get_lnames()[0];
    if (std::find(free_options.begin(), free_options.end(), name) == free_options.end())
      identity[name] = option->results();
  }
  return identity;
}

}  // namespace llm::shell
