#!/usr/bin/env python3
"""Compares ids, byte offsets, type ids and decodings with Hugging Face's libraries over thousands of
awkward texts, which are the same in every run.

    tests/compare_tokenizers.py [--driver build/tokenize_rows] [--count 20000] [--seed 1] TOKENIZER...

A tokenizer is a tokenizer.json (compared with `tokenizers`), a *.model (with `sentencepiece`) or a
folder of old files (with `transformers`). OTHER=REFERENCE compares what the driver makes of OTHER,
a GGUF file say, with the reference's REFERENCE. Prints one line for each with the number of rows that
differ, and the first few of them; exit code 1 if there are any.
"""

import argparse
import json
import os
import random
import subprocess
import sys

PLANES = [(0x20, 0x7F), (0xA0, 0x250), (0x250, 0x590), (0x590, 0x780), (0x900, 0xE80), (0x1000, 0x1100),
          (0x1100, 0x1200), (0x1E00, 0x2000), (0x2000, 0x2070), (0x2070, 0x2BFF), (0x2E80, 0x3100),
          (0x3400, 0x9FFF), (0xA000, 0xABFF), (0xAC00, 0xD7A4), (0xF900, 0xFFFE), (0x10000, 0x10FFF),
          (0x1D400, 0x1D800), (0x1F000, 0x1FA00), (0x20000, 0x2A6E0), (0xE0000, 0xE01F0), (0xF0000, 0xF0100),
          (0x100000, 0x10FFFE)]
SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\r", "\v", "\f", "\u00a0", "\u2003", "\u3000", "\u200b", "\u2028",
          "\u180e", "\ufeff", "\u0085", "\u1680", "\u202f"]
WORDS = ("the quick brown fox Hello world HELLO don't I'll we've you're it's IT'S can't naïve café Zürich "
         "tokenization antidisestablishmentarianism unbelievable 2023 3.14159 1,000,000 0x7f 100% $5 a_b "
         "foo.bar() x+=1; //comment <b>bold</b> http://example.com/a?b=c&d=e e\u0301 \u0130stanbul ﬁne ½ ① ™ ʼn ﷺ "
         "straße ΑΒΓς Привет мир こんにちは 世界 中文字符 한국어 ไทย हिन्दी العربية עברית ελληνικά 日本語テキスト "
         "\u1100\u1161\u11a8 \u0915\u094d\u0937 ₹ € § ¶ — – … “quoted” «guillemets» 'single' \"double\"").split()
EMOJI = ["😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪", "🇫🇷🇬", "❤️", "1️⃣", "\u200d", "\ufe0f", "👨🏿‍🦲"]
MARKS = ["\u0301", "\u0308", "\u0323", "\u0345", "\u0327", "\u20dd", "\u0e49", "\u094d", "\u05b0", "\u064b", "\u3099"]
ODD = ["\x00", "\x01", "\x1b[0m", "\x7f", "\x80", "\x9f", "\ufffd", "\ufffe", "\u2581", "\u2581\u2581", "Ġ", "ĠHello", "Ċ", "##ing",
       "<0x41>", "<0xE4>", "</w>", "\u200f", "\u202e", "\u00ad", "\u0378", "\U000e0001"]
LONG = ["a", "ab", "é", "世", " ", "\n", "=", "1", "😀", "\u0301", "ß", "."]


def make_text(rng, specials):
    def piece():
        kind = rng.randrange(14)
        if kind < 4:
            word = rng.choice(WORDS)
            return rng.choice([word, word.upper(), word.capitalize(), word + rng.choice(",.!?;:'")])
        if kind == 4:
            return rng.choice(SPACES) * rng.choice([1, 1, 2, 5])
        if kind == 5:
            low, high = rng.choice(PLANES)
            return "".join(chr(rng.randrange(low, high)) for _ in range(rng.randrange(1, 6)))
        if kind == 6:
            return rng.choice(EMOJI) * rng.choice([1, 1, 3])
        if kind == 7:
            return rng.choice("aeiouyAEOUnc가กあ") + "".join(rng.choice(MARKS) for _ in range(rng.randrange(1, 4)))
        if kind == 8:
            return rng.choice(ODD)
        if kind == 9:
            return "".join(rng.choice("0123456789") for _ in range(rng.randrange(1, 12)))
        if kind == 10:
            token = rng.choice(specials) if specials else "<s>"
            return rng.choice([token, token, token.upper(), token[:-1], " " + token + " ", token * 2, "x" + token + "y"])
        if kind == 11:
            return rng.choice(LONG) * rng.choice([2, 3, 7, 30, 130])
        if kind == 12:
            return "".join(rng.choice("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") for _ in range(rng.randrange(1, 8)))
        return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randrange(1, 15)))

    glue = rng.choice(["", " ", " ", " ", "  ", "\n"])
    return glue.join(piece() for _ in range(rng.choice([0, 1, 1, 2, 3, 5, 8, 13])))


def make_rows(count, seed, specials, vocab_size):
    rng = random.Random(seed)
    # Every code point once, alone and between letters, in runs: tables are compared completely.
    rows = []
    for start in range(0, 0x110000, 64):
        chars = [chr(c) for c in range(start, start + 64) if not 0xD800 <= c <= 0xDFFF]
        if chars and (start < 0x30000 or start % 0x1000 == 0):
            rows.append({"text": "".join(chars)})
            rows.append({"text": " ".join("a" + c + "b" for c in chars)})
    for _ in range(count):
        row = {"text": make_text(rng, specials)}
        if rng.randrange(8) == 0:
            row["pair"] = make_text(rng, specials)
        if rng.randrange(4) == 0:
            row["special"] = False
        if rng.randrange(4) == 0:
            row["target"] = True
        rows.append(row)
    for _ in range(count // 10):
        rows.append({"ids": [rng.randrange(vocab_size + 5) for _ in range(rng.randrange(0, 12))]})
    return rows


class HuggingFace:
    def __init__(self, path):
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(path)
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        added = self.tokenizer.get_added_tokens_decoder()
        self.specials = sorted(token.content for token in added.values())
        self.vocab_size = self.tokenizer.get_vocab_size()

    def run(self, row):
        out = {}
        ids = row.get("ids")
        if ids is None:
            encoding = self.tokenizer.encode(row["text"], row.get("pair"), add_special_tokens=row.get("special", True))
            ids = encoding.ids
            out["ids"] = ids
            out["type_ids"] = encoding.type_ids
            out["offsets"] = byte_offsets(row, encoding)
        out["decoded"] = self.tokenizer.decode(ids)
        out["decoded_all"] = self.tokenizer.decode(ids, skip_special_tokens=False)
        return out


class Folder:
    """A folder by transformers' AutoTokenizer."""

    def __init__(self, path):
        import transformers

        transformers.logging.set_verbosity_error()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(path)
        added = self.tokenizer.added_tokens_decoder.values()
        self.specials = sorted(token.content for token in added)
        self.vocab_size = len(self.tokenizer)
        if not self.tokenizer.is_fast:
            self.vocab_size -= 5  # beyond it this class raises errors
            self.specials += [">>fra<<", ">>deu<<", ">>xxx<<", ">>"]

    def run(self, row):
        out = {}
        ids = row.get("ids")
        if ids is None:
            ids = out["ids"] = self.encode(row, out)
        out["decoded"] = self.tokenizer.decode(ids, skip_special_tokens=True)
        out["decoded_all"] = self.tokenizer.decode(ids, skip_special_tokens=False)
        return out

    def encode(self, row, out):
        special = row.get("special", True)
        texts = row["text"], row.get("pair")
        target = row.get("target") and hasattr(self.tokenizer, "_switch_to_target_mode")
        if not self.tokenizer.is_fast:
            names = ("text_target", "text_pair_target") if target else ("text", "text_pair")
            return self.tokenizer(**dict(zip(names, texts)), add_special_tokens=special).input_ids
        if target:
            self.tokenizer._switch_to_target_mode()
        encoding = self.tokenizer.backend_tokenizer.encode(*texts, add_special_tokens=special)
        if target:
            self.tokenizer._switch_to_input_mode()
        out["type_ids"] = encoding.type_ids
        out["offsets"] = byte_offsets(row, encoding)
        return encoding.ids


def byte_offsets(row, encoding):
    tables = []
    for text in (row["text"], row.get("pair") or ""):
        table = [0]
        for c in text:
            table.append(table[-1] + len(c.encode()))
        tables.append(table)
    return [[tables[sequence or 0][begin], tables[sequence or 0][end]]
            for sequence, (begin, end) in zip(encoding.sequence_ids, encoding.offsets)]


class SentencePiece:
    specials = ["<s>", "</s>", "<unk>"]

    def __init__(self, path):
        import sentencepiece

        self.processor = sentencepiece.SentencePieceProcessor(model_file=path)
        self.vocab_size = self.processor.get_piece_size()

    def run(self, row):
        if "pair" in row:
            return None
        ids = row.get("ids")
        out = {}
        if ids is None:
            ids = self.processor.encode(row["text"])
            out["ids"] = ids
        out["decoded"] = self.processor.decode([i for i in ids if i < self.vocab_size])
        return out


def reference_of(path):
    if path.endswith((".model", ".spm")):
        return SentencePiece(path)
    return HuggingFace(path) if os.path.isfile(path) else Folder(path)


def compare(path, driver, count, seed, show):
    path, _, other = path.partition("=")
    reference = reference_of(other or path)
    rows = make_rows(count, seed, reference.specials, reference.vocab_size)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    done = subprocess.run([driver, path], input=text.encode(), stdout=subprocess.PIPE, check=True)
    lines = done.stdout.decode().split("\n")[:-1]
    assert len(lines) == len(rows), "the driver lost rows"
    off = {"ids": 0, "offsets": 0, "type_ids": 0, "decoded": 0, "decoded_all": 0}
    shown = 0
    for row, line in zip(rows, lines):
        expected = reference.run(row)
        if expected is None:
            continue
        got = json.loads(line)
        bad = [key for key, value in expected.items() if got.get(key) != value]
        for key in bad:
            off[key] += 1
        if bad and shown < show:
            shown += 1
            report(row, bad[0], expected, got)
    print(f"{path}: {len(rows)} rows, off: " + ", ".join(f"{key} {n}" for key, n in off.items()), flush=True)
    return sum(off.values())


def report(row, key, expected, got):
    print("  ", json.dumps(row)[:300])
    want, have = expected[key], got.get(key, got)
    if isinstance(want, list) and isinstance(have, list):
        at = next((i for i, (a, b) in enumerate(zip(want, have)) if a != b), min(len(want), len(have)))
        want, have = (at, want[max(0, at - 2):at + 4]), (at, have[max(0, at - 2):at + 4])
    print(f"    {key}: expected {str(want)[:300]!r}\n    {' ' * len(key)}  got      {str(have)[:300]!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", default="build/tokenize_rows")
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=5)
    parser.add_argument("tokenizers", nargs="+")
    options = parser.parse_args()
    off = sum(compare(path, options.driver, options.count, options.seed, options.show) for path in options.tokenizers)
    sys.exit(1 if off else 0)


if __name__ == "__main__":
    main()
