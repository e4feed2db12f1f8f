#!/usr/bin/env python3
"""Writes tests/tasks/data/{classify,zero_shot,fill_mask,spans,embed}.jsonl: what the reference's
pipelines answer in float64 for random texts on the fixtures under models/.

    python3 tests/support/make_task_vectors.py

Embeddings are computed as sentence-transformers defines them (modules Transformer, Pooling and
Normalize); answers of T5 to texts with <extra_id_0> are those of generate(), cut at the sentinels
here. Needs what export_reference.py needs.
"""

import json
import pathlib
import random
import sys
import warnings

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import export_reference  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from fixtures.tokenizer_files import WORDS  # noqa: E402

OUT = ROOT / "tests/tasks/data"
ODD = ["日本", "🙂", "ﬁne", "it''s", "3.14", "x", "Ünïcode", "a-b", "(old)", "\u00a0", "co  op", "…"]
POOLINGS = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]


def text_of(rng, low, high):
    words = [rng.choice(ODD) if rng.random() < 0.08 else rng.choice(WORDS) for _ in range(rng.randint(low, high))]
    if rng.random() < 0.5:
        words[0] = words[0].capitalize()
    return " ".join(words) + rng.choice(["", ".", "!", " ?"])


def fitting(rng, tokenizer, low, high, most, pair=False):
    """A text (or pair) of at most `most` tokens."""
    while True:
        texts = [text_of(rng, low, high) for _ in range(2 if pair else 1)]
        if len(tokenizer(*texts)["input_ids"]) <= most:
            return texts


def rounded(values):
    return [float(f"{value:.9g}") for value in values]


def open_model(name, class_name=None):
    path = str(ROOT / "models" / name)
    return export_reference.load_float64(path, class_name), transformers.AutoTokenizer.from_pretrained(path)


def run_pipeline(task, model, tokenizer):
    """The pipeline as a function whose scores are computed in float64 to the end."""
    run = transformers.pipeline(task, model=model, tokenizer=tokenizer)

    def call(*arguments, **options):
        with export_reference.float64_everywhere():
            return run(*arguments, **options)

    return call


def write(name, rows):
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    (OUT / name).write_text("".join(lines))
    print(name, len(rows), "rows,", (OUT / name).stat().st_size, "bytes")


def classify():
    rng, rows = random.Random(1), []
    problems = [None, "multi_label_classification", "regression", "single_label_classification"]
    for name, most in (("bert-nli", 33), ("bart-nli", 81)):
        model, tokenizer = open_model(name)
        run = run_pipeline("text-classification", model, tokenizer)
        for k in range(110):
            pair, problem = k % 3 == 0, problems[k % 4]
            texts = fitting(rng, tokenizer, 1, 8 if pair else 14, most, pair)
            model.config.problem_type = problem
            given = dict(zip(("text", "text_pair"), texts)) if pair else texts[0]
            answer = run(given, top_k=None)
            rows.append({"model": name, "problem_type": problem, "texts": texts,
                         "labels": [entry["label"] for entry in answer],
                         "scores": rounded(entry["score"] for entry in answer)})
    write("classify.jsonl", rows)


def zero_shot():
    rng, rows = random.Random(2), []
    templates = [None, "It is about {}.", "{}", "The {0} of {{x}}"]
    for name, most in (("bert-nli", 33), ("bart-nli", 81)):
        model, tokenizer = open_model(name)
        run = run_pipeline("zero-shot-classification", model, tokenizer)
        for k in range(105):
            template = templates[k % 4]
            labels = rng.sample([word for word in WORDS if word != "and"] + ["not urgent", "日本"], rng.choice([1, 2, 3, 5]))
            text = fitting(rng, tokenizer, 1, 14, most - 14)[0]
            options = {} if template is None else {"hypothesis_template": template}
            answer = run(text, candidate_labels=labels, multi_label=k % 5 == 0, **options)
            rows.append({"model": name, "text": text, "candidates": labels, "template": template,
                         "multi_label": k % 5 == 0, "labels": answer["labels"], "scores": rounded(answer["scores"])})
    write("zero_shot.jsonl", rows)


def masked(rng, tokenizer, most):
    mask = tokenizer.mask_token
    while True:
        words = text_of(rng, 1, 12).split(" ")
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            words[rng.randrange(len(words))] = rng.choice([mask, mask, mask + ",", "un" + mask])
        text = " ".join(words)
        if len(tokenizer(text)["input_ids"]) <= most:
            return text


def fill_mask():
    rng, rows = random.Random(3), []
    # BART fills masks by its LM head, which is tied, so that the checkpoint of a classifier has it as well.
    models = (("bert-masked-lm", 33, None), ("roberta-masked-lm", 32, None),
              ("bart-nli", 81, "BartForConditionalGeneration"), ("mbart-languages", 81, None))
    for name, most, class_name in models:
        model, tokenizer = open_model(name, class_name)
        run = run_pipeline("fill-mask", model, tokenizer)
        for k in range(105):
            text = masked(rng, tokenizer, most)
            options = {"top_k": [1, 2, 3, None][k % 4]}
            if k % 7 == 3:
                options["targets"] = rng.sample(WORDS, rng.randint(1, 4)) + [" cat"]
            answer = run(text, **{key: value for key, value in options.items() if value is not None})
            masks = answer if isinstance(answer[0], list) else [answer]
            rows.append({"model": name, "text": text, **options, "masks": [
                [[e["token"], float(f"{e['score']:.9g}"), e["token_str"], e["sequence"]] for e in mask]
                for mask in masks]})
    write("fill_mask.jsonl", rows)


def split_spans(ids, sentinels):
    """{sentinel: (first, end)} of the tokens behind each sentinel that was asked for."""
    spans, at = {}, None
    for k, token in enumerate(ids):
        if token in sentinels or token == 1:
            if at is not None:
                spans[at][1] = k
            at = None
            if token in sentinels[:-1] and token not in spans:
                at = token
                spans[token] = [k + 1, len(ids)]
            elif token == sentinels[-1] or token == 1:
                break
    return spans


def spans():
    rng, rows = random.Random(4), []
    for name in ("t5-v1_0", "t5-v1_1"):
        model, tokenizer = open_model(name)
        for k in range(100):
            count = rng.randint(1, 3)
            words = text_of(rng, 3, 10).split(" ")
            places = sorted(rng.sample(range(len(words)), count))
            for i, place in enumerate(places):
                words[place] = f"<extra_id_{i}>"
            text = " ".join(words)
            sentinels = tokenizer.convert_tokens_to_ids([f"<extra_id_{i}>" for i in range(count + 1)])
            ids, beams = tokenizer(text)["input_ids"], 1 + k % 3
            # A random model hardly says a sentinel: beginning with one, and among few tokens, it does.
            likely = {"forced_bos_token_id": sentinels[0], "suppress_tokens": [i for i in range(3, 130) if i % 12], "no_repeat_ngram_size": 1}
            with export_reference.float64_everywhere(), torch.no_grad():
                out = model.generate(torch.tensor([ids]), do_sample=False, num_beams=beams, num_return_sequences=beams, use_cache=False,
                                     max_new_tokens=14, eos_token_id=[1, sentinels[-1]], **likely)
                answers = []
                for row in out.tolist():
                    # Behind the end there is padding.
                    end = next((i + 1 for i, t in enumerate(row) if i > 0 and t in (1, sentinels[-1])), len(row))
                    row = row[:end]
                    logits = model(input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([row]), use_cache=False).logits[0]
                    logprobs = logits.log_softmax(-1)
                    answer = []
                    for sentinel, (first, last) in split_spans(row, sentinels).items():
                        score = sum(logprobs[i - 1, row[i]].item() for i in range(first, last))
                        answer.append([sentinels.index(sentinel), row[first:last],
                                       tokenizer.decode(row[first:last], skip_special_tokens=True),
                                       float(f"{torch.tensor(score).exp().item():.9g}")])
                    answers.append(answer)
            rows.append({"model": name, "text": text, "beams": beams, "answers": answers})
    write("spans.jsonl", rows)


def pool(hidden, mode):
    n = hidden.shape[0]
    weights = torch.arange(1, n + 1, dtype=hidden.dtype)
    return {
        "cls": lambda: hidden[0],
        "max": lambda: hidden.max(0).values,
        "mean": lambda: hidden.sum(0) / n,
        "mean_sqrt_len_tokens": lambda: hidden.sum(0) / n**0.5,
        "weightedmean": lambda: (hidden * weights[:, None]).sum(0) / weights.sum(),
        "lasttoken": lambda: hidden[-1],
    }[mode]()


def embed():
    rng, rows = random.Random(5), []
    for name, limit in (("bert-masked-lm", 33), ("roberta-masked-lm", 32), ("t5-v1_0", 24), ("llama-gqa", 40), ("bart-nli", 81)):
        model, tokenizer = open_model(name)
        for k in range(42):
            text = text_of(rng, 1, 30 if k % 4 == 0 else 8)
            if k % 6 == 5:
                text = " \t" + text + "\n"
            normalize, most = k % 2 == 0, limit if k % 3 else 12
            modes = [POOLINGS[k % 6]] if k % 7 else [POOLINGS[2], POOLINGS[0]]
            ids = tokenizer(text.strip())["input_ids"]
            kept = tokenizer(text.strip(), truncation="longest_first", max_length=most)
            run = model.get_encoder() if model.config.is_encoder_decoder else model.base_model
            inputs = {key: torch.tensor([kept[key]]) for key in ("input_ids", "token_type_ids") if key in kept}
            with export_reference.float64_everywhere(), torch.no_grad():
                hidden = run(**inputs, **({} if model.config.model_type in ("bert", "roberta") else {"use_cache": False})).last_hidden_state[0]
                vector = torch.cat([pool(hidden, mode) for mode in modes])
                if normalize:
                    vector = torch.nn.functional.normalize(vector, dim=0)
            size = len(kept["input_ids"])
            rows.append({"model": name, "text": text, "pooling": modes, "normalize": normalize, "max": most,
                         "tokens": size, "truncated": size < len(ids), "vector": rounded(vector.tolist())})
    write("embed.jsonl", rows)


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    wanted = sys.argv[1:] or ["classify", "zero_shot", "fill_mask", "spans", "embed"]
    for task in wanted:
        globals()[task]()


if __name__ == "__main__":
    main()
