// llm-generate similar: how near two texts are to each other, or which texts of a file are the
// nearest.
#include "commands/embed_flags.hpp"
#include "llm/core/error.hpp"
#include "llm/tasks/similarity.hpp"
#include "shell/signals.hpp"
#include "shell/table.hpp"

namespace llm::shell {
namespace {

struct SimilarFlags {
  explicit SimilarFlags(CommandLine& line) : embed(line, {}) {
    embed.task().add_pair();
    line.option("--nearest", nearest,
                "Look in this file of rows (.jsonl, .csv, .tsv, .txt) for the texts nearest to "
                "each text");
    line.option("-k,--top-k", top_k, "How many of them (default: 5)")
        ->check(CLI::Range(1, 1 << 20));
  }
  EmbedFlags embed;
  std::string nearest;
  std::int64_t top_k = 5;
};

template <typename S>
OrderedJson to_json(const Similarity& similarity) {
  return {{"cosine", own_digits(static_cast<S>(similarity.cosine))},
          {"angle", own_digits(static_cast<S>(similarity.angle))},
          {"l2", own_digits(static_cast<S>(similarity.l2))}};
}

template <typename S>
std::vector<RowResult> compare(const TextEmbedder<S>& embedder, const SimilarFlags& flags,
                               std::span<const Row> rows) {
  std::vector<TextTokens> texts;
  for (const Row& row : rows) {
    const std::optional<std::string> pair = flags.embed.task().pair(row);
    if (!pair) {
      const std::string& name = flags.embed.task().pair_field();
      throw Error(ErrorCode::invalid_input,
                  row.place + ": the row has no second text " + quote(name) + "; give it, or " +
                      "--text-pair TEXT for all rows, or --nearest FILE to look for texts" +
                      field_suggestion(name, row.fields),
                  row.place);
    }
    texts.push_back(embedder.encode(row.texts[0]));
    texts.push_back(embedder.encode(*pair));
  }
  const auto vectors = embedder.embed(texts);
  std::vector<RowResult> results;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    OrderedJson fields = to_json<S>(
        similarity(std::span<const S>(vectors[2 * i]), std::span<const S>(vectors[2 * i + 1])));
    fields["truncated"] = texts[2 * i].truncated || texts[2 * i + 1].truncated;
    results.emplace_back(std::move(fields));
  }
  return results;
}

std::string pair_as_text(const Row& row, const OrderedJson& result, bool batch) {
  char text[96];
  std::snprintf(text, sizeof text, "cosine %.4f  angle %.2f\u00b0  l2 %.4f%s",
                result["cosine"].get<double>(), result["angle"].get<double>(),
                result["l2"].get<double>(), result["truncated"].get<bool>() ? "  (cut)" : "");
  return heading(row, batch) + text;
}

// The texts of a file with their vectors.
template <typename S>
struct Collection {
  std::vector<std::string> ids, texts;
  std::vector<std::vector<S>> vectors;
};

template <typename S>
Collection<S> read_collection(const TextEmbedder<S>& embedder, const RowJob& job,
                              const std::string& file) {
  RowReader::Options options;
  options.format = input_format_of(file);
  options.id_field = job.reading.id_field;
  options.fields = {{job.reading.fields.front().name, std::nullopt}};
  options.line_field = options.fields.front().name;
  RowReader reader(file, options);
  Collection<S> all;
  std::vector<TextTokens> texts;
  const auto flush = [&] {
    for (auto& vector : embedder.embed(texts)) all.vectors.push_back(std::move(vector));
    texts.clear();
  };
  while (std::optional<Row> row = reader.next()) {
    if (row->error) throw Error(row->error->code, row->error->message, row->place);
    try {
      texts.push_back(embedder.encode(row->texts[0]));
    } catch (const Error& error) {
      throw Error(error.code(), row->place + ": " + error.what(), row->place);
    }
    all.ids.push_back(std::move(row->id));
    all.texts.push_back(std::move(row->texts[0]));
    if (texts.size() == static_cast<std::size_t>(job.batch_size)) flush();
  }
  check_not_interrupted();
  flush();
  if (all.ids.empty()) {
    throw Error(ErrorCode::invalid_input, file + ": there are no rows in it", file);
  }
  return all;
}

template <typename S>
std::vector<RowResult> find(const TextEmbedder<S>& embedder, const Collection<S>& all,
                            const SimilarFlags& flags, std::span<const Row> rows) {
  std::vector<TextTokens> texts;
  for (const Row& row : rows) texts.push_back(embedder.encode(row.texts[0]));
  auto vectors = embedder.embed(texts);
  std::vector<RowResult> results;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    NearestNeighbours<S> nearest(std::move(vectors[i]), static_cast<std::size_t>(flags.top_k));
    for (std::size_t k = 0; k < all.vectors.size(); ++k) nearest.add(k, all.vectors[k]);
    OrderedJson list = OrderedJson::array();
    for (const Neighbour& neighbour : nearest.nearest()) {
      OrderedJson entry = {{"id", OrderedJson::parse(all.ids[neighbour.row])},
                           {"text", all.texts[neighbour.row]}};
      entry.update(to_json<S>(neighbour.similarity));
      list.push_back(std::move(entry));
    }
    results.emplace_back(
        OrderedJson{{"nearest", std::move(list)}, {"truncated", texts[i].truncated}});
  }
  return results;
}

std::string nearest_as_text(const Row& row, const OrderedJson& result, bool batch) {
  std::string lines = heading(row, batch);
  for (const OrderedJson& entry : result["nearest"]) {
    lines += score_line(entry["cosine"],
                        dump(entry["id"]) + "  " + quote(entry["text"].get<std::string>())) +
             '\n';
  }
  return lines.substr(0, lines.size() - 1);
}

template <typename S>
int run(const SimilarFlags& flags) {
  RowJob job = flags.embed.task().job();
  const EmbeddingModel<S> opened = flags.embed.open<S>();
  const TextEmbedder<S>& embedder = *opened.embedder;
  if (flags.nearest.empty()) {
    return run_rows(job, {{"cosine", "angle", "l2", "truncated"},
                          [&](std::span<const Row> rows) { return compare(embedder, flags, rows); },
                          [&](const Row& row, const OrderedJson& result) {
                            return pair_as_text(row, result, job.batch());
                          }});
  }
  const Collection<S> all = read_collection(embedder, job, flags.nearest);
  Digest digest;
  for (const std::string& text : all.texts) digest.add(text + '\n');
  job.identity["nearest_digest"] = digest.value();
  return run_rows(job, {{"nearest", "truncated"},
                        [&](std::span<const Row> rows) { return find(embedder, all, flags, rows); },
                        [&](const Row& row, const OrderedJson& result) {
                          return nearest_as_text(row, result, job.batch());
                        }});
}

}  // namespace

int run_similar(const Arguments& arguments) {
  CommandLine line("similar",
                   "How near two texts are: cosine, angle in degrees and Euclidean distance of "
                   "their vectors; or which texts of a file (--nearest) are the nearest.");
  SimilarFlags flags(line);
  if (const auto done = line.parse(arguments)) return *done;
  return with_scalar(flags.embed.task().model().precision(),
                     [&](auto scalar) { return run<decltype(scalar)>(flags); });
}

}  // namespace llm::shell
