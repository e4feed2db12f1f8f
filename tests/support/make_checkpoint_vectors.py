"""Writes what the reference computes in float64 with real checkpoints, for tests/parity.

    python tests/support/make_checkpoint_vectors.py MINILM_FOLDER G2P_FOLDER

needs what tools/export_reference.py needs. The checkpoints themselves are not part of the project.
"""

import json
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import export_reference  # noqa: E402

TEXTS = [
    "A man is eating food.",
    "Someone in a café: naïve, isn't it? 12,345 times!",
    "The quick brown fox jumps over the lazy dog while the band plays on and nobody listens.",
]
WORDS = 12


def write(name, value):
    file = ROOT / "tests" / "parity" / "data" / name
    file.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def sentences(folder):
    """Mean of the hidden states over all tokens, divided by its length."""
    model = export_reference.load_float64(folder)
    tokenizer = export_reference.load_tokenizer(folder)
    rows = []
    for text in TEXTS:
        ids = tokenizer(text).input_ids
        with export_reference.float64_everywhere(), torch.no_grad():
            hidden = model(torch.tensor([ids])).last_hidden_state[0]
        mean = hidden.mean(0)
        vector = [round(float(x), 12) for x in mean / mean.norm()]
        rows.append({"text": text, "ids": ids, "embedding": vector})
    return {"rows": rows}


def beams(folder):
    """Beam search over some words of golden.json."""
    reference = export_reference.Reference(export_reference.load_float64(folder))
    golden = json.loads((Path(folder) / "golden.json").read_text())
    options = {"do_sample": False, "num_beams": 4, "num_return_sequences": 2, "max_new_tokens": 40}
    rows = golden["rows"][:WORDS]
    sequences = [reference.generate(row["input_ids"], options) for row in rows]
    return {
        "options": options,
        "rows": [{"word": row["word"], "sequences": s} for row, s in zip(rows, sequences)],
    }


def main():
    minilm, g2p = sys.argv[1:]
    write("minilm.json", sentences(minilm))
    write("g2p_beams.json", beams(g2p))


if __name__ == "__main__":
    main()
