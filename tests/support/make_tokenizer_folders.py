#!/usr/bin/env python3
"""Writes tests/unit/data/folders: a folder of old tokenizer files for every class that the reference opens
without a tokenizer.json, GGUF vocabularies made from some, and what `transformers` makes of the texts in texts.jsonl with each of them.

    tests/support/make_tokenizer_folders.py

A row of expected.jsonl is [ids, offsets in bytes (flat, null where the class has none), decoded, decoded with
special tokens (absent where the same)]; one of words.jsonl is the words of the tokens, of texts as sources."""

import json
import pathlib
import random
import sys

ROOT = pathlib.Path(__file__).parent.parent.parent
sys.path += [str(ROOT / "tools"), str(ROOT / "tests")]

from compare_tokenizers import Folder, make_text  # noqa: E402
from fixtures.tokenizer_files import OLD_FOLDERS, bert_gguf, unigram_gguf  # noqa: E402

SPECIALS = ["</s>", "<s>", "<unk>", "<pad>", "<mask>", "<extra_id_0>", "<mask_1>", "<unk_2>", "fr_XX", ">>fra<<",
            "<|endoftext|>"]
COUNT = 320


def texts():
    rng = random.Random(7)
    for i in range(COUNT):
        text = "x" * 99
        while len(text) > 45:
            text = make_text(rng, SPECIALS)
        row = {"text": text}
        if i % 10 == 0:
            row["pair"] = "Hello <mask>  world"
        if i % 7 == 0:
            row["special"] = False
        if i % 5 == 0:
            row["target"] = True
        yield row


def dump(row):
    return json.dumps(row, separators=(",", ":")) + "\n"


def expected(reference, row):
    made = reference.run(row)
    offsets = made.get("offsets")
    flat = offsets and [at for span in offsets for at in span]
    out = [made["ids"], flat, made["decoded"]]
    return out + ([made["decoded_all"]] if made["decoded_all"] != made["decoded"] else [])


def write_expected(folder, reference, rows):
    (folder / "expected.jsonl").write_text("".join(dump(expected(reference, row)) for row in rows))


def write_words(folder, reference, rows):
    """words.jsonl: which word of its text each token is cut from, -1 for special tokens that were added."""
    words = []
    for row in rows:
        encoding = reference.tokenizer(row["text"], row.get("pair"), add_special_tokens=row.get("special", True))
        words.append([-1 if word is None else word for word in encoding.word_ids()])
    (folder / "words.jsonl").write_text("".join(map(dump, words)))


def make_gguf(data, name, rows):
    """A folder with the vocabulary of another one as GGUF; the reference reads the other one."""
    folder = data / f"gguf-{name}"
    folder.mkdir(exist_ok=True)
    source = ROOT / "models" / "bert-masked-lm" if name == "bert" else data / name
    reference = Folder(str(source))
    if name == "bert":
        bert_gguf(folder / "vocab.gguf", (source / "vocab.txt").read_text().split("\n")[:-1])
    else:
        unigram_gguf(folder / "vocab.gguf", reference.tokenizer, name == "t5")
    write_expected(folder, reference, rows)


def main():
    data = ROOT / "tests" / "unit" / "data" / "folders"
    data.mkdir(parents=True, exist_ok=True)
    rows = list(texts())
    (data / "texts.jsonl").write_text("".join(map(dump, rows)))
    for name, make in OLD_FOLDERS.items():
        folder = data / name
        folder.mkdir(exist_ok=True)
        make(str(folder))
        reference = Folder(str(folder))
        write_expected(folder, reference, rows)
        if reference.tokenizer.is_fast:
            write_words(folder, reference, rows)
    for name in ("bert", "t5", "xlm-roberta"):
        make_gguf(data, name, rows)


if __name__ == "__main__":
    main()
