/// \file
/// The generation loop: runs up to batch_size rows at once, lets the next one join when one ends,
/// and computes all of them in one step() of the model. Rows meet nowhere else.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "llm/generation/decoding.hpp"
#include "llm/generation/generator.hpp"
#include "llm/generation/task.hpp"

namespace llm::detail {

/// A row that is being computed: first the model reads its prompt in chunks, then a Decoding
/// chooses tokens.
template <typename S>
struct Row {
  std::uint64_t order = 0;  ///< place among the results
  Task task;
  DecodingContext<S> context;
  std::unique_ptr<SequenceState<S>> state;  ///< while the prompt is being read
  std::size_t fed = 0;                      ///< prompt tokens that the state holds
  std::size_t chunk = 0;                    ///< prompt tokens in the current step
  std::int64_t inputs = 0;                  ///< sequences in the current step
  std::size_t snapshot_at = 0;            ///< after so many prompt tokens other rows fork; 0: never
  std::unique_ptr<Decoding<S>> decoding;  ///< once the prompt has been read
  bool over = false;                      ///< its results are in finished_

  bool feeding() const { return fed < task.prompt.size(); }
};

/// Runs the rows of one source through one model.
template <typename S>
class Scheduler {
 public:
  Scheduler(const Generator<S>& generator, const GenerationConfig& config,
            const RequestSource& source, const ResultSink& sink, KeptSequence<S>* kept = nullptr);

  void run() {
    while (!interrupted()) {
      admit();
      if (active_.empty() || interrupted()) break;
      step(plan());
      retire();
      deliver();
    }
    if (interrupted()) interrupt_all();
    deliver();
  }

 private:
  using RowPointer = std::unique_ptr<Row<S>>;

  bool interrupted() const {
    const auto* flag = generator_.options().interrupt;
    return flag && flag->load(std::memory_order_relaxed);
  }

  // rows in: source -> waiting_ -> active_
  bool pull();
  void admit();
  void join_prefix(Row<S>& row);
  void start(std::vector<Row<S>*> rows);

  // one step of the model
  std::vector<Row<S>*> plan();
  void step(const std::vector<Row<S>*>& rows);
  void hand_out(const std::vector<Row<S>*>& rows, TensorView<const S> logits);
  void finish_chunk(Row<S>& row, std::span<const S> logits);
  void keep_prompt(const Row<S>& row);

  // rows out: active_ -> finished_ -> sink
  void fail(Row<S>& row, const Error& error);
  void finish(Row<S>& row, std::vector<GenerationResult> results);
  void retire();
  void interrupt_all();
  void deliver();

  const Generator<S>& generator_;
  const RequestSource& source_;
  const ResultSink& sink_;
  ModelLimits limits_;
  std::shared_ptr<const GenerationConfig> config_;
  std::shared_ptr<const ProcessorList<S>> processors_;  // of config_
  std::uint64_t drawn_seed_ = 0;                        // for configurations without a seed

  Workspace workspace_;
  bool source_ended_ = false;
  std::uint64_t pulled_ = 0;
  std::uint64_t delivered_ = 0;
  std::deque<RowPointer> waiting_;
  std::vector<RowPointer> active_;
  std::map<std::uint64_t, std::vector<GenerationResult>> finished_;  // by order
  KeptSequence<S> prefix_;          // a beginning that prompts share
  KeptSequence<S>* const kept_;     // receives the sequence of the only row; may be null
  const Row<S>* leader_ = nullptr;  // computes the next prefix_; others wait for it
};

extern template class Scheduler<float>;
extern template class Scheduler<double>;

}  // namespace llm::detail
