// llm-generate qa: answers to questions, as parts of a context that is given with each.
#include "llm/tasks/qa.hpp"

#include "commands/eval_flags.hpp"
#include "commands/model_flags.hpp"
#include "commands/row_flags.hpp"
#include "commands/span_flags.hpp"
#include "shell/signals.hpp"
#include "shell/table.hpp"

namespace llm::shell {
namespace {

struct QaFlags {
  explicit QaFlags(CommandLine& line)
      : model(line),
        rows(line, {.fields = {"question", "context"}, .argument = "TEXT"}),
        spans(line),
        eval(line, {.reference = "answers", .answers = true}),
        line_(line) {
    line.option("--top-k", options.top_k, "Answers to write, the best first");
    line.option("--max-answer-len", options.max_answer_len, "Most tokens of an answer");
    line.flag("--handle-impossible-answer,--handle-impossible", options.handle_impossible_answer,
              "That there is no answer is one, too (empty)");
    max_seq_len_ = line.option("--max-seq-len", max_seq_len,
                               "Tokens read together: question, context and special ones (default: "
                               "384, or as many as the model takes)");
    doc_stride_ = line.option("--doc-stride", doc_stride,
                              "Tokens that windows of a long context share (default: 128, or half "
                              "of --max-seq-len)");
    line.flag("--no-align-to-words", no_align, "Answers may begin or end within a word");
  }
  QaOptions given() const {
    QaOptions given = options;
    if (max_seq_len_->count() > 0) given.max_seq_len = max_seq_len;
    if (doc_stride_->count() > 0) given.doc_stride = doc_stride;
    given.align_to_words = !no_align;
    given.input.interrupt = &interrupt_flag();
    return given;
  }
  RowJob job() const {
    RowJob job = rows.job();
    constexpr std::int64_t rows_together = 64;
    if (line_.app().count("--batch-size") == 0) job.batch_size = rows_together;
    return job;
  }
  ModelFlags model;
  RowFlags rows;
  SpanFlags spans;
  EvalFlags eval;
  QaOptions options;
  std::int64_t max_seq_len = 0, doc_stride = 0;
  bool no_align = false;

 private:
  CommandLine& line_;
  CLI::Option* max_seq_len_ = nullptr;
  CLI::Option* doc_stride_ = nullptr;
};

template <typename S>
OrderedJson fields_of(const std::vector<Answer>& answers, const QaFlags& flags) {
  OrderedJson list = OrderedJson::array();
  for (const Answer& answer : answers) {
    OrderedJson fields = {{"answer", answer.answer},
                          {"score", own_digits(static_cast<S>(answer.score))}};
    flags.spans.write(answer.span, fields);
    list.push_back(std::move(fields));
  }
  return {{"answers", std::move(list)}};
}

std::string answers_text(const Row& row, const OrderedJson& result, bool batch) {
  std::string lines = heading(row, batch);
  for (const OrderedJson& answer : result["answers"]) {
    const std::string text = answer["answer"];
    lines +=
        score_line(answer["score"], text.empty() ? "(no answer)" : text + span_note(answer)) + '\n';
  }
  return without_last_newline(std::move(lines));
}

template <typename S>
int run(const QaFlags& flags, const RowJob& job) {
  const auto path = flags.model.path();
  LoadOptions load = flags.model.load_options();
  load.head = HeadKind::question_answering;
  const auto model = Model<S>::load(path, load);
  const auto tokenizer = Tokenizer::open(path);
  const QuestionAnswerer<S> answerer(*model, *tokenizer, flags.given());
  const auto compute = [&](std::span<const Row> rows) {
    std::vector<Question> questions;
    for (const Row& row : rows) questions.push_back({row.texts[0], row.texts[1]});
    std::vector<RowResult> results;
    for (const std::vector<Answer>& answers : answerer.answer(questions))
      results.emplace_back(fields_of<S>(answers, flags));
    return results;
  };
  const auto text = [&](const Row& row, const OrderedJson& result) {
    return answers_text(row, result, job.batch());
  };
  return run_rows(job, {{"answers"}, compute, text});
}

}  // namespace

int run_qa(const Arguments& arguments) {
  CommandLine line("qa",
                   "Answers to a question, as parts of a context, by a model that tells where "
                   "answers are.\nThe argument or pipe is whichever of --question and --context is "
                   "not given.");
  QaFlags flags(line);
  if (const auto done = line.parse(arguments)) return *done;
  RowJob job = flags.job();
  return flags.eval.run(job, [&] {
    return with_scalar(flags.model.precision(),
                       [&](auto scalar) { return run<decltype(scalar)>(flags, job); });
  });
}

}  // namespace llm::shell
