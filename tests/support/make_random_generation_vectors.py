#!/usr/bin/env python3
"""Random combinations of generation options, and what the reference's generate() makes of them.

    python3 tests/support/make_random_generation_vectors.py [--count 390] [--warpers 300] [--seed 14]

Writes two files of JSON lines into tests/generation/data, everything computed in float64:

    random_generations.jsonl   {"model": folder under models/, "prompt": [...], "options": {...},
                                "sequences": [[...]], "scores": [...]}     scores: of beams only
    random_warpers.jsonl       {"options": {...}, "ids": [...], "prompt_length": n,
                                "scores": [...], "expected": [...]}        null means -inf

The options of the second come with do_sample, so that `expected` is what is sampled from. Where the
reference keeps some of several equal scores, which ones is up to its sort: the number kept counts.
"""

import argparse
import json
import math
import os
import random
import sys
import warnings

import torch
import transformers

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import export_reference  # noqa: E402

MODELS = [
    "gpt2-scaled",
    "llama-gqa",
    "bloom-12-heads",
    "gpt_neo-windows",
    "mistral-window",
    "qwen3-lm",
    "openai-gpt-lm",
    "t5-v1_1",
    "umt5-lm",
    "bart-lm",
    "marian-lm",
    "mbart-lm",
    "pegasus-lm",
]


def draw_ids(r, size, least, most):
    return [r.randrange(size) for _ in range(r.randint(least, most))]


def draw_lengths(r, o, prompt):
    """How long: max_new_tokens or max_length, and perhaps a minimum."""
    new = r.randint(1, 14)
    if r.random() < 0.75:
        o["max_new_tokens"] = new
        if r.random() < 0.3:
            o["min_new_tokens"] = r.randint(0, new)
    else:
        o["max_length"] = prompt + new
    if r.random() < 0.25:
        o["min_length"] = r.randint(0, prompt + new)


def draw_beams(r, o):
    o["num_beams"] = r.choice([2, 2, 3, 4, 5, 8])
    o["num_return_sequences"] = r.randint(1, o["num_beams"])
    if r.random() < 0.8:
        o["length_penalty"] = r.choice([0.0, 0.5, 1.0, 2.0, -1.0, round(r.uniform(-2, 3), 3)])
    o["early_stopping"] = r.choice([False, True, "never"])


def draw_penalties(r, o, size, encoder_decoder, likely):
    if r.random() < 0.35:
        o["repetition_penalty"] = round(r.uniform(0.6, 2.5), 3)
    if r.random() < 0.15:
        o["encoder_repetition_penalty"] = round(r.uniform(0.6, 2.0), 3)
    if r.random() < 0.4:
        o["no_repeat_ngram_size"] = r.randint(1, 4)
    if r.random() < 0.15:
        o["encoder_no_repeat_ngram_size"] = r.randint(1, 3)
    if r.random() < 0.3:
        words = [likely[: r.randint(1, 3)] for _ in range(2)] if likely else []
        o["bad_words_ids"] = words + [draw_ids(r, size, 1, 3) for _ in range(r.randint(1, 3))]
    if r.random() < 0.3:
        o["suppress_tokens"] = sorted(set(draw_ids(r, size, 1, 8) + likely[:1]))
    if r.random() < 0.3:
        o["begin_suppress_tokens"] = sorted(set(draw_ids(r, size, 1, 8) + likely[1:2]))
    if r.random() < 0.15:
        o["renormalize_logits"] = True
    if r.random() < 0.1:
        o["remove_invalid_values"] = True
    if r.random() < (0.2 if encoder_decoder else 0.06):
        allowed = sorted(set(range(size)) - set(o.get("suppress_tokens", [])))
        o["forced_bos_token_id"] = r.choice(allowed)


def draw_ends(r, o, size, likely):
    """Which tokens end a sequence: those of the model, some others, likely ones, none."""
    if r.random() < 0.6:
        o["eos_token_id"] = sorted(set(draw_ids(r, size, 1, 4) + r.sample(likely, min(2, len(likely)))))
        if r.random() < 0.4:
            o["eos_token_id"] = o["eos_token_id"][0]
    if r.random() < 0.3:
        o["pad_token_id"] = r.randrange(size)
    if r.random() < 0.15:
        o["forced_eos_token_id"] = r.randrange(size)


def sequences_of(reference, prompt, options):
    model = reference.model
    ids = torch.tensor([prompt], dtype=torch.int64)
    if model.config.model_type in ("t5", "umt5"):  # the library sizes their cache by the encoder
        options = {**options, "use_cache": False}
    with export_reference.float64_everywhere(), torch.no_grad():
        return model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            return_dict_in_generate=True,
            output_scores=True,
            **options,
        )


def draw_generation(r, name, reference):
    model = reference.model
    seq2seq = model.config.is_encoder_decoder
    size = min(model.config.vocab_size, getattr(model.config, "decoder_vocab_size", None) or 1 << 30)
    prompt = draw_ids(r, size, 1, 9)
    start = 1 if seq2seq else len(prompt)
    # Options that hit: the tokens that the model wants to write.
    plain = sequences_of(reference, prompt, {"max_new_tokens": 8, "num_beams": 1, "eos_token_id": None})
    likely = plain.sequences[0][start:].tolist() if r.random() < 0.7 else []
    options = {}
    draw_lengths(r, options, start)
    if r.random() < 0.65:
        draw_beams(r, options)
    elif model.generation_config.num_beams not in (None, 1):
        options["num_beams"] = 1
    draw_penalties(r, options, size, seq2seq, likely)
    draw_ends(r, options, size, likely)
    result = sequences_of(reference, prompt, options)
    case = {"model": name, "prompt": prompt, "options": options}
    case["sequences"] = result.sequences.tolist()
    scores = getattr(result, "sequences_scores", None)
    if scores is not None:
        case["scores"] = scores.tolist()
        if not all(math.isfinite(s) and s > -1e8 for s in case["scores"]):
            return None  # fewer continuations than beams: the rest is not defined
    return case


SCORES = {
    "wide": lambda r, n: [round(r.gauss(0, 3), 3) for _ in range(n)],
    "flat": lambda r, n: [round(r.gauss(0, 0.01), 5) for _ in range(n)],
    "ties": lambda r, n: [float(r.choice([-1, 0, 0, 1, 2])) for _ in range(n)],
    "equal": lambda r, n: [-1.5] * n,
    "banned": lambda r, n: [-math.inf if r.random() < 0.5 else round(r.gauss(0, 2), 3) for _ in range(n)],
    "huge": lambda r, n: [r.choice([1e4, 9.9e3, -1e30, 300.0, -745.0, 0.0, 1e-300]) for _ in range(n)],
    "steps": lambda r, n: [math.log(2.0 ** -min(i + 1, n - 1)) for i in r.sample(range(n), n)],
}


def draw_warper(r):
    size = 16
    scores = SCORES[r.choice(sorted(SCORES))](r, size)
    scores[r.randrange(size)] = max(max(scores), 0.0) + r.choice([0.0, 1.0, 40.0])
    options = {"do_sample": True}
    if r.random() < 0.6:
        options["temperature"] = r.choice([0.01, 0.5, 1.5, 100.0, round(r.uniform(0.2, 3), 3)])
    if r.random() < 0.7:
        options["top_k"] = r.choice([0, 1, 2, 5, 15, 16, 17, 1000])
    if r.random() < 0.6:
        options["top_p"] = r.choice([0.0, 0.1, 0.999999, 1.0, round(r.random(), 3)])
    if r.random() < 0.4:
        options["min_p"] = r.choice([0.0, 1.0, 1e-9, round(r.random(), 3)])
    if r.random() < 0.4:
        options["typical_p"] = r.choice([1e-6, 0.999, 1.0, round(r.uniform(0.01, 1), 3)])
    if r.random() < 0.3:
        options["num_beams"] = r.randint(2, 4)
        options["eos_token_id"] = draw_ids(r, size, 1, 3)
    ids = draw_ids(r, size, 1, 6)
    draw_penalties(r, options, size, False, [])
    model = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=size, n_embd=4, n_layer=1, n_head=1, bos_token_id=None, eos_token_id=None)
    )
    prompt_length = r.randint(1, len(ids))
    source = torch.tensor([ids[:prompt_length]])
    config, _ = model._prepare_generation_config(None, **options)
    config.max_length = 100
    model._prepare_special_tokens(config, device="cpu")
    processors = model._get_logits_processor(config, input_ids_seq_length=prompt_length, encoder_input_ids=source)
    expected = processors(torch.tensor([ids]), torch.tensor([scores], dtype=torch.float64))[0]
    if torch.isnan(expected).any() or torch.isinf(expected).all():
        return None
    spell = lambda row: [None if v == -math.inf else v for v in row]
    return {
        "options": options,
        "ids": ids,
        "prompt_length": prompt_length,
        "scores": spell(scores),
        "expected": spell(expected.tolist()),
    }


def write(path, rows):
    with open(path, "w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, separators=(",", ":")) + "\n")
    print(f"{path}: {len(rows)} rows, {os.path.getsize(path)} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=390)
    parser.add_argument("--warpers", type=int, default=300)
    parser.add_argument("--seed", type=int, default=14)
    parser.add_argument("--out", default=os.path.join(ROOT, "tests", "generation", "data"))
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    r = random.Random(arguments.seed)
    warpers = []
    while len(warpers) < arguments.warpers:
        row = draw_warper(r)
        warpers += [row] if row else []
    write(os.path.join(arguments.out, "random_warpers.jsonl"), warpers)
    rows = []
    for number, name in enumerate(MODELS):
        model = export_reference.load_float64(os.path.join(ROOT, "models", name))
        reference = export_reference.Reference(model)
        while len(rows) < arguments.count * (number + 1) // len(MODELS):
            try:
                row = draw_generation(r, name, reference)
            except ValueError as error:  # options that do not go together
                print(f"{name}: {str(error)[:100]}")
                continue
            rows += [row] if row else []
    write(os.path.join(arguments.out, "random_generations.jsonl"), rows)


if __name__ == "__main__":
    main()
