// llm-generate verify: a model against the float64 results of the reference implementation.
#include "llm/verify.hpp"

#include "commands/options.hpp"
#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "shell/exit_code.hpp"
#include "shell/model_path.hpp"

namespace llm::shell {
namespace {

using OrderedJson = nlohmann::ordered_json;

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

}  // namespace

int run_verify(const Arguments& arguments) {
  CommandLine line(
      "verify",
      "Compares a model with the results of the reference implementation, tap by tap.\n"
      "Exit code 1 when something is off.");
  line.model_option(true);
  line.adapter_option();
  VerifyOptions options;
  options.dtype = "f64";
  std::string reference, dump;
  bool json = false;
  line.option("--reference", reference, "The reference file (default: in the model's folder)");
  line.option("--dtype", options.dtype, "Precision of computing: f64 (default) or f32");
  line.option("--dump", dump, "Write what was computed to this safetensors file");
  line.option("-t,--threads", options.threads, "Threads (default: one per core)")
      ->check(CLI::Range(0, 4096));
  line.flag("--json", json, "Write one JSON object");
  line.output_options();
  if (const auto done = line.parse(arguments)) return *done;

  options.reference = reference;
  options.dump = dump;
  options.adapters = line.adapters();
  const VerifyReport report = verify(find_model(line.model_name()), options);
  Output out(line.output_path(), line.force());
  if (json) {
    out.write(to_json(report).dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + '\n');
  } else {
    write_text(out, report);
  }
  out.finish();
  return report.ok ? exit_ok : exit_internal;
}

}  // namespace llm::shell
