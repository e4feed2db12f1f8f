/// \file
/// A chain as people write it down: named steps that feed each other. As JSON:
///
///     { "models": { "writer": "models/t5", "reader": {"path": "org/name", "dtype": "int8"} },
///       "inputs": { "articles": {"file": "articles.jsonl"}, "question": null },
///       "steps": [
///         { "name": "summary", "task": "summarize", "model": "writer", "map": "articles",
///           "text": "{{item.body}}", "options": {"max_new_tokens": 60} },
///         { "name": "answer", "model": "reader", "reduce": "summary",
///           "each": "{{index}}. {{item}}", "separator": "\n",
///           "prompt": "{{items}}\n\nQuestion: {{question}}\nAnswer:" } ] }
///
/// At the top:
///   models   names for models: a path, or {"path", "dtype": "bf16|int8|int8-channel|int4|f32",
///            "adapters": ["FOLDER", {"path", "weight"}]}. A step may also name a model directly.
///            What is not
///            there as named is looked for beside the chain's file.
///   inputs   what the chain is given: an object of names with what they are when nothing is given
///            (null: they must be given; {"file": "x.jsonl"}: the rows of a file beside the
///            chain's), or a list of names. Without it every name that is no step's is an input.
///   steps    in any order; a step is done when those it uses are done.
///   description   for people; steps may have one, too.
///
/// A step has a "name" and a "task", by default "generate" where there is a "prompt" and "text"
/// where "reduce" is all there is. Its texts are templates: `{{name}}` is the text of a step or
/// input, `{{name.field}}` a field of it, `\{{` two braces. A list of strings is a text of so many
/// lines.
///
///   task         texts                  value                 fields
///   text         text                   the text
///   split        text                   a list: its parts between "separator"s, trimmed
///   generate     prompt                 what was generated    finish_reason, new_tokens, seed, ...
///   few-shot     fields                 the same, of a prompt made by the files "template" and
///                                       "examples"; the template's fields are "fields": {NAME:
///                                       TEXT}, or else inputs and steps of their names, or in a
///                                       map step fields of the element
///   chat         prompt, system         the answer of the model's own chat template
///   summarize    text                   as the commands of the same names
///   translate    text
///   classify     text, text_pair        the best label        label, score, labels
///   zero-shot    text, labels           the best label        label, score, labels, scores
///   ner          text                   the words, and a list: entity (or entity_group), score,
///                                       word, start, end
///   qa           question, context      the answer            answer, score, start, end, answers
///   fill-mask    text                   the best words        token_str, score, sequence, masks
///   score        prompt, choices        the best choice       best, logprob, score, choices
///                                       (choices are lines)
///   similar      text, text_pair        the cosine            cosine, angle, l2, truncated
///   embed        text                   the vector            embedding, tokens, truncated
///   retrieve     text                   the rows of "file" that are nearest to the text, joined,
///                                       and a list of them: their fields and cosine
///
/// Further members of a step:
///   model        which model; not needed where there is only one
///   map          a list: an input, or a step whose value is one: map, split, ner, retrieve, or
///                num_return_sequences above 1 (its answers). The step is done for each element:
///                `{{item}}`, `{{item.field}}`; `{{index}}` is its number from 1; other lists that
///                were made from the same one stand for their element of this number. The step's
///                value is a list.
///   reduce       a list that becomes one text, `{{items}}`: its elements as "each" says (default
///                "{{item}}") with "separator" between them (default a line end)
///   repeat       {"times": N, "until": STRING or list, "max_chars": N, "max_new_tokens": N,
///                "between": STRING or list}. Of generate: the output is appended to the prompt and
///                is generated again, up to N times, until one of the strings comes (it is cut
///                off), the value has as many characters or tokens, or nothing more comes.
///                "between" stands between outputs; several in turns. The value is all outputs;
///                fields rounds, ended (times, until, length, empty).
///   options      of the task, by their names of the commands' flags (Hugging Face's): those of
///                generation_config.json, overflow, add_special_tokens, stop; prefix, src_lang,
///                tgt_lang; shots, select, select_seed, label_field; top_k, function_to_apply;
///                hypothesis_template, multi_label; aggregation_strategy, ignore_labels, stride;
///                max_answer_len, handle_impossible_answer, max_seq_len, doc_stride,
///                align_to_words; targets; length_normalize, token_logprobs; pooling, normalize,
///                max_seq_length, prompt, prompt_name
///   file, field  of retrieve: the rows, and which of their fields is embedded (default "text");
///                "top_k" of the options says how many (default 3), "each" and "separator" how they
///                are joined
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llm/chain/chain_value.hpp"
#include "llm/model/model.hpp"

namespace llm {

/// A model that steps name.
struct ChainModelSource {
  std::string path;                        ///< as named; the loader finds it
  std::optional<WeightType> weights = {};  ///< absent: as the loader is told
  std::vector<Adapter> adapters = {};      ///< merged into it
};

/// A step that goes on with its own output.
struct ChainRepeat {
  std::int64_t times = 1;                      ///< most rounds
  std::vector<std::string> until = {};         ///< strings that end it; cut off, as all behind them
  std::optional<std::int64_t> max_chars = {};  ///< most characters of the value
  std::optional<std::int64_t> max_new_tokens = {};  ///< most tokens of the value
  std::vector<std::string> between = {};            ///< between two outputs, in turns
};

/// A text or an option of a step, by name.
struct ChainSetting {
  std::string name;   ///< as in the file
  std::string value;  ///< a template, or JSON text
};

/// One step; names are those of the file.
struct ChainStep {
  std::string name;        ///< that other steps use
  std::string task = {};   ///< empty: "generate" with a prompt, "text" with only a reduce
  std::string model = {};  ///< of ChainDescription::models, or a path; empty: the only model
  std::vector<ChainSetting> texts = {};  ///< templates: "prompt", "text", ...; of few-shot prompts
                                         ///< "fields.NAME"
  std::vector<ChainSetting> options = {};     ///< values as JSON text
  std::string map = {};                       ///< a list: the step is done for each element
  std::string reduce = {};                    ///< a list: it becomes one text
  std::optional<std::string> each = {};       ///< how an element stands in that text
  std::optional<std::string> separator = {};  ///< what stands between elements
  std::optional<ChainRepeat> repeat = {};     ///< goes on with its own output
  std::string file = {};                      ///< of "retrieve": the rows
  std::string field = {};                     ///< of "retrieve": the field that is embedded
  std::string few_shot_template = {};         ///< of "few-shot": a file
  std::string examples = {};                  ///< of "few-shot": a file
};

/// Something that a chain is given.
struct ChainInput {
  std::string name;                      ///< that steps use
  std::optional<ChainValue> value = {};  ///< when nothing is given; absent: it must be given
  std::string file = {};                 ///< whose rows are the value
};

/// All of a chain. Filled by read() or in code; checked by ChainPlan.
struct ChainDescription {
  std::string where = "the chain";    ///< names it in errors
  std::filesystem::path folder = {};  ///< files with relative names are in it
  std::map<std::string, ChainModelSource, std::less<>> models = {};  ///< by name
  std::string default_model = {};  ///< of steps that name none; empty: the only one of `models`
  /// Absent: any name that is no step's is an input that must be given.
  std::optional<std::vector<ChainInput>> inputs = {};
  std::vector<ChainStep> steps = {};  ///< in any order

  /// Throws Error: file_not_found, or invalid_input for anything unknown (with the nearest name) or
  /// of the wrong type.
  static ChainDescription read(const std::filesystem::path& file);
  /// The same from text; `where` names it in errors.
  static ChainDescription parse(std::string_view json, const std::string& where,
                                const std::filesystem::path& folder = {});

  /// The file of that name: as it is, or in `folder`.
  std::filesystem::path find_file(const std::string& name) const;
};

}  // namespace llm
