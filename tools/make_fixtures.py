#!/usr/bin/env python3
"""Makes the tiny random checkpoints under models/, each with the reference's answers in float64.

    python3 tools/make_fixtures.py [NAMES...]     all of them, or those whose name starts so

Every folder is what a user's model folder is (config.json, weights, tokenizer files), only small and with
odd sizes: head counts that are no powers of two, head sizes unlike hidden/heads, inner sizes that fill no
vector register. Weights depend on the fixture's and the tensor's name alone, so a rerun changes nothing.
Needs what export_reference.py needs, and tokenizers, sentencepiece, gguf.
"""

import argparse
import collections
import copy
import io
import json
import os
import shutil
import sys
import warnings
import zlib

import gguf
import numpy as np
import safetensors.torch
import sentencepiece
import torch
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

import export_reference

MODELS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "models")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as out:
        json.dump(value, out, indent=2, ensure_ascii=False)
        out.write("\n")


def seeded(*names):
    return np.random.default_rng([zlib.crc32(name.encode()) for name in names])


# ---- text and tokenizers --------------------------------------------------------------------------

WORDS = """the a one two cat dog bird river mountain house little old green bright walked talked saw found
sings sang under over near with and but then when café naïve Zürich señor it's don't we'll 12 345 2024
quickly slowly happily world hello story once upon time there was little people said water light""".split()


def corpus(lines=400):
    """Sentences of seeded random words, with punctuation, numbers and accents."""
    random = seeded("corpus")
    for _ in range(lines):
        words = [WORDS[i] for i in random.integers(0, len(WORDS), random.integers(3, 12))]
        words[random.integers(0, len(words))] += ","
        yield words[0].capitalize() + " " + " ".join(words[1:]) + ".!?"[random.integers(0, 3)]


TEXTS = ["Once upon a time, there was a little cat.", "Hello  world! 12345 it's\n\tfine.",
         " leading and trailing ", "café naïve Zürich señor", "日本 🙂 → ﬁne", "", "x", "don't WE'LL 2024!?"]


def sentencepiece_model(**options):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=corpus(), model_writer=out, num_threads=1, minloglevel=2, **options)
    return out.getvalue()


def sentencepiece_of(path, spec):
    """The sentencepiece model that reads this fixture, or None where tokenizer.json or merges do."""
    if "gguf" in spec:
        return llama_sentencepiece_model() if spec["config"]["model_type"] == "llama" else None
    if os.path.exists(os.path.join(path, "tokenizer.json")):
        return None
    for file in ("tokenizer.model", "spiece.model"):
        if os.path.exists(os.path.join(path, file)):
            with open(os.path.join(path, file), "rb") as data:
                return data.read()
    return None


def proven_texts(path, spec, tokenizer):
    """TEXTS, without those on which sentencepiece and the reference's fast tokenizer disagree."""
    data = sentencepiece_of(path, spec)
    if data is None:
        return TEXTS
    processor = sentencepiece.SentencePieceProcessor(model_proto=data)
    fast = {text: tokenizer(text, add_special_tokens=False).input_ids for text in TEXTS}
    differ = [text for text in TEXTS if fast[text] != processor.encode(text)]
    print("".join(f"  sentencepiece differs on {text!r}, left out\n" for text in differ), end="")
    return [text for text in TEXTS if text not in differ]


def llama_sentencepiece_model():
    """BPE with byte fallback, as LLaMA 1 and 2 have it; 340 pieces."""
    return sentencepiece_model(model_type="bpe", vocab_size=340, byte_fallback=True, unk_id=0, bos_id=1,
                               eos_id=2, pad_id=-1, split_digits=True, normalization_rule_name="identity",
                               remove_extra_whitespaces=False, character_coverage=0.995)


def llama_sentencepiece(folder):
    """tokenizer.model"""
    with open(os.path.join(folder, "tokenizer.model"), "wb") as out:
        out.write(llama_sentencepiece_model())
    write_json(os.path.join(folder, "tokenizer_config.json"), {
        "tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False,
        "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "legacy": False})


# A few rules stand for the reference's 200 KB table of compatibility forms.
NORMALIZATION = "FB01\t66 69\n2026\t2E 2E 2E\n00A0\t20\n0009\t20\n000A\t20\nFF21\t41\n0041 030A\tC5\n"


def t5_sentencepiece(folder, with_json):
    """spiece.model: unigram, pad 0, eos 1, unk 2; 20 extra ids stand behind its 130 pieces."""
    rules = os.path.join(folder, "rules.tsv")
    with open(rules, "w", encoding="utf-8") as out:
        out.write(NORMALIZATION)
    data = sentencepiece_model(model_type="unigram", vocab_size=130, pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
                               normalization_rule_tsv=rules)
    os.remove(rules)
    with open(os.path.join(folder, "spiece.model"), "wb") as out:
        out.write(data)
    write_json(os.path.join(folder, "tokenizer_config.json"), {
        "tokenizer_class": "T5Tokenizer", "extra_ids": 20, "eos_token": "</s>", "unk_token": "<unk>",
        "pad_token": "<pad>"})
    if with_json:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        tokenizer.backend_tokenizer.save(os.path.join(folder, "tokenizer.json"))


def train_byte_level(vocab_size, pre_tokenizer):
    """(vocab, merges) of a byte-level BPE: 256 bytes, then merges."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=sorted(alphabet), show_progress=False))
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def gpt2_byte_level(folder, with_json):
    """vocab.json and merges.txt (and tokenizer.json): 298 tokens and <|endoftext|> at the end."""
    vocab, merges = train_byte_level(298, pre_tokenizers.ByteLevel(add_prefix_space=False))
    vocab["<|endoftext|>"] = len(vocab)
    with open(os.path.join(folder, "vocab.json"), "w", encoding="utf-8") as out:
        json.dump(vocab, out, ensure_ascii=False)
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as out:
        out.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    write_json(os.path.join(folder, "tokenizer_config.json"), {
        "tokenizer_class": "GPT2Tokenizer", "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>", "add_prefix_space": False})
    if with_json:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        tokenizer.backend_tokenizer.save(os.path.join(folder, "tokenizer.json"))
    return vocab, merges


LLAMA3_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def llama3_byte_level(folder):
    """tokenizer.json as LLaMA 3 has it: split by expression, byte-level BPE, begin-of-text by template."""
    split = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3_SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    vocab, merges = train_byte_level(290, split)
    tokenizer = Tokenizer(models.BPE(vocab, merges, ignore_merges=True))
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"])
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(
            single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1",
            special_tokens=[("<|begin_of_text|>", 290)])])
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    write_json(os.path.join(folder, "tokenizer_config.json"), {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>",
        "eos_token": "<|end_of_text|>", "clean_up_tokenization_spaces": False})


# ---- weights --------------------------------------------------------------------------------------

def draw(fixture, name, module, shape):
    """Random numbers with enough spread that a wrong mask or a lost bias shows."""
    random = seeded(fixture, name)
    normal = random.standard_normal(shape)
    if name.endswith("bias") and len(shape) == 1:
        return normal * 0.3
    if isinstance(module, torch.nn.Embedding):
        return normal * 0.8
    if len(shape) == 1:
        return 1 + normal * 0.2
    fan_in = shape[0] if isinstance(module, transformers.pytorch_utils.Conv1D) else shape[-1]
    return normal * 1.6 / np.sqrt(fan_in)


def random_weights(fixture, model):
    """{name: float32 tensor}; tied weights appear once, under the name the reference saves them by."""
    modules = dict(model.named_modules())
    weights = {}
    for name, parameter in model.named_parameters():
        values = draw(fixture, name, modules[name.rpartition(".")[0]], tuple(parameter.shape))
        weights[name] = torch.tensor(values, dtype=torch.float32)
    return weights


def is_norm(name):
    return "norm" in name or ".ln_" in name


def save_weights(folder, weights, shards):
    weights = {name: tensor.contiguous() for name, tensor in sorted(weights.items())}
    if shards == 1:
        safetensors.torch.save_file(weights, os.path.join(folder, "model.safetensors"), {"format": "pt"})
        return
    names = list(weights)
    index = {"metadata": {"total_size": sum(t.nbytes for t in weights.values())}, "weight_map": {}}
    for k in range(shards):
        file = f"model-{k + 1:05}-of-{shards:05}.safetensors"
        part = {name: weights[name] for name in names[k::shards]}
        safetensors.torch.save_file(part, os.path.join(folder, file), {"format": "pt"})
        index["weight_map"].update({name: file for name in part})
    write_json(os.path.join(folder, "model.safetensors.index.json"), index)


def save_model(fixture, folder, spec):
    """config.json and the weight files of one fixture."""
    write_json(os.path.join(folder, "config.json"), spec["config"])
    config = transformers.AutoConfig.from_pretrained(folder)
    model = getattr(transformers, spec["config"]["architectures"][0])(config)
    weights = random_weights(fixture, model)
    dtype = DTYPES[spec.get("dtype", "float32")]
    narrow = lambda name: not (spec.get("wide_norms") and is_norm(name))
    weights = {name: t.to(dtype) if narrow(name) else t for name, t in weights.items()}
    rename = spec.get("rename", lambda name: name)
    save_weights(folder, {rename(name): t for name, t in weights.items()}, spec.get("shards", 1))


# ---- references -----------------------------------------------------------------------------------

def prompt_ids(fixture, number, size, length):
    return seeded(fixture, f"prompt{number}").integers(5, size, length).tolist()


def generations(greedy, eos, encoder_decoder):
    """Options to prove; greedy is what plain greedy search gives, so that every ban bites."""
    a, b, c = greedy[0], greedy[1], greedy[2]
    plain = [
        {}, {"max_new_tokens": 1}, {"repetition_penalty": 1.3}, {"repetition_penalty": 0.8},
        {"no_repeat_ngram_size": 2}, {"bad_words_ids": [[a], [b, c], [eos]]}, {"bad_words_ids": [[a, b], [b, c]]},
        {"min_new_tokens": 9}, {"suppress_tokens": [a, c]}, {"begin_suppress_tokens": [a]},
        {"forced_eos_token_id": eos, "max_new_tokens": 5}]
    beams = [
        {"num_beams": 3}, {"num_beams": 4}, {"num_beams": 4, "num_return_sequences": 4},
        {"num_beams": 3, "length_penalty": 2.0, "early_stopping": False, "num_return_sequences": 2},
        {"num_beams": 4, "length_penalty": -1.0, "early_stopping": True, "num_return_sequences": 3},
        {"num_beams": 4, "length_penalty": 0.5, "early_stopping": "never", "num_return_sequences": 3},
        {"num_beams": 3, "length_penalty": 0.0, "early_stopping": "never"},
        {"num_beams": 3, "early_stopping": True, "no_repeat_ngram_size": 2, "repetition_penalty": 1.2},
        {"num_beams": 4, "min_new_tokens": 6, "bad_words_ids": [[b], [a, c]], "num_return_sequences": 2},
        {"num_beams": 3, "forced_eos_token_id": eos, "max_new_tokens": 6, "num_return_sequences": 3},
        {"num_beams": 4, "eos_token_id": [eos, a], "pad_token_id": 3, "num_return_sequences": 4}]
    if encoder_decoder:
        plain += [{"encoder_repetition_penalty": 1.5}, {"encoder_no_repeat_ngram_size": 2},
                  {"forced_bos_token_id": c}, {"forced_bos_token_id": b, "begin_suppress_tokens": [a]}]
        beams += [{"num_beams": 3, "encoder_no_repeat_ngram_size": 1, "encoder_repetition_penalty": 0.8,
                   "forced_bos_token_id": c, "num_return_sequences": 2}]
    return plain, beams


def jittered(model):
    """The same model off by 1e-5: a generation that changes with it hangs on a near tie."""
    other = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1 + 1e-5 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return other


def often_generated(reference, prompts):
    """A token that beams like to say in mid-sentence: as `eos` it ends some of them early, not all."""
    counts = collections.Counter()
    for prompt in prompts:
        options = {"num_beams": 4, "num_return_sequences": 4, "max_new_tokens": 9, "do_sample": False}
        start = 1 if reference.model.config.is_encoder_decoder else len(prompt)
        for row in reference.generate(prompt, options):
            counts.update(set(row[start + 3:]) - set(row[start:start + 2]))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[0][0]


def new_tokens(reference, prompt):
    """What greedy search says after the prompt; never ends early."""
    options = {"do_sample": False, "max_new_tokens": 8, "min_new_tokens": 8}
    start = 1 if reference.model.config.is_encoder_decoder else len(prompt)
    return reference.generate(prompt, options)[0][start:]


def add_generations(reference, spec, prompts, long_prompts, eos):
    """Each option set on one of the prompts, the first for which the answer hangs on no near tie."""
    encoder_decoder = reference.model.config.is_encoder_decoder
    # First the prompt whose answer repeats least: bans that are taken from it then differ.
    prompts = sorted(prompts, key=lambda prompt: -len(set(new_tokens(reference, prompt)[:3])))
    plain, beams = generations(new_tokens(reference, prompts[0]), eos, encoder_decoder)
    plan = [(prompts, options) for options in plain]
    plan += [(prompts[k % len(prompts):] + prompts[:k % len(prompts)], options) for k, options in enumerate(beams)]
    if "long" in spec:  # beams that part and join where a page of 64 positions ends
        length = 68 if encoder_decoder else 12
        plan += [(long_prompts, {"max_new_tokens": length, "min_new_tokens": length, "num_beams": beams,
                                 "num_return_sequences": beams}) for beams in (1, 3)]
    common = {"do_sample": False, "num_beams": 1, "max_new_tokens": 12}
    if "gguf" in spec:
        common |= {"eos_token_id": eos, "pad_token_id": 0}
    nearby = export_reference.Reference(jittered(reference.model))
    for choices, options in plan:
        options = {**common, **options}
        for prompt in choices:
            rows = reference.generate(prompt, options)
            if rows == nearby.generate(prompt, options):
                reference.add_generation(prompt, options, rows)
                break
        else:
            print(f"  {options} hangs on a near tie for every prompt, left out")


def generation_config(spec, eos):
    token = {"gpt2": {"bos_token_id": 1}, "llama": {"bos_token_id": 1}}.get(
        spec["config"]["model_type"], {"decoder_start_token_id": 0})
    eos_ids = [spec["config"]["eos_token_id"], eos] if spec.get("tokenizer") else eos
    return {**token, "eos_token_id": eos_ids, "pad_token_id": 0}


def add_cases(reference, fixture, spec, size):
    encoder_decoder = reference.model.config.is_encoder_decoder
    lengths = [(1, 1), (9, 7), (14, 11)] if encoder_decoder else [(1, 0), (8, 0), (14, 0)]
    for number, (length, decoder_length) in enumerate(lengths):
        decoder = [0] + prompt_ids(fixture, 50 + number, size, decoder_length - 1) if encoder_decoder else None
        reference.add_case(prompt_ids(fixture, 10 + number, size, length), decoder)
    if "long" in spec:  # crosses a page of 64 positions twice; only the logits, for size
        ids = prompt_ids(fixture, 30, size, spec["long"])
        decoder = [0] + prompt_ids(fixture, 31, size, spec["long"] - 1) if encoder_decoder else None
        reference.add_case(ids[:70] if encoder_decoder else ids, decoder, hidden_states=False)


def choose_eos(reference, path, spec, prompts):
    """Chooses an eos that ends some beams early and keeps it in the file a user's folder has it in."""
    config = reference.model.generation_config
    config.eos_token_id, config.pad_token_id = None, 0
    eos = often_generated(reference, prompts)
    if "gguf" in spec:
        return eos  # no such file: every generation says it itself
    if spec.get("eos_in_config"):
        write_json(os.path.join(path, "config.json"), {**spec["config"], "eos_token_id": eos, "pad_token_id": 0})
    else:
        write_json(os.path.join(path, "generation_config.json"), generation_config(spec, eos))
    reference.model.generation_config = export_reference.load_float64(path).generation_config
    return eos


def make_reference(fixture, path, spec):
    """reference.safetensors of one fixture, beside its weights."""
    model = export_reference.load_float64(path)
    reference = export_reference.Reference(model, export_reference.load_tokenizer(path))
    size = model.get_input_embeddings().weight.shape[0]
    add_cases(reference, fixture, spec, size)
    prompts = [prompt_ids(fixture, k, size, length) for k, length in enumerate((5, 3, 7, 1, 9, 6))]
    long_prompts = [prompt_ids(fixture, k, size, 59) for k in range(70, 76)]
    eos = choose_eos(reference, path, spec, prompts)
    add_generations(reference, spec, prompts, long_prompts, eos)
    for text in proven_texts(path, spec, reference.tokenizer) if reference.tokenizer else []:
        reference.add_text(text, True)
        reference.add_text(text, False)
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    reference.save(os.path.join(folder, "reference.safetensors"))
    finished = sum(eos in rows.ravel().tolist() for key, rows in reference.tensors.items() if "sequences" in key)
    print(f"  eos {eos} occurs in {finished} of {len(reference.generations)} generations")


# ---- GGUF -----------------------------------------------------------------------------------------

GGUF_TYPES = {name: gguf.GGMLQuantizationType[name.upper()] for name in ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1")}
GGUF_FILE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q8_0": 7, "bf16": 32}
GGUF_NAMES = {
    "llama": {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
              "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
              "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
              "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
              "mlp.down_proj": "ffn_down"},
    "gpt2": {"transformer.wte": "token_embd", "transformer.wpe": "position_embd",
             "transformer.ln_f": "output_norm", "lm_head": "output", "ln_1": "attn_norm", "ln_2": "ffn_norm",
             "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up",
             "mlp.c_proj": "ffn_down"}}


def gguf_name(family, name):
    """model.layers.0.self_attn.q_proj.weight -> blk.0.attn_q.weight"""
    stem, _, kind = name.rpartition(".")
    for prefix in ("model.layers.", "transformer.h."):
        if stem.startswith(prefix):
            layer, _, rest = stem.removeprefix(prefix).partition(".")
            return f"blk.{layer}.{GGUF_NAMES[family][rest]}.{kind}"
    return f"{GGUF_NAMES[family][stem]}.{kind}"


def interleave_halves(weight, heads):
    """Rotary pairs (i, i + d/2) of each head become neighbours, the order in which GGUF keeps q and k."""
    rows = weight.shape[0]
    return weight.reshape(heads, 2, rows // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def gguf_tensor(config, name, values):
    """A tensor as the format wants it: [out, in], q and k of LLaMA with neighbouring rotary pairs."""
    if config["model_type"] == "gpt2" and values.ndim == 2 and ".h." in name:
        return np.ascontiguousarray(values.T)
    if ".q_proj." in name:
        return interleave_halves(values, config["num_attention_heads"])
    if ".k_proj." in name:
        return interleave_halves(values, config["num_key_value_heads"])
    return values


def write_gguf_llama_metadata(writer, config):
    head_dim = config["hidden_size"] // config["num_attention_heads"]
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_rope_dimension_count(head_dim)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])


def write_gguf_gpt2_metadata(writer, config):
    writer.add_block_count(config["n_layer"])
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_feed_forward_length(4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])


def write_gguf_sentencepiece(writer):
    vocabulary = sentencepiece.SentencePieceProcessor(model_proto=llama_sentencepiece_model())
    kinds = [(vocabulary.is_unknown, gguf.TokenType.UNKNOWN), (vocabulary.is_control, gguf.TokenType.CONTROL),
             (vocabulary.is_byte, gguf.TokenType.BYTE), (lambda i: True, gguf.TokenType.NORMAL)]
    ids = range(vocabulary.get_piece_size())
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([vocabulary.id_to_piece(i) for i in ids])
    writer.add_token_scores([vocabulary.get_score(i) for i in ids])
    writer.add_token_types([next(kind for test, kind in kinds if test(i)) for i in ids])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)


def write_gguf_byte_level(writer):
    vocab, merges = train_byte_level(298, pre_tokenizers.ByteLevel(add_prefix_space=False))
    tokens = sorted(vocab, key=vocab.get) + ["<|endoftext|>"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * len(vocab) + [gguf.TokenType.CONTROL])
    writer.add_token_merges([f"{a} {b}" for a, b in merges])
    writer.add_bos_token_id(len(vocab))
    writer.add_eos_token_id(len(vocab))


def write_gguf(fixture, path, spec):
    """model.gguf: norms and biases in F32, every matrix in the fixture's type."""
    config, kind = spec["config"], spec["gguf"]
    family = config["model_type"]
    writer = gguf.GGUFWriter(path, family)
    writer.add_name(fixture)
    writer.add_file_type(GGUF_FILE_TYPES[kind])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    {"llama": write_gguf_llama_metadata, "gpt2": write_gguf_gpt2_metadata}[family](writer, config)
    {"llama": write_gguf_sentencepiece, "gpt2": write_gguf_byte_level}[family](writer)
    model = getattr(transformers, config["architectures"][0])(
        transformers.AutoConfig.for_model(**{k: v for k, v in config.items() if k != "torch_dtype"}))
    weights = random_weights(fixture, model)
    if spec.get("output_too"):  # older converters wrote GPT-2's tied matrix twice
        weights["lm_head.weight"] = weights["transformer.wte.weight"]
    expected = {}
    for name, weight in weights.items():
        tensor_type = GGUF_TYPES[kind if weight.ndim == 2 else "f32"]
        values = gguf_tensor(config, name, weight.numpy())
        data = gguf.quants.quantize(np.ascontiguousarray(values), tensor_type)
        writer.add_tensor(gguf_name(family, name), data, raw_dtype=tensor_type)
        expected[name] = gguf.quants.dequantize(data, tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return expected


def check_gguf_loading(path, config, expected):
    """The reference must hold just the dequantized numbers, rows and columns back in their order."""
    state = export_reference.load_float64(path).state_dict()
    for name, values in expected.items():
        got = gguf_tensor(config, name, state[name].numpy())
        assert np.array_equal(got, values.astype(np.float64)), f"{path}: {name} was not loaded as written"


# ---- the fixtures ---------------------------------------------------------------------------------

def llama(**changes):
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 151,
            "hidden_size": 42, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 7,
            "num_key_value_heads": 7, "hidden_act": "silu", "max_position_embeddings": 256,
            "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "attention_bias": False, "mlp_bias": False,
            "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "float32",
            **changes}


def gpt2(**changes):
    return {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": 149, "n_embd": 36,
            "n_layer": 2, "n_head": 3, "n_positions": 61, "n_ctx": 61, "n_inner": 53,
            "activation_function": "gelu_new", "layer_norm_epsilon": 1e-05, "bos_token_id": 1,
            "eos_token_id": 2, "torch_dtype": "float32", **changes}


def t5(**changes):
    return {"architectures": ["T5ForConditionalGeneration"], "model_type": "t5", "is_encoder_decoder": True,
            "vocab_size": 152, "d_model": 40, "d_kv": 7, "d_ff": 29, "num_layers": 2, "num_decoder_layers": 2,
            "num_heads": 3, "relative_attention_num_buckets": 12, "relative_attention_max_distance": 30,
            "feed_forward_proj": "relu", "layer_norm_epsilon": 1e-06, "tie_word_embeddings": True,
            "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0, "torch_dtype": "float32",
            **changes}


LLAMA3_ROPE = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 64}

FIXTURES = {
    "llama-gqa": {"config": llama(vocab_size=340, hidden_size=40, intermediate_size=29, num_attention_heads=10,
                                  num_key_value_heads=2, tie_word_embeddings=True), "tokenizer": llama_sentencepiece},
    "llama-untied": {"config": llama(vocab_size=67, num_hidden_layers=3, rms_norm_eps=1e-6,
                                     hidden_size=54, num_attention_heads=9, num_key_value_heads=3), "long": 150},
    "llama-tied": {"config": llama(tie_word_embeddings=True, num_attention_heads=3, num_key_value_heads=3,
                                   hidden_act="gelu"), "eos_in_config": True},
    "llama-biases": {"config": {k: v for k, v in llama(
        attention_bias=True, mlp_bias=True, num_key_value_heads=1, dtype="float32", rope_parameters={
            "rope_type": "default", "rope_theta": 500.0}).items() if k not in ("rope_theta", "torch_dtype")}},
    "llama-head-dim": {"config": llama(head_dim=10, hidden_size=45, num_attention_heads=5, num_key_value_heads=1)},
    "llama-rope-linear": {"config": llama(vocab_size=73, num_attention_heads=3,
                                          num_key_value_heads=1, rope_scaling={"type": "linear", "factor": 2.5}),
                          "long": 150},
    "llama-rope-llama3": {"config": llama(vocab_size=303, hidden_size=40, num_attention_heads=5,
                                          num_key_value_heads=5, rope_theta=5000.0, tie_word_embeddings=True,
                                          rope_scaling=LLAMA3_ROPE, bos_token_id=290, eos_token_id=291),
                          "tokenizer": llama3_byte_level},
    "llama-bf16": {"config": llama(torch_dtype="bfloat16"), "dtype": "bfloat16"},
    "llama-f16": {"config": llama(torch_dtype="float16", num_attention_heads=3,
                                  num_key_value_heads=1), "dtype": "float16",
                  "wide_norms": True},
    "llama-sharded": {"config": llama(intermediate_size=31, num_key_value_heads=1), "shards": 3},
    "gpt2-inner": {"config": gpt2(vocab_size=299, bos_token_id=298, eos_token_id=298),
                   "tokenizer": lambda folder: gpt2_byte_level(folder, with_json=True)},
    "gpt2-scaled": {"config": gpt2(vocab_size=71, n_layer=3, n_embd=35, n_head=5, n_positions=170, n_ctx=170,
                                scale_attn_by_inverse_layer_idx=True,
                                   reorder_and_upcast_attn=False), "long": 150},
    "gpt2-relu": {"config": gpt2(activation_function="relu", scale_attn_weights=False), "shards": 2},
    "gpt2-unprefixed": {"config": gpt2(vocab_size=299, activation_function="gelu", n_inner=None, n_embd=28,
                                       n_head=4, bos_token_id=298, eos_token_id=298),
                        "rename": lambda name: name.removeprefix("transformer."),
                        "tokenizer": lambda folder: gpt2_byte_level(folder, with_json=False)},
    "gpt2-silu-head": {"config": gpt2(activation_function="silu"), "eos_in_config": True,
                       "rename": lambda name: {"transformer.wte.weight": "lm_head.weight"}.get(name, name)},
    "t5-v1_0": {"config": t5(), "tokenizer": lambda folder: t5_sentencepiece(folder, with_json=True)},
    "t5-v1_1": {"config": t5(feed_forward_proj="gated-gelu", tie_word_embeddings=False, d_kv=9, d_ff=29,
                             num_layers=1, num_heads=5),
                "tokenizer": lambda folder: t5_sentencepiece(folder, with_json=False)},
    "t5-depths": {"config": t5(vocab_size=77, num_layers=1, num_decoder_layers=3, num_heads=5,
                               relative_attention_num_buckets=32, relative_attention_max_distance=128),
                  "long": 150, "eos_in_config": True},
}


def gguf_llama(kind):
    """Quantized rows come in blocks of 32; the other types take odd sizes here too."""
    odd = kind in ("f32", "f16", "bf16")
    sizes = {"hidden_size": 40, "intermediate_size": 37, "num_attention_heads": 5, "num_key_value_heads": 1} \
        if odd else {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2}
    return llama(vocab_size=340, tie_word_embeddings=kind not in ("q8_0", "bf16"), **sizes)


FIXTURES |= {f"gguf-llama-{kind}": {"gguf": kind, "config": gguf_llama(kind)} for kind in GGUF_TYPES}
FIXTURES |= {f"gguf-gpt2-{kind}": {"gguf": kind, "output_too": kind == "q8_0", "config": gpt2(
    vocab_size=299, n_embd=32, n_head=2, n_inner=None)} for kind in ("f32", "q8_0")}


def make(fixture):
    spec = FIXTURES[fixture]
    folder = os.path.join(MODELS, fixture)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    if "gguf" in spec:
        path = os.path.join(folder, "model.gguf")
        expected = write_gguf(fixture, path, spec)
        check_gguf_loading(path, spec["config"], expected)
        make_reference(fixture, path, spec)
        return
    if "tokenizer" in spec:
        spec["tokenizer"](folder)
    save_model(fixture, folder, spec)
    make_reference(fixture, folder, spec)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="make only the fixtures whose names start so")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    chosen = [f for f in FIXTURES if not arguments.names or f.startswith(tuple(arguments.names))]
    if not chosen:
        sys.exit(f"make_fixtures: error: no fixture starts with {arguments.names}; there are {list(FIXTURES)}")
    for fixture in chosen:
        print(fixture)
        make(fixture)


if __name__ == "__main__":
    main()
