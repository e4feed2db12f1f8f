"""Writes tests/unit/data/types.gguf and types.safetensors: a small GGUF file with every tensor type
the weight store reads, as the `gguf` package writes it, and the values the same package dequantizes
it to. Needs the packages gguf, numpy and safetensors; run from anywhere.
"""

import pathlib

import gguf
import numpy as np
from safetensors.numpy import save_file

DATA = pathlib.Path(__file__).parent.parent / "unit" / "data"
ROWS, COLUMNS, WIDE_COLUMNS = 6, 96, 512
# Scales worth a look: ordinary, negative, zero, subnormal, largest finite, infinite, NaN.
SCALES = np.array([0.0137, -1.5, 0.0, -0.0, 6e-8, -3.1e-5, 65504.0, np.inf, np.nan], np.float16)
HALVES = ["F16", "BF16"]
# Where the fp16 scales of a block lie.
QUANTIZED = {
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q8_0": [0],
    "IQ4_NL": [0],
    "MXFP4": [],
    "Q2_K": [80, 82],
    "Q3_K": [108],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
    "IQ4_XS": [0],
}


def random_blocks(rng, kind):
    """Blocks of random bits under scales that are partly special, partly ordinary."""
    values, size = gguf.GGML_QUANT_SIZES[kind]
    columns = COLUMNS if values == 32 else WIDE_COLUMNS
    blocks = rng.integers(0, 256, (ROWS * columns // values, size), dtype=np.uint8)
    for half, place in enumerate(QUANTIZED[kind.name]):
        scales = rng.normal(0, 0.02, len(blocks)).astype(np.float16)
        special = np.roll(SCALES, half)[: len(blocks)]
        scales[: len(special)] = special
        blocks[:, place : place + 2] = scales.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(ROWS, -1)


def main():
    rng = np.random.default_rng(20240)
    writer = gguf.GGUFWriter(DATA / "types.gguf", "llama")
    writer.add_uint32("llama.block_count", 2)
    writer.add_float32("llama.rope.freq_base", 10000.0)
    writer.add_bool("tokenizer.ggml.add_bos_token", True)
    writer.add_array("tokenizer.ggml.tokens", ["<unk>", "a", "\u00e9"])
    writer.add_array("tokenizer.ggml.scores", [0.0, -1.5, -2.25])
    writer.add_array("tokenizer.ggml.token_type", [2, 1, 1])
    expected = {}
    for name in ["F32", "F64"]:
        values = rng.normal(0, 1, (3, 5)).astype(np.float32 if name == "F32" else np.float64)
        writer.add_tensor(name, values)
        expected[name] = values
    for name in HALVES + list(QUANTIZED):
        kind = gguf.GGMLQuantizationType[name]
        if name in HALVES:
            raw = rng.integers(0, 65536, (ROWS, COLUMNS), dtype=np.uint16).view(np.uint8)
        else:
            raw = random_blocks(rng, kind)
        writer.add_tensor(name, raw, raw_dtype=kind)
        with np.errstate(all="ignore"):
            expected[name] = np.ascontiguousarray(gguf.dequantize(raw, kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(expected, DATA / "types.safetensors", {"producer": "gguf"})


main()
