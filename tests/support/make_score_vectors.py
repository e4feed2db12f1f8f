#!/usr/bin/env python3
"""Writes tests/generation/data/scores.json: log-probabilities and perplexities by the reference.

    python3 tests/support/make_score_vectors.py [models/downloaded/SmolLM2-135M-Instruct.Q4_1.gguf]

The reference (transformers) runs in float64. "rows" hold, for a prompt and completions, the ids of each
completion and the log-probability of each of them: of a decoder those of the whole text beyond the ones it
shares with the prompt, of an encoder-decoder its labels. "perplexities" are computed by the loop of the
reference's documentation (transformers/perplexity). With a GGUF file, its rows are written, too.
"""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import export_reference  # noqa: E402
import torch  # noqa: E402

DECODERS = ["llama-gqa", "gpt2-inner", "llama-rope-llama3"]
ENCODER_DECODERS = ["t5-v1_0"]
ROWS = [
    ("Review: a warm film.\nSentiment:", [" positive", " negative", " neither, really"]),
    ("Once upon", [" a time", "a", " a time there was a dragon who could not fly."]),
    ("Is it so? ", ["yes", "no"]),
    ("Caf\u00e9", ["s", " \u00e0 la carte", "\n"]),
]
TEXT = " ".join(
    f"Chapter {i}: once upon a time there were {i} dragons, and the {i}th could not fly." for i in range(9)
)
WINDOWS = [(64, 64), (64, 16), (50, 33), (32, 31), (255, 100), (17, 1)]


def logprobs(logits, ids):
    scores = torch.log_softmax(logits, -1)
    return [float(scores[i, token]) for i, token in enumerate(ids)]


def decoder_row(model, tokenizer, prompt, completion):
    query, whole = (tokenizer(text)["input_ids"] for text in (prompt, prompt + completion))
    shared = 0
    while shared < min(len(query), len(whole)) and query[shared] == whole[shared]:
        shared += 1
    ids = whole[shared:]
    logits = model(torch.tensor([whole])).logits[0, shared - 1 : -1]
    return {"text": completion, "ids": ids, "logprobs": logprobs(logits, ids)}


def encoder_decoder_row(model, tokenizer, prompt, completion):
    source = torch.tensor([tokenizer(prompt)["input_ids"]])
    ids = tokenizer(text_target=completion)["input_ids"]
    logits = model(input_ids=source, labels=torch.tensor([ids])).logits[0]
    return {"text": completion, "ids": ids, "logprobs": logprobs(logits, ids)}


def perplexity(model, ids, max_length, stride):
    seq_len = len(ids)
    ids = torch.tensor([ids])
    nll_sum, n_tokens, prev_end_loc = 0.0, 0, 0
    for begin_loc in range(0, seq_len, stride):
        end_loc = min(begin_loc + max_length, seq_len)
        trg_len = end_loc - prev_end_loc
        input_ids = ids[:, begin_loc:end_loc]
        target_ids = input_ids.clone()
        target_ids[:, :-trg_len] = -100
        num_loss_tokens = int((target_ids != -100).sum()) - 1
        if num_loss_tokens > 0:  # the mean over no tokens is not a number
            nll_sum += float(model(input_ids, labels=target_ids).loss) * num_loss_tokens
        n_tokens += num_loss_tokens
        prev_end_loc = end_loc
        if end_loc == seq_len:
            break
    return {"nll": nll_sum / n_tokens, "tokens": n_tokens}


def opened(path):
    return export_reference.load_float64(str(path)), export_reference.load_tokenizer(str(path))


def rows_of(name, model, tokenizer, row):
    rows = []
    with export_reference.float64_everywhere(), torch.no_grad():
        for prompt, completions in ROWS:
            scored = [row(model, tokenizer, prompt, text) for text in completions]
            rows.append({"model": name, "prompt": prompt, "completions": scored})
    return rows


def perplexities_of(name, model, tokenizer):
    ids = tokenizer(TEXT)["input_ids"]
    windows = [w for w in WINDOWS if w[0] <= model.config.max_position_embeddings]
    with export_reference.float64_everywhere(), torch.no_grad():
        values = [perplexity(model, ids, *window) for window in windows]
    return [
        {"model": name, "window": window, "stride": stride, **value}
        for (window, stride), value in zip(windows, values)
    ]


def main():
    rows, perplexities = [], []
    for name in DECODERS:
        model = opened(ROOT / "models" / name)
        rows += rows_of(name, *model, decoder_row)
        perplexities += perplexities_of(name, *model)
    for name in ENCODER_DECODERS:
        rows += rows_of(name, *opened(ROOT / "models" / name), encoder_decoder_row)
    for path in map(pathlib.Path, sys.argv[1:]):
        rows += rows_of("downloaded/" + path.name, *opened(path), decoder_row)
    out = ROOT / "tests/generation/data/scores.json"
    lines = [f'"text": {json.dumps(TEXT)}']
    for key, values in (("rows", rows), ("perplexities", perplexities)):
        lines.append(f'"{key}": [\n' + ",\n".join(map(json.dumps, values)) + "]")
    out.write_text("{" + ",\n".join(lines) + "}\n")


main()
