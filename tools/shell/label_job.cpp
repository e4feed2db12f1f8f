#include "shell/label_job.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "llm/generation/model_generation_config.hpp"
#include "llm/generation/scorer.hpp"
#include "shell/console.hpp"
#include "shell/load.hpp"
#include "shell/signals.hpp"

namespace llm::shell {
namespace {

// How many prompts to remember the scores of a query without content for.
constexpr std::size_t max_remembered = 256;

std::vector<double> logprobs_of(const ScoreResult& result) {
  std::vector<double> logprobs;
  for (const ContinuationScore& score : result.continuations) logprobs.push_back(score.logprob);
  return logprobs;
}

// exp(scores), divided by their sum.
std::vector<double> shares(const std::vector<double>& scores) {
  const double most = std::ranges::max(scores);
  std::vector<double> shares;
  double sum = 0;
  for (const double score : scores) sum += shares.emplace_back(std::exp(score - most));
  for (double& share : shares) share /= sum;
  return shares;
}

template <typename S>
class LabelRun {
 public:
  LabelRun(const LabelJob& job, FewShotPrompts& prompts)
      : job_(job),
        prompts_(prompts),
        tokenizer_(Tokenizer::open(job.model)),
        model_(Model<S>::load(job.model, job.load)),
        scorer_(*model_, tokenizer_.get(),
                {.decoder_start = model_decoder_start(job.model, model_->config()),
                 .max_input_tokens = job.max_input_tokens,
                 .interrupt = &interrupt_flag()}) {
    completions_ = label_completions(prompts.builder().few_shot_template(), job.labels,
                                     prompts.options().chat || model_->is_encoder_decoder());
    room_ = prompt_room<S>(*model_, tokenizer_.get(), job_.add_special_tokens,
                           longest_of(completions_, *tokenizer_));
    if (!model_->is_encoder_decoder() && !prompts.options().chat) compare_first_tokens();
    if (const std::string shared = prompts.shared();
        !shared.empty() && !model_->is_encoder_decoder()) {
      std::vector<TokenId> ids = tokenizer_->encode(shared, encoding()).ids;
      ids.resize(
          std::min(ids.size(), static_cast<std::size_t>(model_->max_length().value_or(INT64_MAX))));
      shared_ = scorer_.read(ids);
    }
  }

  int execute() {
    std::vector<std::string> columns = prompts_.columns();
    for (const char* name : {"label", "label_probs", "label_logprobs", "prompt_tokens"})
      columns.emplace_back(name);
    return run_rows(job_.rows, {.columns = std::move(columns),
                                .compute = [this](auto rows) { return compute(rows); },
                                .text =
                                    [](const Row&, const OrderedJson& result) {
                                      return result["label"].get<std::string>();
                                    },
                                .several = prompts_.options().shots.size() > 1});
  }

 private:
  // One prompt of a row, or why it cannot be scored.
  struct Asked {
    std::size_t row = 0;
    FewShotPrompt prompt;
    OrderedJson fields;
    std::int64_t tokens = 0;
    std::size_t request = 0;  // its number, without an error
    std::optional<RowError> error;
  };

  EncodeOptions encoding() const { return {.add_special_tokens = job_.add_special_tokens}; }

  // The first token of a label after its prompt should be the one that the examples show.
  void compare_first_tokens() const {
    const FewShotBuilder& builder = prompts_.builder();
    const FewShotTemplate& few = builder.few_shot_template();
    for (std::size_t i = 0; i < job_.labels.size(); ++i) {
      const auto shown = std::ranges::find_if(builder.examples(), [&](const FieldRow& example) {
        const auto label = example.fields.find(job_.label_field);
        return label != example.fields.end() && label->second == job_.labels[i];
      });
      if (shown == builder.examples().end()) continue;
      const std::string query = few.query().fill(shown->fields, shown->where);
      const std::string example = few.example(*shown);
      const std::vector<std::string> both = {completions_[i], example.substr(query.size())};
      const ScoreRequest request = scorer_.request(query, both, encoding());
      const auto first = [&](const Continuation& continuation) {
        return tokenizer_->token(continuation.ids[continuation.given]);
      };
      const std::string scored = first(request.continuations[0]);
      const std::string seen = first(request.continuations[1]);
      if (scored != seen)
        console().warning("the label " + quote(job_.labels[i]) + " begins with the token " +
                          quote(scored) + ", but in the examples with " + quote(seen));
    }
  }

  std::vector<RowResult> compute(std::span<const Row> rows) {
    std::vector<RowResult> results;
    std::vector<Asked> asked;
    std::vector<ScoreRequest> requests;
    for (const Row& row : rows) {
      results.emplace_back(std::vector<OrderedJson>());
      try {
        for (FewShotPrompt& prompt : prompts_.make(row, room_))
          ask(results.size() - 1, std::move(prompt), asked, requests);
      } catch (const Error& error) {
        if (error.code() == ErrorCode::interrupted) throw;
        results.back().error = RowError{error.code(), error.what()};
      }
    }
    const std::vector<ScoreResult> scores = scorer_.score(requests, &shared_);
    for (Asked& one : asked) {
      RowResult& result = results[one.row];
      if (!one.error) one.error = scores[one.request].error;
      if (one.error && prompts_.options().shots.size() == 1) {
        result.error = one.error;  // one prompt's error is the row's error
        continue;
      }
      if (one.error) {
        one.fields.update(to_fields(*one.error));
      } else {
        answer(one, logprobs_of(scores[one.request]));
      }
      result.results.push_back(std::move(one.fields));
    }
    return results;
  }

  void ask(std::size_t row, FewShotPrompt prompt, std::vector<Asked>& asked,
           std::vector<ScoreRequest>& requests) {
    Asked& one = asked.emplace_back();
    one.row = row;
    one.fields = prompts_.fields(prompt);
    try {
      ScoreRequest request = scorer_.request(prompt.text, completions_, encoding());
      one.tokens = room_.tokens(prompt.text);
      one.request = requests.size();
      requests.push_back(std::move(request));
    } catch (const Error& error) {
      if (error.code() == ErrorCode::interrupted) throw;
      one.error = RowError{error.code(), error.what()};
    }
    one.prompt = std::move(prompt);
  }

  void answer(Asked& one, const std::vector<double>& logprobs) {
    std::vector<double> scores = logprobs;
    if (job_.calibrate) {
      const std::vector<double> without = without_content(one.prompt.shots);
      for (std::size_t i = 0; i < scores.size(); ++i) scores[i] -= without[i];
    }
    const std::vector<double> probs = shares(scores);
    const auto best = std::ranges::max_element(scores) - scores.begin();
    OrderedJson label_probs, label_logprobs;
    for (std::size_t i = 0; i < probs.size(); ++i) {
      label_probs[job_.labels[i]] = probs[i];
      label_logprobs[job_.labels[i]] = logprobs[i];
    }
    one.fields["label"] = job_.labels[static_cast<std::size_t>(best)];
    one.fields["label_probs"] = std::move(label_probs);
    one.fields["label_logprobs"] = std::move(label_logprobs);
    one.fields["prompt_tokens"] = one.tokens;
  }

  // The labels' log-probabilities after a query that says nothing.
  std::vector<double> without_content(const FewShotBuilder::Shots& shots) {
    const auto known = remembered_.find(shots);
    if (known != remembered_.end()) return known->second;
    if (remembered_.size() >= max_remembered) remembered_.clear();
    const std::string text = prompts_.text(shots, prompts_.made_up_query("N/A"));
    const ScoreRequest request = scorer_.request(text, completions_, encoding());
    const ScoreResult result = std::move(scorer_.score({&request, 1}, &shared_)[0]);
    if (result.error) throw Error(result.error->code, result.error->message);
    return remembered_[shots] = logprobs_of(result);
  }

  const LabelJob& job_;
  FewShotPrompts& prompts_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<Model<S>> model_;
  Scorer<S> scorer_;
  std::vector<std::string> completions_;  // of all prompts
  PromptRoom room_;
  KeptSequence<S> shared_;
  std::map<FewShotBuilder::Shots, std::vector<double>> remembered_;
};

}  // namespace

std::vector<std::string> label_completions(const FewShotTemplate& few_shot,
                                           const std::vector<std::string>& labels, bool alone) {
  const std::string lead = alone ? std::string() : std::string(few_shot.answer().leading_text());
  std::vector<std::string> completions;
  for (const std::string& label : labels) completions.push_back(lead + label);
  return completions;
}

std::int64_t longest_of(const std::vector<std::string>& completions, const Tokenizer& tokenizer) {
  std::size_t longest = 1;
  for (const std::string& text : completions)
    longest = std::max(longest, tokenizer.encode(text, {.add_special_tokens = false}).ids.size());
  return static_cast<std::int64_t>(longest);
}

int run_labels(const LabelJob& job, FewShotPrompts& prompts) {
  return with_scalar(Precision{.f64 = job.f64}, [&](auto scalar) {
    return LabelRun<decltype(scalar)>(job, prompts).execute();
  });
}

}  // namespace llm::shell
