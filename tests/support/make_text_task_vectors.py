#!/usr/bin/env python3
"""Writes tests/tasks/data/text_tasks.jsonl: summaries and translations of random texts by the
reference's pipelines on the fixtures under models/.

    python3 tests/support/make_text_task_vectors.py

Needs transformers 4.57 (the last version with these pipelines), torch, and what
tools/fixtures/tokenizer_files.py needs. That version lets its own defaults (4 beams, 256 new tokens)
win over what a model's files say, and takes a max_length of 20 for none; all are given here as the
files say them.
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

OUT = ROOT / "tests/tasks/data/text_tasks.jsonl"
# As in the files of T5.
PARAMS = {
    "summarization": {
        "early_stopping": True,
        "length_penalty": 2.0,
        "max_length": 25,
        "min_length": 7,
        "no_repeat_ngram_size": 3,
        "num_beams": 3,
        "prefix": "summarize: ",
    },
    "translation_en_to_de": {"early_stopping": True, "max_length": 20, "num_beams": 2, "prefix": "translate English to German: "},
    "translation_en_to_fr": {"max_length": 18, "prefix": "translate English to French: "},
}


def text_of(rng):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 14))) + rng.choice(["", ".", "!"])


def open_model(name):
    path = str(ROOT / "models" / name)
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(path, attn_implementation="eager")
    return model.double(), transformers.AutoTokenizer.from_pretrained(path)


def run(pipe, text, **options):
    answer = pipe(text, **options)[0]
    return answer.get("summary_text", answer.get("translation_text"))


def main():
    rng, rows = random.Random(13), []
    model, tokenizer = open_model("t5-v1_0")
    for task in PARAMS:
        model.config.task_specific_params = json.loads(json.dumps(PARAMS))
        pipe = transformers.pipeline(task, model=model, tokenizer=tokenizer)
        for _ in range(40):
            text = text_of(rng)
            row = {"model": "t5-v1_0", "params": True, "task": task, "text": text}
            rows.append({**row, "answer": run(pipe, text, max_new_tokens=None, max_length=PARAMS[task]["max_length"], eos_token_id=1)})
    model.config.task_specific_params = None
    pipe = transformers.pipeline("summarization", model=model, tokenizer=tokenizer)
    for _ in range(20):
        text = text_of(rng)
        answer = run(pipe, "summarize: " + text, max_new_tokens=12, eos_token_id=1)
        rows.append({"model": "t5-v1_0", "task": "summarization", "max_new_tokens": 12, "text": text, "answer": answer})
    for name, sources, targets in (
        ("mbart-languages", ["en_XX", "ro_RO", "fr_XX"], ["de_DE", "ja_XX"]),
        ("marian-languages", [None], ["fra", "deu"]),
    ):
        model, tokenizer = open_model(name)
        pipe = transformers.pipeline("translation", model=model, tokenizer=tokenizer)
        for _ in range(40):
            text, source, target = text_of(rng), rng.choice(sources), rng.choice(targets)
            if source:
                answer = run(pipe, text, src_lang=source, tgt_lang=target, max_new_tokens=12)
            else:
                answer = run(pipe, f">>{target}<< {text}", max_new_tokens=12)
            rows.append({"model": name, "task": "translation", "source": source, "target": target,
                         "max_new_tokens": 12, "text": text, "answer": answer})
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    OUT.write_text("".join(lines))
    print(len(rows), "rows,", OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    main()
