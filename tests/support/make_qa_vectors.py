#!/usr/bin/env python3
"""Writes tests/tasks/data/qa.jsonl: what the reference's question-answering pipeline answers, in
float64, to random questions on the fixtures under models/.

    python3 tests/support/make_qa_vectors.py

Needs transformers 4.57 (the last version with this pipeline), torch, and what
tools/fixtures/tokenizer_files.py needs. Where a window has fewer spans with a probability than the
pipeline looks at, it adds spans without one, in no certain order; they are taken out here. Where the
tokenizer pads on the left, the pipeline means to let only the context have answers (p_mask), but by
the precedence of its operators lets the question have them, too; here it does what it means to.
Where offsets of a folder's tokenizer are others than in transformers 5 (XLM-RoBERTa without a
tokenizer.json), it takes that version's: TRANSFORMERS_5 names a Python that has it.
"""

import json
import os
import pathlib
import random
import subprocess
import sys
import warnings

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import export_reference  # noqa: E402
import tokenizers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from fixtures.tokenizer_files import WORDS  # noqa: E402
from transformers.pipelines import question_answering  # noqa: E402

OUT = ROOT / "tests/tasks/data/qa.jsonl"
ODD = ["日本", "🙂", "ﬁne", "it''s", "3.14", "x", "Ünïcode", "a-b", "(old)", "\u00a0", "co  op", "É", "é", "ẞ"]
decode_spans = question_answering.decode_spans


def spans_with_probability(*arguments):
    starts, ends, scores = decode_spans(*arguments)
    return starts[scores > 0], ends[scores > 0], scores[scores > 0]


def open_tokenizer(path):
    if not path.endswith("xlm-roberta-answers"):
        return transformers.AutoTokenizer.from_pretrained(path)
    code = "import sys, transformers; print(transformers.AutoTokenizer.from_pretrained(sys.argv[1]).backend_tokenizer.to_str())"
    python = os.environ.get("TRANSFORMERS_5", "python3")
    steps = subprocess.run([python, "-c", code, path], check=True, capture_output=True, text=True).stdout
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer.from_str(steps), model_max_length=32, cls_token="<s>",
        pad_token="<pad>", model_input_names=["input_ids", "attention_mask"])


def masked_as_meant(run):
    """The pipeline with only the context's tokens (and cls) unmasked, whichever text is first."""
    preprocess, tokenizer = run.preprocess, run.tokenizer

    def masked(*arguments, **options):
        for features in preprocess(*arguments, **options):
            context = 1 if tokenizer.padding_side == "right" else 0
            ids, texts = features["input_ids"][0].tolist(), features["encoding"].sequence_ids
            features["p_mask"] = [text != context and token != tokenizer.cls_token_id
                                  for token, text in zip(ids, texts)]
            yield features

    run.preprocess = masked
    return run


def text_of(rng, low, high):
    pick = lambda: rng.choice(ODD) if rng.random() < 0.15 else rng.choice(WORDS)
    words = [pick() for _ in range(rng.randint(low, high))]
    if rng.random() < 0.5:
        words[0] = words[0].upper()
    return " ".join(words) + rng.choice(["", ".", "!"])


def main():
    rng, rows = random.Random(12), []
    question_answering.decode_spans = spans_with_probability
    for name in ("bert-answers", "roberta-answers", "xlm-roberta-answers", "llama-answers"):
        path = str(ROOT / "models" / name)
        model = export_reference.load_float64(path)
        tokenizer = open_tokenizer(path)
        if tokenizer.padding_side == "left":
            tokenizer.pad_token = tokenizer.unk_token  # which no text has: bytes stand for it
        model_max = min(tokenizer.model_max_length, model.config.max_position_embeddings)
        run = masked_as_meant(
            transformers.pipeline("question-answering", model=model, tokenizer=tokenizer))
        for k in range(120):
            options = {"top_k": [1, 1, 2, 3, 5][k % 5], "max_answer_len": rng.choice([15, 15, 3, 1, 40])}
            if k % 3 == 0:
                options["handle_impossible_answer"] = True
            if k % 4 == 1:
                options["align_to_words"] = False
            if k % 6 in (2, 3):
                options["max_seq_len"] = rng.choice([24, 29])
            if k % 6 in (3, 4):
                options["doc_stride"] = rng.choice([0, 2, 5])
            limit = options.get("max_seq_len", model_max)
            stride = options.get("doc_stride", min(limit // 2, 128))
            while True:
                question, context = text_of(rng, 1, 4), text_of(rng, 1, 50)
                both = len(tokenizer(question, context)["input_ids"])
                beside = both - len(tokenizer(context, add_special_tokens=False)["input_ids"])
                if "max_seq_len" not in options and both > model_max and tokenizer.padding_side == "left":
                    continue  # the pipeline takes 384 for the model's limit
                if any(not tokenizer(text, add_special_tokens=False)["input_ids"] for text in (question, context)):
                    continue
                if both <= limit or limit - beside > stride:
                    break
            with export_reference.float64_everywhere():
                answers = run(question=question, context=context, **options)
            answers = answers if isinstance(answers, list) else [answers]
            rows.append({"model": name, "question": question, "context": context, **options, "answers": [
                [a["answer"], float(f"{a['score']:.9g}"), a["start"], a["end"]] for a in answers]})
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    OUT.write_text("".join(lines))
    print(len(rows), "rows,", OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    main()
