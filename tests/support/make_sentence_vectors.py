"""Writes what sentence-transformers computes with folders of every setting that is read: pooling modes,
prompts that take part or do not, truncated and normalized vectors.

    python tests/support/make_sentence_vectors.py     # needs torch, transformers, sentence-transformers
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

ROOT = Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "tests" / "tasks" / "data" / "sentence.jsonl"

MODES = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
PROMPT = "the old "
TEXT = "the cat saw a bird"


def settings():
    """Fixture, 1_Pooling, config_sentence_transformers, whether there is a Normalize, the options."""
    for mode in MODES:
        for include in (True, False):
            yield "bert-masked-lm", {"pooling_mode": mode, "include_prompt": include}, {}, False, {}
    mean = {"pooling_mode": "mean", "include_prompt": True}
    for normalize in (True, False):
        for again in (True, False):
            yield ("roberta-masked-lm", mean, {"truncate_dim": 7}, normalize,
                   {"normalize_embeddings": again})
    yield "bert-masked-lm", mean, {"truncate_dim": 5000, "model_type": "SentenceTransformer"}, False, {}


def write(folder, fixture, pooling, config, normalize):
    shutil.copytree(ROOT / "models" / fixture, folder, dirs_exist_ok=True)
    classes = "sentence_transformers.models."
    modules = [{"idx": 0, "name": "0", "path": "", "type": classes + "Transformer"},
               {"idx": 1, "name": "1", "path": "1_Pooling", "type": classes + "Pooling"}]
    if normalize:
        modules.append({"idx": 2, "name": "2", "path": "2_Normalize", "type": classes + "Normalize"})
    width = json.loads((folder / "config.json").read_text())
    pooling = pooling | {"word_embedding_dimension": width.get("hidden_size") or width["d_model"]}
    (folder / "1_Pooling").mkdir()
    (folder / "2_Normalize").mkdir()
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps(config | {"prompts": {"old": PROMPT}}))


def main():
    with open(OUT, "w") as out:
        for fixture, pooling, config, normalize, options in settings():
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary) / "model"
                write(folder, fixture, pooling, config, normalize)
                model = SentenceTransformer(str(folder), device="cpu",
                                            model_kwargs={"dtype": torch.float64})
                prompt = None if "default_prompt_name" in config else PROMPT
                vector = model.encode(TEXT, prompt=prompt, **options)
            row = {"fixture": fixture, "pooling": pooling, "config": config, "normalize": normalize,
                   "options": options, "prompt": PROMPT, "text": TEXT, "vector": vector.tolist()}
            out.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
