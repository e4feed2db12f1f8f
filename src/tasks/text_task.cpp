// What a model's files say about summarizing and translating, and how languages are named.
#include "llm/tasks/text_task.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "core/folder.hpp"
#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "llm/generation/model_generation_config.hpp"

namespace llm {
namespace {

using detail::Json;

// config.json as far as it is about tasks; of a GGUF file there is nothing to read.
class TaskFile {
 public:
  explicit TaskFile(const std::filesystem::path& model) : file_(model / "config.json") {
    if (!detail::is_folder(model)) return;
    const Json json = detail::read_json_file(file_);
    if (!json.is_object()) return;
    if (const auto prefix = json.find("prefix"); prefix != json.end() && prefix->is_string())
      prefix_ = prefix->get<std::string>();
    const auto tasks = json.find("task_specific_params");
    if (tasks == json.end() || tasks->is_null()) return;
    if (!tasks->is_object())
      throw Error(ErrorCode::bad_format,
                  file_.string() + ": \"task_specific_params\" must be an object", file_.string());
    tasks_ = *tasks;
  }

  bool has(const std::string& task) const { return tasks_.contains(task); }

  // The names of tasks that begin so.
  std::vector<std::string> tasks(std::string_view begin) const {
    std::vector<std::string> names;
    for (const auto& [name, params] : tasks_.items())
      if (name.starts_with(begin)) names.push_back(name);
    return names;
  }

  // Puts prefix and options of the task, where there is one, into `to`.
  void apply(const std::string& task, TextTask& to) const {
    to.prefix = prefix_;
    const auto found = tasks_.find(task);
    if (found == tasks_.end()) return;
    const std::string where = file_.string() + ", task_specific_params " + quote(task);
    if (!found->is_object()) throw Error(ErrorCode::bad_format, where + ": expected an object");
    Json options = *found;
    if (const auto prefix = options.find("prefix"); prefix != options.end()) {
      if (!prefix->is_string())
        throw Error(ErrorCode::bad_format, where + ": \"prefix\" must be a string");
      to.prefix = prefix->get<std::string>();
      options.erase("prefix");
    }
    if (options.contains("max_length")) to.config.max_new_tokens.reset();
    to.config.set_all(options.dump(), where);
  }

 private:
  std::filesystem::path file_;
  std::string prefix_;
  Json tasks_ = Json::object();
};

void require_encoder_decoder(const std::filesystem::path& path, const TransformerConfig& config,
                             const char* what) {
  if (config.kind == ModelKind::encoder_decoder) return;
  const bool decoder = config.kind == ModelKind::decoder;
  throw Error(ErrorCode::unsupported,
              path.string() + ": " + what + " needs an encoder-decoder, and this is " +
                  (decoder ? "a decoder; write the instruction into a prompt (generate, few-shot) "
                             "or a message (chat)"
                           : "an encoder, which writes no text"),
              path.string());
}

// The reference pipeline's, where nothing else is said.
void set_defaults(GenerationConfig& config) {
  const auto unset = [&](const char* name) { return config.source(name) == "default"; };
  if (unset("num_beams")) config.set("num_beams", "4", "default of the task");
  if (!config.max_new_tokens && !config.max_length)
    config.set("max_new_tokens", "256", "default of the task");
}

// Models that learned to fill in spans learned tasks by prefixes, too.
bool learned_prefixes(const Tokenizer* tokenizer) {
  return tokenizer != nullptr && tokenizer->id("<extra_id_0>").has_value();
}

// --- languages ---

constexpr std::array<std::pair<std::string_view, std::string_view>, 36> language_names{{
    {"ar", "Arabic"},   {"bg", "Bulgarian"}, {"bn", "Bengali"},    {"ca", "Catalan"},
    {"cs", "Czech"},    {"da", "Danish"},    {"de", "German"},     {"el", "Greek"},
    {"en", "English"},  {"es", "Spanish"},   {"et", "Estonian"},   {"fa", "Persian"},
    {"fi", "Finnish"},  {"fr", "French"},    {"he", "Hebrew"},     {"hi", "Hindi"},
    {"hr", "Croatian"}, {"hu", "Hungarian"}, {"id", "Indonesian"}, {"it", "Italian"},
    {"ja", "Japanese"}, {"ko", "Korean"},    {"lt", "Lithuanian"}, {"lv", "Latvian"},
    {"nl", "Dutch"},    {"no", "Norwegian"}, {"pl", "Polish"},     {"pt", "Portuguese"},
    {"ro", "Romanian"}, {"ru", "Russian"},   {"sk", "Slovak"},     {"sv", "Swedish"},
    {"tr", "Turkish"},  {"uk", "Ukrainian"}, {"vi", "Vietnamese"}, {"zh", "Chinese"},
}};

std::string code_of(const std::string& language) {
  const auto found =
      std::ranges::find(language_names, language, [](const auto& pair) { return pair.second; });
  return found == language_names.end() ? language : std::string(found->first);
}

std::string name_of(const std::string& language) {
  const auto found =
      std::ranges::find(language_names, language, [](const auto& pair) { return pair.first; });
  return found == language_names.end() ? language : std::string(found->second);
}

[[noreturn]] void refuse_language(const std::string& what) {
  throw Error(ErrorCode::invalid_option, what, "language");
}

// "en to de, en to fr" out of the names of tasks.
std::string pairs_of(const std::vector<std::string>& tasks) {
  std::string text;
  for (const std::string& task : tasks) {
    std::string pair = task.substr(std::min<std::size_t>(task.size(), 12));
    std::ranges::replace(pair, '_', ' ');
    text += (text.empty() ? "" : ", ") + pair;
  }
  return text;
}

// The task that config.json has for the languages; empty when it has none.
std::string named_task(const TaskFile& file, const TextTaskOptions& options) {
  const std::vector<std::string> tasks = file.tasks("translation_");
  std::vector<std::string> fitting;
  for (const std::string& task : tasks) {
    const bool from = options.source_language.empty() ||
                      task.starts_with("translation_" + code_of(options.source_language) + "_to_");
    const bool to = options.target_language.empty() ||
                    task.ends_with("_to_" + code_of(options.target_language));
    if (from && to) fitting.push_back(task);
  }
  if (fitting.size() == 1) return fitting.front();
  if (fitting.size() > 1)
    refuse_language("the model translates " + pairs_of(fitting) +
                    "; say which by source-lang and target-lang");
  return file.has("translation") ? "translation" : "";
}

// Codes of the tokenizer: the text is marked with its language, the answer begins with its own.
void mark_both(const Tokenizer& tokenizer, const TextTaskOptions& options, TextTask& task) {
  const auto id_of = [&](const std::string& code) {
    const auto id = tokenizer.id(code);
    if (id && tokenizer.is_special(*id)) return *id;
    refuse_language("the model knows no language " + quote(code) +
                    "; its tokenizer has codes such as \"en_XX\" or \"de_DE\"");
  };
  if (!options.source_language.empty()) {
    id_of(options.source_language);
    task.language = options.source_language;
  }
  if (!options.target_language.empty()) {
    task.config.set("forced_bos_token_id", std::to_string(id_of(options.target_language)),
                    "the target language");
  } else if (!task.config.forced_bos_token_id) {
    refuse_language(
        "the model translates into many languages; give target-lang as its tokenizer names "
        "it, such as \"de_DE\"");
  }
}

void mark_target(const Tokenizer& tokenizer, const TextTaskOptions& options, TextTask& task) {
  if (options.target_language.empty()) return;
  const std::string& target = options.target_language;
  if (!tokenizer.id(target.starts_with(">>") ? target : ">>" + target + "<<"))
    refuse_language("the model's vocabulary has no language " + quote(">>" + target + "<<") +
                    "; a model of one pair of languages needs none to be named");
  task.language = target;
}

}  // namespace

TextTask summarization_task(const std::filesystem::path& path, const TransformerConfig& config,
                            const Tokenizer* tokenizer, const TextTaskOptions& options) {
  require_encoder_decoder(path, config, "summarize");
  TextTask task{.config = model_generation_config(path, config)};
  TaskFile(path).apply("summarization", task);
  if (task.prefix.empty() && learned_prefixes(tokenizer)) task.prefix = "summarize: ";
  if (options.prefix) task.prefix = *options.prefix;
  if (tokenizer && tokenizer->language_mark() == LanguageMark::own)
    task.language = options.source_language;
  set_defaults(task.config);
  return task;
}

TextTask translation_task(const std::filesystem::path& path, const TransformerConfig& config,
                          const Tokenizer* tokenizer, const TextTaskOptions& options) {
  require_encoder_decoder(path, config, "translate");
  TextTask task{.config = model_generation_config(path, config)};
  const TaskFile file(path);
  const LanguageMark mark = tokenizer ? tokenizer->language_mark() : LanguageMark::none;
  const std::string name = mark == LanguageMark::none ? named_task(file, options) : "translation";
  file.apply(name, task);
  const bool named = !options.source_language.empty() || !options.target_language.empty();
  if (mark == LanguageMark::own) {
    mark_both(*tokenizer, options, task);
  } else if (mark == LanguageMark::target) {
    mark_target(*tokenizer, options, task);
  } else if (options.prefix) {
    task.prefix = *options.prefix;
  } else if (name.empty() && learned_prefixes(tokenizer)) {
    if (options.source_language.empty() || options.target_language.empty())
      refuse_language(
          "the model is asked in words; give source-lang and target-lang, such as \"en\" and "
          "\"de\"");
    task.prefix = "translate " + name_of(options.source_language) + " to " +
                  name_of(options.target_language) + ": ";
  } else if (name.empty() && named) {
    const std::vector<std::string> tasks = file.tasks("translation_");
    refuse_language(tasks.empty()
                        ? "the model marks no languages: it translates between those that it was "
                          "trained on; leave source-lang and target-lang away"
                        : "the model does not translate " + options.source_language + " to " +
                              options.target_language + "; it translates " + pairs_of(tasks));
  }
  set_defaults(task.config);
  return task;
}

}  // namespace llm
