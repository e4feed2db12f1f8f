// Conversations from JSON.
#include "chat/text.hpp"
#include "chat/value.hpp"
#include "llm/prompt/chat_template.hpp"

namespace llm {

using namespace detail::jinja;

namespace {

std::string as_json(const Value& value, const std::string& where) {
  Budget budget;
  Builder out(budget);
  try {
    write_json(value, {}, out);
  } catch (const Failure&) {
    refuse_input(where, "the message is too large; expected at most " +
                            std::to_string(budget.limits().text_bytes >> 20U) + " MiB");
  }
  return out.take();
}

// Content is a text, a list of parts (objects), or absent where there are other members.
void check_content(const Dict& message, const std::string& where) {
  const Value* content = message.member("content");
  const bool is_absent = content == nullptr || content->is_none();
  if (is_absent && message.entries().size() <= (content == nullptr ? 1U : 2U))
    refuse_input(where, "\"content\" is missing");
  if (is_absent || content->text() != nullptr) return;
  if (content->sequence() == nullptr)
    refuse_input(where,
                 "\"content\" must be a string or a list of parts, got " + kind_name(*content));
  for (const Value& part : content->sequence()->items) {
    if (part.dict() == nullptr && part.text() == nullptr)
      refuse_input(where,
                   "a part of \"content\" must be an object or a string, got " + kind_name(part));
  }
}

Message read_message(const Value& value, const std::string& where) {
  if (value.dict() == nullptr)
    refuse_input(where,
                 "expected an object with \"role\" and \"content\", got " + kind_name(value));
  const Dict& dict = *value.dict();
  const Value* role = dict.member("role");
  if (role == nullptr)
    refuse_input(where, "\"role\" is missing (\"system\", \"user\" or \"assistant\")");
  if (role->text() == nullptr)
    refuse_input(where, "\"role\" must be a string, got " + kind_name(*role));
  check_content(dict, where);
  Message message{role->text()->bytes, std::nullopt, {}};
  const Value* content = dict.member("content");
  if (content != nullptr && content->text() != nullptr) message.content = content->text()->bytes;
  const bool is_plain = dict.entries().size() == 2 && message.content &&
                        dict.entries()[0].first.text()->bytes == "role";
  if (!is_plain) message.extra = as_json(value, where);
  return message;
}

}  // namespace

std::vector<Message> parse_messages(std::string_view json, const std::string& where) {
  const Value whole = read_json(json, where);
  const Value* member = whole.dict() == nullptr ? nullptr : whole.dict()->member("messages");
  const Value& list = member == nullptr ? whole : *member;
  if (list.sequence() == nullptr)
    refuse_input(where,
                 "expected a list of messages, [{\"role\": \"user\", \"content\": \"...\"}], got " +
                     kind_name(list));
  if (list.sequence()->items.empty()) refuse_input(where, "the list of messages is empty");
  std::vector<Message> messages;
  for (const Value& item : list.sequence()->items)
    messages.push_back(
        read_message(item, where + ", message " + std::to_string(messages.size() + 1)));
  return messages;
}

}  // namespace llm
