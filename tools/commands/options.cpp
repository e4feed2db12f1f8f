#include "commands/options.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "llm/core/error.hpp"
#include "shell/console.hpp"
#include "shell/exit_code.hpp"
#include "shell/model_path.hpp"

namespace llm::shell {
namespace {

Error usage_error(const std::string& sentence, const std::string& command) {
  return Error(ErrorCode::invalid_option, sentence + "; see llm-generate " + command + " --help",
               command);
}

std::vector<std::string> flag_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

std::string suggestion(std::string_view name, const std::vector<std::string>& candidates) {
  const std::vector<std::string_view> views(candidates.begin(), candidates.end());
  const std::string_view nearest = nearest_name(name, views.data(), views.size());
  return nearest.empty() ? "" : "; did you mean " + std::string(nearest) + "?";
}

}  // namespace

std::string seed_error(const std::string& text) {
  std::uint64_t seed = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, seed);
  return error == std::errc() && stop == end
             ? ""
             : "expected a whole number from 0 to 18446744073709551615, got " + quote(text);
}

std::string spellings(const std::string& names) {
  std::string all = names;
  for (std::size_t begin = 0; begin < names.size();) {
    const std::size_t end = std::min(names.find(',', begin), names.size());
    std::string name = names.substr(begin, end - begin);
    const std::size_t word =
        name.find("--") == std::string::npos ? name.size() : name.find("--") + 2;
    if (name.find('-', word) != std::string::npos) {
      std::replace(name.begin() + static_cast<std::ptrdiff_t>(word), name.end(), '-', '_');
      all += ',' + name;
    }
    begin = end + 1;
  }
  return all;
}

CommandLine::CommandLine(const std::string& command, const std::string& description)
    : command_(command), app_(description, "llm-generate " + command) {
  app_.get_formatter()->column_width(40);
  app_.option_defaults()->always_capture_default(false);
  app_.allow_extras();
  flag("-q,--quiet", quiet_, "Print only errors on standard error");
  flag("-v,--verbose", verbose_, "Print timings and the effective configuration");
  option("--color", color_, "Color on standard error: auto, always, never")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  flag("--raw", raw_, "Control characters reach a terminal as they are, instead of escaped");
}

CLI::Option* CommandLine::switch_option(const std::string& names, std::string& value,
                                        const std::string& help) {
  CLI::Option* const option = app_.add_flag(names, value, help);
  for (const std::string& name : option->get_lnames()) switches_.push_back("--" + name);
  return option;
}

// "--do-sample true" -> "--do-sample=true"
Arguments CommandLine::join_switches(const Arguments& arguments) const {
  Arguments joined;
  for (const std::string& argument : arguments) {
    const bool is_value = argument == "true" || argument == "false";
    if (is_value && !joined.empty() &&
        std::find(switches_.begin(), switches_.end(), joined.back()) != switches_.end()) {
      joined.back() += "=" + argument;
    } else {
      joined.push_back(argument);
    }
  }
  return joined;
}

void CommandLine::model_option(bool positional) {
  option(positional ? "-m,--model,MODEL" : "-m,--model", model_,
         "Folder, .gguf file, or repository name in the local Hugging Face cache "
         "(default: $LLM_GENERATE_MODEL)");
}

void CommandLine::adapter_option() {
  option("--adapter", adapters_,
         "LoRA adapter to merge into the weights: FOLDER, or FOLDER@WEIGHT (repeatable)")
      ->allow_extra_args(false);
}

std::vector<Adapter> CommandLine::adapters() const {
  std::vector<Adapter> adapters;
  for (const std::string& text : adapters_) adapters.push_back(find_adapter(text));
  return adapters;
}

void CommandLine::output_options() {
  option("-o,--output", output_path_, "Write to this file instead of standard output");
  flag("--force", force_, "Replace the output file when it exists");
}

std::optional<int> CommandLine::parse(const Arguments& arguments) {
  try {
    const Arguments joined = join_switches(arguments);
    app_.parse(Arguments(joined.rbegin(), joined.rend()));  // CLI11 takes them from the back
  } catch (const CLI::CallForHelp&) {
    Output out;
    out.write(app_.help());
    out.finish();
    return exit_ok;
  } catch (const CLI::ParseError& error) {
    throw usage_error(error.what(), command_);
  }
  console().set_verbosity(quiet_     ? Verbosity::quiet
                          : verbose_ ? Verbosity::verbose
                                     : Verbosity::normal);
  console().set_color(color_ == "always"  ? ColorMode::always
                      : color_ == "never" ? ColorMode::never
                                          : ColorMode::automatic);
  Output::set_raw(raw_);
  check_remaining(arguments);
  check_paths();
  output_path_ = Output::behind_links(output_path_);
  return std::nullopt;
}

// A name that is empty is a variable that is not set, and not what is meant without the option.
void CommandLine::check_paths() const {
  for (const char* name :
       {"--model", "--output", "--file", "--lines", "--input", "--examples", "--template",
        "--messages", "--chat-template", "--tools", "--documents", "--eval-output", "--plot",
        "--perplexity", "--nearest", "--references", "--against", "--dump"}) {
    const CLI::Option* const option = app_.get_option_no_throw(name);
    if (option == nullptr || std::ranges::count(option->results(), "") == 0) continue;
    throw usage_error(std::string(name) + " is empty; name a file or leave it out", command_);
  }
}

void CommandLine::check_remaining(const Arguments& arguments) const {
  const std::vector<std::string> extra = app_.remaining();
  if (extra.empty()) return;
  const auto flag = std::find_if(extra.begin(), extra.end(), [](const std::string& argument) {
    return argument.size() > 1 && argument[0] == '-';
  });
  if (flag != extra.end()) {
    const std::string name = flag->substr(0, flag->find('='));
    throw usage_error("unknown option " + name + suggestion(name, flag_names(app_)), command_);
  }
  std::vector<std::string> names;
  for (const Command& command : commands) names.emplace_back(command.name);
  const std::string& first = arguments.front();
  const std::string near = first.starts_with('-') ? "" : suggestion(first, names);
  if (!near.empty()) throw usage_error("there is no command " + quote(first) + near, command_);
  throw usage_error(
      "unexpected argument " + quote(extra.front()) + " (a prompt of several words needs quotes)",
      command_);
}

std::string CommandLine::model_name() const {
  if (!model_.empty()) return model_;
  const char* const named = std::getenv("LLM_GENERATE_MODEL");
  if (named == nullptr || *named == '\0')
    throw usage_error("no model is given: name one with --model, or set LLM_GENERATE_MODEL",
                      command_);
  model_source_ = "LLM_GENERATE_MODEL";
  return named;
}

bool CommandLine::has_model_name() const {
  const char* const named = std::getenv("LLM_GENERATE_MODEL");
  return !model_.empty() || (named != nullptr && *named != '\0');
}

std::vector<std::string> split_list(const std::string& list) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    parts.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::string unescape(const std::string& text, const std::string& flag) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    const char next = i + 1 < text.size() ? text[++i] : '\0';
    switch (next) {
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case 'r':
        out += '\r';
        break;
      case '\\':
        out += '\\';
        break;
      default:
        throw Error(ErrorCode::invalid_option,
                    flag + " " + quote(text) +
                        ": after a backslash n, t, r or another backslash is expected",
                    flag);
    }
  }
  return out;
}

}  // namespace llm::shell
