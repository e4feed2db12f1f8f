#!/usr/bin/env python3
"""Writes reference.safetensors for a model: what transformers computes for it in float64.

    tools/export_reference.py MODEL [--out FILE] [--ids 5,6,7] [--text TEXT] [--generate JSON]
    llm-generate verify MODEL --reference FILE

MODEL is a folder as `save_pretrained` writes it, or a .gguf file. Without --ids, --text and
--generate a few cases and generations are made up: from the model's tokenizer where there is one,
else from random ids.

    tools/export_reference.py my-model --text "The quick brown fox" \\
        --generate '{"text": "Once upon", "num_beams": 4, "max_new_tokens": 16}'

--generate takes the options of `generate()` and, beside them, "text" or "input_ids" for the prompt
(else the first case is the prompt). Options it does not name come from generation_config.json.
Needs: pip install torch transformers safetensors; sentencepiece and protobuf for *.model
tokenizers, gguf and accelerate for .gguf files.
"""

import argparse
import contextlib
import inspect
import json
import os
import sys
import warnings

os.environ.setdefault("TQDM_DISABLE", "1")  # read once, when the libraries below are imported

try:
    import numpy as np
    import safetensors
    import safetensors.numpy
    import torch
    import transformers
    from torch.utils._python_dispatch import TorchDispatchMode
except ImportError as error:
    if {"-h", "--help"} & set(sys.argv):
        print(__doc__)
        sys.exit(0)
    sys.exit(f"export_reference: error: {error}; pip install torch transformers safetensors")

FORMAT = "llm-reference/1"
NARROW = (torch.float32, torch.float16, torch.bfloat16)
DEFAULT_TEXTS = ["Once upon a time, there was a little cat.", "Hello  world! 12345 it's\n\tfine."]
DEFAULT_GENERATIONS = [{"do_sample": False, "num_beams": 1}, {"do_sample": False, "num_beams": 3}]

TOKENIZER_FILES = {
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "vocab.json",
    "vocab.txt",
    "source.spm",
    "sentencepiece.bpe.model",
}


class ReferenceError(Exception):
    """A sentence for the user: what is wrong, where, and what to do."""


@contextlib.contextmanager
def float64_everywhere():
    """While active, models are built and run in float64, also where they ask for float32.

    `model.double()` leaves float32 inside norms, softmax and rotary angles; here the names themselves
    mean float64.
    """
    saved = (
        torch.get_default_dtype(),
        torch.float,
        torch.float32,
        torch.FloatTensor,
        torch.Tensor.float,
        torch.Tensor.bfloat16,
    )
    torch.set_default_dtype(torch.float64)
    torch.float = torch.float32 = torch.float64
    torch.FloatTensor = torch.DoubleTensor
    torch.Tensor.float = torch.Tensor.bfloat16 = torch.Tensor.double
    try:
        yield
    finally:
        torch.float, torch.float32, torch.FloatTensor = saved[1:4]
        torch.Tensor.float, torch.Tensor.bfloat16 = saved[4:]
        torch.set_default_dtype(saved[0])


class NarrowFloats(TorchDispatchMode):
    """Records the operations whose result is narrower than float64 (there must be none)."""

    def __init__(self):
        super().__init__()
        self.operations = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        outputs = result if isinstance(result, (tuple, list)) else [result]
        if any(isinstance(x, torch.Tensor) and x.dtype in NARROW for x in outputs):
            self.operations.add(str(func))
        return result

    def check(self):
        if self.operations:
            raise ReferenceError(f"not all in float64: {', '.join(sorted(self.operations))}")


def source_of(model_path):
    """The arguments of from_pretrained for a folder or a .gguf file."""
    if os.path.isdir(model_path):
        return {"pretrained_model_name_or_path": model_path}
    if os.path.isfile(model_path) and model_path.endswith(".gguf"):
        folder, name = os.path.split(os.path.abspath(model_path))
        return {"pretrained_model_name_or_path": folder, "gguf_file": name}
    raise ReferenceError(
        f"{model_path}: neither a folder nor a .gguf file; give a model folder or file"
    )


def class_of(config, name):
    """The model class: --class, else the first of config.json's `architectures`."""
    if name is None and config.architectures:
        name = config.architectures[0]
    if name is None:
        raise ReferenceError(
            'config.json has no "architectures"; name the model class with --class'
        )
    model_class = getattr(transformers, name, None)
    if not isinstance(model_class, type) or not issubclass(
        model_class, transformers.PreTrainedModel
    ):
        raise ReferenceError(
            f"{name}: transformers {transformers.__version__} has no such model class"
        )
    return model_class


def stored_names(model_path):
    """The tensor names of a folder's weight files (none for a .gguf, where nothing is computed)."""
    names = set()
    for file in os.listdir(model_path) if os.path.isdir(model_path) else []:
        path = os.path.join(model_path, file)
        if file.endswith(".safetensors") and file != "reference.safetensors":
            with safetensors.safe_open(path, "np") as weights:
                names.update(weights.keys())
        elif file.endswith(".bin") and file.startswith("pytorch_model"):
            names.update(torch.load(path, map_location="meta", weights_only=True))
    return names


def computed_names(model, model_path):
    """Sinusoidal position tables that no file holds: they stay as they were computed in float64."""
    tables = [
        f"{name}.weight"
        for name, module in model.named_modules()
        if "Sinusoidal" in type(module).__name__ and hasattr(module, "weight")
    ]
    stored = stored_names(model_path) if tables else set()
    in_file = lambda name: any(name.endswith(other) or other.endswith(name) for other in stored)
    return [name for name in tables if not in_file(name)]


def separate(model, state):
    """Unties what the class ties but the file holds as different tensors (the LM head of FLAN-T5)."""
    for name, parameter in list(model.named_parameters(remove_duplicate=False)):
        if not torch.equal(parameter, state[name]):
            module, _, last = name.rpartition(".")
            setattr(model.get_submodule(module), last, torch.nn.Parameter(state[name].clone()))


def attention_of(source):
    """Eager attention, but not Falcon's, which adds ALiBi twice; what users get by default does not."""
    config = transformers.AutoConfig.from_pretrained(**source)
    twice = config.model_type == "falcon" and config.alibi
    return "sdpa" if twice else "eager"


def load_float64(model_path, class_name=None):
    """The model of a folder or .gguf file in float64, with exactly the file's numbers."""
    source = source_of(model_path)
    attention = attention_of(source)
    config = transformers.AutoConfig.from_pretrained(**source, attn_implementation=attention)
    if "gguf_file" in source and config.model_type == "gpt2":
        # The library keeps these two sizes of a GGUF under names that its GPT-2 does not read.
        config.n_positions, config.n_inner = config.n_ctx, config.feed_forward_length
    if "gguf_file" in source and class_name is None and not config.architectures:
        model_class = type(transformers.AutoModelForCausalLM.from_config(config))
    else:
        model_class = class_of(config, class_name)
    # Loading straight to float64 widens every number exactly, whatever mix of types the file has.
    stored, report = model_class.from_pretrained(
        **source,
        config=config,
        dtype=torch.float64,
        attn_implementation=attention,
        output_loading_info=True,
    )
    computed = set(computed_names(stored, model_path)) & set(stored.state_dict())
    missing = sorted(set(report["missing_keys"]) - set(computed))
    if missing:
        missing = ", ".join(missing[:5])
        raise ReferenceError(
            f"{model_path}: {model_class.__name__} needs tensors the file lacks: {missing}"
        )
    with float64_everywhere():
        model = model_class(stored.config).eval()
        state = stored.state_dict()
        state.update({name: model.state_dict()[name] for name in computed})
        model.tie_weights()
        model.load_state_dict(state)
        separate(model, state)
    if stored.can_generate():
        model.generation_config = stored.generation_config
    return model


def load_tokenizer(model_path):
    """The fast tokenizer of the model, or None where the folder has none."""
    if os.path.isdir(model_path) and not set(os.listdir(model_path)) & TOKENIZER_FILES:
        return None  # asked nevertheless, the library makes an empty one
    return transformers.AutoTokenizer.from_pretrained(**source_of(model_path), use_fast=True)


class Reference:
    """Collects cases, generations and texts of one model, then writes the file."""

    def __init__(self, model, tokenizer=None):
        self.model = model
        self.tokenizer = tokenizer
        self.tensors = {}
        self.cases, self.generations, self.texts = [], [], []

    def add_case(self, input_ids, decoder_input_ids=None, token_type_ids=None, hidden_states=True):
        """Runs one sequence and keeps every tap the class has."""
        name = f"case{len(self.cases)}"
        inputs = {
            "input_ids": input_ids,
            "decoder_input_ids": decoder_input_ids,
            "token_type_ids": token_type_ids,
        }
        inputs = {key: ids for key, ids in inputs.items() if ids is not None}
        for key, ids in inputs.items():
            self.tensors[f"{name}.{key}"] = np.asarray(ids, dtype=np.int64)
        batch = {key: torch.tensor([ids], dtype=torch.int64) for key, ids in inputs.items()}
        with float64_everywhere(), torch.no_grad(), NarrowFloats() as narrow:
            output = self.model(**batch, output_hidden_states=True)
        narrow.check()
        self._keep(name, output, hidden_states)
        self.cases.append({"name": name})

    def _keep(self, name, output, hidden_states):
        for tap in ("logits", "start_logits", "end_logits", "last_hidden_state", "pooler_output"):
            if output.get(tap) is not None:
                self.tensors[f"{name}.{tap}"] = output[tap][0].numpy()
        if type(self.model).__name__.endswith("ForPreTraining") and output.logits.dim() == 2:
            # ELECTRA's discriminator: a score for each token, here one label's.
            self.tensors[f"{name}.logits"] = output.logits[0, :, None].numpy()
        for tap in ("hidden_states", "encoder_hidden_states", "decoder_hidden_states"):
            for k, states in enumerate(output.get(tap) or () if hidden_states else ()):
                self.tensors[f"{name}.{tap}.{k}"] = states[0].numpy()

    def generate(self, input_ids, options):
        """The rows of generate(): a list of N lists."""
        ids = torch.tensor([input_ids], dtype=torch.int64)
        config = self.model.config
        if config.is_encoder_decoder and (
            getattr(config, "num_decoder_layers", None) or 0
        ) > getattr(config, "num_layers", 0):
            options = {**options, "use_cache": False}  # the library sizes T5's cache by the encoder
        with float64_everywhere(), torch.no_grad(), NarrowFloats() as narrow:
            # The mask is given, else a prompt that holds the padding id would lose that token.
            rows = self.model.generate(ids, attention_mask=torch.ones_like(ids), **options).tolist()
        narrow.check()
        return rows

    def add_generation(self, input_ids, options, sequences=None):
        name = f"gen{len(self.generations)}"
        sequences = self.generate(input_ids, options) if sequences is None else sequences
        self.tensors[f"{name}.input_ids"] = np.asarray(input_ids, dtype=np.int64)
        self.tensors[f"{name}.sequences"] = np.asarray(sequences, dtype=np.int64)
        self.generations.append({"name": name, "options": options})

    def add_text(self, text, add_special_tokens=True):
        options = {"add_special_tokens": add_special_tokens}
        self.texts.append(
            {"text": text, "ids": self.tokenizer(text, **options).input_ids, "options": options}
        )

    def save(self, path):
        description = {
            "format": FORMAT,
            "producer": f"transformers {transformers.__version__} torch {torch.__version__} float64",
            "class": type(self.model).__name__,
            "cases": self.cases,
            "generations": self.generations,
            "texts": self.texts,
        }
        tensors = {key: np.ascontiguousarray(self.tensors[key]) for key in sorted(self.tensors)}
        metadata = {"llm-reference": json.dumps(description, ensure_ascii=False)}
        with open(path + ".tmp", "wb") as out:
            out.write(safetensors.numpy.save(tensors, metadata=metadata))
        os.replace(path + ".tmp", path)


def takes(model, argument):
    return argument in inspect.signature(model.forward).parameters


def check_ids(model, ids, what):
    size = model.get_input_embeddings().weight.shape[0]
    if not ids:
        raise ReferenceError(f"{what}: no token ids; give at least one")
    wrong = [i for i in ids if not isinstance(i, int) or not 0 <= i < size]
    if wrong:
        raise ReferenceError(f"{what}: token id {wrong[0]} is outside the vocabulary of {size}")
    return ids


def random_ids(model, length, seed):
    size = model.get_input_embeddings().weight.shape[0]
    return np.random.default_rng(seed).integers(min(4, size - 1), size, length).tolist()


def decoder_ids(model, length=6):
    """For an encoder-decoder: the start id and a few more, so the decoder has something to look at.

    Sequence classifiers and span heads of the BART kind make their own from the input.
    """
    bare = type(model).__name__.endswith("Model")
    if not takes(model, "decoder_input_ids") or not (bare or model.can_generate()):
        return None
    start = model.generation_config.decoder_start_token_id if model.can_generate() else None
    start = start if start is not None else getattr(model.config, "decoder_start_token_id", None)
    return [start or 0] + random_ids(model, length - 1, seed=99)


def text_inputs(model, tokenizer, *texts):
    """What the tokenizer makes of a text or a pair, as far as the model takes it."""
    encoded = tokenizer(*texts)
    return {
        key: encoded[key]
        for key in ("input_ids", "token_type_ids")
        if key in encoded and takes(model, key)
    }


def made_up_inputs(model, tokenizer):
    if tokenizer is not None:
        return [text_inputs(model, tokenizer, text) for text in DEFAULT_TEXTS]
    inputs = [random_ids(model, length, seed=length) for length in (8, 19)]
    if (
        type(model).__name__.endswith("ForSequenceClassification")
        and model.config.is_encoder_decoder
    ):
        inputs = [ids + [model.config.eos_token_id] for ids in inputs]
    return [{"input_ids": ids} for ids in inputs]


def asked_inputs(arguments, model, tokenizer):
    if (arguments.text or arguments.pair) and tokenizer is None:
        raise ReferenceError(
            f"{arguments.model}: --text and --pair need a tokenizer, there is none; use --ids"
        )
    try:
        lists = [[int(i) for i in ids.replace(",", " ").split()] for ids in arguments.ids]
    except ValueError as error:
        raise ReferenceError(f"--ids: {error}; give numbers, as in --ids 5,6,7") from None
    inputs = [{"input_ids": check_ids(model, ids, "--ids")} for ids in lists]
    inputs += [text_inputs(model, tokenizer, text) for text in arguments.text]
    return inputs + [text_inputs(model, tokenizer, *pair) for pair in arguments.pair]


def asked_generations(arguments):
    generations = []
    for text in arguments.generate:
        try:
            generations.append(json.loads(text))
        except json.JSONDecodeError as error:
            raise ReferenceError(f"--generate {text}: not JSON: {error}") from None
        if not isinstance(generations[-1], dict):
            raise ReferenceError(f"--generate {text}: expected an object of options")
    return generations


def prompt_of(options, reference, first_case):
    """Takes "text" or "input_ids" out of the options of --generate."""
    text, ids = options.pop("text", None), options.pop("input_ids", None)
    if ids is None and text is not None:
        if reference.tokenizer is None:
            raise ReferenceError(
                '--generate has "text", but the model has no tokenizer; give "input_ids"'
            )
        ids = reference.tokenizer(text).input_ids
    return check_ids(reference.model, first_case if ids is None else ids, "--generate")


def export(arguments):
    generations = asked_generations(arguments)
    model = load_float64(arguments.model, arguments.model_class)
    reference = Reference(model, load_tokenizer(arguments.model))
    inputs = asked_inputs(arguments, model, reference.tokenizer)
    inputs = inputs or made_up_inputs(model, reference.tokenizer)
    for fields in inputs:
        reference.add_case(**fields, decoder_input_ids=decoder_ids(model))
    if model.can_generate():
        for options in generations or DEFAULT_GENERATIONS:
            options = {"do_sample": False, "max_new_tokens": 16, **options}
            ids = prompt_of(options, reference, inputs[0]["input_ids"])
            reference.add_generation(ids, options)
    elif generations:
        raise ReferenceError(f"{type(model).__name__} does not generate text; leave out --generate")
    for text in (arguments.text or DEFAULT_TEXTS) if reference.tokenizer else []:
        reference.add_text(text, True)
        reference.add_text(text, False)
    reference.save(arguments.out)
    return reference


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="model folder or .gguf file")
    parser.add_argument(
        "--out", help="file to write (default: reference.safetensors beside the model)"
    )
    parser.add_argument(
        "--class",
        dest="model_class",
        metavar="NAME",
        help="model class, decides the head (default: config.json's architectures)",
    )
    parser.add_argument(
        "--ids",
        action="append",
        default=[],
        metavar="ID,ID,...",
        help="a case of token ids, fed as they are (repeatable)",
    )
    parser.add_argument(
        "--text",
        action="append",
        default=[],
        help="a case of text: its ids and what the model computes for them (repeatable)",
    )
    parser.add_argument(
        "--pair",
        action="append",
        default=[],
        nargs=2,
        metavar="TEXT",
        help="a case of two texts, as question and context (repeatable)",
    )
    parser.add_argument(
        "--generate",
        action="append",
        default=[],
        metavar="JSON",
        help='options of generate(), with "text" or "input_ids" (repeatable)',
    )
    arguments = parser.parse_args()
    if arguments.out is None:
        folder = (
            arguments.model if os.path.isdir(arguments.model) else os.path.dirname(arguments.model)
        )
        arguments.out = os.path.join(folder, "reference.safetensors")
    return arguments


def main():
    arguments = parse_arguments()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    try:
        reference = export(arguments)
    except (ReferenceError, ImportError, OSError, RuntimeError, ValueError) as error:
        sys.exit(f"export_reference: error: {error}")
    print(
        f"{arguments.out}: {type(reference.model).__name__}, {len(reference.cases)} cases, "
        f"{len(reference.generations)} generations, {len(reference.texts)} texts"
    )


if __name__ == "__main__":
    main()
