#!/usr/bin/env python3
"""Measures llm-bench and other engines on the same work, in turns, and prints the ratios as a table.

tools/compare_peers.py PEERS [--scripts DIR] [--work DIR] [--bench build/llm-bench] [--rounds 3]
                       [--only smollm,tinyllama,start,bert,t5-small,flan-t5-base,zero-shot]

PEERS    bin/llama-bench, bin/llama-quantize, models/*.gguf, venv/bin/python (ctranslate2, torch, onnxruntime, gguf)
--scripts  a folder with bench_bert.py, bench_t5.py, bench_zero_shot.py: each measures Python engines on a
           folder that it writes, which llm-bench then measures too
--work     where models are written once (needs about 10 GB for everything)

The machine's speed changes from minute to minute: figures of one round stand side by side, and a ratio is the
median over the rounds. What is missing is named and left out. Only the standard library is needed here.
"""
import argparse, json, os, re, subprocess, sys, time
from collections import defaultdict
from pathlib import Path
from statistics import median

WRITE_GGUF = """
import sys, json, numpy as np, torch, gguf
from safetensors import safe_open
folder, out = sys.argv[1], sys.argv[2]
c = json.load(open(folder + "/config.json"))
w = gguf.GGUFWriter(out, "llama")
w.add_context_length(c["max_position_embeddings"]); w.add_embedding_length(c["hidden_size"])
w.add_block_count(c["num_hidden_layers"]); w.add_feed_forward_length(c["intermediate_size"])
w.add_head_count(c["num_attention_heads"]); w.add_head_count_kv(c["num_key_value_heads"])
w.add_layer_norm_rms_eps(c["rms_norm_eps"]); w.add_rope_freq_base(c["rope_theta"])
w.add_rope_dimension_count(c["hidden_size"] // c["num_attention_heads"])
w.add_vocab_size(c["vocab_size"]); w.add_tokenizer_model("none"); w.add_file_type(1)
names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, c["num_hidden_layers"])
with safe_open(folder + "/model.safetensors", "pt") as f:
    for name in f.keys():
        t = f.get_tensor(name)
        w.add_tensor(names.get_name(name, (".weight", ".bias")), t.to(torch.float32 if t.ndim == 1 else torch.float16).numpy())
w.write_header_to_file(); w.write_kv_data_to_file(); w.write_tensors_to_file(); w.close()
"""


# How llm-bench keeps the weights of a comparison.
MODES = {"auto": ["--dtype", "auto"], "auto --fast": ["--dtype", "auto", "--fast"], "f32": ["--dtype", "f32"],
         "bf16": ["--dtype", "bf16"],
         "bf16 --fast": ["--dtype", "bf16", "--fast"],
         "int8": ["--dtype", "int8"], "int8 --fast": ["--dtype", "int8", "--fast"],
         "int8-channel --fast": ["--dtype", "int8-channel", "--fast"],
         "int4": ["--dtype", "int4"], "int4 --fast": ["--dtype", "int4", "--fast"]}
INT8_TOO = ("f32", "int8", "int8 --fast", "int8-channel --fast")


class Missing(Exception):
    """Something a group of comparisons needs is not there."""


def need(path, what):
    if not Path(path).exists():
        raise Missing(f"{what} ({path}) is missing")
    return Path(path)


def output(command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        if done.returncode < 0:
            lines.append(f"ended by signal {-done.returncode}")
        raise Missing(f"{Path(command[0]).name} failed: {lines[-1]}")
    return done.stdout


class Peers:
    """The engines, the models they need, and llm-bench. Figures are {work: {threads: value}}."""

    def __init__(self, a):
        self.root, self.work, self.bench, self.scripts = a.peers, a.work, a.bench, a.scripts
        self.repeat = str(a.repeat)
        self.work.mkdir(parents=True, exist_ok=True)
        need(self.bench, "llm-bench")

    def ours(self, *arguments):
        """Lines of llm-bench."""
        command = [self.bench, *arguments, "-t", "1,2", "--repeat", self.repeat, "--shape-dir", self.work]
        return [json.loads(line) for line in output(command).splitlines()]

    def python(self, *arguments):
        return output([need(self.root / "venv/bin/python", "Python with the peers"), *arguments])

    def script(self, name, *arguments):
        if not self.scripts:
            raise Missing(f"--scripts is not given: no {name}")
        return self.python(need(self.scripts / name, "a script"), self.work, *arguments)

    def llama(self, tool, *arguments):
        path = need(self.root / "bin" / tool, tool)
        environment = dict(os.environ, LD_LIBRARY_PATH=str(path.parent))
        return output([path, *arguments], env=environment)

    def llama_bench(self, model, prompt, new):
        """{"prefill": {threads: tokens/s}, "decode": ...}"""
        text = self.llama("llama-bench", "-m", model, "-p", prompt, "-n", new, "-t", "1,2", "-r", self.repeat, "-o", "jsonl")
        found = defaultdict(dict)
        for line in map(json.loads, text.splitlines()):
            found["prefill" if line["n_prompt"] else "decode"][line["n_threads"]] = median(line["samples_ts"])
        return found

    def quantized(self, source, kind):
        target = self.work / f"{Path(source).stem}-{kind}.gguf"
        if not target.exists():
            partial = target.with_suffix(".partial")
            self.llama("llama-quantize", "--allow-requantize", source, partial, kind)
            partial.rename(target)
        return target

    def smollm(self):
        return need(self.root / "models/SmolLM2-135M-Instruct.Q4_1.gguf", "the SmolLM2 model")

    def tinyllama(self):
        """A GGUF file of the shape."""
        need(self.root / "bin/llama-quantize", "llama-quantize")  # before gigabytes are written
        target = self.work / "tinyllama-F16.gguf"
        if not target.exists():
            self.ours("load", "--shape", "tinyllama-1.1b")
            self.python("-c", WRITE_GGUF, self.work / "tinyllama-1.1b-bf16", target.with_suffix(".partial"))
            target.with_suffix(".partial").rename(target)
        return target


def by_threads(lines, bench, unit=None, beams=None):
    return {x["threads"]: x["value"] for x in lines
            if x["bench"] == bench and unit in (None, x["unit"]) and beams in (None, x.get("beams"))}


def scripted(text, pattern):
    """{engine: {threads: value}} from the printed lines of a script; the pattern names what it finds."""
    found = defaultdict(dict)
    for m in re.finditer(pattern, text):
        found[m["engine"].strip()][int(m["threads"])] = float(m["value"])
    return found


# Each group: ours(peers) -> {work: {threads: value}}, theirs(peers) -> {(work, engine): {threads: value}}.

def decoder_group(files):
    """`files(peers)`: (name, our file, our mode, their file) of each comparison."""
    def ours(p):
        result = {}
        for name, file, mode, _ in files(p):
            prefill = p.ours("prefill", "-m", file, *MODES[mode], "--prompt-tokens", "512")
            decode = p.ours("decode", "-m", file, *MODES[mode], "--prompt-tokens", "1", "--new-tokens", "64")
            result[f"{name} {mode}, prefill 512, tok/s"] = by_threads(prefill, "prefill")
            result[f"{name} {mode}, decode 64, tok/s"] = by_threads(decode, "decode")
        return result

    def theirs(p):
        result = {}
        measured = {}
        for name, _, mode, file in files(p):
            if file not in measured:
                measured[file] = p.llama_bench(file, "512", "64")
            engine = "llama.cpp " + Path(file).stem.split("-")[-1].split(".")[-1]
            result[f"{name} {mode}, prefill 512, tok/s", engine] = measured[file]["prefill"]
            result[f"{name} {mode}, decode 64, tok/s", engine] = measured[file]["decode"]
        return result
    return ours, theirs


def smollm_files(p):
    real = p.smollm()
    f32 = p.quantized(real, "F32")
    bf16 = p.quantized(f32, "BF16")
    made = [("f32", f32), ("bf16", bf16), ("bf16 --fast", bf16)]
    for mode, kind in (("int8", "Q8_0"), ("int4", "Q4_0")):
        made += [(mode, p.quantized(f32, kind)), (mode + " --fast", p.quantized(f32, kind))]
    return ([("SmolLM2 Q4_1 file", real, mode, real) for mode in ("auto", "auto --fast")] +
            [("SmolLM2", f32, mode, file) for mode, file in made])


def tinyllama_files(p):
    q4_0 = p.quantized(p.tinyllama(), "Q4_0")
    return [("TinyLlama-1.1B shape", p.work / "tinyllama-1.1b-bf16", mode, q4_0) for mode in ("int4", "int4 --fast")]


def process(command):
    """Seconds and megabytes of a process."""
    started = time.perf_counter()
    child = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             env=dict(os.environ, LD_LIBRARY_PATH=str(Path(command[0]).parent)))
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    if status != 0:
        raise Missing(f"{Path(command[0]).name} failed")
    return time.perf_counter() - started, usage.ru_maxrss * 1024 / 1e6


def start_files(p):
    return [("SmolLM2 Q4_1 file", p.smollm(), "auto", p.smollm()), tinyllama_files(p)[0]]


def start_group():
    """From the start of a process to one token, warm file; and the most memory it ever had."""
    def measure(files, command):
        result = {}
        for name, ours, mode, theirs in files:
            for threads in (1, 2):
                seconds, megabytes = process(command(ours, MODES[mode], theirs, str(threads)))
                result.setdefault(f"{name} {mode}, start to token, s", {})[threads] = seconds
                result.setdefault(f"{name} {mode}, peak memory, MB", {})[threads] = megabytes
        return result

    def ours(p):
        return measure(start_files(p), lambda file, mode, _, threads: [
            p.bench, "decode", "-m", file, *mode, "-t", threads, "--prompt-tokens", "1", "--new-tokens", "1", "--repeat", "1"])

    def theirs(p):
        tool = need(p.root / "bin/llama-bench", "llama-bench")
        found = measure(start_files(p), lambda _, mode, file, threads: [
            tool, "-m", file, "-t", threads, "-p", "0", "-n", "1", "-r", "1"])
        return {(name, "llama.cpp"): values for name, values in found.items()}
    return ours, theirs


def fitting(engine):
    """Our modes that an engine's figures stand beside."""
    return INT8_TOO[1:] if "int8" in engine else INT8_TOO[:1]


def bert_group():
    def ours(p):
        folder = need(p.work / "bert-base", "the folder that bench_bert.py writes")
        result = {}
        for mode in INT8_TOO:
            lines = p.ours("encode", "-m", folder, "--lengths", folder / "lengths.json", *MODES[mode], "--batch", "16")
            result[f"BERT-base {mode}, 64 texts, texts/s"] = by_threads(lines, "encode", "texts/s")
        return result

    def theirs(p):
        found = scripted(p.script("bench_bert.py", "1"), r"(?m)^(?P<engine>.*?)(?P<threads>\d) thr\s+texts/s\s+median\s+(?P<value>[\d.]+)")
        return {(f"BERT-base {mode}, 64 texts, texts/s", e): v for e, v in found.items() for mode in fitting(e)}
    return ours, theirs


def t5_group(shape, source, new):
    def ours(p):
        folder = need(p.work / shape, "the folder that bench_t5.py writes")
        result = {}
        for mode in INT8_TOO:
            lines = p.ours("seq2seq", "-m", folder, *MODES[mode], "--beams", "1,4", "--prompt-tokens", source, "--new-tokens", new)
            for beams in (1, 4):
                result[f"{shape} {mode}, {source} to {new}, beams {beams}, tok/s"] = by_threads(lines, "seq2seq", beams=beams)
            result[f"{shape} {mode}, encode {source} + 1 step, ms"] = by_threads(lines, "seq2seq-first", beams=1)
        return result

    def theirs(p):
        text = p.script("bench_t5.py", "1", shape)
        result = defaultdict(dict)
        for m in re.finditer(r"ctranslate2 (\w+)\s+(\d) thr beam (\d): decode\s+([\d.]+) tok/s, encode \d+ \+ 1 step\s+([\d.]+) ms", text):
            for mode in fitting(m[1]):
                result[f"{shape} {mode}, {source} to {new}, beams {m[3]}, tok/s", "CTranslate2"][int(m[2])] = float(m[4])
                if m[3] == "1":
                    result[f"{shape} {mode}, encode {source} + 1 step, ms", "CTranslate2"][int(m[2])] = float(m[5])
        return result
    return ours, theirs


def zero_shot_group():
    def ours(p):
        folder = need(p.work / "bart-large-mnli", "the folder that bench_zero_shot.py writes")
        result = {}
        for mode in INT8_TOO:
            lines = p.ours("encode", "-m", folder, "--lengths", folder / "pairs.json", *MODES[mode], "--batch", "12")
            texts = {t: v / 3 for t, v in by_threads(lines, "encode", "texts/s").items()}
            result[f"bart-large-mnli {mode}, 32 texts x 3 labels, texts/s"] = texts
        return result

    def theirs(p):
        found = scripted(p.script("bench_zero_shot.py", "1"), r"(?m)^(?P<engine>torch float32)\s+(?P<threads>\d) thr:\s+(?P<value>[\d.]+)")
        return {(f"bart-large-mnli {mode}, 32 texts x 3 labels, texts/s", e): v for e, v in found.items() for mode in INT8_TOO}
    return ours, theirs


GROUPS = {"smollm": decoder_group(smollm_files), "tinyllama": decoder_group(tinyllama_files), "start": start_group(),
          "bert": bert_group(), "t5-small": t5_group("t5-small", "512", "64"),
          "flan-t5-base": t5_group("flan-t5-base", "220", "50"), "zero-shot": zero_shot_group()}


def compare(peers, name, rounds):
    """{(work, engine): [(ours, theirs) of each round]}. The first run of the peer writes what both need."""
    ours, theirs = GROUPS[name]
    found = defaultdict(list)
    for number in range(rounds):
        print(f"{name}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        other = theirs(peers)
        mine = ours(peers)
        for (work, engine), values in other.items():
            if values and mine.get(work):
                found[work, engine].append((mine[work], values))
    return found


def best(work, values):
    """Of 1 and 2 threads; for seconds and megabytes less is better."""
    return min(values.values()) if less_is_better(work) else max(values.values())


def less_is_better(work):
    return work.rsplit(", ", 1)[-1] in ("s", "ms", "MB")


def row(work, engine, rounds):
    """Ratios are in our favour when above 1."""
    def ratios(pick):
        both = [(pick(mine), pick(theirs)) for mine, theirs in rounds]
        return [b / a if less_is_better(work) else a / b for a, b in both]

    def values(side):
        return " / ".join(number(median(r[side][t] for r in rounds)) for t in sorted(rounds[0][side]))
    at = [f"{median(ratios(lambda v, t=t: v[t])):.2f}" for t in sorted(rounds[0][1])]
    top = ratios(lambda v: best(work, v))
    return f"| {work} | {engine} | {values(0)} | {values(1)} | {' / '.join(at)} | **{median(top):.2f}** ({min(top):.2f}-{max(top):.2f}) |"


def number(x):
    return f"{x:.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", type=Path)
    parser.add_argument("--scripts", type=Path)
    parser.add_argument("--work", type=Path, default=Path("/tmp/llm-compare"))
    parser.add_argument("--bench", type=Path, default=Path(__file__).resolve().parent.parent / "build/llm-bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each figure in a round")
    parser.add_argument("--only", default=",".join(GROUPS), help="some of: " + ", ".join(GROUPS))
    arguments = parser.parse_args()
    unknown = set(arguments.only.split(",")) - set(GROUPS)
    if unknown:
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}; expected some of {', '.join(GROUPS)}")
    try:
        need(arguments.peers, "the folder of peers")
        peers = Peers(arguments)
    except Missing as what:
        sys.exit(f"compare_peers.py: error: {what}")
    print("| work | peer | llm-bench, 1 / 2 threads | peer, 1 / 2 threads | ratio at 1 / 2 threads | ratio, each at its best (rounds) |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in arguments.only.split(","):
        try:
            for (work, engine), rounds in sorted(compare(peers, name, arguments.rounds).items()):
                print(row(work, engine, rounds), flush=True)
        except Missing as what:
            print(f"{name}: left out: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
