#!/usr/bin/env python3
"""Breaks lines of the library at random and tells which breaks the tests notice.

    mutate_sources.py SCRATCH [--seed 1] [--count 100] [--only src/generation include/llm/nn]
        [--build COMMAND] [--build-dir build] [--timeout 300] [--report FILE]
    mutate_sources.py SCRATCH ... --retry FILE      the survivors of a report again, with new tests

Copies the tree into the folder SCRATCH and puts COUNT mutants (another sign, off by one, a term or
a statement less, another comparison, another constant) into its include/llm and src, all in one
build: the environment variable LLM_MUTANT chooses the one that is alive. Mutants that do not
compile are taken out again. Then every test executable runs, which must succeed without a mutant,
and with each mutant until one fails; the survivors are for whoever writes the missing tests. COMMAND is run in SCRATCH and builds all tests
into the folder BUILD_DIR there; an empty one: they are built already. The same seed and sources give
the same mutants.
"""

import argparse
import json
import os
import pathlib
import random
import re
import resource
import shutil
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = "cmake -S . -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build -- -k 0"

# Not code that decides a result: refusals and their words, declarations.
SKIPPED = re.compile(
    r"Error|throw |reject|refuse|unsupported\(|fail\(|assert|constexpr|operator|requires|reserve\(|"
    r"lock|_mutex|message|^\s*(#|//|case |using |template|typedef|struct |class |enum |namespace |"
    r"public|private|friend |default:)"
)
# Statements that can be broken and what they become: their parts, and {id}, the mutant's number.
CHOICE = "{before}(llm::mutant == {id} ? ({broken}) : ({value})){after}"
FORMS = [
    (r"(?P<before>\s*(?:\} else )?(?:if|while) \()(?P<value>[^;]+)(?P<after>\)(?: \{|))", CHOICE),
    (
        r"(?P<before>\s*if \()(?P<value>[^;]+?)"
        r"(?P<after>\) (?:return|continue|break|[\w.]+ =|\+\+)[^;]*;)",
        CHOICE,
    ),
    (r"(?P<before>\s*for \([^;]+; )(?P<value>[^;]+)(?P<after>;[^;]*\)(?: \{|.*;|))", CHOICE),
    (
        r"(?P<before>\s*)return (?P<value>.+);",
        "{before}{{ if (llm::mutant == {id}) return {broken}; return {value}; }}",
    ),
    (
        r"(?P<before>\s*(?:const )?[A-Za-z_][\w:<>, ]*[&*]? (?:const )?\w+ = )(?P<value>.+);",
        "{before}llm::mutant == {id} ? ({broken}) : ({value});",
    ),
    (
        r"(?P<before>\s*)(?P<target>[\w.\->\[\]()*:]+ [-+*/]?= )(?P<value>.+);",
        "{before}{{ if (llm::mutant == {id}) {{ {target}{broken}; }} else {{ {target}{value}; }} }}",
    ),
]
DROPPABLE = re.compile(r"(\s*)([\w.\->]+\(.*\);|\+\+[\w.\->]+;|[\w.\->\[\]]+ [-+*/]?= .+;)", re.S)
SWAPS = {
    " + ": " - ",
    " - ": " + ",
    " * ": " / ",
    " / ": " * ",
    " % ": " / ",
    " < ": " <= ",
    " <= ": " < ",
    " > ": " >= ",
    " >= ": " > ",
    " == ": " != ",
    " != ": " == ",
    " && ": " || ",
    " || ": " && ",
    "std::min": "std::max",
    "std::max": "std::min",
    "true": "false",
    "false": "true",
}
ARITHMETIC = {" + ", " - ", " * ", " / ", " % "}
# The tests that look at a folder first, by the beginnings of their names; the others follow.
NEAREST = {
    "kernels": ["unit_kernels", "parity"],
    "tensor": ["unit_kernels", "unit_model", "parity"],
    "nn": ["unit_model", "parity"],
    "model": ["unit_model", "parity"],
    "families": ["parity"],
    "weights": ["unit_files", "unit_kernels", "unit_model"],
    "core": ["unit_core", "unit_files"],
    "tokenizer": ["unit_tokenizer", "parity_tokenizer"],
    "chat": ["unit_chat"],
    "prompt": ["unit_prompt"],
    "chain": ["tasks", "cli"],
}


def masked(code):
    """The code with its literals blanked out, at the same length."""
    return re.sub(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)+\'', lambda m: "_" * len(m.group()), code)


def changes(expression):
    """All (start, end, replacement) that break an expression."""
    text = masked(expression)
    arithmetic = not re.search(r'"|string|text|path', expression)
    for old, new in SWAPS.items():
        if old in ARITHMETIC and not arithmetic:
            continue
        for found in re.finditer(re.escape(old) if " " in old else rf"\b{old}\b", text):
            yield found.start(), found.end(), new
    for found in re.finditer(r"(?<![\w.<])(\d+)((?:\.\d+)?[fu]?)(?![\w.>])", text):
        for value in {int(found[1]) + 1, max(int(found[1]) - 1, 0)} - {int(found[1])}:
            yield found.start(), found.end(), f"{value}{found[2]}"
    term = r" [-+*] (?:[\w.\->]+(?:\[[\w.]+\])?)(?=[;)]|$| [-+<>=&|])"
    for found in re.finditer(term, text) if arithmetic else ():
        yield found.start(), found.end(), ""
    for found in re.finditer(r"(?<![\w!)])!(?=[\w(])|(?<=[(, ?:])-(?=[a-z(])", text):
        yield found.start(), found.end(), ""


def statements(lines):
    """(first line, number of lines, text) of what stands complete on up to four lines."""
    for first in range(len(lines)):
        previous = lines[first - 1].rstrip() if first else ";"
        if not re.search(r"(^|[;{}:)]|//.*)$", previous):
            continue
        text = ""
        for count in range(1, min(4, len(lines) - first) + 1):
            line = re.sub(r"\s+//.*$", "", lines[first + count - 1])
            text += ("\n" if text else "") + line
            if not text.strip() or text.strip().startswith("//"):
                break
            code = masked(text)
            if code.count("(") == code.count(")") and re.search(r"[;{)]$", code.rstrip()):
                yield first, count, text
                break


def breaks(text):
    """All (broken part, template of the new statement) for one statement."""
    if SKIPPED.search(text) or "{" in text.rstrip("{ ") or "](" in masked(text):
        return
    for pattern, template in FORMS:
        found = re.fullmatch(pattern, text, re.S)
        if not found:
            continue
        parts = {"target": "", "after": "", **found.groupdict()}
        declares = re.match(r"(const|auto) ", parts["value"]) or re.search(r", \w+ = ", text)
        for start, end, new in changes(parts["value"]) if not declares else ():
            broken = parts["value"][:start] + new + parts["value"][end:]
            yield broken, lambda k, b=broken: template.format(id=k, broken=b, **parts)
        break
    found = DROPPABLE.fullmatch(text)
    if found and "const " not in text:  # else a declaration
        yield "(dropped)", lambda k: f"{found[1]}{{ if (llm::mutant != {k}) {found[2]} }}"


def choose(only, seed, count):
    """`count` mutants, no two of them on one line."""
    rng = random.Random(seed)
    places = []
    for folder in only:
        path = ROOT / folder
        files = [path] if path.is_file() else sorted(path.rglob("*.[hc]pp"))
        for file in files:
            if file.name != "error.cpp":  # it holds the number of the mutant that is alive
                places += [(file, *s) for s in statements(file.read_text().split("\n"))]
    mutants, taken = [], set()
    for file, first, lines, text in rng.sample(places, len(places)):
        own = {(file, line) for line in range(first, first + lines)}
        options = list(breaks(text))
        if not options or own & taken:
            continue
        taken |= own
        broken, make = rng.choice(options)
        mutants.append(
            {
                "id": len(mutants) + 1,
                "file": str(file.relative_to(ROOT)),
                "line": first + 1,
                "lines": lines,
                "text": text,
                "broken": broken,
                "make": make,
                "result": "",
            }
        )
        if len(mutants) == count:
            break
    return mutants


def prepare(scratch):
    """The tree as git knows it, and the number of the mutant that is alive."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    for name in listed.stdout.split("\n"):
        source, target = ROOT / name, scratch / name
        if not name or not source.is_file():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != source.read_bytes():
            shutil.copy(source, target)
    declared = "namespace llm {\nextern const int mutant;\n}\n"
    (scratch / "include/llm/core/mutant.hpp").write_text("#pragma once\n" + declared)
    number = 'std::getenv("LLM_MUTANT") ? std::atoi(std::getenv("LLM_MUTANT")) : 0'
    with open(scratch / "src/core/error.cpp", "a", encoding="utf-8") as error:
        error.write(f"\n#include <cstdlib>\n{declared}const int llm::mutant = {number};\n")


def put_in(scratch, mutants):
    """Writes the sources with all mutants that have no result yet; their lines keep their numbers."""
    for name in sorted({m["file"] for m in mutants}):
        lines = (ROOT / name).read_text().split("\n")
        for mutant in mutants:
            if mutant["file"] == name and mutant["result"] != "not compiled":
                first, count = mutant["line"] - 1, mutant["lines"]
                fresh = " ".join(mutant["make"](mutant["id"]).split("\n"))
                lines[first : first + count] = [fresh] + [""] * (count - 1)
        once = lines.index("#pragma once") + 1 if "#pragma once" in lines else 0
        lines[once:once] = ['#include "llm/core/mutant.hpp"', f"#line {once + 1}"]
        text = "\n".join(lines)
        if (scratch / name).read_text() != text:
            (scratch / name).write_text(text)


def take_out(mutants, output):
    """Takes out what a compiler complains of, in its errors or else in its notes; how many."""
    for kind in ("error", "(?:note|required|in )"):
        places = re.findall(rf"((?:include|src)/[\w/.]+):(\d+):\d+: +{kind}", output)
        wrong = [
            m
            for m in mutants
            if not m["result"]
            and any(
                name == m["file"] and m["line"] <= int(line) < m["line"] + m["lines"]
                for name, line in places
            )
        ]
        for mutant in wrong:
            mutant["result"] = "not compiled"
        if wrong:
            return len(wrong)
    return 0


def build(scratch, command, mutants):
    for _ in range(12):
        put_in(scratch, mutants)
        run = subprocess.run(command, shell=True, cwd=scratch, capture_output=True, text=True)
        output = run.stdout + run.stderr
        if run.returncode == 0 and "FAILED" not in output:
            return
        out = take_out(mutants, output)
        print(f"{out} mutants do not compile", flush=True)
        if not out:
            break
    raise SystemExit(output[-6000:])


def executables(build_dir, first):
    """The tests, those whose names begin with one of the words `first` in front."""
    found = [
        path
        for path in build_dir.iterdir()
        if path.is_file()
        and os.access(path, os.X_OK)
        and re.match(r"unit|parity|generation|tasks|fuzz|cli", path.name)
    ]

    def rank(path):
        near = [i for i, word in enumerate(first) if path.name.startswith(word)]
        return near[0] if near else len(first), path.name.startswith(("cli", "fuzz")), path.name

    return sorted(found, key=rank)


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))


def try_tests(mutant, build_dir, seconds):
    """Which test notices the mutant first."""
    folder = mutant["file"].replace("include/llm", "src").split("/")[1]
    environment = dict(os.environ, LLM_MUTANT=str(mutant["id"]))
    for test in executables(build_dir, NEAREST.get(folder, [folder])):
        try:
            run = subprocess.run(
                [str(test), "--gtest_fail_fast", "--gtest_brief=1"],
                env=environment,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                preexec_fn=limit_memory,
            )
        except subprocess.TimeoutExpired:
            return f"caught by {test.name} (too slow)"
        if run.returncode != 0:
            name = re.search(r"\[  FAILED  \] ([\w./]+)", run.stdout)
            return f"caught by {test.name} {name[1] if name else run.returncode}"
    return "survived"


def describe(mutant):
    old, new = (" ".join(mutant[key].split()) for key in ("text", "broken"))
    return f"{mutant['id']} {mutant['result']}: {mutant['file']}:{mutant['line']}: {old} -> {new}"


def run_all(mutants, build_dir, seconds, report):
    none = try_tests({"id": 0, "file": "src/core/"}, build_dir, seconds)
    if none != "survived":
        raise SystemExit(f"without any mutant: {none}")
    for mutant in mutants:
        if not mutant["result"]:
            start = time.time()
            mutant["result"] = try_tests(mutant, build_dir, seconds)
            print(f"{describe(mutant)} [{time.time() - start:.0f} s]", flush=True)
        if report:
            rows = [{k: v for k, v in m.items() if k != "make"} for m in mutants]
            report.write_text(json.dumps(rows, indent=1))
    results = [m["result"] for m in mutants]
    caught = sum(result.startswith("caught") for result in results)
    survived, absent = results.count("survived"), results.count("not compiled")
    print(f"{caught} caught, {survived} survived, {absent} did not compile")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scratch", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--only", nargs="+", default=["include/llm", "src"])
    parser.add_argument("--build", default=BUILD)
    parser.add_argument("--build-dir", default="build")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one executable")
    parser.add_argument("--retry", type=pathlib.Path)
    parser.add_argument("--report", type=pathlib.Path)
    options = parser.parse_args()
    mutants = choose(options.only, options.seed, options.count)
    if options.retry:
        for mutant, before in zip(mutants, json.loads(options.retry.read_text())):
            mutant["result"] = before["result"].replace("survived", "")
    if options.build:
        prepare(options.scratch)
        build(options.scratch.resolve(), options.build, mutants)
    run_all(mutants, options.scratch / options.build_dir, options.timeout, options.report)


if __name__ == "__main__":
    main()
