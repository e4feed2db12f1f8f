#!/usr/bin/env python3
"""Makes the tiny random checkpoints under models/, each with the reference's answers in float64.

    python3 tools/make_fixtures.py [NAME...]

makes those whose names start so, or without a name all that are under models/.

Every folder is what a user's model folder is (config.json, weights, tokenizer files), only small
and with odd sizes: head counts that are no powers of two, head sizes unlike hidden/heads, inner
sizes that fill no vector register. Weights depend on the fixture's and the tensor's name alone, so
a rerun changes nothing.
Needs what export_reference.py needs, and tokenizers, sentencepiece, gguf.
"""

import argparse
import collections
import copy
import os
import shutil
import sys
import tempfile
import warnings

import torch
import transformers

import export_reference
from fixtures import decoder_families, encoder_families, families
from fixtures.files import seeded, write_json
from fixtures.gguf_files import check_gguf_loading, write_gguf
from fixtures.gguf_folders import write_gguf_and_folder
from fixtures.tokenizer_files import proven_texts
from fixtures.weights import save_model

FIXTURES = families.FIXTURES | decoder_families.FIXTURES | encoder_families.FIXTURES
MODELS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "models")


def prompt_ids(fixture, number, size, length):
    return seeded(fixture, f"prompt{number}").integers(5, size, length).tolist()


def generations(greedy, eos, encoder_decoder):
    """Options to prove; greedy is what plain greedy search gives, so that every ban bites."""
    a, b, c = greedy[0], greedy[1], greedy[2]
    plain = [
        {},
        {"max_new_tokens": 1},
        {"repetition_penalty": 1.3},
        {"repetition_penalty": 0.8},
        {"no_repeat_ngram_size": 2},
        {"bad_words_ids": [[a], [b, c], [eos]]},
        {"bad_words_ids": [[a, b], [b, c]]},
        {"min_new_tokens": 9},
        {"suppress_tokens": [a, c]},
        {"begin_suppress_tokens": [a]},
        {"forced_eos_token_id": eos, "max_new_tokens": 5},
    ]
    beams = [
        {"num_beams": 3},
        {"num_beams": 4},
        {"num_beams": 4, "num_return_sequences": 4},
        {"num_beams": 3, "length_penalty": 2.0, "early_stopping": False, "num_return_sequences": 2},
        {"num_beams": 4, "length_penalty": -1.0, "early_stopping": True, "num_return_sequences": 3},
        {
            "num_beams": 4,
            "length_penalty": 0.5,
            "early_stopping": "never",
            "num_return_sequences": 3,
        },
        {"num_beams": 3, "length_penalty": 0.0, "early_stopping": "never"},
        {
            "num_beams": 3,
            "early_stopping": True,
            "no_repeat_ngram_size": 2,
            "repetition_penalty": 1.2,
        },
        {
            "num_beams": 4,
            "min_new_tokens": 6,
            "bad_words_ids": [[b], [a, c]],
            "num_return_sequences": 2,
        },
        {
            "num_beams": 3,
            "forced_eos_token_id": eos,
            "max_new_tokens": 6,
            "num_return_sequences": 3,
        },
        {"num_beams": 4, "eos_token_id": [eos, a], "pad_token_id": 3, "num_return_sequences": 4},
    ]
    if encoder_decoder:
        plain += [
            {"encoder_repetition_penalty": 1.5},
            {"encoder_no_repeat_ngram_size": 2},
            {"forced_bos_token_id": c},
            {"forced_bos_token_id": b, "begin_suppress_tokens": [a]},
        ]
        beams += [
            {
                "num_beams": 3,
                "encoder_no_repeat_ngram_size": 1,
                "encoder_repetition_penalty": 0.8,
                "forced_bos_token_id": c,
                "num_return_sequences": 2,
            }
        ]
    return plain, beams


def jittered(model):
    """The same model off by 1e-5: a generation that changes with it hangs on a near tie."""
    other = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(
                1 + 1e-5 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            )
    return other


def often_generated(reference, prompts):
    """A token beams like to say in mid-sentence: as `eos` it ends some of them early."""
    counts = collections.Counter()
    for prompt in prompts:
        options = {
            "num_beams": 4,
            "num_return_sequences": 4,
            "max_new_tokens": 9,
            "do_sample": False,
        }
        start = 1 if reference.model.config.is_encoder_decoder else len(prompt)
        for row in reference.generate(prompt, options):
            counts.update({i for i in row[start + 3 :] if i > 4} - set(row[start : start + 2]))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[0][0]


def new_tokens(reference, prompt):
    """What greedy search says after the prompt of its own accord; never ends early."""
    options = {"do_sample": False, "max_new_tokens": 8, "min_new_tokens": 8, "num_beams": 1}
    start = 1 if reference.model.config.is_encoder_decoder else len(prompt)
    forced = reference.model.generation_config.forced_bos_token_id is not None
    return reference.generate(prompt, options)[0][start + forced :]


def add_generations(reference, spec, prompts, long_prompts, eos):
    """Each option set on the first of its prompts whose answer hangs on no near tie."""
    encoder_decoder = reference.model.config.is_encoder_decoder
    # First the prompt whose answer repeats least: bans that are taken from it then differ.
    prompts = sorted(prompts, key=lambda prompt: -len(set(new_tokens(reference, prompt)[:3])))
    plain, beams = generations(new_tokens(reference, prompts[0]), eos, encoder_decoder)
    plan = [(prompts, options) for options in plain]
    plan += [
        (prompts[k % len(prompts) :] + prompts[: k % len(prompts)], options)
        for k, options in enumerate(beams)
    ]
    if "long" in spec:  # beams that part and join where a page of 64 positions ends
        length = 68 if encoder_decoder else 12
        plan += [
            (
                long_prompts,
                {
                    "max_new_tokens": length,
                    "min_new_tokens": length,
                    "num_beams": beams,
                    "num_return_sequences": beams,
                },
            )
            for beams in (1, 3)
        ]
    common = {"do_sample": False, "num_beams": 1, "max_new_tokens": 12}
    if "gguf" in spec:
        common |= {"eos_token_id": eos, "pad_token_id": 0}
    nearby = export_reference.Reference(jittered(reference.model))
    for choices, options in plan:
        options = {**common, **options}
        for prompt in choices:
            rows = reference.generate(prompt, options)
            if rows == nearby.generate(prompt, options):
                reference.add_generation(prompt, options, rows)
                break
        else:
            print(f"  {options} hangs on a near tie for every prompt, left out")


def generation_config(spec, eos):
    config = spec["config"]
    names = ("bos_token_id", "decoder_start_token_id")
    values = {name: config[name] for name in names if name in config}
    eos_ids = [config["eos_token_id"], eos] if spec.get("tokenizer") else eos
    return {
        **values,
        "eos_token_id": eos_ids,
        "pad_token_id": config.get("pad_token_id", 0),
        **spec.get("generation", {}),
    }


def segments(model, length):
    """token_type_ids where the model has them: a second segment from the middle on."""
    if getattr(model.config, "type_vocab_size", 0) < 2 or length == 1:
        return None
    return [0] * (length // 2) + [1] * (length - length // 2)


def add_cases(reference, fixture, spec, size):
    model = reference.model
    start = spec["config"].get("decoder_start_token_id")
    own_decoder = export_reference.decoder_ids(model) is None
    ids = lambda number, length: prompt_ids(fixture, number, size, length)
    decoder = lambda number, length: None if own_decoder else [start] + ids(number, length - 1)
    config = spec["config"]
    last = [config["eos_token_id"]] if "eos_last" in spec else []
    hidden_states = "brief" not in spec
    lengths = [(1, 1), (8, 7), (14, 11)]
    for number, (length, decoder_length) in enumerate(lengths[: 2 if "few" in spec else 3]):
        reference.add_case(
            ids(10 + number, length) + last,
            decoder(50 + number, decoder_length),
            segments(model, length),
            hidden_states,
        )
    if "padded" in spec:  # padding inside and at the end, which some heads pass over
        pad = [config["pad_token_id"]]
        text = ids(20, 6) + pad + ids(21, 2) + pad + pad
        reference.add_case(text, decoder(60, 4), segments(model, len(text)), hidden_states)
    if "eos_last" in spec:  # a pair of texts: the last of the ends counts
        reference.add_case(ids(22, 4) + last + ids(23, 3) + last + ids(24, 2))
    if "long" in spec:  # crosses a page of 64 positions twice; only the logits, for size
        length = 150 if own_decoder else 70
        reference.add_case(ids(30, length), decoder(31, 150), hidden_states=False)


def choose_eos(reference, path, spec, prompts):
    """Chooses an eos that ends some beams early; writes it where a user's folder has it."""
    config = reference.model.generation_config
    config.eos_token_id, config.pad_token_id = None, spec["config"].get("pad_token_id", 0)
    eos = often_generated(reference, prompts)
    if "gguf" in spec:
        return eos  # no such file: every generation says it itself
    if spec.get("eos_in_config"):
        write_json(
            os.path.join(path, "config.json"),
            {**spec["config"], "eos_token_id": eos, "pad_token_id": 0},
        )
    else:
        write_json(os.path.join(path, "generation_config.json"), generation_config(spec, eos))
    reference.model.generation_config = export_reference.load_float64(path).generation_config
    return eos


def make_reference(fixture, path, spec, source=None):
    """reference.safetensors of one fixture, beside its weights.

    `source`: the folder that the reference computes where it cannot open the fixture itself.
    """
    model = export_reference.load_float64(source or path)
    tokenizer = export_reference.load_tokenizer(source or path)
    reference = export_reference.Reference(model, tokenizer)
    size = model.get_input_embeddings().weight.shape[0]
    add_cases(reference, fixture, spec, size)
    if model.can_generate() and "plain" not in spec:
        prompts = [
            prompt_ids(fixture, k, size, length) for k, length in enumerate((5, 3, 7, 1, 9, 6))
        ]
        long_prompts = [prompt_ids(fixture, k, size, 59) for k in range(70, 76)]
        eos = choose_eos(reference, source or path, spec, prompts)
        add_generations(reference, spec, prompts, long_prompts, eos)
        rows = [reference.tensors[f"{g['name']}.sequences"] for g in reference.generations]
        print(
            f"  eos {eos} occurs in {sum((eos == r).any() for r in rows)} of {len(rows)} generations"
        )
    for text in proven_texts(path, spec, reference.tokenizer) if reference.tokenizer else []:
        reference.add_text(text, True)
        reference.add_text(text, False)
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    if source:  # converters leave the pooler out
        reference.tensors = {n: t for n, t in reference.tensors.items() if "pooler" not in n}
    reference.save(os.path.join(folder, "reference.safetensors"))


def make(fixture):
    spec = FIXTURES[fixture]
    folder = os.path.join(MODELS, fixture)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    if "gguf" in spec:
        path = os.path.join(folder, "model.gguf")
        if "from_folder" in spec:
            with tempfile.TemporaryDirectory() as source:
                write_gguf_and_folder(fixture, path, spec, source)
                make_reference(fixture, path, spec, source)
            return
        expected = write_gguf(fixture, path, spec)
        check_gguf_loading(path, spec["config"], expected)
        make_reference(fixture, path, spec)
        return
    if "tokenizer" in spec:
        spec["tokenizer"](folder)
    save_model(fixture, folder, spec)
    make_reference(fixture, folder, spec)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="start of fixtures' names; without any, those under models/ are made anew",
    )
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    there = lambda fixture: os.path.isdir(os.path.join(MODELS, fixture))
    wanted = lambda fixture: (
        fixture.startswith(tuple(arguments.names)) if arguments.names else there(fixture)
    )
    chosen = [fixture for fixture in FIXTURES if wanted(fixture)]
    if not chosen:
        sys.exit(
            f"make_fixtures: error: no fixture starts with {arguments.names}; there are {list(FIXTURES)}"
        )
    for fixture in chosen:
        print(fixture)
        make(fixture)


if __name__ == "__main__":
    main()
