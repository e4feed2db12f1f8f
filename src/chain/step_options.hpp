// The options of a step: those of its task by their types, those of generation as settings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "chain/chain_tasks.hpp"
#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "llm/generation/settings.hpp"

namespace llm::detail {

class StepOptions {
 public:
  // Throws Error (invalid_input) for unknown names, and for values of generation that are wrong by
  // themselves. `where` names the step in errors and must outlive this.
  StepOptions(const ChainTask& task, const ChainStep& step, std::string where);

  // Nothing when the option is not given. Throw Error (invalid_input) for values of another type.
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t least) const;
  std::optional<bool> boolean(std::string_view name) const;
  std::optional<std::string> text(std::string_view name) const;
  std::optional<std::vector<std::string>> list(std::string_view name) const;  // or one string
  // The same of two spellings.
  std::optional<std::string> text(std::string_view name, std::string_view other) const;
  // Whether long texts are cut ("overflow": error or truncate-right).
  bool cuts(bool otherwise) const;

  const std::vector<GenerationSetting>& settings() const { return settings_; }
  const std::string& where() const { return where_; }
  // What `make` makes, and its Error about an option as one about the chain's file.
  template <typename Make>
  auto checked(const Make& make) const {
    try {
      return make();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::invalid_option && error.code() != ErrorCode::unsupported)
        throw;
      const std::string_view sentence = error.what();
      bad_chain(sentence.find(where_) == std::string_view::npos ? where_ : "", error);
    }
  }

 private:
  [[noreturn]] static void bad_chain(const std::string& where, const Error& error);
  const Json* find(std::string_view name) const;
  [[noreturn]] void wrong(std::string_view name, const char* expected, const Json& value) const;

  std::string where_;
  Json own_ = Json::object();
  std::vector<GenerationSetting> settings_;
};

// Throws Error (invalid_input) for options of a task that are wrong whatever the model is.
void check_step_options(const ChainTask& task, const StepOptions& options);
void check_score_options(const StepOptions& options);

}  // namespace llm::detail
