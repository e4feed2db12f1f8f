#!/usr/bin/env python3
"""What the reference computes when names of one tied tensor hold different values.

Writes tests/parity/data/tied_names.json. A case takes a fixture of models/, renames tensors, and adds
some that hold the rows of another one in reverse order; the test makes the same folder.
"""
import json
import pathlib
import shutil
import sys
import tempfile

import torch
import transformers
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from export_reference import float64_everywhere  # noqa: E402
SOURCE, TARGET = [5, 9, 3, 17, 4, 2], [0, 7, 11]
T5 = {"shared": "shared.weight", "enc": "encoder.embed_tokens.weight",
      "dec": "decoder.embed_tokens.weight", "head": "lm_head.weight"}
BART = {"shared": "model.shared.weight", "enc": "model.encoder.embed_tokens.weight",
        "dec": "model.decoder.embed_tokens.weight", "head": "lm_head.weight"}


def shared_cases(fixture, names):
    shared = names["shared"]
    for other in ("enc", "dec", "head"):
        yield fixture, {}, {names[other]: shared}
    for kept, other in (("enc", "dec"), ("dec", "enc"), ("dec", "head"), ("head", "dec")):
        yield fixture, {shared: names[kept]}, {names[other]: shared}


def cases():
    for fixture in ("t5-v1_0", "t5-v1_1", "mt5-lm", "umt5-lm"):
        yield from shared_cases(fixture, T5)
    for fixture in ("bart-lm", "mbart-lm", "marian-lm", "pegasus-lm"):
        yield from shared_cases(fixture, BART)
    yield "t5-encoder", {}, {T5["enc"]: T5["shared"]}
    yield "marian-two-vocabularies", {}, {BART["head"]: BART["dec"]}
    yield "gpt2-tanh", {}, {"lm_head.weight": "transformer.wte.weight"}
    yield "gpt_neo-windows", {}, {"lm_head.weight": "transformer.wte.weight"}
    yield "openai-gpt-lm", {}, {"lm_head.weight": "transformer.tokens_embed.weight"}
    yield "bloom-lm", {}, {"lm_head.weight": "transformer.word_embeddings.weight"}
    for fixture in ("llama-tied", "qwen2-tied", "smollm3-lm"):
        yield fixture, {}, {"lm_head.weight": "model.embed_tokens.weight"}
    words = "embeddings.word_embeddings.weight"
    yield "bert-masked-lm", {}, {"cls.predictions.decoder.weight": "bert." + words}
    yield "bert-masked-lm", {}, {"cls.predictions.decoder.bias": "cls.predictions.bias"}
    yield "roberta-masked-lm", {}, {"lm_head.decoder.weight": "roberta." + words}
    yield "roberta-masked-lm", {}, {"lm_head.decoder.bias": "lm_head.bias"}
    yield "distilbert-masked-lm", {}, {"vocab_projector.weight": "distilbert." + words}


def folder_of(fixture, renamed, added, folder):
    shutil.copy(ROOT / "models" / fixture / "config.json", folder)
    tensors = load_file(ROOT / "models" / fixture / "model.safetensors")
    for new, old in added.items():
        tensors[new] = tensors[old].flip(0).contiguous()
    for old, new in renamed.items():
        tensors[new] = tensors.pop(old)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def last_row(folder):
    name = json.loads((folder / "config.json").read_text())["architectures"][0]
    model = getattr(transformers, name).from_pretrained(
        folder, dtype=torch.float64, attn_implementation="eager").eval()
    with float64_everywhere(), torch.no_grad():
        inputs = {"input_ids": torch.tensor([SOURCE])}
        if model.config.is_encoder_decoder:
            inputs["decoder_input_ids"] = torch.tensor([TARGET])
        return model(**inputs)[0][0, -1, :12].tolist()


def main():
    rows = []
    for fixture, renamed, added in cases():
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            folder_of(fixture, renamed, added, folder)
            rows.append({"fixture": fixture, "renamed": renamed, "reversed": added,
                         "values": last_row(folder)})
    text = ",\n".join(json.dumps(row) for row in rows)
    data = f'{{"source": {SOURCE}, "target": {TARGET}, "cases": [\n{text}\n]}}\n'
    (ROOT / "tests" / "parity" / "data" / "tied_names.json").write_text(data)


main()
