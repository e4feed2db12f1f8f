#!/usr/bin/env python3
"""Breaks lines of the library at random and tells which breaks the tests notice.

    tests/support/mutate_sources.py /tmp/mutants --report /tmp/mutants.jsonl

Copies the tree into the folder SCRATCH and puts COUNT mutants (another sign, off by one, a term or
a statement less, another comparison, another constant) into its include/llm and src, all in one
build: the environment variable LLM_MUTANT chooses the one that is alive. Mutants that do not
compile are taken out again. Then every test runs without a mutant: it must pass, and shows which
mutants it comes across. At last each mutant runs against the tests that come across it, until one
fails twice. The same seed and sources give the same mutants.

A survivor is either equivalent (no input can tell) or a hole: write the test that is missing and
run the same command again. A report that exists is gone on with: what it calls caught stays so,
survivors are tried again.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = "cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release && cmake --build build -- -k 0"

# What other processors compute, which tools/test_cpus tests.
OTHER_PROCESSORS = re.compile("neon|avx512|bf16")
# Not code that decides a result: messages, declarations, what is computed by the compiler.
SKIPPED = re.compile(
    r"static_assert|assert\(|constexpr|constinit|operator|requires|reserve\(|"
    r"\block\(|_lock\b|mutex|"
    r"^\s*(#|//|using |template|typedef|struct |class |enum |namespace |public|private|friend )"
)
REFUSAL = re.compile(r"Error|throw |reject|refuse|unsupported\(|fail\(|bad_\w+\(|message")
# Statements that can be broken and what they become: their parts, and {id}, the mutant's number.
CHOICE = "{before}(llm::mutated({id}) ? ({broken}) : ({value})){after}"
FORMS = [
    (r"(?P<before>\s*(?:\} else )?(?:if|while) \()(?P<value>[^;]+)(?P<after>\)(?: \{|))", CHOICE),
    (
        r"(?P<before>\s*if \()(?P<value>[^;]+?)"
        r"(?P<after>\) (?:return|continue|break|throw|[\w.:]+\(|[\w.]+ =|\+\+)[^;]*;)",
        CHOICE,
    ),
    (r"(?P<before>\s*for \([^;]+; )(?P<value>[^;]+)(?P<after>;[^;]*\)(?: \{|.*;|))", CHOICE),
    (
        r"(?P<before>\s*(?:case [\w:.']+:\s*)*)return (?P<value>.+);",
        "{before}{{ if (llm::mutated({id})) return {broken}; return {value}; }}",
    ),
    (
        r"(?P<before>\s*(?:const )?[A-Za-z_][\w:<>, ]*[&*]? (?:const )?\w+ = )(?P<value>.+);",
        "{before}llm::mutated({id}) ? ({broken}) : ({value});",
    ),
    (
        r"(?P<before>\s*)(?P<target>[\w.\->\[\]()*:]+ [-+*/]?= )(?P<value>.+);",
        "{before}{{ if (llm::mutated({id})) {{ {target}{broken}; }} else {{ {target}{value}; }} }}",
    ),
]
DROPPABLE = re.compile(
    r"(\s*(?:for \([^;]*\)\s)?\s*)"
    r"([\w.:\->]+\(.*\);|\+\+[\w.\->]+;|[\w.\->\[\]]+ [-+*/]?= .+;)",
    re.S,
)
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

MUTATED_HPP = """#pragma once
namespace llm {
bool mutated(int mutant);  // whether it is the one that is alive
}
"""
# Appended to a source. LLM_MUTANTS_MET: a file in which the byte of each mutant met becomes 1.
MUTATED_CPP = """
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "llm/core/mutated.hpp"

bool llm::mutated(int mutant) {
  static const int alive = std::getenv("LLM_MUTANT") ? std::atoi(std::getenv("LLM_MUTANT")) : 0;
  static char* const met = [] {
    const char* const name = std::getenv("LLM_MUTANTS_MET");
    const int file = name ? ::open(name, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return static_cast<char*>(nullptr);
    void* const bytes = ::mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    return bytes == MAP_FAILED ? nullptr : static_cast<char*>(bytes);
  }();
  if (met) met[mutant] = 1;
  return mutant == alive;
}
"""
MET_BYTES = 65536
MEMORY = 6 << 30  # a mutant may ask for more than there is


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
    if SKIPPED.search(masked(text)) or "{" in text.rstrip("{ ") or "](" in masked(text):
        return
    for pattern, template in FORMS:
        found = re.fullmatch(pattern, text, re.S)
        if not found:
            continue
        parts = {"target": "", "after": "", **found.groupdict()}
        declares = re.match(r"(const|auto) ", parts["value"]) or re.search(r", \w+ = ", text)
        words = REFUSAL.search(masked(parts["value"]))
        for start, end, new in changes(parts["value"]) if not declares and not words else ():
            broken = parts["value"][:start] + new + parts["value"][end:]
            yield broken, lambda k, b=broken: template.format(id=k, broken=b, **parts)
        break
    found = DROPPABLE.fullmatch(text)
    if found and not re.search(r"\bconst ", found[2]) and not REFUSAL.search(masked(text)):
        yield "(dropped)", lambda k: f"{found[1]}{{ if (!llm::mutated({k})) {found[2]} }}"


def choose(only, seed, count):
    """`count` mutants, no two of them on one line."""
    rng = random.Random(seed)
    places = []
    for folder in only:
        path = ROOT / folder
        for file in [path] if path.is_file() else sorted(path.rglob("*.[hc]pp")):
            # error.cpp holds mutated()
            if file.name != "error.cpp" and not OTHER_PROCESSORS.search(file.name):
                places += [(file, *s) for s in statements(file.read_text().split("\n"))]
    mutants, taken = [], set()
    for file, first, lines, text in rng.sample(places, len(places)):
        own = {(file, line) for line in range(first, first + lines)}
        options = list(breaks(text))
        if not options or own & taken:
            continue
        taken |= own
        broken, make = rng.choice(options)
        what = {"id": len(mutants) + 1, "file": str(file.relative_to(ROOT)), "line": first + 1}
        what |= {"lines": lines, "text": text, "broken": broken, "make": make, "result": ""}
        mutants.append(what)
        if len(mutants) == count:
            break
    return mutants


def read_report(path, mutants):
    """Takes over the results of a report; survivors are left to be tried again."""
    by_id = {m["id"]: m for m in mutants}
    for row in map(json.loads, path.read_text().splitlines()):
        mutant = by_id.get(row["id"])
        if not mutant or any(mutant[key] != row[key] for key in ("file", "text", "broken")):
            raise SystemExit(f"{path} is of other sources or of another seed")
        mutant["result"] = row["result"] if not row["result"].startswith("survived") else ""


def write_row(path, mutant, **more):
    if path:
        with open(path, "a", encoding="utf-8") as report:
            row = {key: value for key, value in mutant.items() if key != "make"}
            report.write(json.dumps(row | more) + "\n")


def with_mutants(name, mutants):
    """A source with its mutants that may compile; the lines keep their numbers."""
    lines = (ROOT / name).read_text().split("\n")
    for mutant in mutants:
        if mutant["file"] == name and mutant["result"] != "not compiled":
            first, count = mutant["line"] - 1, mutant["lines"]
            fresh = " ".join(mutant["make"](mutant["id"]).split("\n"))
            lines[first : first + count] = [fresh] + [""] * (count - 1)
    once = lines.index("#pragma once") + 1 if "#pragma once" in lines else 0
    lines[once:once] = ['#include "llm/core/mutated.hpp"', f"#line {once + 1}"]
    return "\n".join(lines)


def write_tree(scratch, mutants):
    """The tree as git knows it, with the mutants; what stays the same is not touched."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    fresh = {name: with_mutants(name, mutants) for name in {m["file"] for m in mutants}}
    fresh["include/llm/core/mutated.hpp"] = MUTATED_HPP
    fresh["src/core/error.cpp"] = (ROOT / "src/core/error.cpp").read_text() + MUTATED_CPP
    for name in sorted({*listed.stdout.splitlines(), *fresh}):
        source, target = ROOT / name, scratch / name
        if name not in fresh and not source.is_file():
            continue
        content = fresh[name].encode() if name in fresh else source.read_bytes()
        if target.exists() and target.read_bytes() == content:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        if source.exists():
            shutil.copymode(source, target)


def take_out(mutants, output):
    """Takes out what a compiler complains of, in its errors or else in its notes."""
    for kind in ("error", "(?:note|required|in )"):
        places = re.findall(rf"((?:include|src)/[\w/.]+):(\d+):\d+: +{kind}", output)
        wrong = [
            m
            for m in mutants
            if m["result"] != "not compiled"
            and any(
                name == m["file"] and m["line"] <= int(line) < m["line"] + m["lines"]
                for name, line in places
            )
        ]
        for mutant in wrong:
            mutant["result"] = "not compiled"
        if wrong:
            return wrong
    return []


def build(scratch, command, mutants, report):
    for _ in range(12):
        write_tree(scratch, mutants)
        run = subprocess.run(command, shell=True, cwd=scratch, capture_output=True, text=True)
        output = run.stdout + run.stderr
        if run.returncode == 0:
            return
        wrong = take_out(mutants, output)
        print(f"{len(wrong)} mutants do not compile", flush=True)
        for mutant in wrong:
            write_row(report, mutant)
        if not wrong:
            break
    raise SystemExit(output[-6000:])


class Executable:
    """Tests, how long each takes, and which mutants each comes across."""

    def __init__(self, path):
        self.path = path
        self.names = []
        self.seconds, self.met = {}, {}

    def run(self, names, seconds, variables):
        """The test that fails, or how the executable ended, or nothing."""
        limits = [f"--cpu={int(5 * seconds + 20)}:", f"--as={MEMORY}:"]  # soft: tests lift some
        command = [str(self.path), "--gtest_fail_fast", "--gtest_brief=1"]
        process = subprocess.Popen(
            ["prlimit", *limits, *command, "--gtest_filter=" + ":".join(names)],
            cwd=self.path.parent,
            env=dict(os.environ, **variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=10 * seconds + 60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return "(too slow)"
        if process.returncode == 0:
            return ""
        if process.returncode == -signal.SIGXCPU:
            return "(too slow)"
        name = re.search(r"\[  FAILED  \] ([\w./]+)", output)
        return name[1] if name else f"({process.returncode})"

    def run_unbroken(self, name):
        """One test with no mutant alive; it may depend on how busy the machine is."""
        for _ in range(3):
            begin = time.time()
            with tempfile.NamedTemporaryFile() as file:
                file.write(bytes(MET_BYTES))
                file.flush()
                variables = {"LLM_MUTANT": "0", "LLM_MUTANTS_MET": file.name}
                failed = self.run([name], 120, variables)
                self.met[name] = pathlib.Path(file.name).read_bytes()
            self.seconds[name] = time.time() - begin
            if not failed:
                return
        print(f"left out, fails without a mutant: {self.path.name} {failed}", flush=True)
        del self.met[name]

    def run_mutant(self, mutant):
        """What fails, or nothing. A mutant that takes far longer than none does fails, too."""
        variables = {"LLM_MUTANT": str(mutant)}
        names = [name for name in self.met if self.met[name][mutant]]
        names.sort(key=lambda name: self.seconds[name])
        while names:
            failed = self.run(names, sum(map(self.seconds.get, names)), variables)
            if failed not in names or self.run([failed], self.seconds[failed], variables):
                return f"{self.path.name} {failed}" if failed else ""
            names.remove(failed)  # the machine was busy
        return ""

    def seconds_for(self, mutant):
        return sum(self.seconds[name] for name, met in self.met.items() if met[mutant])


def find_executables(build_dir, pattern):
    """Those of GoogleTest, as CTest knows them."""
    command = ["ctest", "--test-dir", str(build_dir), "--show-only=json-v1"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    executables = {}
    for test in json.loads(listed)["tests"]:
        name = re.search(r"--gtest_filter=(\S+)", " ".join(test.get("command", [])))
        path = pathlib.Path(test["command"][0]) if name else None
        if path and re.search(pattern, path.name):
            executables.setdefault(path, Executable(path)).names.append(name[1])
    if not executables:
        raise SystemExit(f"no tests in {build_dir}")
    return list(executables.values())


def try_tests(mutant, executables):
    """Which test notices the mutant first."""
    met = [e for e in executables if any(m[mutant["id"]] for m in e.met.values())]
    if not met:
        return "survived: no test comes across it"
    folder = mutant["file"].replace("include/llm", "src").split("/")[1]
    met.sort(key=lambda e: (folder not in e.path.name, e.seconds_for(mutant["id"])))
    for executable in met:
        failed = executable.run_mutant(mutant["id"])
        if failed:
            return f"caught by {failed}"
    return "survived"


def describe(mutant):
    old, new = (" ".join(mutant[key].split()) for key in ("text", "broken"))
    return f"{mutant['id']} {mutant['result']}: {mutant['file']}:{mutant['line']}: {old} -> {new}"


def run_all(mutants, executables, jobs, report):
    def run(mutant):
        begin = time.time()
        mutant["result"] = try_tests(mutant, executables)
        seconds = round(time.time() - begin)
        print(f"{describe(mutant)} [{seconds} s]", flush=True)
        write_row(report, mutant, seconds=seconds)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        tests = [(e, name) for e in executables for name in e.names]
        list(pool.map(lambda test: test[0].run_unbroken(test[1]), tests))
        passed = sum(len(e.met) for e in executables)
        print(f"{passed} of {len(tests)} tests pass without a mutant", flush=True)
        list(pool.map(run, [m for m in mutants if not m["result"]]))
    kinds = [re.sub(r"(caught by \w+|survived).*", r"\1", m["result"]) for m in mutants]
    for result, count in collections.Counter(kinds).most_common():
        print(f"{count} {result}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("scratch", type=pathlib.Path, metavar="SCRATCH")
    add("--seed", type=int, default=1)
    add("--count", type=int, default=100)
    add("--only", nargs="+", default=["include/llm", "src"], help="folders or files to break")
    add("--build", default=BUILD, help="run in SCRATCH; an empty one: the tests are built")
    add("--build-dir", default="build", help="where in SCRATCH the tests are then")
    add("--tests", default="", help="only executables whose name has this regular expression")
    add("--jobs", type=int, default=1)
    add("--report", type=pathlib.Path, help="a row of JSON for each result, appended")
    add("--list", action="store_true", help="only tell what would be broken")
    options = parser.parse_args()
    mutants = choose(options.only, options.seed, options.count)
    if options.list:
        print("\n".join(map(describe, mutants)))
        return
    if options.report and options.report.exists():
        read_report(options.report, mutants)
    if options.build:
        options.scratch.mkdir(parents=True, exist_ok=True)
        build(options.scratch.resolve(), options.build, mutants, options.report)
    executables = find_executables(options.scratch / options.build_dir, options.tests)
    run_all(mutants, executables, options.jobs, options.report)


if __name__ == "__main__":
    main()
