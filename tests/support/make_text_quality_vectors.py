#!/usr/bin/env python3
"""Writes tests/parity/data/text_quality.json: what verify_text() must report, by the reference.

    python3 tests/support/make_text_quality_vectors.py

For three fixtures, the model as it is (exact) and one with a matrix negated are run in float64 over
the windows that include/llm/verify.hpp describes.
"""

import json
import pathlib

import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = "Once upon a time there was a little cat. It said: 'hello world', and ran 12 miles! " * 3
PAIRS = "once upon a time\ta little cat\n\nhello world\tthe end of it all\n"
CASES = [
    ("llama-gqa", "model.layers.1.mlp.down_proj.weight", TEXT, 48, 0, 0),
    ("llama-gqa", "model.layers.1.mlp.down_proj.weight", TEXT, 40, 16, 100),
    ("llama-gqa", "model.layers.1.mlp.down_proj.weight", TEXT, 150, 0, 0),
    ("bert-masked-lm", "bert.encoder.layer.1.output.dense.weight", TEXT, 24, 0, 0),
    ("t5-v1_1", "decoder.block.1.layer.2.DenseReluDense.wo.weight", PAIRS, 512, 0, 0),
]


def windows(count, window, stride):
    """(begin, first that counts, end) of each."""
    done, begin = 0, 0
    while done < count:
        end = min(begin + window, count)
        yield begin, done, end
        done, begin = end, begin + (stride or window)


def load(folder):
    config = transformers.AutoConfig.from_pretrained(folder)
    kind = getattr(transformers, config.architectures[0])
    return kind.from_pretrained(folder, dtype=torch.float64).eval()


def decoder_targets(model, tokenizer, ids, window, stride):
    """Rows of logits and the tokens they predict, window by window."""
    before = tokenizer("").input_ids
    for begin, counted, end in windows(len(ids), window, stride):
        logits = model(torch.tensor([before + ids[begin:end]])).logits[0]
        for i in range(max(counted, begin + (0 if before else 1)), end):
            yield logits[len(before) + i - begin - 1], ids[i]


def masked_targets(model, tokenizer, ids, window, stride):
    for begin, counted, end in windows(len(ids), window, stride):
        hidden = [i for i in range(max(begin, counted), end) if i % 7 == 3]
        inner = [tokenizer.mask_token_id if i in hidden else ids[i] for i in range(begin, end)]
        all_ids = [tokenizer.cls_token_id, *inner, tokenizer.sep_token_id]
        logits = model(torch.tensor([all_ids])).logits[0]
        for i in hidden:
            yield logits[1 + i - begin], ids[i]


def pair_targets(model, tokenizer, text):
    for line in filter(None, text.split("\n")):
        source, target = (tokenizer(part).input_ids for part in line.split("\t"))
        start = model.config.decoder_start_token_id
        logits = model(
            input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([[start, *target[:-1]]])
        ).logits[0]
        yield from zip(logits, target)


def rows(model, tokenizer, text, window, stride, max_tokens):
    if model.config.is_encoder_decoder:
        return list(pair_targets(model, tokenizer, text))
    ids = tokenizer(text, add_special_tokens=False).input_ids
    ids = ids[:max_tokens] if max_tokens else ids
    if tokenizer.mask_token_id is not None:
        return list(masked_targets(model, tokenizer, ids, window, stride))
    return list(decoder_targets(model, tokenizer, ids, window, stride))


@torch.no_grad()
def case(name, negated, text, window, stride, max_tokens):
    folder = ROOT / "models" / name
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    exact, ours = load(folder), load(folder)
    ours.get_parameter(negated).neg_()
    pairs = zip(
        rows(exact, tokenizer, text, window, stride, max_tokens),
        rows(ours, tokenizer, text, window, stride, max_tokens),
    )
    kl, equal, surprise, exact_surprise = [], 0, 0.0, 0.0
    for (p, target), (q, _) in pairs:
        p, q = p.log_softmax(-1), q.log_softmax(-1)
        kl.append(float((p.exp() * (p - q)).sum()))
        equal += int(p.argmax() == q.argmax())
        exact_surprise -= float(p[target])
        surprise -= float(q[target])
    n = len(kl)
    return {
        "model": name,
        "negated": negated,
        "text": text,
        "window": window,
        "stride": stride,
        "max_tokens": max_tokens,
        "predictions": n,
        "mean_kl": sum(kl) / n,
        "max_kl": max(kl),
        "top1_agreement": equal / n,
        "perplexity": float(torch.tensor(surprise / n, dtype=torch.float64).exp()),
        "exact_perplexity": float(torch.tensor(exact_surprise / n, dtype=torch.float64).exp()),
    }


if __name__ == "__main__":
    out = ROOT / "tests" / "parity" / "data" / "text_quality.json"
    out.write_text(json.dumps({"cases": [case(*c) for c in CASES]}, indent=1) + "\n")
