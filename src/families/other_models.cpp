#include "families/other_models.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace llm::detail {
namespace {

struct OtherModels {
  std::string_view about;
  std::span<const std::string_view> model_types;
};

// Models whose weights were never published: people may try the name, but there is nothing to open.
constexpr std::string_view closed[]{"palm", "palm2", "jurassic", "j1",
                                    "j2",   "gpt3",  "gpt4",     "claude"};
constexpr std::string_view images[]{
    "beit",      "bit",  "convnext",     "convnextv2",   "cvt",    "deit",    "detr", "dinov2",
    "dinov3",    "dpt",  "efficientnet", "mobilenet_v2", "resnet", "rt_detr", "sam",  "sam2",
    "segformer", "swin", "swinv2",       "timm_wrapper", "vit",    "yolos"};
constexpr std::string_view images_and_text[]{"align",
                                             "blip",
                                             "blip-2",
                                             "chameleon",
                                             "clip",
                                             "florence2",
                                             "git",
                                             "idefics",
                                             "idefics2",
                                             "idefics3",
                                             "instructblip",
                                             "internvl",
                                             "kosmos-2",
                                             "llama4",
                                             "llava",
                                             "llava_next",
                                             "llava_onevision",
                                             "mllama",
                                             "mistral3",
                                             "paligemma",
                                             "pix2struct",
                                             "pixtral",
                                             "qwen2_5_vl",
                                             "qwen2_vl",
                                             "qwen3_vl",
                                             "siglip",
                                             "siglip2",
                                             "smolvlm",
                                             "trocr",
                                             "vision-encoder-decoder"};
constexpr std::string_view sound[]{
    "bark",     "clap",        "encodec",      "hubert",          "moonshine",
    "musicgen", "qwen2_audio", "seamless_m4t", "seamless_m4t_v2", "speecht5",
    "vits",     "wav2vec2",    "wavlm",        "whisper"};
constexpr std::string_view recurrent[]{
    "bamba", "falcon_h1", "falcon_mamba", "granitemoehybrid", "jamba",           "lfm2",
    "mamba", "mamba2",    "nemotron_h",   "qwen3_next",       "recurrent_gemma", "rwkv",
    "xlstm", "zamba",     "zamba2"};
constexpr std::string_view mixtures[]{
    "dbrx",      "deepseek_v2",        "deepseek_v3",    "ernie4_5_moe", "glm4_moe",
    "gpt_oss",   "granitemoe",         "hunyuan_v1_moe", "jetmoe",       "minimax",
    "mixtral",   "nllb-moe",           "olmoe",          "phimoe",       "qwen2_moe",
    "qwen3_moe", "switch_transformers"};

constexpr std::array<OtherModels, 6> others{{
    {"; the weights of this model family are not public, so it cannot be run anywhere but with its "
     "owner",
     closed},
    {", a model for images; only text models can be run", images},
    {", a model for images and text; only text models can be run", images_and_text},
    {", a model for sound; only text models can be run", sound},
    {", which has recurrent layers; these are not supported", recurrent},
    {", a mixture of experts; these are not supported", mixtures},
}};

}  // namespace

std::string about_other_model(std::string_view model_type) {
  std::string lower(model_type);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  for (const OtherModels& other : others) {
    if (std::ranges::find(other.model_types, lower) != other.model_types.end()) {
      return std::string(other.about);
    }
  }
  return ", which is not supported";
}

}  // namespace llm::detail
