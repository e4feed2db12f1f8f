/// \file
/// The library's one exception. Every file and every option is checked; what is wrong is thrown as
/// an Error. Nothing is printed and nothing aborts.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace llm {

/// What kind of thing went wrong: for programs. The sentence is for people.
enum class ErrorCode {
  internal,          ///< a bug in this library
  invalid_option,    ///< an option or argument out of range, or a combination that makes no sense
  file_not_found,    ///< a file or folder does not exist or cannot be opened
  io,                ///< reading or writing failed half-way (disk full, device error)
  bad_format,        ///< a model or tokenizer file is damaged or contradicts itself
  unsupported,       ///< the file is fine, but needs something that is not implemented
  tensor_mismatch,   ///< a tensor is missing, or its shape or type is not the one expected
  invalid_input,     ///< user data (prompt, row, token id) is not acceptable
  context_overflow,  ///< the prompt does not fit the model's context
  out_of_memory,     ///< an allocation failed
  time_limit,        ///< a time limit was reached where that is an error
  interrupted,       ///< the caller's flag ended the work before there was a result
};

/// The enumerator's own name, such as "bad_format".
std::string_view to_string(ErrorCode code);

/// Makes a text from anyone safe to show: control characters (C0 and C1), line ends, characters
/// that change the direction of writing, and bytes that are not UTF-8 become escapes such as `\n`,
/// `\u001b` and `\xff`. The characters in `kept` stay as they are.
std::string printable(std::string_view text, std::string_view kept = {});

/// Thrown for everything that can go wrong. what() is one printable() sentence that says what went
/// wrong, where, what was expected, what was found and what to do. The only other exception is
/// std::bad_alloc, when a container of texts or tokens finds no memory; functions that open files
/// never throw it.
class Error : public std::runtime_error {
 public:
  /// `sentence` is made printable(); `subject` as in subject().
  Error(ErrorCode code, const std::string& sentence, std::string subject = {})
      : std::runtime_error(printable(sentence)), code_(code), subject_(std::move(subject)) {}

  /// What kind of thing went wrong.
  ErrorCode code() const noexcept { return code_; }
  /// The file, tensor or option it is about; may be empty.
  const std::string& subject() const noexcept { return subject_; }

 private:
  ErrorCode code_;
  std::string subject_;
};

/// The text in double quotes, printable() and cut when it is long: for names from files.
std::string quote(std::string_view text, std::size_t max_bytes = 80);

/// The candidate nearest to `name` by edit distance; empty when none is near enough for a typo.
std::string_view nearest_name(std::string_view name, const std::string_view* candidates,
                              std::size_t count);

}  // namespace llm
