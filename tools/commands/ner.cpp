// llm-generate ner: the names in texts, by a model that labels tokens.
#include "llm/tasks/ner.hpp"

#include "commands/span_flags.hpp"
#include "commands/task_flags.hpp"
#include "shell/table.hpp"

namespace llm::shell {
namespace {

struct NerFlags {
  explicit NerFlags(CommandLine& line) : task(line, {}, false), spans(line) {
    line.option("--aggregation-strategy", aggregation,
                "Tokens to entities: none, simple, first, average, max (default: none, every token "
                "for itself)");
    line.option("--ignore-labels", ignore_labels, "Labels that are no entities (default: O)")
        ->delimiter(',')
        ->allow_extra_args(false);
    stride_option =
        line.option("--stride", stride, "Read long texts in windows that share so many tokens");
  }
  NerOptions options() const {
    NerOptions options;
    options.aggregation = aggregation_from_name(aggregation);
    options.ignore_labels = ignore_labels;
    if (stride_option->count() > 0) options.stride = stride;
    options.truncate = task.cuts();
    options.input = task.input();
    return options;
  }
  TaskFlags task;
  SpanFlags spans;
  std::string aggregation = "none";
  std::vector<std::string> ignore_labels = {"O"};
  std::int64_t stride = 0;
  CLI::Option* stride_option = nullptr;
};

template <typename S>
OrderedJson fields_of(const TaggedText& text, const NerFlags& flags) {
  const bool grouped = flags.aggregation != "none";
  OrderedJson list = OrderedJson::array();
  for (const Entity& entity : text.entities) {
    OrderedJson fields = {{grouped ? "entity_group" : "entity", entity.label},
                          {"score", own_digits(static_cast<S>(entity.score))}};
    if (!grouped) fields["index"] = entity.index;
    fields["word"] = entity.word;
    flags.spans.write(entity.span, fields);
    list.push_back(std::move(fields));
  }
  OrderedJson fields = {{"entities", std::move(list)}};
  if (flags.task.cuts()) fields["truncated"] = text.truncated;
  return fields;
}

std::string entities_text(const Row& row, const OrderedJson& result, bool batch) {
  std::string lines = heading(row, batch);
  for (const OrderedJson& entity : result["entities"]) {
    const OrderedJson& label =
        entity.contains("entity") ? entity["entity"] : entity["entity_group"];
    lines +=
        score_line(entity["score"], label.get<std::string>() + "  " +
                                        entity["word"].get<std::string>() + span_note(entity)) +
        '\n';
  }
  return without_last_newline(std::move(lines));
}

template <typename S>
int run(const NerFlags& flags) {
  const RowJob job = flags.task.job();
  const NerOptions options = flags.options();
  const auto path = flags.task.model().path();
  LoadOptions load = flags.task.model().load_options();
  load.head = HeadKind::token_classification;
  const auto model = Model<S>::load(path, load);
  const auto tokenizer = Tokenizer::open(path);
  const EntityTagger<S> tagger(*model, *tokenizer, options);
  std::vector<std::string> columns = {"entities"};
  if (flags.task.cuts()) columns.emplace_back("truncated");
  const auto compute = [&](std::span<const Row> rows) {
    std::vector<std::string> texts;
    for (const Row& row : rows) texts.push_back(row.texts[0]);
    std::vector<RowResult> results;
    for (const TaggedText& text : tagger.tag(texts))
      results.emplace_back(fields_of<S>(text, flags));
    return results;
  };
  const auto text = [&](const Row& row, const OrderedJson& result) {
    return entities_text(row, result, job.batch());
  };
  return run_rows(job, {std::move(columns), compute, text});
}

}  // namespace

int run_ner(const Arguments& arguments) {
  CommandLine line("ner", "The names in a text, by a model that labels tokens.");
  NerFlags flags(line);
  if (const auto done = line.parse(arguments)) return *done;
  return with_scalar(flags.task.model().precision(),
                     [&](auto scalar) { return run<decltype(scalar)>(flags); });
}

}  // namespace llm::shell
