#include "llm/generation/model_generation_config.hpp"

namespace llm {

GenerationConfig model_generation_config(const std::filesystem::path& path,
                                         const TransformerConfig& config) {
  GenerationConfig c;
  if (std::filesystem::is_directory(path)) c = GenerationConfig::from_folder(path);
  if (!c.bos_token_id) c.bos_token_id = config.bos_token_id;
  if (!c.pad_token_id) c.pad_token_id = config.pad_token_id;
  if (!c.decoder_start_token_id) c.decoder_start_token_id = config.decoder_start_token_id;
  if (c.eos_token_id.empty()) c.eos_token_id = config.eos_token_id;
  if (c.forced_eos_token_id.empty() && !config.forced_eos_token_id.empty() &&
      !std::filesystem::exists(path / "generation_config.json")) {
    c.forced_eos_token_id = config.forced_eos_token_id;
    c.sources["forced_eos_token_id"] = "default of the model type " + config.model_type;
  }
  return c;
}

std::optional<TokenId> model_decoder_start(const std::filesystem::path& path,
                                           const TransformerConfig& config) {
  const GenerationConfig generation = model_generation_config(path, config);
  return generation.decoder_start_token_id ? generation.decoder_start_token_id
                                           : generation.bos_token_id;
}

}  // namespace llm
