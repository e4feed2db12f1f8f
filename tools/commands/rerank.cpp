// llm-generate rerank: documents in the order in which they answer a query, by a cross-encoder.
#include "llm/tasks/rerank.hpp"

#include "commands/task_flags.hpp"
#include "llm/core/error.hpp"
#include "shell/table.hpp"

namespace llm::shell {
namespace {

struct RerankFlags {
  explicit RerankFlags(CommandLine& line)
      : task(line, {.fields = {"query"}, .argument = "QUERY"}, true) {
    line.option("--documents", documents,
                "Rank the texts of this file of rows (.jsonl, .csv, .tsv, .txt), instead of the "
                "list \"documents\" of each row");
    line.option("--document-field", document_field, "Name of a document's text in that file");
    line.option("-k,--top-k", options.top_k, "Documents to write, the best first (default: all)")
        ->check(CLI::Range(0, 1 << 20));
    line.option("--function-to-apply", function,
                "Logits to scores: sigmoid or none (default: as config.json says)");
  }
  RerankOptions given() const {
    RerankOptions given = options;
    given.input = task.input();
    if (!function.empty()) given.function = score_function_from_name(function);
    given.truncation = task.cuts() ? Truncation::longest_first : Truncation::none;
    return given;
  }
  TaskFlags task;
  RerankOptions options;
  std::string documents, document_field = "text", function;
};

struct Documents {
  std::vector<OrderedJson> ids;
  std::vector<std::string> texts;
};

Documents read_documents(const RerankFlags& flags, const RowJob& job) {
  RowReader::Options options;
  options.format = input_format_of(flags.documents);
  options.id_field = job.reading.id_field;
  options.fields = {{flags.document_field, std::nullopt}};
  options.line_field = flags.document_field;
  RowReader reader(flags.documents, options);
  Documents all;
  while (std::optional<Row> row = reader.next()) {
    if (row->error) throw Error(row->error->code, row->error->message, row->place);
    all.ids.push_back(OrderedJson::parse(row->id));
    all.texts.push_back(std::move(row->texts[0]));
  }
  if (all.ids.empty()) {
    throw Error(ErrorCode::invalid_input, flags.documents + ": there are no rows in it",
                flags.documents);
  }
  return all;
}

// The list "documents" of a row; their ids are their places in it.
Documents documents_of(const Row& row) {
  const auto list = row.fields.find("documents");
  if (list == row.fields.end() || !list->is_array() || list->empty()) {
    throw Error(ErrorCode::invalid_input,
                row.place + ": the row has no list \"documents\"; give it, or --documents FILE" +
                    field_suggestion("documents", row.fields),
                row.place);
  }
  Documents all;
  for (const OrderedJson& document : *list) {
    if (!document.is_string()) {
      throw Error(ErrorCode::invalid_input,
                  row.place + ": document " + std::to_string(all.ids.size()) +
                      " is no text: " + dump(document),
                  row.place);
    }
    all.ids.emplace_back(all.ids.size());
    all.texts.push_back(document.get<std::string>());
  }
  return all;
}

template <typename S>
OrderedJson ranked(const Reranker<S>& reranker, const std::string& query, const Documents& all) {
  OrderedJson list = OrderedJson::array();
  bool truncated = false;
  for (const RankedDocument& document : reranker.rank(query, all.texts)) {
    list.push_back({{"id", all.ids[document.index]},
                    {"score", own_digits(static_cast<S>(document.score))},
                    {"text", all.texts[document.index]}});
    truncated = truncated || document.truncated;
  }
  return {{"ranked", std::move(list)}, {"truncated", truncated}};
}

std::string as_text(const Row& row, const OrderedJson& result, bool batch) {
  std::string lines = heading(row, batch);
  for (const OrderedJson& entry : result["ranked"]) {
    lines += score_line(entry["score"],
                        dump(entry["id"]) + "  " + quote(entry["text"].get<std::string>())) +
             '\n';
  }
  return lines.substr(0, lines.size() - 1);
}

template <typename S>
int run(const RerankFlags& flags) {
  RowJob job = flags.task.job();
  const RerankOptions options = flags.given();
  std::optional<Documents> of_file;
  if (!flags.documents.empty()) {
    of_file = read_documents(flags, job);
    Digest digest;
    for (const std::string& text : of_file->texts) digest.add(text + '\n');
    job.identity["documents_digest"] = digest.value();
  }
  const auto path = flags.task.model().path();
  LoadOptions load = flags.task.model().load_options();
  load.head = HeadKind::sequence_classification;
  const auto model = Model<S>::load(path, load);
  const auto tokenizer = Tokenizer::open(path);
  const Reranker<S> reranker(*model, *tokenizer, options);
  const auto compute = [&](std::span<const Row> rows) {
    std::vector<RowResult> results;
    for (const Row& row : rows) {
      results.emplace_back(ranked(reranker, row.texts[0], of_file ? *of_file : documents_of(row)));
    }
    return results;
  };
  return run_rows(job,
                  {{"ranked", "truncated"}, compute, [&](const Row& row, const OrderedJson& r) {
                     return as_text(row, r, job.batch());
                   }});
}

}  // namespace

int run_rerank(const Arguments& arguments) {
  CommandLine line("rerank",
                   "Documents in the order in which they answer a query, by a cross-encoder: a "
                   "classifier of pairs with one label.");
  RerankFlags flags(line);
  if (const auto done = line.parse(arguments)) return *done;
  return with_scalar(flags.task.model().precision(),
                     [&](auto scalar) { return run<decltype(scalar)>(flags); });
}

}  // namespace llm::shell
