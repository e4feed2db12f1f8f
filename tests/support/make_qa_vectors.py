#!/usr/bin/env python3
"""Writes tests/tasks/data/qa.jsonl: what the reference's question-answering pipeline answers, in
float64, to random questions on the fixtures under models/.

    python3 tests/support/make_qa_vectors.py

Needs transformers 4.57 (the last version with this pipeline), torch, and what
tools/fixtures/tokenizer_files.py needs. Where a window has fewer spans with a probability than the
pipeline looks at, it adds spans without one, in no certain order; they are taken out here.
"""

import json
import pathlib
import random
import sys
import warnings

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

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


def text_of(rng, low, high):
    pick = lambda: rng.choice(ODD) if rng.random() < 0.15 else rng.choice(WORDS)
    words = [pick() for _ in range(rng.randint(low, high))]
    if rng.random() < 0.5:
        words[0] = words[0].upper()
    return " ".join(words) + rng.choice(["", ".", "!"])


def main():
    rng, rows = random.Random(12), []
    question_answering.decode_spans = spans_with_probability
    for name in ("bert-answers", "roberta-answers"):
        path = str(ROOT / "models" / name)
        model = transformers.AutoModelForQuestionAnswering.from_pretrained(path, attn_implementation="eager")
        tokenizer = transformers.AutoTokenizer.from_pretrained(path)
        run = transformers.pipeline("question-answering", model=model.double(), tokenizer=tokenizer)
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
            limit = options.get("max_seq_len", tokenizer.model_max_length)
            stride = options.get("doc_stride", min(limit // 2, 128))
            while True:
                question, context = text_of(rng, 1, 4), text_of(rng, 1, 50)
                both = len(tokenizer(question, context)["input_ids"])
                beside = both - len(tokenizer(context, add_special_tokens=False)["input_ids"])
                if any(not tokenizer(text, add_special_tokens=False)["input_ids"] for text in (question, context)):
                    continue
                if both <= limit or limit - beside > stride:
                    break
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
