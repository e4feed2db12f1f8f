#!/usr/bin/env python3
"""Sequences that the reference's generate() finds on a table of logits, in float64.

    python3 tests/support/make_search_vectors.py [--out tests/generation/data/searches.json]

The model is a transformer without layers: its logits depend on the position and the last token
only, so the whole model is the table logits[position][token][next token]. The file is

    {"format": "llm-searches/1", "producer": "...", "vocabulary": V, "context": T,
     "models": [{"logits": [...]}],            flat, [T][V][V], rounded to 6 digits
     "cases": [{"model": 0, "prompt": [...],   token ids
                "options": {...},              as for generate()
                "sequences": [[...]],          rows as the reference pads them
                "scores": [...]}]}             beams only: sequences_scores
"""

import argparse
import itertools
import json
import random

import torch
import transformers
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import CausalLMOutput

V, T = 11, 24


class Table(transformers.PreTrainedModel, GenerationMixin):
    """Looks its logits up."""

    config_class = transformers.GPT2Config
    main_input_name = "input_ids"

    def __init__(self, config, logits):
        super().__init__(config)
        self.anchor = torch.nn.Parameter(torch.zeros(1))  # gives the model a device and a dtype
        self.table = logits
        self.post_init()

    def prepare_inputs_for_generation(self, input_ids, **kwargs):
        return {"input_ids": input_ids}

    def forward(self, input_ids, return_dict=True, **kwargs):
        positions = torch.arange(input_ids.shape[1])
        return CausalLMOutput(logits=self.table[positions[None, :], input_ids])


def make_table(seed, spread, eos_bias):
    r = random.Random(seed)
    values = [round(r.gauss(0, spread) + (eos_bias if i % V == 2 else 0), 6) for i in range(T * V * V)]
    return values, torch.tensor(values, dtype=torch.float64).reshape(T, V, V)


def options():
    """What is asked for; every case runs on every table and prompt."""
    common = {"max_new_tokens": 8, "eos_token_id": 2, "pad_token_id": 1}
    yield {**common}
    yield {"max_new_tokens": 5}
    yield {**common, "min_new_tokens": 4}
    yield {**common, "repetition_penalty": 1.5, "no_repeat_ngram_size": 2}
    for beams, early, penalty in itertools.product((2, 4), (False, True, "never"), (1.0, 0.0, 2.0, -0.5)):
        yield {**common, "num_beams": beams, "early_stopping": early, "length_penalty": penalty,
               "num_return_sequences": beams}
    beam = {**common, "num_beams": 3, "num_return_sequences": 2}
    yield {**beam, "eos_token_id": [2, 5, 7]}
    yield {**beam, "pad_token_id": 0}
    yield {**beam, "no_repeat_ngram_size": 1}
    yield {**beam, "repetition_penalty": 2.0, "bad_words_ids": [[3], [4, 6]]}
    yield {**beam, "forced_eos_token_id": 2}
    yield {**common, "forced_eos_token_id": [2, 5]}  # not with beams: equal scores, any order
    yield {**beam, "min_length": 9}
    yield {**beam, "suppress_tokens": [0, 4], "begin_suppress_tokens": [9], "renormalize_logits": True}
    yield {"num_beams": 3, "num_return_sequences": 3, "max_new_tokens": 6}
    yield {"num_beams": 4, "max_length": 9, "eos_token_id": 2, "num_return_sequences": 4}
    yield {"num_beams": 2, "eos_token_id": 2}
    yield {**beam, "num_beams": 9, "num_return_sequences": 9, "max_new_tokens": 3}


def run(model, prompt, wanted):
    beams = wanted.get("num_beams", 1) > 1
    with torch.no_grad():
        result = model.generate(torch.tensor([prompt]), return_dict_in_generate=True, output_scores=True,
                                use_cache=False, **wanted)
    case = {"prompt": prompt, "options": wanted, "sequences": result.sequences.tolist()}
    if beams:
        case["scores"] = result.sequences_scores.tolist()
    return case


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default="tests/generation/data/searches.json")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    torch.set_default_dtype(torch.float64)
    # generate() computes scores in float32 by name: let that mean float64.
    torch.float = torch.float32 = torch.float64
    models, cases = [], []
    for number, (spread, bias) in enumerate([(1.5, 0.5), (0.7, 1.2), (3.0, 0.0)]):
        values, table = make_table(number, spread, bias)
        models.append({"logits": values})
        config = transformers.GPT2Config(vocab_size=V, n_positions=T, n_layer=0, n_embd=4, n_head=1,
                                         bos_token_id=None, eos_token_id=None)
        model = Table(config, table).eval()
        for prompt in ([4], [3, 8, 6]):
            for wanted in options():
                cases.append({"model": number, **run(model, prompt, wanted)})
    producer = f"transformers {transformers.__version__} torch {torch.__version__} float64"
    head = {"format": "llm-searches/1", "producer": producer, "vocabulary": V, "context": T}
    with open(arguments.out, "w", encoding="utf-8") as out:
        out.write(json.dumps(head)[:-1] + ',\n"models": ' + json.dumps(models, separators=(",", ":")))
        out.write(',\n"cases": [\n')
        out.write(",\n".join(json.dumps(case, separators=(",", ":")) for case in cases))
        out.write("\n]}\n")
    print(f"{arguments.out}: {len(cases)} cases")


if __name__ == "__main__":
    main()
