// The steps of the generation loop: which rows join, what they read, which rows leave.
#include "llm/generation/scheduler.hpp"

#include <new>
#include <random>

namespace llm::detail {

namespace {

// Finished rows that may wait for an earlier one: this bounds the memory of a run.
constexpr std::uint64_t finished_window = 4096;

// Other rows do not wait for a shared beginning that is shorter than this.
constexpr std::size_t least_prefix = 16;

std::uint64_t draw_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

Error no_memory() {
  return Error(ErrorCode::out_of_memory, "there is not enough memory for this row");
}

std::size_t common_prefix(std::span<const TokenId> a, std::span<const TokenId> b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

// The part of a prompt that may come from elsewhere: the last token must be read to get logits.
std::span<const TokenId> shareable(std::span<const TokenId> prompt) {
  return prompt.first(prompt.size() - 1);
}

template <typename S>
std::shared_ptr<const ProcessorList<S>> processors_of(const Generator<S>& generator,
                                                      const GenerationConfig& config) {
  return std::make_shared<const ProcessorList<S>>(
      make_processors(config, generator.options().processors));
}

}  // namespace

template <typename S>
Scheduler<S>::Scheduler(const Generator<S>& generator, const GenerationConfig& config,
                        const RequestSource& source, const ResultSink& sink, KeptSequence<S>* kept)
    : generator_(generator),
      source_(source),
      sink_(sink),
      limits_{generator.model().vocab_size(),         generator.model().source_vocab_size(),
              generator.model().is_encoder_decoder(), generator.model().max_length(),
              generator.model().max_source_length(),  generator.options().max_input_tokens,
              generator.options().interrupt},
      config_(std::make_shared<const GenerationConfig>(config)),
      drawn_seed_(draw_seed()),
      kept_(limits_.is_encoder_decoder ? nullptr : kept) {
  config.validate();
  workspace_.set_interrupt(generator.options().interrupt);
  if (kept_ && kept_->state) prefix_ = {kept_->ids, kept_->state->fork()};
  processors_ = processors_of(generator, config);
}

// Makes the next request a waiting row, or a finished one when it cannot be done. Returns whether
// there was a request.
template <typename S>
bool Scheduler<S>::pull() {
  if (source_ended_ || pulled_ - delivered_ >= finished_window) return false;
  std::optional<GenerationRequest> request = source_();
  source_ended_ = !request;
  if (!request) return false;
  auto row = std::make_unique<Row<S>>();
  row->order = pulled_++;
  row->task.row = request->row.value_or(row->order);
  row->task.request.id = request->id;
  try {
    if (request->error) throw Error(request->error->code, request->error->message);
    const auto config = request->config ? request->config : config_;
    const std::uint64_t number = row->task.row;
    row->task = prepare_task(std::move(*request), config, limits_, generator_.tokenizer(),
                             generator_.options().overflow);
    row->task.row = number;
    if (config->do_sample) row->task.seed = config->seed.value_or(drawn_seed_);
    row->context = {&generator_.options(),
                    config == config_ ? processors_ : processors_of(generator_, *config), kept_};
    waiting_.push_back(std::move(row));
  } catch (const Error& error) {
    if (error.code() == ErrorCode::interrupted) return false;  // the row has not begun
    fail(*row, error);
  } catch (const std::bad_alloc&) {
    fail(*row, no_memory());
  }
  return true;
}

// Fills the batch. Looks at one row more than fits, to see whether it shares a prefix.
template <typename S>
void Scheduler<S>::admit() {
  std::vector<Row<S>*> fresh;
  while (active_.size() < static_cast<std::size_t>(generator_.options().batch_size) && !leader_) {
    while (waiting_.size() < 2 && pull()) deliver();  // a row that has failed need not wait
    if (waiting_.empty()) break;
    active_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    Row<S>& row = *active_.back();
    row.task.started = std::chrono::steady_clock::now();
    const RunOptions<S>& options = generator_.options();
    if ((options.share_prefix || options.prefix || kept_) && !limits_.is_encoder_decoder)
      join_prefix(row);
    if (!row.state) fresh.push_back(&row);
  }
  if (!fresh.empty()) start(std::move(fresh));
  deliver();
}

// Forks the known prefix as far as the row shares it. If the next row shares much more with this
// row, this row becomes the leader, which computes a longer prefix.
template <typename S>
void Scheduler<S>::join_prefix(Row<S>& row) {
  const auto shared = [&row](const KeptSequence<S>& kept) {
    return kept.state ? common_prefix(kept.ids, shareable(row.task.prompt)) : 0;
  };
  const KeptSequence<S>* best = &prefix_;
  if (const auto* given = generator_.options().prefix; given && shared(*given) > shared(*best))
    best = given;
  const std::size_t known = shared(*best);
  if (known > 0) {
    row.state = best->state->fork();
    row.state->truncate(static_cast<std::int64_t>(known));
    row.fed = known;
  }
  const std::size_t next =
      waiting_.empty()
          ? 0
          : common_prefix(shareable(row.task.prompt), shareable(waiting_.front()->task.prompt));
  if (next < known + least_prefix) return;
  row.snapshot_at = next;
  leader_ = &row;
}

// Opens the sequences of the rows, all together; when that fails, one by one, to find the row that
// fails.
template <typename S>
void Scheduler<S>::start(std::vector<Row<S>*> rows) {
  std::vector<std::span<const TokenId>> sources;
  for (const Row<S>* row : rows) sources.emplace_back(row->task.source);
  try {
    auto states = generator_.model().start(sources, workspace_);
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i]->state = std::move(states[i]);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::interrupted) return;
    if (rows.size() == 1) return fail(*rows[0], error);
    for (Row<S>* row : rows) start({row});
  } catch (const std::bad_alloc&) {
    if (rows.size() == 1) return fail(*rows[0], no_memory());
    for (Row<S>* row : rows) start({row});
  }
}

// The rows of the next step: all that choose tokens, and as many prompt tokens as a step may have.
template <typename S>
std::vector<Row<S>*> Scheduler<S>::plan() {
  std::vector<Row<S>*> rows;
  auto budget =
      static_cast<std::size_t>(std::max<std::int64_t>(generator_.options().prefill_chunk, 1));
  for (const RowPointer& row : active_) {
    if (row->over) continue;
    if (row->feeding()) {
      const std::size_t end =
          row->snapshot_at > row->fed ? row->snapshot_at : row->task.prompt.size();
      row->chunk = std::min(budget, end - row->fed);
      budget -= row->chunk;
      if (row->chunk == 0) continue;
    }
    rows.push_back(row.get());
  }
  return rows;
}

// When a step with several rows fails, each row is run alone (the states are unchanged), so that an
// error stays with its row.
template <typename S>
void Scheduler<S>::step(const std::vector<Row<S>*>& rows) {
  if (rows.empty()) return;
  std::vector<StepInput<S>> batch;
  for (Row<S>* row : rows) {
    const std::size_t before = batch.size();
    if (row->feeding()) {
      const std::span<const TokenId> prompt(row->task.prompt);
      batch.push_back({row->state.get(), prompt.subspan(row->fed, row->chunk), false});
    } else {
      row->decoding->add_inputs(batch);
    }
    row->inputs = static_cast<std::int64_t>(batch.size() - before);
  }
  TensorView<const S> logits;
  try {
    logits = generator_.model().step(batch, workspace_);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::interrupted) return;
    if (rows.size() == 1) return fail(*rows[0], error);
    for (Row<S>* row : rows) step({row});
    return;
  } catch (const std::bad_alloc&) {
    if (rows.size() == 1) return fail(*rows[0], no_memory());
    for (Row<S>* row : rows) step({row});
    return;
  }
  hand_out(rows, logits);
}

template <typename S>
void Scheduler<S>::hand_out(const std::vector<Row<S>*>& rows, TensorView<const S> logits) {
  std::int64_t at = 0;
  for (Row<S>* row : rows) {
    const TensorView<const S> own = logits.rows({at, at + row->inputs});
    at += row->inputs;
    try {
      if (row->feeding()) {
        finish_chunk(*row, own.row(0));
      } else {
        row->decoding->advance(own);
      }
    } catch (const Error& error) {
      fail(*row, error);
    } catch (const std::bad_alloc&) {
      fail(*row, no_memory());
    }
  }
}

template <typename S>
void Scheduler<S>::finish_chunk(Row<S>& row, std::span<const S> logits) {
  row.fed += row.chunk;
  if (row.snapshot_at > 0 && row.fed == row.snapshot_at) {
    const auto ids = std::span<const TokenId>(row.task.prompt).first(row.fed);
    prefix_ = {{ids.begin(), ids.end()}, row.state->fork()};
    leader_ = nullptr;
  }
  if (row.feeding()) return;
  keep_prompt(row);
  if (row.task.config->num_beams > 1) {
    row.decoding = std::make_unique<BeamDecoding<S>>(row.task, row.context);
  } else {
    row.decoding = std::make_unique<SampleDecoding<S>>(row.task, row.context);
  }
  row.decoding->begin(std::move(row.state), logits);
}

// The part of the prompt that has been read stays, whatever becomes of the row.
template <typename S>
void Scheduler<S>::keep_prompt(const Row<S>& row) {
  if (!kept_ || !row.state) return;
  const auto ids = std::span<const TokenId>(row.task.prompt).first(row.fed);
  *kept_ = {{ids.begin(), ids.end()}, row.state->fork()};
}

template <typename S>
void Scheduler<S>::fail(Row<S>& row, const Error& error) {
  GenerationResult result = row.task.result(0);
  result.error = RowError{error.code(), error.what()};
  std::vector<GenerationResult> results;
  results.push_back(std::move(result));
  finish(row, std::move(results));
}

template <typename S>
void Scheduler<S>::finish(Row<S>& row, std::vector<GenerationResult> results) {
  if (leader_ == &row) leader_ = nullptr;
  row.over = true;
  finished_[row.order] = std::move(results);
}

template <typename S>
void Scheduler<S>::retire() {
  for (const RowPointer& row : active_) {
    if (row->over) continue;
    if (row->decoding && row->decoding->done()) finish(*row, row->decoding->take_results());
  }
  std::erase_if(active_, [&](const RowPointer& row) { return row->over; });
}

// Rows that have begun end as they are; rows that have not begun give nothing.
template <typename S>
void Scheduler<S>::interrupt_all() {
  for (const RowPointer& row : active_) {
    if (row->decoding) {
      row->decoding->interrupt();
      finish(*row, row->decoding->take_results());
      continue;
    }
    keep_prompt(*row);
    std::vector<GenerationResult> results;
    for (std::int32_t i = 0; i < row->task.config->num_return_sequences; ++i) {
      GenerationResult& result = results.emplace_back(row->task.result(i));
      result.finish_reason = FinishReason::interrupted;
      result.sequence = row->task.prompt;
    }
    finish(*row, std::move(results));
  }
  active_.clear();
}

template <typename S>
void Scheduler<S>::deliver() {
  for (auto next = finished_.begin(); next != finished_.end() && next->first == delivered_;
       next = finished_.erase(next), ++delivered_) {
    for (GenerationResult& result : next->second) sink_(std::move(result));
  }
}

template class Scheduler<float>;
template class Scheduler<double>;

}  // namespace llm::detail
