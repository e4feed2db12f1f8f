#!/usr/bin/env python3
"""All keys of the reference's GenerationConfig, with the values it takes for those that are not given.

    python3 tests/support/make_generation_keys.py [--out tests/generation/data/generation_keys.json]

The file has an object for each version of the reference that the script was run with, by its number:
{"5.24.0": {"top_k": 50, ...}}. A run adds the version that is installed, or replaces it. What the
constructor takes and forgets is among the keys, too.
"""

import argparse
import inspect
import json
import pathlib
import re

import transformers
from transformers import GenerationConfig


def keys_and_defaults():
    keys = dict(vars(GenerationConfig()))
    for key in re.findall(r'kwargs\.(?:pop|get)\("(\w+)"', inspect.getsource(GenerationConfig.__init__)):
        keys.setdefault(key, None)
    if hasattr(GenerationConfig, "_get_default_generation_params"):
        for key, value in GenerationConfig._get_default_generation_params().items():
            if keys.get(key) is None:
                keys[key] = value
    keys["transformers_version"] = None
    return dict(sorted(keys.items()))


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=pathlib.Path, default=root / "tests/generation/data/generation_keys.json"
    )
    out = parser.parse_args().out
    versions = json.loads(out.read_text()) if out.exists() else {}
    versions[transformers.__version__] = keys_and_defaults()
    out.write_text(json.dumps(dict(sorted(versions.items())), indent=1) + "\n")


if __name__ == "__main__":
    main()
