#!/usr/bin/env python3
"""Writes tests/parity/data/smollm2.json: greedy continuations of the default model by the reference.

    python3 tests/support/make_smollm2_vectors.py models/downloaded/SmolLM2-135M-Instruct.Q4_1.gguf

The reference (transformers) loads the dequantized weights of the GGUF file and runs in float64. For each
prompt the file holds its ids, 64 greedy ids, and the smallest margin between the two best logits on the
way: a continuation is only unambiguous in other arithmetic while the margin is larger than its error.
"""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import export_reference  # noqa: E402
import torch  # noqa: E402

NEW_TOKENS = 64
PROMPTS = [
    "Once upon a time",
    "The capital of France is",
    "def fibonacci(n):\n",
    "Water boils at a temperature of",
    "Dear Sir or Madam,\n\n",
    "The three most important things in life are",
    "1, 1, 2, 3, 5, 8, 13,",
    "Q: What is the largest planet?\nA:",
    "In the beginning",
    "She opened the door and saw",
    "Photosynthesis is the process by which",
    "import numpy as np\n\n",
    "To make a cup of tea, first",
    "The quick brown fox",
    "<|im_start|>user\nWhat is gravity?<|im_end|>\n<|im_start|>assistant\n",
    "Les enfants jouent dans",
    "Roses are red,\n",
    "The meeting will take place on",
    "{\"name\": \"Alice\", \"age\":",
    "Once there was a dragon who could not fly. Every day the other dragons laughed at him, until",
]


def main():
    model_path = pathlib.Path(sys.argv[1])
    model = export_reference.load_float64(str(model_path))
    tokenizer = export_reference.load_tokenizer(str(model_path))
    with export_reference.float64_everywhere(), torch.no_grad():
        rows = [continuation(model, tokenizer, prompt) for prompt in PROMPTS]
    out = ROOT / "tests/parity/data/smollm2.json"
    out.write_text(json.dumps({"file": model_path.name, "rows": rows}, indent=None) + "\n")


def continuation(model, tokenizer, prompt):
    ids = tokenizer(prompt)["input_ids"]
    out = model(torch.tensor([ids]), use_cache=True)
    logits, cache, new, margin = out.logits[0, -1], out.past_key_values, [], float("inf")
    for _ in range(NEW_TOKENS):
        best = torch.topk(logits, 2)
        margin = min(margin, float(best.values[0] - best.values[1]))
        new.append(int(best.indices[0]))
        out = model(torch.tensor([new[-1:]]), past_key_values=cache, use_cache=True)
        logits, cache = out.logits[0, -1], out.past_key_values
    return {"prompt": prompt, "ids": ids, "greedy": new, "margin": round(margin, 6)}


main()
