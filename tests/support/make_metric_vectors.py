#!/usr/bin/env python3
"""Writes tests/tasks/data/metrics.json: scores of random texts and labels by the standard scorers.

    pip install scikit-learn rouge-score sacrebleu     (made with 1.9.1, 0.1.2, 2.6.0)
    python3 tests/support/make_metric_vectors.py [PYTHON PATH OF transformers]

"rows": a prediction, its references, and its own scores: SQuAD's exact match and F1 (transformers 4.57.6,
data/metrics/squad_metrics.py, run from its file, since it needs nothing else of the package), ROUGE without and
with the stemmer ([precision, recall, F-measure] of rouge1, rouge2, rougeL, rougeLsum), and the counts and words
of BLEU. "bleu": of all rows and of parts. "labels": scikit-learn's scores. "stems": NLTK's stemmer.
"bootstrap": confidence intervals, by resampling the rows themselves with the project's random numbers
(Philox4x32-10), scoring every resample with the packages, and numpy's percentiles.
"""

import json
import pathlib
import random
import re
import sys
import types

import numpy as np
from nltk.stem import porter
from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU
from sklearn import metrics as sk

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "tests/tasks/data/metrics.json"
ROUGE = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
WORDS = (
    "the The a an An A cat cats running runs ran happily flies dogs nation national relational answered "
    "it's don't U.S. 3.14 1,000 10-20 -5 5- e.g. ... ? ! , . ; : ( ) [x] {y} \"quoted\" 'single' a.b a,b 7. .7 x-1 "
    "&amp; &lt;tag&gt; &quot; <skipped> caf\u00e9 CAF\u00c9 na\u00efve \u00c9t\u00e9 \u0130stanbul \u212aelvin "
    "\u1e9eTRASSE stra\u00dfe \u039f\u0394\u039f\u03a3 \u03bf\u03b4\u03bf\u03c2 \u041f\u0440\u0438\u0432\u0435\u0442 "
    "\u4f60\u597d \u3002 \u2014 \u201cq\u201d a\u0300 a\u00b2 \u00bd \U0001f600 \u0967 snow_man under_ _ $5 5% a/b "
    "\u00a0 \u3000 x\u2028y w-\n \n \n \t \u0085z agreed feed controlling rates sky skies dying succeed easily"
).split(" ")


def load_squad(site):
    path = pathlib.Path(site) / "transformers/data/metrics/squad_metrics.py"
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"^from \.\.\..*$", "", text, flags=re.M).replace("logging.get_logger(__name__)", "None")
    module = types.ModuleType("squad_metrics")
    exec(compile(text, str(path), "exec"), module.__dict__)
    return module


def some_text(rng, most):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(most)))


def changed(rng, text):
    words = text.split(" ")
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(words) + 1)
        what = rng.randrange(4)
        if what == 0:
            words.insert(at, rng.choice(WORDS))
        elif what == 1 and words:
            del words[min(at, len(words) - 1)]
        elif what == 2 and words:
            words[min(at, len(words) - 1)] = rng.choice(WORDS)
        else:
            at = min(at, len(words) - 1)
            if at >= 0:
                words[at] = rng.choice([str.upper, str.lower, str.title])(words[at])
    return " ".join(words)


def make_pair(rng):
    first = some_text(rng, 14)
    references = [first] + [changed(rng, first) for _ in range(rng.choice([0, 0, 0, 1, 2]))]
    prediction = rng.choice([changed(rng, first), changed(rng, first), some_text(rng, 10), first, " " + first, ""])
    return prediction, references


def squad_scores(squad, prediction, references):
    gold = [r for r in references if squad.normalize_answer(r)] or [""]
    return [
        max(squad.compute_exact(r, prediction) for r in gold),
        max(squad.compute_f1(r, prediction) for r in gold),
    ]


def rouge_scores(scorer, prediction, references):
    best = scorer.score_multi(references, prediction)
    return [[float(x) for x in best[name]] for name in ROUGE]


def transposed(references):
    most = max(len(r) for r in references)
    return [[r[i] if i < len(r) else None for r in references] for i in range(most)]


def corpus_bleu(pairs):
    return BLEU().corpus_score([p for p, _ in pairs], transposed([r for _, r in pairs]))


def bleu_json(pairs):
    score = corpus_bleu(pairs)
    return {
        "score": score.score,
        "precisions": score.precisions,
        "brevity_penalty": score.bp,
        "counts": [score.sys_len, score.ref_len, score.counts, score.totals],
    }


def label_case(references, predictions, labels=None):
    averages = {
        name: list(
            sk.precision_recall_fscore_support(
                references, predictions, labels=labels, average=name, zero_division=0
            )[:3]
        )
        for name in ("macro", "micro", "weighted")
    }
    names = sorted(set(references) | set(predictions))
    scores = sk.precision_recall_fscore_support(references, predictions, labels=names, zero_division=0)
    case = {
        "references": references,
        "predictions": predictions,
        "accuracy": sk.accuracy_score(references, predictions),
        "averages": averages,
        "names": names,
        "confusion": sk.confusion_matrix(references, predictions, labels=names).tolist(),
        "classes": np.transpose(scores[:3]).tolist(),
    }
    if labels:
        case["labels"] = labels
    return case


def label_cases(rng):
    few = ["negative", "positive", "neutral"]
    odd = ["b", "B", "\u00e9", "10", "9", "", "a b", "\u4f60", "\U0001f600", "z"]
    cases = []
    for names, count in ((few, 90), (odd, 300), (few[:2], 1), (odd, 25)):
        references = [rng.choice(names) for _ in range(count)]
        predictions = [r if rng.random() < 0.6 else rng.choice(names + ["unseen"]) for r in references]
        cases.append(label_case(references, predictions))
        if count > 1:
            cases.append(label_case(references, predictions, labels=names[:2]))
    cases.append(label_case(["a", "a", "b"], ["c", "c", "d"]))
    return cases


def stems(rng):
    begins = "rel oper hope sens trad nation form electr anal gen y sy toy fil hopp fall fizz troubl plast dig " \
             "conf sky di tr geo archaeo control roll ab eas univers activ x1 hapy gyr agr pl s".split()
    ends = "ational tional enci anci izer bli abli alli entli eli ousli ization ation ator alism iveness fulness " \
           "ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence er ic able ible " \
           "ant ement ment ent sion tion ion ou ism ate iti ous ive ize e ed ing eed ied ies sses ss s y ly ll ying " \
           "yed ating bling izing lled llying ied ally ically".split()
    words = {b + e for b in begins for e in ends}
    words |= {b + e + f for b in begins[:12] for e in ends[:60:3] for f in ("s", "ed", "ing", "ly")}
    words |= {"sky", "skies", "dying", "lying", "tying", "news", "innings", "inning", "outings", "outing", "cannings",
              "canning", "howe", "proceed", "exceed", "succeed", "dies", "died", "spied", "enjoy", "happy", "spy",
              "feed", "agreed", "y", "yy", "yyy", "ion", "ll", "2nd", "1980s"}
    stemmer = porter.PorterStemmer()
    chosen = rng.sample(sorted(words), 1400)
    return " ".join(f"{w}:{stemmer.stem(w)}" for w in sorted(chosen))


def philox(counter, key):
    c, k, mask = list(counter), list(key), 0xFFFFFFFF
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & mask, (a >> 32) ^ c[3] ^ k[1], a & mask]
        k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
    return c


def drawn_rows(seed, resample, count):
    key = philox([resample, 0, 0, 0], [seed & 0xFFFFFFFF, seed >> 32])[:2]
    for i in range(count):
        block = philox([i, 0, 0, 1], key)
        yield int(((block[0] << 32 | block[1]) >> 11) * 2.0**-53 * count)


def all_estimates(squad, scorer, pairs, labels, names):
    """Of every metric, in the order of the test; `names` are the labels that F1 is averaged over."""
    references, predictions = [r for r, _ in labels], [p for _, p in labels]
    values = [sk.accuracy_score(references, predictions)]
    for average in ("macro", "micro", "weighted"):
        values.append(sk.f1_score(references, predictions, labels=names, average=average, zero_division=0))
    exact = [squad_scores(squad, p, r) for p, r in pairs]
    values += [np.mean([e for e, _ in exact]), np.mean([f for _, f in exact])]
    rouge = np.array([rouge_scores(scorer, p, r) for p, r in pairs]).mean(axis=0)
    for precision, recall, fmeasure in rouge:
        values += [fmeasure, precision, recall]
    return [float(v) for v in values] + [corpus_bleu(pairs).score]


def bootstrap(rng, squad, scorer, count=40, resamples=60):
    pairs = [make_pair(rng) for _ in range(count)]
    labels = [(r, r if rng.random() < 0.7 else rng.choice("abcdefgh")) for r in (rng.choice("abc") for _ in range(count))]
    names, cases = sorted({label for pair in labels for label in pair}), []
    for seed, confidence in ((0, 0.95), (2**40 + 7, 0.8)):
        samples = []
        for b in range(resamples):
            rows = list(drawn_rows(seed, b, count))
            drawn = [pairs[i] for i in rows], [labels[i] for i in rows]
            samples.append(all_estimates(squad, scorer, *drawn, names))
        outside = (1 - confidence) / 2
        low, high = np.percentile(samples, [100 * outside, 100 * (1 - outside)], axis=0)
        cases.append({"seed": seed, "confidence": confidence, "low": low.tolist(), "high": high.tolist()})
    return {
        "pairs": pairs,
        "labels": labels,
        "resamples": resamples,
        "values": all_estimates(squad, scorer, pairs, labels, names),
        "cases": cases,
    }


def main():
    site = sys.argv[1] if len(sys.argv) > 1 else next(p for p in sys.path if p.endswith("site-packages"))
    squad = load_squad(site)
    rng = random.Random(11)
    plain, stemming = rouge_scorer.RougeScorer(ROUGE), rouge_scorer.RougeScorer(ROUGE, use_stemmer=True)
    pairs = [make_pair(rng) for _ in range(330)]
    rows = []
    for prediction, references in pairs:
        tokens = BLEU()._preprocess_segment(prediction).split()
        row = {
            "prediction": prediction,
            "references": references,
            "normalized": squad.normalize_answer(prediction),
            "squad": squad_scores(squad, prediction, references),
            "rouge": rouge_scores(plain, prediction, references),
            "words": tokens,
        }
        stemmed = rouge_scores(stemming, prediction, references)
        if stemmed != row["rouge"]:
            row["stemmed"] = stemmed
        rows.append(row)
    data = {
        "rows": rows,
        "bleu": [{"first": a, "end": b, **bleu_json(pairs[a:b])} for a, b in ((0, 330), (0, 1), (3, 4), (5, 7), (8, 20))]
        + [{"first": i, "end": i + 1, **bleu_json(pairs[i : i + 1])} for i in range(20, 50)],
        "labels": label_cases(rng),
        "stems": stems(rng),
        "bootstrap": bootstrap(rng, squad, plain),
    }
    OUT.write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    print(OUT, OUT.stat().st_size)


if __name__ == "__main__":
    main()
