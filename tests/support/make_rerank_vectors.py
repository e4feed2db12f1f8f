#!/usr/bin/env python3
"""Writes tests/tasks/data/rerank.jsonl: how sentence-transformers' CrossEncoder ranks random documents
in float64, with the activation that the model is saved with and with the default one.

    python3 tests/support/make_rerank_vectors.py

Needs sentence-transformers and what make_task_vectors.py needs.
"""

import random

import torch
from make_task_vectors import ROOT, fitting, rounded, write
from sentence_transformers import CrossEncoder
from transformers import AutoTokenizer


def main():
    path = str(ROOT / "models/bert-reranker")
    tokenizer = AutoTokenizer.from_pretrained(path)
    rng = random.Random(7)
    model = CrossEncoder(path, device="cpu", model_kwargs={"dtype": torch.float64}, max_length=33)
    rows = []
    for number in range(6):
        query = fitting(rng, tokenizer, 1, 4, 9)[0]
        documents = [fitting(rng, tokenizer, 1, 9, 60 if number == 5 else 20)[0] for _ in range(5)]
        for name, function in (("none", torch.nn.Identity()), ("sigmoid", torch.nn.Sigmoid())):
            model.activation_fn = function
            scores = model.predict([(query, text) for text in documents], convert_to_numpy=False)
            order = sorted(range(5), key=lambda i: -float(scores[i]))
            rows.append({"query": query, "documents": documents, "function": name, "order": order,
                         "scores": rounded(float(scores[i]) for i in order)})
    assert type(CrossEncoder(path, device="cpu").activation_fn).__name__ == "Identity"
    write("rerank.jsonl", rows)


main()
