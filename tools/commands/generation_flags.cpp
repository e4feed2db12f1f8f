#include "commands/generation_flags.hpp"

#include "llm/core/error.hpp"

namespace llm::shell {
namespace {

// An option of GenerationConfig: its Hugging Face name, further flags, whether it is a switch
// (which needs no value), and what it does.
struct SettingFlag {
  const char* name;
  const char* more;
  bool is_switch;
  const char* help;
};

constexpr SettingFlag setting_flags[] = {
    {"max_new_tokens", "-n", false,
     "Most new tokens (default: as generation_config.json says, or else 128, within the context)"},
    {"max_length", "-c", false, "Most tokens of prompt and answer together"},
    {"min_new_tokens", "", false, "No end of text before this many new tokens"},
    {"min_length", "", false, "The same for prompt and answer together"},
    {"max_time", "", false,
     "Seconds a row may take; what is there by then is the answer (finish_reason: time), also when "
     "the run is resumed"},
    {"do_sample", "", true, "Draw tokens instead of taking the most probable one"},
    {"temperature", "--temp", false, "Flatten (>1) or sharpen (<1) the distribution; 0: greedy"},
    {"top_k", "", false, "Draw from the k most probable tokens; 0: all"},
    {"top_p", "", false, "Draw from the fewest tokens that have probability p together"},
    {"min_p", "", false, "Draw from tokens at least this probable, relative to the best"},
    {"typical_p", "", false, "Draw from the most typical tokens that have probability p together"},
    {"seed", "-s", false, "Start of the random stream (default: drawn, and reported)"},
    {"num_beams", "", false, "Beam search with this many beams"},
    {"length_penalty", "", false, "Beam search: exponent of the length that scores are divided by"},
    {"early_stopping", "", false, "Beam search: true, false, or never"},
    {"num_return_sequences", "", false, "Answers per prompt"},
    {"repetition_penalty", "", false, "Above 1: makes tokens that were there before less probable"},
    {"encoder_repetition_penalty", "", false, "Above 1: makes tokens of the prompt more probable"},
    {"no_repeat_ngram_size", "", false, "No n tokens in a row occur twice"},
    {"encoder_no_repeat_ngram_size", "", false, "No n tokens in a row of the prompt occur"},
    {"bad_words_ids", "", false, "Lists of token ids that must not occur, as JSON"},
    {"suppress_tokens", "", false, "Token ids that must not occur: 1,2,3"},
    {"begin_suppress_tokens", "", false, "Token ids that must not come first"},
    {"forced_bos_token_id", "", false, "The token that comes first"},
    {"forced_eos_token_id", "", false, "The token that comes last when the length ends the text"},
    {"renormalize_logits", "", true, "Make scores log-probabilities after all processors"},
    {"remove_invalid_values", "", true, "Replace NaN and infinite scores"},
    {"bos_token_id", "", false, "Token that begins a text"},
    {"eos_token_id", "", false, "Tokens that end the text"},
    {"pad_token_id", "", false, "Token that rows are filled up with"},
    {"decoder_start_token_id", "", false, "First decoder token of an encoder-decoder"},
    {"stop_token_ids", "", false, "Token ids that end the text"},
};

std::string flag_of(const SettingFlag& setting) {
  std::string name = setting.name;
  std::replace(name.begin(), name.end(), '_', '-');
  return std::string(setting.more) + (*setting.more != '\0' ? "," : "") + "--" + name;
}

}  // namespace

GenerationFlags::GenerationFlags(CommandLine& line, RowShape shape)
    : line_(line), model_(line), rows_(line, std::move(shape)) {
  add_settings();
  add_stop_flags();
  add_run_flags();
}

void GenerationFlags::add_settings() {
  for (const SettingFlag& setting : setting_flags) {
    const auto keep = [this, name = setting.name](const std::string& value) {
      job_.settings.push_back({name, value, "flag"});
    };
    const std::string names = spellings(flag_of(setting));
    CLI::Option* const option =
        setting.is_switch ? line_.switch_option(names, switches_[setting.name], setting.help)
                          : line_.app().add_option_function<std::string>(names, keep, setting.help);
    option->group("Generation")->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
}

void GenerationFlags::add_stop_flags() {
  line_.option("--stop", stop_, "End the text before this string (repeatable; \\n is a line end)")
      ->group("Generation")
      ->allow_extra_args(false);
  line_.flag("--stop-line", stop_line_, "End the text before the first line end")
      ->group("Generation");
  line_.option("--stop-token", job_.stop_tokens, "End the text at this token (repeatable)")
      ->group("Generation")
      ->allow_extra_args(false);
  line_.option("--bad-words", job_.bad_words, "A word that must not occur (repeatable)")
      ->group("Generation")
      ->allow_extra_args(false);
}

void GenerationFlags::add_run_flags() {
  line_
      .option("--overflow", job_.overflow,
              "When a prompt is too long: error, truncate-left, truncate-right, truncate-middle")
      ->group("Run");
  max_input_tokens_flag(line_, job_.max_input_tokens);
  line_.flag("--no-special-tokens", no_special_, "Add no special tokens to the prompt")
      ->group("Run");
  line_.flag("--explain", job_.explain, "Show on standard error how every token was chosen")
      ->group("Run");
  constexpr const char* group = "Input and output";
  line_.flag("--echo", job_.echo, "Write the prompt, too")->group(group);
  line_.flag("--stream", stream_, "Write text as it comes (the default for one text)")
      ->group(group);
  line_.flag("--no-stream", no_stream_, "Write text when it is complete")->group(group);
  line_.option("--logprobs", job_.logprobs, "With JSON: the N most probable tokens of every step")
      ->group(group)
      ->check(CLI::Range(0, 1000));
}

GenerationJob GenerationFlags::job() const {
  GenerationJob job = job_;
  for (const auto& [name, value] : switches_)
    if (!value.empty()) job.settings.push_back({name, value, "flag"});
  job.model = line_.model_name();
  job.model_source = line_.model_source();
  job.load = model_.load_options();
  job.dtype = model_.dtype();
  for (const std::string& text : stop_) job.stop.push_back(unescape(text, "--stop"));
  if (stop_line_) job.stop.emplace_back("\n");
  if (stream_ && no_stream_)
    throw Error(ErrorCode::invalid_option, "--stream and --no-stream exclude each other",
                "--stream");
  if (stream_ || no_stream_) job.stream = stream_;
  job.add_special_tokens = !no_special_;
  job.rows = rows_.job();
  if (job.logprobs > 0 && job.rows.format == Format::text)
    throw Error(ErrorCode::invalid_option, "--logprobs needs --json or --jsonl to be written in",
                "--logprobs");
  return job;
}

}  // namespace llm::shell
