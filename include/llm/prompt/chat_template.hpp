/// \file
/// Conversations as a chat model reads them. Stands before the line: messages -> text -> Tokenizer.
/// The text is made by the model's own chat template, a program in the part of Jinja that chat
/// templates use, run as the reference library runs it.
#pragma once

#include <atomic>
#include <ctime>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// One turn of a conversation.
struct Message {
  std::string role;                    ///< "system", "user", "assistant", "tool", ...
  std::optional<std::string> content;  ///< absent in turns that, for example, only call tools
  /// Further members as the text of a JSON object: tool_calls, name, content as a list of parts ...
  /// Members of it that are called role and content win over those above.
  std::string extra = {};
};

/// Reads `[{"role": "user", "content": "..."}, ...]` or an object with that list as `messages`;
/// `where` names the text in errors. Throws Error (invalid_input) that says which message has the
/// wrong shape.
std::vector<Message> parse_messages(std::string_view json, const std::string& where);

/// How a conversation is rendered.
struct ChatOptions {
  /// End with what makes the model answer as the assistant. The reference's default is false.
  bool add_generation_prompt = true;
  std::string tools = {};           ///< JSON list of the tools the model may call; empty: none
  std::string documents = {};       ///< JSON list of documents to answer from; empty: none
  std::string variables = {};       ///< JSON object of more variables that the template looks at
  std::optional<std::tm> now = {};  ///< what strftime_now writes; absent: the local time
  std::string name =
      {};  ///< which of several templates; empty: "tool_use" with tools, or "default"
  const std::atomic<bool>* interrupt = nullptr;  ///< ends the rendering when it is set
};

/// Immutable; any number of threads may use one ChatTemplate.
class ChatTemplate {
 public:
  /// The texts of special tokens by the names that templates use: bos_token, eos_token, ...
  using SpecialTokens = std::map<std::string, std::string, std::less<>>;

  /// Opens the templates of a model: of a folder `chat_template.jinja` and `chat_templates/*.jinja`
  /// or else "chat_template" of `tokenizer_config.json` (a text, or a list of named texts), of a
  /// GGUF file `tokenizer.chat_template`. `instead`: a file with a template to take in place of the
  /// model's own, with the model's special tokens. Throws Error: unsupported when there is none,
  /// bad_format with line and column for what is not a template.
  static ChatTemplate open(const std::filesystem::path& path,
                           const std::filesystem::path& instead = {});

  /// `where` names the text in errors.
  static ChatTemplate from_text(std::string_view source, const SpecialTokens& special_tokens = {},
                                const std::string& where = "chat template");

  /// The conversation as text, to be encoded without adding special tokens: the template writes
  /// them. Throws Error: invalid_input when the template refuses the messages (the sentence is then
  /// the template's own) or fails on them, unsupported for a filter or test we do not have,
  /// time_limit when it takes too many steps, out_of_memory when it makes too much at a time,
  /// interrupted when `options.interrupt` is set.
  std::string render(std::span<const Message> messages, const ChatOptions& options = {}) const;

  /// The names of the templates; "default" when there is one.
  std::vector<std::string> names() const;

 private:
  struct Programs;
  std::shared_ptr<const Programs> programs_;
};

}  // namespace llm
