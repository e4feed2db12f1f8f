// llm-generate verify: a model against the float64 results of the reference implementation.
#include "llm/verify.hpp"

#include "commands/options.hpp"
#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "llm/core/thread_pool.hpp"
#include "shell/exit_code.hpp"
#include "shell/input.hpp"
#include "shell/load.hpp"
#include "shell/model_path.hpp"

namespace llm::shell {
namespace {

using detail::OrderedJson;

OrderedJson to_json(const VerifyReport& report) {
  OrderedJson taps = OrderedJson::array(), generations = OrderedJson::array();
  for (const TapCheck& tap : report.taps)
    taps.push_back({{"case", tap.case_name},
                    {"tap", tap.tap},
                    {"max_abs", tap.max_abs},
                    {"max_rel", tap.max_rel},
                    {"row", tap.row},
                    {"column", tap.column},
                    {"ok", tap.ok}});
  for (const GenerationCheck& generation : report.generations)
    generations.push_back({{"name", generation.name},
                           {"ok", generation.ok},
                           {"expected", generation.expected},
                           {"got", generation.got}});
  OrderedJson wrong = OrderedJson::array();
  for (const TextCheck& text : report.wrong_texts)
    wrong.push_back({{"text", text.text}, {"expected", text.expected}, {"got", text.got}});
  return {{"reference", report.reference.filename().string()},
          {"dtype", report.dtype},
          {"ok", report.ok},
          {"tolerance", report.tolerance},
          {"taps", std::move(taps)},
          {"generations", std::move(generations)},
          {"texts",
           {{"checked", report.texts_checked},
            {"wrong", report.wrong_texts.size()},
            {"rows", std::move(wrong)}}},
          {"top1_agreement", report.top1_agreement},
          {"mean_kl", report.mean_kl}};
}

std::string ids_as_text(const std::vector<TokenId>& ids) {
  std::string text;
  for (const TokenId id : ids) text += (text.empty() ? "" : " ") + std::to_string(id);
  return text;
}

void write_text(Output& out, const VerifyReport& report) {
  char line[256];
  for (const TapCheck& tap : report.taps) {
    std::snprintf(line, sizeof line, "%s %-32s max abs %.2e, max rel %.2e at [%lld, %lld]\n",
                  tap.ok ? "ok  " : "FAIL", (tap.case_name + "." + tap.tap).c_str(), tap.max_abs,
                  tap.max_rel, static_cast<long long>(tap.row), static_cast<long long>(tap.column));
    out.write(line);
  }
  for (const GenerationCheck& generation : report.generations) {
    out.write((generation.ok ? "ok   " : "FAIL ") + generation.name + "\n");
    for (std::size_t i = 0; !generation.ok && i < generation.expected.size(); ++i) {
      out.write("       expected " + ids_as_text(generation.expected[i]) + "\n");
      if (i < generation.got.size())
        out.write("       got      " + ids_as_text(generation.got[i]) + "\n");
    }
  }
  for (const TextCheck& text : report.wrong_texts)
    out.write("FAIL text " + quote(text.text) + "\n       expected " + ids_as_text(text.expected) +
              "\n       got      " + ids_as_text(text.got) + "\n");
  std::snprintf(
      line, sizeof line, "%s: %s, tolerance %.0e, %zu taps, %zu generations, %lld texts\n",
      report.ok ? "ok" : "FAILED", report.dtype.c_str(), report.tolerance, report.taps.size(),
      report.generations.size(), static_cast<long long>(report.texts_checked));
  out.write(line);
}

OrderedJson to_json(const TextQuality& quality, const TextQualityOptions& options,
                    const std::string& dtype) {
  return {{"dtype", dtype},
          {"fast", options.fast},
          {"exact", options.float64 ? "f64" : "f32"},
          {"tokens", quality.tokens},
          {"predictions", quality.predictions},
          {"mean_kl", quality.mean_kl},
          {"max_kl", quality.max_kl},
          {"max_kl_token", quality.max_kl_token},
          {"top1_agreement", quality.top1_agreement},
          {"perplexity", quality.perplexity},
          {"exact_perplexity", quality.exact_perplexity}};
}

void write_text(Output& out, const TextQuality& quality) {
  char line[256];
  std::snprintf(line, sizeof line, "%lld tokens predicted of %lld\n",
                static_cast<long long>(quality.predictions),
                static_cast<long long>(quality.tokens));
  out.write(line);
  std::snprintf(line, sizeof line, "top token equal: %.2f %%\n", 100 * quality.top1_agreement);
  out.write(line);
  std::snprintf(line, sizeof line, "divergence: mean %.3g, largest %.3g before token %lld\n",
                quality.mean_kl, quality.max_kl, static_cast<long long>(quality.max_kl_token));
  out.write(line);
  std::snprintf(line, sizeof line, "perplexity: %.4f, exact %.4f (%+.2f %%)\n", quality.perplexity,
                quality.exact_perplexity,
                100 * (quality.perplexity / quality.exact_perplexity - 1));
  out.write(line);
}

// What the command line says.
struct Settings {
  VerifyOptions taps;
  TextQualityOptions quality;
  std::string dtype, text, against, exact = "f32";
  bool json = false;
};

void add_options(CommandLine& line, Settings& s, std::string& reference, std::string& dump) {
  line.option("--reference", reference, "The reference file (default: in the model's folder)");
  line.option("--dump", dump, "Write what was computed to this safetensors file");
  line.option("--dtype", s.dtype,
              "Precision of computing: f64 (default) or f32; with --text how the weights are kept: "
              "auto (default), f32, bf16, int8, int8-channel, int4");
  line.option("--text", s.text, "Instead: compare distributions over this text (- is stdin)");
  line.flag("--fast", s.quality.fast,
            "Round activations beside quantized weights to 8 bits, not 16");
  line.option("--against", s.against, "The model to compute exactly (default: the same)");
  line.option("--exact", s.exact, "Precision of the exact computation: f32 (default) or f64")
      ->check(CLI::IsMember({"f32", "f64"}));
  line.option("--window", s.quality.window, "Tokens that are read together (default: 512)");
  line.option("--stride", s.quality.stride,
              "How far on the next window begins (default: a whole window)");
  line.option("--max-tokens", s.quality.max_tokens, "Tokens of the text (default: all)");
  line.option("-t,--threads", s.taps.threads, "Threads (default: one per core)")
      ->check(CLI::Range(0, ThreadPool::max_threads));
  line.flag("--json", s.json, "Write one JSON object");
}

int compare_text(const CommandLine& line, Settings& s) {
  const std::string dtype = s.dtype.empty() ? "auto" : s.dtype;
  const Precision precision = parse_precision(dtype);
  if (precision.f64) {
    throw Error(ErrorCode::invalid_option, "--dtype f64 is not for --text; there is --exact f64",
                "--dtype");
  }
  s.quality.weights = precision.weights;
  s.quality.threads = s.taps.threads;
  s.quality.adapters = line.adapters();
  s.quality.float64 = s.exact == "f64";
  if (!s.against.empty()) s.quality.against = find_model(s.against);
  const TextQuality quality =
      verify_text(find_model(line.model_name()), read_input(s.text), s.quality);
  Output out(line.output_path(), line.force());
  if (s.json) {
    out.write(to_json(quality, s.quality, dtype).dump() + '\n');
  } else {
    write_text(out, quality);
  }
  out.finish();
  return exit_ok;
}

}  // namespace

int run_verify(const Arguments& arguments) {
  CommandLine line(
      "verify",
      "Compares a model with the results of the reference implementation, tap by tap.\n"
      "Exit code 1 when something is off.\n"
      "With --text: how far its distributions of the next token are from those of its exact\n"
      "computation, which shows what --dtype int4 or --fast cost. For an encoder-decoder the text\n"
      "has lines SOURCE<tab>TARGET; of a masked LM every seventh token is masked.");
  line.model_option(true);
  line.adapter_option();
  Settings settings;
  std::string reference, dump;
  add_options(line, settings, reference, dump);
  line.output_options();
  if (const auto done = line.parse(arguments)) return *done;
  if (!settings.text.empty()) return compare_text(line, settings);

  VerifyOptions& options = settings.taps;
  options.dtype = settings.dtype.empty() ? "f64" : settings.dtype;
  options.reference = reference;
  options.dump = dump;
  options.adapters = line.adapters();
  const VerifyReport report = verify(find_model(line.model_name()), options);
  Output out(line.output_path(), line.force());
  if (settings.json) {
    out.write(to_json(report).dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + '\n');
  } else {
    write_text(out, report);
  }
  out.finish();
  return report.ok ? exit_ok : exit_internal;
}

}  // namespace llm::shell
