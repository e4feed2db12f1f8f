// llm-generate embed: texts to vectors.
#include "commands/embed_flags.hpp"
#include "llm/core/error.hpp"
#include "shell/console.hpp"
#include "shell/exit_code.hpp"
#include "shell/npy.hpp"
#include "shell/signals.hpp"
#include "shell/table.hpp"

namespace llm::shell {
namespace {

template <typename S>
std::vector<TextTokens> encode(const TextEmbedder<S>& embedder, std::span<const Row> rows) {
  std::vector<TextTokens> texts;
  for (const Row& row : rows) texts.push_back(embedder.encode(row.texts[0]));
  return texts;
}

template <typename S>
std::vector<RowResult> embed(const TextEmbedder<S>& embedder, std::span<const Row> rows) {
  const std::vector<TextTokens> texts = encode(embedder, rows);
  const auto vectors = embedder.embed(texts);
  std::vector<RowResult> results;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    OrderedJson values = OrderedJson::array();
    for (const S value : vectors[i]) values.push_back(own_digits(value));
    results.emplace_back(OrderedJson{{"embedding", std::move(values)},
                                     {"tokens", texts[i].size()},
                                     {"truncated", texts[i].truncated}});
  }
  return results;
}

// "384 values, 7 tokens: 0.0332 0.0044 -0.0063 ..."
std::string embedding_as_text(const Row& row, const OrderedJson& result, bool batch) {
  constexpr std::size_t shown = 6;
  const OrderedJson& values = result["embedding"];
  std::string text = heading(row, batch) + std::to_string(values.size()) + " values, " +
                     result["tokens"].dump() + " tokens" +
                     (result["truncated"].get<bool>() ? " (cut)" : "") + ":";
  for (std::size_t i = 0; i < std::min(shown, values.size()); ++i) {
    char number[32];
    std::snprintf(number, sizeof number, " %.4f", values[i].get<double>());
    text += number;
  }
  return text + (values.size() > shown ? " ..." : "");
}

// The next rows, all of them good: a matrix has no place for errors.
std::vector<Row> next_rows(RowReader* reader, const RowJob& job, bool& single_taken) {
  std::vector<Row> rows;
  while (rows.size() < static_cast<std::size_t>(job.batch_size)) {
    if (!reader) {
      if (!std::exchange(single_taken, true)) rows.push_back(*job.single);
      break;
    }
    std::optional<Row> row = reader->next();
    if (!row) break;
    if (row->number % job.shards != job.shard) continue;
    if (row->error) throw Error(row->error->code, row->error->message, row->place);
    rows.push_back(std::move(*row));
  }
  return rows;
}

template <typename S>
int write_npy(const TextEmbedder<S>& embedder, const RowJob& job) {
  Output out(job.output, job.force);
  NpyWriter<S> npy(out, embedder.dimensions());
  std::optional<RowReader> reader;
  if (job.batch()) reader.emplace(job.input, job.reading);
  std::uint64_t cut = 0;
  bool single_taken = false;
  while (true) {
    const std::vector<Row> rows = next_rows(reader ? &*reader : nullptr, job, single_taken);
    if (interrupt_flag()) return signal_exit_code();
    if (rows.empty()) break;
    std::vector<TextTokens> texts;
    for (const Row& row : rows) {
      try {
        texts.push_back(embedder.encode(row.texts[0]));
      } catch (const Error& error) {
        throw Error(error.code(), row.place + ": " + error.what(), row.place);
      }
      cut += texts.back().truncated ? 1 : 0;
    }
    for (const std::vector<S>& vector : embedder.embed(texts)) npy.add(vector);
  }
  if (npy.rows() == 0) {
    throw Error(ErrorCode::invalid_input, job.input + ": there are no rows in it", job.input);
  }
  npy.finish();
  out.finish();
  if (cut > 0) {
    console().warning(std::to_string(cut) + " of " + std::to_string(npy.rows()) +
                      " texts were cut to " + std::to_string(embedder.limit()->tokens) + " tokens");
  }
  return exit_ok;
}

template <typename S>
int run(const EmbedFlags& flags) {
  const RowJob job = flags.task().job();
  const bool npy = flags.task().rows().own_format() == "npy";
  if (npy && (!Output::is_file(job.output) || job.resume || job.keep_all || !job.keep.empty())) {
    throw Error(ErrorCode::invalid_option,
                "--format npy writes a file of vectors and nothing else: it needs -o FILE, and has "
                "no --keep and no --resume",
                "--format");
  }
  const EmbeddingModel<S> opened = flags.open<S>();
  const TextEmbedder<S>& embedder = *opened.embedder;
  if (npy) return write_npy(embedder, job);
  return run_rows(job, {{"embedding", "tokens", "truncated"},
                        [&](std::span<const Row> rows) { return embed(embedder, rows); },
                        [&](const Row& row, const OrderedJson& result) {
                          return embedding_as_text(row, result, job.batch());
                        }});
}

}  // namespace

int run_embed(const Arguments& arguments) {
  CommandLine line("embed",
                   "One vector for a text, by any model: as a sentence-transformers folder says, "
                   "or the mean of all tokens (of decoders the last token).");
  EmbedFlags flags(line, {.formats = {"npy"}});
  if (const auto done = line.parse(arguments)) return *done;
  return with_scalar(flags.task().model().precision(),
                     [&](auto scalar) { return run<decltype(scalar)>(flags); });
}

}  // namespace llm::shell
