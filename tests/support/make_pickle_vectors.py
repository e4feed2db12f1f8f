"""Writes the pytorch_model.bin files that tests/unit/pytorch_bin_test.cpp reads, and what torch
itself reads from them as safetensors.

    python tests/support/make_pickle_vectors.py     # needs torch, safetensors
"""

from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file

DATA = Path(__file__).parent.parent / "unit" / "data"


def tensors():
    """Every dtype, and every way a tensor can lie in its storage."""
    torch.manual_seed(7)
    base = torch.randn(6, 5)
    state = OrderedDict()
    state["base"] = base
    state["tied"] = base
    state["transposed"] = base.t()
    state["rows"] = base[2:5]
    state["columns"] = base[:, 1:3]
    state["every_other"] = base[1::2, ::2]
    state["permuted"] = torch.randn(2, 3, 4).permute(2, 0, 1)
    state["expanded"] = torch.randn(1, 3).expand(4, 3)
    state["half"] = torch.randn(3, 2).half()
    state["bfloat16.transposed"] = torch.randn(3, 2).bfloat16().t()
    state["double"] = torch.randn(3).double()
    state["mask"] = torch.tril(torch.ones(4, 4, dtype=torch.uint8)).view(1, 1, 4, 4)
    state["bool"] = torch.tensor([True, False, True])
    state["int64"] = torch.arange(-2, 3)
    state["int32"] = torch.arange(3, dtype=torch.int32)
    state["int16"] = torch.tensor([-300, 300], dtype=torch.int16)
    state["int8"] = torch.tensor([-3, 3], dtype=torch.int8)
    state["scalar"] = torch.tensor(-1e4)
    state["empty"] = torch.zeros(0, 3)
    state["parameter"] = torch.nn.Parameter(torch.randn(2, 2))
    return state


def module_state():
    """A real state_dict: it carries an attribute _metadata."""
    torch.manual_seed(8)
    layer = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))
    return layer.state_dict()


def save(value, name, **options):
    torch.save(value, DATA / name, **options)


def main():
    state, module = tensors(), module_state()
    save(state, "torch_zip.bin")
    save(state, "torch_legacy.bin", _use_new_zipfile_serialization=False)
    save(module, "torch_module.bin", pickle_protocol=4)
    checkpoint = {"epoch": 3, "loss": 0.5, "best": None, "state_dict": state, "done": True}
    save(checkpoint, "torch_nested.bin", _use_new_zipfile_serialization=False, pickle_protocol=5)
    for name, values in (("torch_tensors", state), ("torch_module", module)):
        plain = {key: value.detach().clone().contiguous() for key, value in values.items()}
        save_file(plain, DATA / f"{name}.safetensors")


if __name__ == "__main__":
    main()
