// What a template is given, and how its failures become errors.
#include "llm/prompt/chat_template.hpp"

#include <new>
#include <stdexcept>

#include "chat/interpreter.hpp"
#include "chat/parser.hpp"
#include "chat/template_files.hpp"
#include "core/float_environment.hpp"
#include "core/system_error.hpp"
#include "tokenizer/tokenizer_config.hpp"
#include "tokenizer/unicode.hpp"

namespace llm {

using namespace detail::jinja;

namespace {

std::string located(const std::string& where, Position at, const std::string& sentence) {
  return where + ", line " + std::to_string(at.line) + ", column " + std::to_string(at.column) +
         ": " + sentence;
}

std::string checked_utf8(const std::string& text, const std::string& where) {
  if (const auto at = detail::find_invalid_utf8(text))
    refuse_input(where, "not valid UTF-8 at byte " + std::to_string(*at));
  return text;
}

void set_text(Dict& dict, std::string name, std::string text) {
  dict.set(Value::given(std::move(name)), Value::given(std::move(text)));
}

// Members that are null count as absent, as in the reference.
Dict message_dict(const Message& message, std::size_t number) {
  const std::string where = "message " + std::to_string(number);
  const Value extra = message.extra.empty() ? Value::dict(Dict()) : read_json(message.extra, where);
  if (extra.dict() == nullptr) refuse_input(where, "its further members must be a JSON object");
  Dict dict;
  if (extra.dict()->member("role") == nullptr)
    set_text(dict, "role", checked_utf8(message.role, where));
  if (message.content && extra.dict()->member("content") == nullptr)
    set_text(dict, "content", checked_utf8(*message.content, where));
  for (const auto& [key, value] : extra.dict()->entries()) {
    if (!value.is_none()) dict.set(key, value);
  }
  return dict;
}

// What a model thought comes under several names; templates read reasoning_content or thinking.
Value with_reasoning(Dict message) {
  const Value* reasoning = nullptr;
  for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
    if (reasoning == nullptr) reasoning = message.member(name);
  }
  if (reasoning == nullptr) return Value::dict(std::move(message));
  Dict dict;
  dict.set(Value::given("thinking"), *reasoning);
  for (const auto& [key, value] : message.entries()) dict.set(key, value);
  dict.set(Value::given("reasoning_content"), *reasoning);
  return Value::dict(std::move(dict));
}

Value list_option(const std::string& json, const std::string& where) {
  if (json.empty()) return Value(nullptr);
  Value list = read_json(json, where);
  if (list.sequence() == nullptr)
    refuse_input(where, "expected a JSON list, got " + kind_name(list));
  for (const Value& item : list.sequence()->items) {
    if (item.dict() == nullptr)
      refuse_input(where, "expected JSON objects in the list, got " + kind_name(item));
  }
  return list;
}

std::tm local_time() {
  const std::time_t seconds = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  return parts;
}

Variables::Map variables_of(std::span<const Message> messages, const ChatOptions& options,
                            const ChatTemplate::SpecialTokens& special_tokens) {
  Variables::Map variables;
  for (const auto& [name, token] : special_tokens) variables[name] = Value::given(token);
  if (!options.variables.empty()) {
    const Value more = read_json(options.variables, "variables");
    if (more.dict() == nullptr)
      refuse_input("variables", "expected a JSON object, got " + kind_name(more));
    for (const auto& [name, value] : more.dict()->entries()) variables[name.text()->bytes] = value;
  }
  Items list;
  for (std::size_t i = 0; i < messages.size(); ++i)
    list.push_back(with_reasoning(message_dict(messages[i], i + 1)));
  variables["messages"] = Value::list(std::move(list));
  variables["tools"] = list_option(options.tools, "tools");
  variables["documents"] = list_option(options.documents, "documents");
  variables["add_generation_prompt"] = Value(options.add_generation_prompt);
  return variables;
}

struct Program {
  std::string where;
  Body body;
};

// Turns what comes out of `work`, which `at` is the place of, into an Error about the template.
template <typename Work, typename At>
auto guarded(const std::string& where, const Work& work, const At& at) -> decltype(work()) {
  const auto refuse = [&](ErrorCode code, const std::string& sentence) {
    throw Error(code, located(where, at(), sentence), where);
  };
  try {
    return work();
  } catch (const Error&) {
    throw;
  } catch (const SyntaxFailure& failure) {
    throw Error(ErrorCode::bad_format, located(where, failure.at, failure.sentence), where);
  } catch (const RaisedFailure& raised) {
    constexpr std::size_t longest = 10'000;
    throw Error(ErrorCode::invalid_input, std::string(first_characters(raised.sentence, longest)),
                where);
  } catch (const Failure& failure) {
    refuse(failure.code, failure.sentence);
  } catch (const std::bad_alloc&) {
    refuse(ErrorCode::out_of_memory, "there is not enough memory for the template");
  } catch (const std::exception& error) {
    refuse(ErrorCode::internal, std::string("the template fails: ") + error.what());
  }
  throw std::logic_error("a template neither ends nor fails");
}

Program compile(const std::string& source, const std::string& where) {
  const detail::FloatEnvironment environment;
  if (source.size() > detail::max_template_bytes)
    throw Error(ErrorCode::bad_format,
                where + ": the chat template has " + std::to_string(source.size()) +
                    " bytes, expected at most " + std::to_string(detail::max_template_bytes),
                where);
  if (const auto at = detail::find_invalid_utf8(source))
    throw Error(ErrorCode::bad_format,
                where + ": the chat template is not valid UTF-8 at byte " + std::to_string(*at),
                where);
  return guarded(
      where,
      [&] {
        return Program{where, parse(source)};
      },
      [] { return Position{}; });
}

}  // namespace

struct ChatTemplate::Programs {
  SpecialTokens special_tokens;
  std::map<std::string, Program, std::less<>> by_name;
};

ChatTemplate ChatTemplate::open(const std::filesystem::path& path,
                                const std::filesystem::path& instead) try {
  const TemplateFiles files = read_template_files(path, instead);
  auto programs = std::make_shared<Programs>();
  for (const auto& [name, token] : files.special_tokens)
    programs->special_tokens[name] = checked_utf8(token, path.string() + ", " + name);
  for (const auto& [name, file] : files.templates)
    programs->by_name.emplace(name, compile(file.source, file.where));
  ChatTemplate made;
  made.programs_ = std::move(programs);
  return made;
} catch (...) {
  detail::rethrow_as_error(path);
}

ChatTemplate ChatTemplate::from_text(std::string_view source, const SpecialTokens& special_tokens,
                                     const std::string& where) {
  auto programs = std::make_shared<Programs>();
  for (const auto& [name, token] : special_tokens)
    programs->special_tokens[name] = checked_utf8(token, where + ", " + name);
  programs->by_name.emplace("default", compile(std::string(source), where));
  ChatTemplate made;
  made.programs_ = std::move(programs);
  return made;
}

std::string ChatTemplate::render(std::span<const Message> messages,
                                 const ChatOptions& options) const {
  const detail::FloatEnvironment environment;
  const auto& by_name = programs_->by_name;
  std::string name = options.name;
  if (name.empty())
    name = !options.tools.empty() && by_name.contains("tool_use") ? "tool_use" : "default";
  const auto program = by_name.find(name);
  if (program == by_name.end()) {
    std::string known;
    for (const std::string& other : names()) known += (known.empty() ? "" : ", ") + quote(other);
    throw Error(ErrorCode::invalid_option,
                "there is no chat template " + quote(name) + "; the model has " + known);
  }
  if (messages.empty())
    throw Error(ErrorCode::invalid_input, "the conversation is empty; give at least one message");
  Interpreter interpreter(options.now ? *options.now : local_time(), options.interrupt);
  const auto run = [&, &body = program->second.body] {
    return interpreter.render(body, variables_of(messages, options, programs_->special_tokens));
  };
  return guarded(program->second.where, run, [&] { return interpreter.position(); });
}

std::vector<std::string> ChatTemplate::names() const {
  std::vector<std::string> names;
  for (const auto& [name, program] : programs_->by_name) names.push_back(name);
  return names;
}

}  // namespace llm
