// The commands of llm-generate. Each has a file of its own; only those files see CLI11.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llm::shell {

using Arguments = std::vector<std::string>;  // what follows the command's name

// Each returns the exit code and throws Error or ClosedPipe.
int run_chat(const Arguments& arguments);
int run_generate(const Arguments& arguments);
int run_few_shot(const Arguments& arguments);
int run_eval(const Arguments& arguments);
int run_chain(const Arguments& arguments);
int run_score(const Arguments& arguments);
int run_fill_mask(const Arguments& arguments);
int run_ner(const Arguments& arguments);
int run_qa(const Arguments& arguments);
int run_classify(const Arguments& arguments);
int run_zero_shot(const Arguments& arguments);
int run_embed(const Arguments& arguments);
int run_rerank(const Arguments& arguments);
int run_similar(const Arguments& arguments);
int run_tokenize(const Arguments& arguments);
int run_detokenize(const Arguments& arguments);
int run_info(const Arguments& arguments);
int run_pack(const Arguments& arguments);
int run_verify(const Arguments& arguments);
int run_summarize(const Arguments& arguments);
int run_translate(const Arguments& arguments);
int run_version(const Arguments& arguments);

struct Command {
  std::string_view name;
  std::string_view summary;
  int (*run)(const Arguments&);
};

inline constexpr Command commands[] = {
    {"generate", "complete or transform a prompt (the default command)", run_generate},
    {"chat", "talk with a model through its own chat template", run_chat},
    {"few-shot", "build prompts from a template and examples, and complete them", run_few_shot},
    {"chain", "steps that feed each other, as a file says", run_chain},
    {"score", "log-probabilities of given completions; perplexity", run_score},
    {"eval", "scores of results that were written, against references", run_eval},
    {"summarize", "shorten texts, with an encoder-decoder", run_summarize},
    {"translate", "into another language, with an encoder-decoder", run_translate},
    {"fill-mask", "words for the masks of a text", run_fill_mask},
    {"classify", "the labels of a text or a pair of texts", run_classify},
    {"ner", "the names in a text", run_ner},
    {"qa", "the answer to a question, as a part of a text", run_qa},
    {"zero-shot", "which of the given labels fit a text", run_zero_shot},
    {"embed", "one vector for a text", run_embed},
    {"similar", "how near texts are to each other, or which are the nearest", run_similar},
    {"rerank", "documents in the order in which they answer a query", run_rerank},
    {"tokenize", "text to token ids", run_tokenize},
    {"detokenize", "token ids to text", run_detokenize},
    {"info", "what a model is and what it needs", run_info},
    {"pack", "write a folder whose weights are mapped instead of read", run_pack},
    {"verify", "compare a model's results with those of the reference implementation", run_verify},
    {"version", "the version of this program", run_version},
};

}  // namespace llm::shell
