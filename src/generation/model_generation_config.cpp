#include "llm/generation/model_generation_config.hpp"

#include "core/folder.hpp"

namespace llm {

GenerationConfig model_generation_config(const std::filesystem::path& path,
                                         const TransformerConfig& config) {
  GenerationConfig c;
  if (detail::is_folder(path)) c = GenerationConfig::from_folder(path);
  const auto complete = [&](const char* name, auto& own, const auto& other) {
    if (own != std::decay_t<decltype(own)>{}) return;
    own = other;
    c.recommended.insert(name);
  };
  complete("bos_token_id", c.bos_token_id, config.bos_token_id);
  complete("pad_token_id", c.pad_token_id, config.pad_token_id);
  complete("decoder_start_token_id", c.decoder_start_token_id, config.decoder_start_token_id);
  complete("eos_token_id", c.eos_token_id, config.eos_token_id);
  if (c.forced_eos_token_id.empty() && !config.forced_eos_token_id.empty() &&
      !detail::is_there(path / "generation_config.json")) {
    c.forced_eos_token_id = config.forced_eos_token_id;
    c.sources["forced_eos_token_id"] = "default of the model type " + config.model_type;
    c.recommended.insert("forced_eos_token_id");
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
