#!/usr/bin/env python3
"""Lists every key of the reference's configuration classes, with its default, for config_keys_test.

Run it once in an environment with transformers 5 and once in one with 4.57: it adds what the
present version has to tests/unit/data/config_keys.json; the newer version's defaults stay.
"""
import inspect
import json
import pathlib

import transformers
from transformers import AutoConfig, GenerationConfig

try:
    from transformers import PreTrainedConfig as Base
except ImportError:
    from transformers import PretrainedConfig as Base

TYPES = ("bert distilbert roberta xlm-roberta camembert openai-gpt gpt2 gpt_neo bloom llama mistral "
         "qwen2 qwen3 smollm3 gemma gemma2 gemma3_text gemma3 phi phi3 gpt_neox gptj codegen opt "
         "granite ernie4_5 helium hunyuan_v1_dense seed_oss ministral ministral3 olmo olmo2 olmo3 "
         "exaone4 cohere cohere2 glm4 stablelm starcoder2 nemotron falcon mpt gpt_bigcode biogpt xglm "
         "mpnet electra albert rembert megatron-bert roberta-prelayernorm xlm-roberta-xl m2m_100 "
         "deberta deberta-v2 modernbert nomic_bert eurobert roformer blenderbot blenderbot-small plbart mvp "
         "t5 mt5 umt5 bart mbart marian pegasus").split()
# Read by a constructor without being an attribute of what it makes.
POPPED = {"bloom": ["n_embed"], "llama": ["rope_theta", "rope_scaling", "partial_rotary_factor"]}
for name in ("mistral qwen2 qwen3 smollm3 gemma gemma2 phi phi3 granite ernie4_5 helium "
             "hunyuan_v1_dense seed_oss ministral ministral3 olmo olmo2 olmo3 exaone4 cohere "
             "cohere2 glm4 stablelm starcoder2 nemotron falcon").split():
    POPPED[name] = POPPED["llama"]
POPPED |= {
    "cohere2": POPPED["llama"] + ["sliding_window_pattern"],
    "falcon": POPPED["llama"] + ["n_embed"],
    "gemma3_text": POPPED["llama"] + ["rope_local_base_freq", "sliding_window_pattern"],
    "gpt_neox": ["rotary_emb_base", "rotary_pct", "rope_scaling", "rope_theta"],
}
POPPED |= {
    "deberta-v2": ["attention_head_size", "conv_act", "conv_groups", "conv_kernel_size", "embedding_size",
                   "norm_rel_ebd", "pooler_hidden_size", "position_buckets", "share_att_key"],
    "deberta": ["embedding_size", "pooler_hidden_size", "talking_head"],
    "modernbert": ["global_attn_every_n_layers", "global_rope_theta", "local_rope_theta", "rope_scaling"],
    "nomic_bert": POPPED["llama"],
    "eurobert": POPPED["llama"],
}
GENERATION = set(vars(GenerationConfig())) - {
    "bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id"}
PRIVATE = {"model_type", "transformers_version", "self", "kwargs"}


def plain(value):
    try:
        return json.loads(json.dumps(value))
    except TypeError:
        return None


def keys_of(cls):
    config = cls()
    signature = set(inspect.signature(cls.__init__).parameters)
    names = set(vars(config)) | set(config.to_dict()) | signature | set(cls.attribute_map)
    own = signature - set(inspect.signature(Base.__init__).parameters)
    names = {n for n in names if not n.startswith("_") and n not in PRIVATE
             and (n not in GENERATION or n in own)}
    return {n: plain(getattr(config, n, None)) for n in sorted(names)}


def main():
    path = pathlib.Path(__file__).parents[1] / "unit" / "data" / "config_keys.json"
    table = json.loads(path.read_text()) if path.exists() else {}
    newest = transformers.__version__.startswith("5")
    for name in TYPES:
        cls = type(AutoConfig.for_model(name))
        keys = keys_of(cls)
        keys.update({k: None for k in POPPED.get(name, []) if k not in keys})
        old = table.get(name, {})
        table[name] = dict(sorted(({**old, **keys} if newest else {**keys, **old}).items()))
    lines = ",\n".join(
        json.dumps(name) + ": {\n"
        + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in keys.items()) + "}"
        for name, keys in table.items())
    path.write_text("{" + lines + "}\n")


main()
