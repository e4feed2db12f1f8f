// What the tasks of a chain's steps are: which texts they take, which options, which fields their
// values have. One table for checking, planning and running.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/chain/chain_description.hpp"

namespace llm::detail {

struct ChainTask {
  using Names = std::vector<std::string_view>;
  std::string_view name;
  Names texts;             // the main one first
  Names more_texts = {};   // that may be left out
  Names options = {};      // beside those of generation
  Names fields = {};       // of its values
  Names item_fields = {};  // of the elements of its values, where these are known beforehand
  bool has_model = true;
  bool generates = false;             // takes the options of generation
  bool has_text = true;               // its value can stand in a text
  bool has_items = false;             // its value is (also) a list
  std::optional<HeadKind> head = {};  // as LoadOptions::head
};

// Null for other names.
const ChainTask* find_chain_task(std::string_view name);
// All of them, in the order of the description.
std::span<const ChainTask> chain_tasks();
// The fields that values of a step have, and those of their elements.
std::vector<std::string_view> value_fields(const ChainTask& task, const ChainStep& step);
std::vector<std::string_view> item_fields(const ChainTask& task, const ChainStep& step);
// Whether the value of a generating step is a list (num_return_sequences).
bool has_several_answers(const ChainStep& step);

// "; did you mean "summary"?", or a list of what there is: "; expected one of a, b".
std::string nearest_or_list(std::string_view name, std::span<const std::string_view> known);

// Numbers in a chain's file are counts; larger ones are mistakes.
inline constexpr std::int64_t max_chain_number = 1'000'000'000'000;
// "an integer from 1 to 1000000000000"
std::string integer_range(std::int64_t least);

// Error (invalid_input) about a chain's file.
[[noreturn]] void bad_chain(const std::string& where, const std::string& what);

}  // namespace llm::detail
