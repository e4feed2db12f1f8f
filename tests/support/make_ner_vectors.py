#!/usr/bin/env python3
"""Writes tests/tasks/data/ner.jsonl: what the reference's token-classification pipeline finds, in
float64, in random texts on the fixtures under models/.

    python3 tests/support/make_ner_vectors.py

Needs what export_reference.py needs.
"""

import json
import pathlib
import random
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import export_reference  # noqa: E402
import transformers  # noqa: E402
from fixtures.tokenizer_files import WORDS  # noqa: E402

OUT = ROOT / "tests/tasks/data/ner.jsonl"
ODD = ["日本", "🙂", "ﬁne", "it''s", "3.14", "x", "Ünïcode", "a-b", "(old)", "\u00a0", "co  op", "é", "[SEP]"]
AGGREGATIONS = ["none", "simple", "first", "average", "max"]


def text_of(rng, low, high):
    pick = lambda: rng.choice(ODD) if rng.random() < 0.15 else rng.choice(WORDS)
    words = [pick() for _ in range(rng.randint(low, high))]
    if rng.random() < 0.5:
        words[0] = words[0].capitalize()
    return " ".join(words) + rng.choice(["", ".", "!", " ?"])


def found(entity):
    label = entity.get("entity_group", entity.get("entity"))
    row = [label, float(f"{entity['score']:.9g}"), entity["word"], entity["start"], entity["end"]]
    return row + ([entity["index"]] if "index" in entity else [])


def main():
    rng, rows = random.Random(11), []
    for name in ("bert-ner", "roberta-ner", "xlm-roberta-ner"):
        path = str(ROOT / "models" / name)
        model = export_reference.load_float64(path)
        tokenizer = transformers.AutoTokenizer.from_pretrained(path)
        run = transformers.pipeline("token-classification", model=model, tokenizer=tokenizer)
        most = tokenizer.model_max_length
        for k in range(125):
            aggregation = AGGREGATIONS[k % 5]
            options = {"aggregation_strategy": aggregation}
            long = k % 5 != 0 and k % 3 == 0
            if long:
                options["stride"] = rng.choice([0, 1, 5, 12, most - 3])
            if k % 7 == 4:
                options["ignore_labels"] = rng.choice([[], ["O", "LOC"], ["B-LOC", "PER"]])
            while True:
                text = text_of(rng, 12, 60) if long else text_of(rng, 1, 14)
                size = len(tokenizer(text)["input_ids"])
                words = tokenizer(text, add_special_tokens=False)["input_ids"]
                if words and (size > most) == long:
                    break
            with export_reference.float64_everywhere():
                entities = run(text, **options)
            rows.append({"model": name, "text": text, **options, "entities": [found(e) for e in entities]})
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    OUT.write_text("".join(lines))
    print(len(rows), "rows,", OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    main()
