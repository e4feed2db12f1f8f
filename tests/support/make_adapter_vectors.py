"""Writes the LoRA adapters that the tests read, as PEFT saves them, the tensors that PEFT merges them
into, and what the reference computes with them: logits of models that share one weight between
modules, or get their head from the adapter, with the adapter beside the weights, not merged.

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
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

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
# The same beside the weights: by the name of a folder below `modules`, the fixture, its class, and
# what PEFT is told. Small: the vocabulary is a side of what is stored.
CLASSES = {
    "language-model": AutoModelForCausalLM, "sequence": AutoModelForSeq2SeqLM,
    "masked-lm": AutoModelForMaskedLM, "token-classification": AutoModelForTokenClassification,
    "sequence-classification": AutoModelForSequenceClassification,
    "question-answering": AutoModelForQuestionAnswering,
}
TASKS = {"token-classification": "TOKEN_CLS", "sequence-classification": "SEQ_CLS",
         "question-answering": "QUESTION_ANS"}


def one(*modules, **more):
    return dict(r=1, lora_alpha=2, target_modules=list(modules), **more)


MODULES = {
    "llama-embedding": ("llama-tied", "language-model", one("embed_tokens")),
    "llama-head": ("llama-tied", "language-model", one("lm_head")),
    "llama-both": ("llama-tied", "language-model", one("embed_tokens", "lm_head")),
    "llama-tied": ("llama-tied", "language-model", one("embed_tokens", ensure_weight_tying=True)),
    "llama-saved": ("llama-tied", "language-model", one("q_proj", modules_to_save=["embed_tokens"])),
    "llama-rows": ("llama-tied", "language-model",
                   one("q_proj", trainable_token_indices=[5, 9, 7])),
    "llama-own-rows": ("llama-tied", "language-model",
                       one("q_proj", trainable_token_indices={"embed_tokens": [5], "lm_head": [7]})),
    "llama-stored": ("llama-tied", "language-model", one("embed_tokens")),
    "gpt2-embedding": ("gpt2-inner", "language-model", one("wte", "c_proj", fan_in_fan_out=True)),
    "gpt2-saved": ("gpt2-unprefixed", "language-model", one("c_attn", modules_to_save=["lm_head"])),
    "bloom-embedding": ("bloom-lm", "language-model", one("word_embeddings")),
    "gpt-head": ("openai-gpt-lm", "language-model", one("lm_head")),
    "gpt_neo-embedding": ("gpt_neo-windows", "language-model", one("wte")),
    "qwen2-embedding": ("qwen2-tied", "language-model", one("embed_tokens")),
    "smollm3-head": ("smollm3-lm", "language-model", one("lm_head")),
    "bert-embedding": ("bert-masked-lm", "masked-lm", one("word_embeddings")),
    "bert-saved": ("bert-masked-lm", "masked-lm",
                   one("query", modules_to_save=["cls.predictions.decoder"])),
    "roberta-head": ("roberta-masked-lm", "masked-lm", one("lm_head.decoder")),
    "distilbert-head": ("distilbert-masked-lm", "masked-lm", one("vocab_projector")),
    "t5-shared": ("t5-v1_0", "sequence", one("shared", "q")),
    "t5-encoder": ("t5-v1_0", "sequence", one("encoder.embed_tokens")),
    "t5-head": ("t5-v1_0", "sequence", one("lm_head")),
    "bart-decoder": ("bart-lm", "sequence", one("decoder.embed_tokens")),
    "bart-shared": ("bart-lm", "sequence", one("q_proj", modules_to_save=["shared"])),
    "marian-encoder": ("marian-lm", "sequence", one("encoder.embed_tokens")),
    "bert-labels": ("bert-masked-lm", "token-classification", one("query", "value")),
    "bert-answers": ("bert-masked-lm", "question-answering", one("query")),
    "llama-labels": ("llama-tied", "token-classification", one("q_proj")),
    "llama-classes": ("llama-tied", "sequence-classification", one("q_proj", "embed_tokens")),
    "gpt2-labels": ("gpt2-inner", "token-classification", one("c_attn", fan_in_fan_out=True)),
    "t5-labels": ("t5-v1_0", "token-classification", one("q")),
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


def make_modules(name):
    fixture, kind, options = MODULES[name]
    torch.manual_seed(len(name))
    folder = DATA / "modules" / name
    more = {"num_labels": 3} if kind.endswith("classification") else {}
    model = CLASSES[kind].from_pretrained(ROOT / "models" / fixture, dtype=torch.float32, **more)
    peft = get_peft_model(model, LoraConfig(task_type=TASKS.get(kind), **options))
    for parameter in (p for p in peft.parameters() if p.requires_grad):
        parameter.data = torch.randn_like(parameter) * 0.3
    if options.get("ensure_weight_tying"):  # one pair of matrices in two places
        table, head = peft.get_input_embeddings(), peft.get_output_embeddings()
        head.lora_A["default"].weight.data = table.lora_embedding_B["default"].data.t().clone()
        head.lora_B["default"].weight.data = table.lora_embedding_A["default"].data.t().clone()
    if name == "llama-stored":  # the model's own embedding, as when its vocabulary grew
        model.get_input_embeddings().weight.data.mul_(1.5)
    peft.save_pretrained(folder, save_embedding_layers=name == "llama-stored")
    (folder / "README.md").unlink(missing_ok=True)
    file = folder / "adapter_config.json"
    config = json.loads(file.read_text()) | {"base_model_name_or_path": fixture, "auto_mapping": None}
    file.write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


def logits_of(name):
    """Logits of the last token, or of all tokens of a head that reads them; beside the weights."""
    fixture, kind, _ = MODULES[name]
    more = {"num_labels": 3} if kind.endswith("classification") else {}
    model = CLASSES[kind].from_pretrained(ROOT / "models" / fixture, dtype=torch.float64, **more)
    peft = PeftModel.from_pretrained(model, DATA / "modules" / name).double().eval()
    ids = torch.tensor([[1, 5, 9, 7]])
    inputs = {"decoder_input_ids": torch.tensor([[0, 6, 8]])} if kind == "sequence" else {}
    with torch.no_grad():
        output = peft.base_model(input_ids=ids, attention_mask=torch.ones_like(ids), **inputs)
    if kind == "question-answering":
        logits = torch.stack([output.start_logits[0], output.end_logits[0]], -1)
    else:
        logits = output.logits[0]
    if kind in ("language-model", "sequence"):
        logits = logits[-1:]
    return logits.reshape(-1, logits.shape[-1])[:, :6].flatten().tolist()


def main():
    shutil.rmtree(DATA, ignore_errors=True)
    for name in ADAPTERS:
        make(name)
    for name, adapters in EXPECTED.items():
        save_file(merged(adapters), DATA / f"{name}.safetensors")
    make_reference(EXPECTED["two"])
    cases = []
    for name, (fixture, kind, _) in MODULES.items():
        make_modules(name)
        cases.append({"adapter": name, "fixture": fixture, "kind": kind, "logits": logits_of(name)})
    lines = ",\n".join(json.dumps(case) for case in cases)
    (DATA / "modules" / "expected.json").write_text(f"[{lines}]\n")


if __name__ == "__main__":
    main()
