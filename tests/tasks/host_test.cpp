// The program around the library may have set a locale and a way of rounding: results are the same
// bits, and what it has set stays set.
#include <bit>
#include <cfenv>
#include <clocale>
#include <cstdlib>
#include <locale>
#include <thread>

#include "core/float_environment.hpp"
#include "llm/eval/evaluation.hpp"
#include "llm/generation/generator.hpp"
#include "llm/generation/scorer.hpp"
#include "llm/generation/settings.hpp"
#include "llm/prompt/chat_template.hpp"
#include "llm/prompt/few_shot.hpp"
#include "llm/tasks/classify.hpp"
#include "llm/tasks/embed.hpp"
#include "llm/tasks/fill_mask.hpp"
#include "llm/tasks/similarity.hpp"
#include "task_models.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

using namespace llm;
using test::FixtureModel;

// Results as text with all their bits.
class Bits {
 public:
  void add(double value) { text_ += std::to_string(std::bit_cast<std::uint64_t>(value)) + ' '; }
  void add(std::string_view text) { text_.append(text) += ' '; }
  template <typename Values>
  void add_all(const Values& values) {
    for (const auto value : values) add(static_cast<double>(value));
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

void add_generation(Bits& bits) {
  FixtureModel<float> llama("llama-gqa", 2);
  for (const auto& options : std::vector<std::map<std::string, std::string>>{
           {{"do_sample", "true"}, {"temperature", "0.7"}, {"top_p", "0.9"}, {"seed", "7"}},
           {{"num_beams", "3"}, {"length_penalty", "0.6"}, {"repetition_penalty", "1.3"}}}) {
    GenerationConfig config;
    config.max_new_tokens = 12;
    for (const auto& [name, value] : options) config.set(name, value, "test");
    const auto result =
        Generator<float>(*llama.model, llama.tokenizer.get()).generate("Once upon a time", config);
    bits.add_all(result.new_ids);
    bits.add(result.logprob);
    bits.add(result.score.value_or(0));
  }
  const Scorer<float> scorer(*llama.model, llama.tokenizer.get());
  const std::vector<std::string> choices = {" good", " bad"};
  const ScoreRequest request = scorer.request("The film was", choices);
  const auto scores = scorer.score({&request, 1});
  for (const auto& one : scores[0].continuations) bits.add(one.logprob);
}

void add_encoders(Bits& bits) {
  test::TaskModel<double> bert(test::fixture("bert-ner"), HeadKind::none);
  SentenceConfig config;
  config.normalize = true;
  const TextEmbedder<double> embedder(*bert.model, *bert.tokenizer, config);
  const std::vector<TextTokens> texts = {embedder.encode("A warm film."), embedder.encode("A cat")};
  const auto vectors = embedder.embed(texts);
  for (const auto& vector : vectors) bits.add_all(vector);
  const Similarity near =
      similarity(std::span<const double>(vectors[0]), std::span<const double>(vectors[1]));
  bits.add_all(std::vector<double>{near.cosine, near.angle, near.l2});
  FixtureModel<float> classifier("bert-nli");
  const TextClassifier<float> classify(*classifier.model, *classifier.tokenizer);
  const std::vector<TextTokens> rows = {
      TextEncoder(*classifier.tokenizer, classifier.model->config()).encode("A warm film.")};
  const auto labels = classify.classify(rows);
  for (const LabelScore& label : labels[0]) bits.add(label.score);
  FixtureModel<float> filler("bert-masked-lm");
  const MaskFiller<float> fill(*filler.model, *filler.tokenizer);
  const std::vector<TextTokens> masked = {fill.encode("A [MASK] film.")};
  const auto fills = fill.fill(masked);
  for (const MaskFill& one : fills[0][0]) bits.add(one.score);
}

// Unigram models compare sums of scores; files have numbers in their text.
void add_texts(Bits& bits) {
  const auto tokenizer = Tokenizer::open(test::fixture("t5-v1_0"));
  bits.add_all(tokenizer->encode("Once upon a time there was a warm and clever film.").ids);
  for (const char* number : {"0.1", "1.7976931348623157e308", "2.2250738585072011e-308", "4e-324"})
    bits.add(detail::parse_json(number, "test").get<double>());
  GenerationConfig config;
  apply_settings(config, std::vector<GenerationSetting>{{"temperature", "0.3", "test"}});
  bits.add(config.temperature);
  bits.add(config.value("temperature"));
  bits.add(parse_field_rows("{\"a\": 1234567.25}", "rows")[0].fields.at("a"));
  ChatOptions options;
  options.variables = R"({"x": 1234.5678, "text": "1.5e3"})";
  const std::vector<Message> messages = {{"user", "hi", {}}};
  bits.add(ChatTemplate::from_text("{{ x }} {{ 0.1 + 0.2 }} {{ 2.675|round(2) }} {{ 7.5|round }}"
                                   " {{ -1250.0|round(-2) }} {{ 10 / 3 }} {{ 2 ** 0.5 }}"
                                   " {{ '%.3f|%g|%e' % (x, x, x) }} {{ text|float + 1 }}"
                                   " {{ 1234567 }} {{ '%d' % 1234567 }} {{ [0.1]|tojson }}"
                                   " {{ 1e23 }} {{ 'I\u0131i'|upper }} {{ strftime_now('%B') }}")
               .render(messages, options));
}

void add_scores(Bits& bits) {
  Evaluation evaluation({.metrics = {Metric::rouge_l, Metric::bleu, Metric::squad_f1}});
  for (const char* text : {"a warm and clever film", "one cold film about a clever cat"}) {
    const std::vector<std::string> references = {"a warm film about one clever cat"};
    for (const auto& [metric, value] : evaluation.add(text, references)) bits.add(value);
  }
  for (const auto& metric : evaluation.report().metrics) {
    bits.add(metric.estimate.value);
    bits.add(metric.estimate.interval->low);
    bits.add(metric.estimate.interval->high);
  }
}

std::string results() {
  Bits bits;
  add_generation(bits);
  add_encoders(bits);
  add_texts(bits);
  add_scores(bits);
  return bits.take();
}

TEST(Host, RoundingChangesNothing) {
  const std::string expected = results();
  for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    std::fesetround(mode);
    const std::string got = results();
    const int after = std::fegetround();
    std::fesetround(FE_TONEAREST);
    EXPECT_EQ(got, expected) << mode;
    EXPECT_EQ(after, mode);
  }
}

#if defined(__x86_64__)
TEST(Host, FlushingOfSubnormalsChangesNothing) {
  const std::string expected = results();
  const unsigned before = _mm_getcsr();
  constexpr unsigned flush_and_zeros = 0x8040;
  _mm_setcsr(before | flush_and_zeros);
  const std::string got = results();
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  EXPECT_EQ(got, expected);
  EXPECT_EQ(after & flush_and_zeros, flush_and_zeros);
}
#endif

struct CommaPoint : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

TEST(Host, LocaleOfStreamsChangesNothing) {
  const std::string expected = results();
  const std::locale before = std::locale::global(std::locale(std::locale(), new CommaPoint));
  const std::string got = results();
  std::locale::global(before);
  EXPECT_EQ(got, expected);
}

// Chooses a locale with decimal commas; of the system, or made for the test.
bool choose_commas(const std::filesystem::path& folder) {
  for (const char* name : {"de_DE.UTF-8", "tr_TR.UTF-8"}) {
    if (std::setlocale(LC_ALL, name) != nullptr) return true;
  }
  const std::string made = (folder / "tr_TR.UTF-8").string();
  const std::string command =
      "localedef -i tr_TR -f UTF-8 --no-archive '" + made + "' > /dev/null 2>&1";
  if (std::system(command.c_str()) != 0) return false;
  ::setenv("LOCPATH", folder.c_str(), 1);
  return std::setlocale(LC_ALL, "tr_TR.UTF-8") != nullptr;
}

TEST(Host, LocaleOfTheProgramChangesNothing) {
  const std::string expected = results();
  const test::TempDir folder;
  if (!choose_commas(folder.path()))
    GTEST_SKIP() << "there is no locale with decimal commas, and localedef cannot make one";
  EXPECT_EQ(std::string(std::localeconv()->decimal_point), ",");
  const std::string got = results();
  std::setlocale(LC_ALL, "C");
  ::unsetenv("LOCPATH");
  EXPECT_EQ(got, expected);
}

}  // namespace
