"""Writes the LoRA adapters that the tests read, as PEFT saves them, the tensors that PEFT merges them
into, and what the reference computes with two of them.

    python tests/support/make_adapter_vectors.py     # needs torch, transformers, peft, safetensors
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import export_reference  # noqa: E402

DATA = ROOT / "tests" / "unit" / "data" / "adapters"

# By name: the fixture it is for, the part of it that is added, and what PEFT is told.
ADAPTERS = {
    "patterns": ("llama-tied", 0.5, dict(
        r=3, lora_alpha=6, target_modules=["q_proj", "down_proj"], layers_to_transform=[1],
        rank_pattern={"down_proj": 2}, alpha_pattern={"layers.1.mlp.down_proj": 5})),
    "rslora": ("llama-tied", 1.0, dict(
        r=2, lora_alpha=4, target_modules=["q_proj", "o_proj"], layers_to_transform=[1],
        use_rslora=True, modules_to_save=["model.norm"])),
    "bf16": ("llama-bf16", 1.0, dict(
        r=2, lora_alpha=3, target_modules=["v_proj"], layers_to_transform=[0])),
    "conv1d": ("gpt2-inner", 1.0, dict(
        r=2, lora_alpha=4, target_modules=r"transformer\.(wte|h\.0\.attn\.c_(attn|proj))",
        fan_in_fan_out=True)),
}
EXPECTED = {"two": ["patterns", "rslora"], "bf16": ["bf16"], "conv1d": ["conv1d"]}


def base_model(fixture):
    return AutoModelForCausalLM.from_pretrained(ROOT / "models" / fixture, dtype="auto")


def make(name):
    fixture, _, options = ADAPTERS[name]
    torch.manual_seed(len(name))
    model = get_peft_model(base_model(fixture), LoraConfig(**options))
    for parameter in (p for p in model.parameters() if p.requires_grad):
        parameter.data = torch.randn_like(parameter) * 0.3
    model.save_pretrained(DATA / name, save_embedding_layers=False)
    (DATA / name / "README.md").unlink(missing_ok=True)
    file = DATA / name / "adapter_config.json"
    config = json.loads(file.read_text())
    config["base_model_name_or_path"] = fixture
    file.write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


def merged(names):
    """What changed in the model, after all adapters with their weights."""
    model = base_model(ADAPTERS[names[0]][0])
    before = {key: value.clone() for key, value in model.state_dict().items()}
    for name in names:
        wrapped = PeftModel.from_pretrained(model, DATA / name)
        for module in wrapped.modules():
            if hasattr(module, "scale_layer"):
                module.scale_layer(ADAPTERS[name][1])
        model = wrapped.merge_and_unload()
    return {key: value.contiguous().clone() for key, value in model.state_dict().items()
            if not torch.equal(value, before[key]) and key != "lm_head.weight"}


def make_reference(names):
    """What the reference computes with all adapters merged in float64 and rounded once to float32."""
    fixture = ADAPTERS[names[0]][0]
    model = AutoModelForCausalLM.from_pretrained(ROOT / "models" / fixture, dtype=torch.float64)
    for name in names:
        wrapped = PeftModel.from_pretrained(model, DATA / name).double()
        for module in wrapped.modules():
            if hasattr(module, "scale_layer"):
                module.scale_layer(ADAPTERS[name][1])
        model = wrapped.merge_and_unload()
    with tempfile.TemporaryDirectory() as folder:
        model.float().save_pretrained(folder)
        reference = export_reference.Reference(export_reference.load_float64(folder))
    for ids in ([7, 8, 9], [20, 5, 11, 60, 33]):
        reference.add_case(ids)
        reference.add_generation(ids, {"do_sample": False, "max_new_tokens": 8, "num_beams": 1})
    reference.save(str(ROOT / "tests" / "cli" / "data" / "two_adapters.safetensors"))


def main():
    shutil.rmtree(DATA, ignore_errors=True)
    for name in ADAPTERS:
        make(name)
    for name, adapters in EXPECTED.items():
        save_file(merged(adapters), DATA / f"{name}.safetensors")
    make_reference(EXPECTED["two"])


if __name__ == "__main__":
    main()
