/// \file
/// The one exception of the library. Every file that is read and every option that is given is
/// checked; what is wrong is thrown as an Error, nothing is printed and nothing aborts.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace llm {

/// What kind of thing went wrong. A program may branch on it; the sentence is for people.
enum class ErrorCode {
  internal,          ///< a bug of ours
  invalid_option,    ///< an option or argument out of range, or a combination that makes no sense
  file_not_found,    ///< a file or folder does not exist or cannot be opened
  io,                ///< reading or writing failed half-way (disk full, device error)
  bad_format,        ///< a model or tokenizer file is damaged or lies about itself
  unsupported,       ///< the file is sound, but of a kind that is not implemented
  tensor_mismatch,   ///< a tensor is missing, or its shape or type is not the one implied
  invalid_input,     ///< user data (prompt, row, token id) is not acceptable
  context_overflow,  ///< the prompt does not fit the model's context
  out_of_memory,     ///< an allocation failed
  time_limit,        ///< a limit on time was reached where that is an error
  interrupted,       ///< the caller's flag ended the work before there was a result
};

/// "bad_format" and so on: the enumerator's own name.
std::string_view to_string(ErrorCode code);

/// The text as it may be shown to people, whoever wrote it: control characters (also those of C1),
/// line ends, characters that turn the direction of writing, and bytes that are not UTF-8 become
/// escapes such as \n, \u001b and \xff. Characters of `kept` stay as they are.
std::string printable(std::string_view text, std::string_view kept = {});

/// Thrown for everything that can go wrong. what() is one printable() sentence that says what,
/// where, expected, got and what to do. subject() is the file, tensor or option it is about (may be
/// empty). The only other exception is std::bad_alloc, where a container of texts or tokens found no
/// memory; what opens files never throws it.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& sentence, std::string subject = {})
      : std::runtime_error(printable(sentence)), code_(code), subject_(std::move(subject)) {}

  ErrorCode code() const noexcept { return code_; }
  const std::string& subject() const noexcept { return subject_; }

 private:
  ErrorCode code_;
  std::string subject_;
};

/// `"text"` with control characters escaped and long text cut: for names from untrusted files.
std::string quote(std::string_view text, std::size_t max_bytes = 80);

/// The candidate nearest to `name` by edit distance, or empty when none is near enough to be a
/// typo.
std::string_view nearest_name(std::string_view name, const std::string_view* candidates,
                              std::size_t count);

}  // namespace llm
