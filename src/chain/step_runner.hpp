// A step with its model: filled texts to values.
#pragma once

#include <atomic>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "chain/chain_tasks.hpp"
#include "chain/step_parts.hpp"
#include "llm/chain/chain.hpp"
#include "llm/prompt/text_template.hpp"

namespace llm::detail {

// Of a run that there was no memory for.
inline RowError no_memory_for_run() {
  return {ErrorCode::out_of_memory, "there is not enough memory for this row"};
}

struct StepRequest {
  Fields texts;            // by name; of a few-shot step the finished "prompt"
  std::uint64_t seed = 0;  // of what is drawn for it
};

struct StepOutcome {
  ChainValue value;
  std::optional<RowError> error = {};  // then there is no value
  bool interrupted = false;            // the value is cut short, or there is none
};

template <typename S>
class StepRunner {
 public:
  using Sink = std::function<void(std::size_t, StepOutcome&&)>;
  virtual ~StepRunner() = default;
  // Hands out one outcome for each request, in order. Throws Error for what is nobody's fault.
  virtual void run(std::span<const StepRequest> requests, const Sink& sink) = 0;
};

// What runners are made from; all of it outlives them.
struct StepContext {
  const ChainTask& task;
  const ChainStep& step;
  const StepOptions& options;
  std::int64_t batch_size = 8;
  const std::atomic<bool>* interrupt = nullptr;
  std::function<void(const std::string&)> warn;

  bool is_interrupted() const { return interrupt != nullptr && *interrupt; }
};

template <typename S>
std::unique_ptr<StepRunner<S>> make_generation_step(const StepContext& context, ChainModel<S> model,
                                                    std::vector<std::string> stops);
template <typename S>
std::unique_ptr<StepRunner<S>> make_head_step(const StepContext& context, ChainModel<S> model);
// Of the tasks score and similar.
template <typename S>
std::unique_ptr<StepRunner<S>> make_comparing_step(const StepContext& context, ChainModel<S> model);
// `path` is what the model was named by: its files say how to embed.
template <typename S>
std::unique_ptr<StepRunner<S>> make_retrieve_step(const StepContext& context, ChainModel<S> model,
                                                  std::span<const RetrieveRow> rows);

// A runner of texts through a head, several at a time: one value for each or an Error.
template <typename S>
class BatchRunner : public StepRunner<S> {
 public:
  explicit BatchRunner(const StepContext& context) : context_(context) {}

  void run(std::span<const StepRequest> requests,
           const typename StepRunner<S>::Sink& sink) override {
    const auto together = static_cast<std::size_t>(context_.batch_size);
    for (std::size_t begin = 0; begin < requests.size(); begin += together) {
      const auto group = requests.subspan(begin, std::min(together, requests.size() - begin));
      if (context_.is_interrupted()) {
        for (std::size_t i = 0; i < group.size(); ++i)
          sink(begin + i, {.value = {}, .interrupted = true});
        continue;
      }
      std::vector<StepOutcome> outcomes = compute_each(group);
      for (std::size_t i = 0; i < group.size(); ++i) sink(begin + i, std::move(outcomes[i]));
    }
  }

 protected:
  const StepContext& context() const { return context_; }
  // One value for each; none at all when it was interrupted.
  virtual std::vector<ChainValue> compute(std::span<const StepRequest> requests) = 0;

 private:
  // When it fails for all together, each alone, to find whose fault it is.
  std::vector<StepOutcome> compute_each(std::span<const StepRequest> group) {
    std::vector<StepOutcome> outcomes;
    try {
      for (ChainValue& value : compute(group)) outcomes.push_back({.value = std::move(value)});
      while (outcomes.size() < group.size()) outcomes.push_back({.value = {}, .interrupted = true});
      return outcomes;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::interrupted)
        return std::vector<StepOutcome>(group.size(), {.value = {}, .interrupted = true});
      if (group.size() == 1) return {{.value = {}, .error = RowError{error.code(), error.what()}}};
    } catch (const std::bad_alloc&) {
      if (group.size() == 1) return {{.value = {}, .error = no_memory_for_run()}};
    }
    outcomes.clear();
    for (std::size_t i = 0; i < group.size(); ++i)
      outcomes.push_back(std::move(compute_each(group.subspan(i, 1)).front()));
    return outcomes;
  }

  StepContext context_;
};

// The options of a task, whose work a signal ends.
template <typename Options>
Options interruptible(Options options, const StepContext& context) {
  options.input.interrupt = context.interrupt;
  return options;
}

// A number as JSON with no more digits than its type has.
template <typename S>
std::string json_number(S value) {
  if (!std::isfinite(value)) return "null";
  char text[32];
  const auto written = std::to_chars(text, text + sizeof text, value);
  return {text, written.ptr};
}

inline std::string json_of_string(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace llm::detail
