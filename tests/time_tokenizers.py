#!/usr/bin/env python3
"""Tokens per second of every kind of tokenizer beside Hugging Face's library, in one run that alternates
between both, and seconds for hostile texts.

    tests/time_tokenizers.py [--driver build/tokenize_rows] [--megabytes 2] [--hostile 0] TOKENIZER...

TOKENIZER is a tokenizer.json, a *.model or a folder, as for compare_tokenizers.py. One thread each."""

import argparse
import json
import os
import random
import statistics
import subprocess
import tempfile
import time

from compare_tokenizers import WORDS, reference_of

os.environ["TOKENIZERS_PARALLELISM"] = "false"
ENGLISH = """the of and to in is was that for it with as his on be at by had not are but from or have an they which
one you were her all she there would their we him been has when who will more no if out so said what up its about into
than them can only other new some could time these two may then do first any my now such like our over man me even most
made after also did many before must through back years where much your way well down should because each just those
people state good very make world still own see men work long get here between both life being under never day same
another know while last might us great old year off come since against go came right used take three""".split()
HOSTILE = {"letter": "a", "space": " ", "CJK": "世", "words": "abcdefgh", "marks": "\u0301", "digits": "7", "commas": ","}


def sample(size):
    """Lines of sentences, mostly English, some of everything."""
    rng = random.Random(3)
    lines, total = [], 0
    while total < size:
        words = [rng.choice(ENGLISH if rng.random() < 0.93 else WORDS) for _ in range(rng.randrange(60, 200))]
        line = " ".join(w + rng.choice([",", ".", "!"]) if rng.random() < 0.12 else w for w in words)
        lines.append(line)
        total += len(line.encode()) + 1
    return lines


class Driver:
    def __init__(self, driver, path):
        self.process = subprocess.Popen([driver, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, file, lines):
        self.process.stdin.write((json.dumps({"file": file, "lines": lines}) + "\n").encode())
        self.process.stdin.flush()
        row = json.loads(self.process.stdout.readline())
        return (row["seconds"], row["tokens"]) if "seconds" in row else row["error"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def reference_encode(reference):
    if hasattr(reference, "processor"):
        return lambda text: len(reference.processor.encode(text))
    tokenizer = reference.tokenizer
    if not hasattr(tokenizer, "encode_batch"):
        if not tokenizer.is_fast:
            return lambda text: len(tokenizer(text).input_ids)
        tokenizer = tokenizer.backend_tokenizer
    return lambda text: len(tokenizer.encode(text))


def measure(encode, texts):
    start = time.perf_counter()
    tokens = sum(encode(text) for text in texts)
    return time.perf_counter() - start, tokens


def compare_speed(driver, encode, lines, rounds=5):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(lines))
        file.flush()
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(driver.run(file.name, True))
            theirs.append(measure(encode, lines))
    rates = [statistics.median(tokens / seconds for seconds, tokens in runs) for runs in (ours, theirs)]
    return rates, (ours[0][1], theirs[0][1])


def hostile(driver, megabytes):
    for name, unit in HOSTILE.items():
        text = unit * (megabytes * 1_000_000 // len(unit.encode()))
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write(text)
            file.flush()
            made = driver.run(file.name, False)
        print(f"    {megabytes} MB of {name}: " + (made if isinstance(made, str) else f"{made[0]:.2f} s"), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", default="build/tokenize_rows")
    parser.add_argument("--megabytes", type=float, default=2)
    parser.add_argument("--hostile", type=int, default=0, help="megabytes of each hostile text; 0: none")
    parser.add_argument("tokenizers", nargs="+")
    options = parser.parse_args()
    lines = sample(options.megabytes * 1e6)
    for path in options.tokenizers:
        driver = Driver(options.driver, path)
        (ours, theirs), counts = compare_speed(driver, reference_encode(reference_of(path)), lines)
        print(f"{path}: {ours / 1e6:.2f} million tokens/s, reference {theirs / 1e6:.2f}, ratio {ours / theirs:.2f}"
              f" ({counts[0]} and {counts[1]} tokens)", flush=True)
        if options.hostile:
            hostile(driver, options.hostile)
        driver.close()


if __name__ == "__main__":
    main()
