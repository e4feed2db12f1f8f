#!/usr/bin/env python3
"""Golden values for the logits processors, made by the reference implementation in float64.

    python3 tests/support/make_generation_vectors.py [--out tests/generation/data/processors.json]

The file is {"format": "llm-processors/1", "producer": "...", "cases": [...]}, one case a line:

    {"name": "top_p.3",              unique
     "processor": "top_p",           the processor under test, or "chain" (all of them, in order)
     "parameters": {...},            see below; Hugging Face names
     "prompt_length": 5,             how many of input_ids are the prompt
     "max_length": 12,               only for forced_eos_token_id and chain: length of the full row
     "input_ids": [...],             prompt and new tokens so far; for an encoder-decoder: decoder ids
     "encoder_input_ids": [...],     what the encoder penalties look at; absent in other cases
     "scores": [...],                one number per token of the vocabulary; null means -inf
     "expected": [...]}              the scores afterwards; null means -inf

Parameters by processor:
    repetition_penalty             {"repetition_penalty": 1.3}
    encoder_repetition_penalty     {"encoder_repetition_penalty": 1.3}  (the reference divides by it)
    no_repeat_ngram_size           {"no_repeat_ngram_size": 2}
    encoder_no_repeat_ngram_size   {"encoder_no_repeat_ngram_size": 2}
    bad_words_ids                  {"bad_words_ids": [[3], [4, 5]], "eos_token_id": [2]}
    min_length, min_new_tokens     {"min_length": 7, "eos_token_id": [2]}
    forced_bos_token_id            {"forced_bos_token_id": 4}           (acts when input_ids has 1 id)
    forced_eos_token_id            {"forced_eos_token_id": [2]}         (acts at max_length - 1)
    suppress_tokens                {"suppress_tokens": [1, 7]}
    begin_suppress_tokens          {"begin_suppress_tokens": [1, 7]}    (acts at prompt_length)
    temperature                    {"temperature": 0.7}
    top_k, top_p, min_p, typical_p {"top_p": 0.9, "min_tokens_to_keep": 1}
    chain                          any of the above with "do_sample", "num_beams",
                                   "is_encoder_decoder"; order and defaults are generate()'s

A case with "ambiguous": true keeps some of several equal scores and drops others, and which of
them is up to an unstable sort in the reference: only the number kept of each score means anything.
"""

import argparse
import json
import math
import random
import warnings

import torch
import transformers
from transformers.generation import logits_process as lp

VOCABULARY = 20
SCORES = {  # a few kinds of rows: wide, peaked, flat, with ties, with banned tokens
    "wide": lambda r: [round(r.gauss(0, 3), 4) for _ in range(VOCABULARY)],
    "peaked": lambda r: [round(r.gauss(0, 1) + (9 if i == 7 else 0), 4) for i in range(VOCABULARY)],
    "flat": lambda r: [round(r.gauss(0, 0.05), 4) for _ in range(VOCABULARY)],
    "ties": lambda r: [float(r.choice([-2, -1, 0, 0, 1, 2, 2])) for _ in range(VOCABULARY)],
    "equal": lambda r: [0.5] * VOCABULARY,
    "banned": lambda r: [
        -math.inf if r.random() < 0.4 else round(r.gauss(0, 2), 4) for _ in range(VOCABULARY)
    ],
    "single": lambda r: [1.25 if i == 11 else -math.inf for i in range(VOCABULARY)],
}


def tensor(values):
    return torch.tensor([values], dtype=torch.float64)


def ids_tensor(ids):
    return torch.tensor([ids], dtype=torch.int64)


def is_ambiguous(scores, expected):
    kept = {a for a, b in zip(scores, expected) if b != -math.inf}
    return any(a in kept for a, b in zip(scores, expected) if b == -math.inf)


class Vectors:
    """Collects cases; every case is computed by a processor object of the reference."""

    def __init__(self):
        self.cases = []
        self.counts = {}

    def add(self, name, processor, ids, scores, parameters, prompt_length=None, **more):
        number = self.counts[name] = self.counts.get(name, -1) + 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = processor(ids_tensor(ids), tensor(scores))
        assert expected.dtype == torch.float64, name
        assert not torch.isnan(expected).any(), (name, parameters)
        if name in ("top_p", "min_p", "typical_p") and is_ambiguous(scores, expected[0].tolist()):
            more["ambiguous"] = True
        spell = lambda row: [None if v == -math.inf else v for v in row]
        self.cases.append(
            {
                "name": f"{name}.{number}",
                "processor": name,
                "parameters": parameters,
                "prompt_length": len(ids) if prompt_length is None else prompt_length,
                **more,
                "input_ids": ids,
                "scores": spell(scores),
                "expected": spell(expected[0].tolist()),
            }
        )


def rows(seed, kinds):
    r = random.Random(seed)
    return [SCORES[kind](r) for kind in kinds]


def ids_of(seed, length, top=VOCABULARY):
    r = random.Random(1000 + seed)
    return [r.randrange(top) for _ in range(length)]


def add_penalties(v):
    for n, (penalty, kind) in enumerate(
        [(1.3, "wide"), (0.7, "wide"), (2.0, "banned"), (1.1, "ties")]
    ):
        scores = rows(n, [kind])[0]
        ids, source = ids_of(n, 6), ids_of(50 + n, 8)
        v.add(
            "repetition_penalty",
            lp.RepetitionPenaltyLogitsProcessor(penalty),
            ids,
            scores,
            {"repetition_penalty": penalty},
        )
        v.add(
            "encoder_repetition_penalty",
            lp.EncoderRepetitionPenaltyLogitsProcessor(penalty, ids_tensor(source)),
            ids,
            scores,
            {"encoder_repetition_penalty": penalty},
            encoder_input_ids=source,
        )


def add_ngrams(v):
    histories = [
        [1, 2, 3, 1, 2],
        [5, 5, 5],
        [4],
        [1, 2, 1, 3, 1],
        [0, 7, 0, 7, 0],
        ids_of(3, 30, 4),
    ]
    for n, ids in enumerate(histories):
        for size in (1, 2, 3):
            scores = rows(n, ["wide"])[0]
            v.add(
                "no_repeat_ngram_size",
                lp.NoRepeatNGramLogitsProcessor(size),
                ids,
                scores,
                {"no_repeat_ngram_size": size},
            )
    sources = [[3, 1, 2, 9, 2, 8], [1, 2, 3, 1, 2, 4], [5]]
    for source in sources:
        for ids in ([0], [0, 2], [6, 1, 2]):
            for size in (1, 2, 3):
                v.add(
                    "encoder_no_repeat_ngram_size",
                    lp.EncoderNoRepeatNGramLogitsProcessor(size, ids_tensor(source)),
                    ids,
                    rows(len(ids), ["wide"])[0],
                    {"encoder_no_repeat_ngram_size": size},
                    encoder_input_ids=source,
                )


def add_bans(v):
    words = [[[3], [4, 5]], [[2], [7, 7, 7], [7, 7, 8]], [[2, 3], [0, 2, 3]], [[1], [1, 6], [9]]]
    for n, bad in enumerate(words):
        for ids in ([4], [9, 4], [7, 7], [0, 2], [1]):
            v.add(
                "bad_words_ids",
                lp.NoBadWordsLogitsProcessor(bad, eos_token_id=[2]),
                ids,
                rows(n, ["wide"])[0],
                {"bad_words_ids": bad, "eos_token_id": [2]},
            )
    for suppressed in ([1, 7], [19], [0, 0, 5]):
        scores = rows(8, ["banned"])[0]
        v.add(
            "suppress_tokens",
            lp.SuppressTokensLogitsProcessor(suppressed),
            [1, 2],
            scores,
            {"suppress_tokens": suppressed},
        )
        for ids in ([1, 2], [1, 2, 3]):
            v.add(
                "begin_suppress_tokens",
                lp.SuppressTokensAtBeginLogitsProcessor(suppressed, 2),
                ids,
                scores,
                {"begin_suppress_tokens": suppressed},
                prompt_length=2,
            )


def add_lengths(v):
    for length in (0, 3, 4, 5):
        for eos in ([2], [2, 17]):
            scores = rows(length, ["wide"])[0]
            v.add(
                "min_length",
                lp.MinLengthLogitsProcessor(length, eos),
                [1, 4, 5, 6],
                scores,
                {"min_length": length, "eos_token_id": eos},
                prompt_length=2,
            )
            v.add(
                "min_new_tokens",
                lp.MinNewTokensLengthLogitsProcessor(2, length, eos),
                [1, 4, 5, 6],
                scores,
                {"min_new_tokens": length, "eos_token_id": eos},
                prompt_length=2,
            )
    for ids in ([3], [3, 4]):
        v.add(
            "forced_bos_token_id",
            lp.ForcedBOSTokenLogitsProcessor(4),
            ids,
            rows(1, ["wide"])[0],
            {"forced_bos_token_id": 4},
        )
    for ids in ([3, 4, 5], [3, 4, 5, 6], [3, 4, 5, 6, 7]):
        for eos in ([2], [2, 9]):
            v.add(
                "forced_eos_token_id",
                lp.ForcedEOSTokenLogitsProcessor(5, eos),
                ids,
                rows(2, ["banned"])[0],
                {"forced_eos_token_id": eos},
                prompt_length=2,
                max_length=5,
            )


def add_warpers(v):
    kinds = ["wide", "peaked", "flat", "ties", "equal", "banned", "single"]
    for n, (kind, scores) in enumerate(zip(kinds, rows(77, kinds))):
        ids = ids_of(n, 3)
        v.add(
            "temperature",
            lp.TemperatureLogitsWarper([0.7, 1.9, 0.05][n % 3]),
            ids,
            scores,
            {"temperature": [0.7, 1.9, 0.05][n % 3]},
        )
        for keep in (1, 2, 3):
            add = lambda name, build, values: [
                v.add(
                    name,
                    build(value, min_tokens_to_keep=keep),
                    ids,
                    scores,
                    {name: value, "min_tokens_to_keep": keep},
                )
                for value in (values if keep == 1 else values[:2])
            ]
            add("top_k", lp.TopKLogitsWarper, [1, 3, 7, VOCABULARY, 50])
            add("top_p", lp.TopPLogitsWarper, [0.0, 0.5, 0.9, 0.25, 0.999])
            add("min_p", lp.MinPLogitsWarper, [1.0, 0.05, 0.3, 0.0])
            add("typical_p", lp.TypicalLogitsWarper, [0.01, 0.5, 0.9, 0.2])
    # Probabilities 1/2, 1/4, 1/8, 1/8: the token that crosses top_p is kept, one that only meets it not.
    quarters = [math.log(p) if p else -math.inf for p in [0.125, 0.5, 0.125, 0.25] + [0] * 16]
    for top_p in (0.45, 0.55, 0.7, 0.8, 0.86, 0.9, 1.0):
        v.add(
            "top_p",
            lp.TopPLogitsWarper(top_p),
            [1],
            quarters,
            {"top_p": top_p, "min_tokens_to_keep": 1},
        )
    four = [0.0 if i in (3, 5, 8, 13) else -math.inf for i in range(VOCABULARY)]
    for top_p in (0.25, 0.3, 0.5, 0.75):  # four equal tokens of exactly 1/4
        v.add(
            "top_p",
            lp.TopPLogitsWarper(top_p),
            [1],
            four,
            {"top_p": top_p, "min_tokens_to_keep": 1},
        )


CHAINS = [
    {"do_sample": True, "temperature": 0.8, "top_k": 8, "top_p": 0.9},
    {"do_sample": True, "temperature": 1.7, "top_k": 0, "top_p": 0.6, "min_p": 0.1},
    {"do_sample": True, "typical_p": 0.5, "temperature": 0.5},
    {"do_sample": True, "num_beams": 3, "top_k": 1, "eos_token_id": [2]},
    {"do_sample": True, "num_beams": 3, "top_p": 0.1, "eos_token_id": [2, 9]},
    {
        "do_sample": True,
        "top_k": 4,
        "top_p": 0.8,
        "min_p": 0.2,
        "typical_p": 0.9,
        "temperature": 1.3,
        "repetition_penalty": 1.4,
        "no_repeat_ngram_size": 2,
        "bad_words_ids": [[5]],
        "suppress_tokens": [1],
        "eos_token_id": [2],
        "min_new_tokens": 4,
    },
    {"do_sample": True},
    {
        "repetition_penalty": 1.2,
        "no_repeat_ngram_size": 2,
        "bad_words_ids": [[4], [3, 9]],
        "eos_token_id": [2],
        "min_length": 9,
        "suppress_tokens": [0],
    },
    {"repetition_penalty": 1.5, "encoder_repetition_penalty": 1.2},
    {"encoder_no_repeat_ngram_size": 1, "begin_suppress_tokens": [3, 4]},
    {"forced_eos_token_id": 2, "suppress_tokens": [5]},
    {"forced_bos_token_id": 6, "begin_suppress_tokens": [6, 7]},
    {"temperature": 0.5, "top_k": 2, "top_p": 0.1},
]


def add_chains(v):
    """The whole list as generate() builds it: order, defaults, and what is left out when."""
    model_class = transformers.GPT2LMHeadModel
    shape = {"vocab_size": VOCABULARY, "n_embd": 4, "n_layer": 1, "n_head": 1}
    for encoder_decoder in (False, True):
        for options in CHAINS:
            model = model_class(
                transformers.GPT2Config(**shape, bos_token_id=None, eos_token_id=None)
            )
            model.config.is_encoder_decoder = encoder_decoder
            histories = (
                ([0], [0, 3, 4, 3], [0] + ids_of(9, 6))
                if encoder_decoder
                else ([1, 3, 4], [1, 3, 4, 3], ids_of(9, 7))
            )
            for ids in histories:
                prompt = 1 if encoder_decoder else 3
                source = ids_of(4, 7) if encoder_decoder else ids[:prompt]
                start = {"decoder_start_token_id": 0} if encoder_decoder else {}
                config, _ = model._prepare_generation_config(None, **options, **start)
                config.max_length = 8
                model._prepare_special_tokens(config, device="cpu")
                processors = model._get_logits_processor(
                    config, input_ids_seq_length=prompt, encoder_input_ids=ids_tensor(source)
                )
                more = {"encoder_input_ids": source, "max_length": 8}
                v.add(
                    "chain",
                    processors,
                    ids,
                    rows(len(ids) + len(options), ["wide"])[0],
                    {**options, "is_encoder_decoder": encoder_decoder},
                    prompt_length=prompt,
                    **more,
                )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default="tests/generation/data/processors.json")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    v = Vectors()
    for add in (add_penalties, add_ngrams, add_bans, add_lengths, add_warpers, add_chains):
        add(v)
    producer = f"transformers {transformers.__version__} torch {torch.__version__} float64"
    with open(arguments.out, "w", encoding="utf-8") as out:
        out.write(f'{{"format": "llm-processors/1", "producer": "{producer}", "cases": [\n')
        out.write(",\n".join(json.dumps(case, separators=(",", ":")) for case in v.cases))
        out.write("\n]}\n")
    print(f"{arguments.out}: {len(v.cases)} cases")


if __name__ == "__main__":
    main()
