#!/usr/bin/env python3
"""Writes tests/unit/data/chat/expressions.jsonl and families.jsonl: what the reference makes of chat templates.

expressions.jsonl: {"template", "variables", "text"} or {"template", "variables", "error": true}, small templates for
every feature, rendered in the environment that transformers compiles chat templates in.
comparisons.json: {"values", "tables": {operator: [a line for each left value, a letter for each right one: T, F or
E for an error]}}.
families.jsonl: {"name", "template", "tokens", "cases": [{"messages", "tools", "documents", "variables",
"add_generation_prompt", "text" or "error"}]}, templates in the shapes of model families, written for this test (see
chat_families.py), rendered by transformers' render_jinja_template.
smollm2.json, with --smollm2 FILE.gguf: [{"messages", "add_generation_prompt", "text"}]."""

import json
import pathlib
import sys

from transformers.utils import chat_template_utils as chat

from chat_comparisons import OPERATORS, VALUES
from chat_families import FAMILIES
from chat_expressions import EXPRESSIONS, VARIABLES

OUT = pathlib.Path(__file__).resolve().parent.parent / "unit" / "data" / "chat"


def expression_rows():
    seen = set()
    for template in EXPRESSIONS:
        if template in seen:
            raise SystemExit(f"twice: {template!r}")
        seen.add(template)
        row = {"template": template}
        try:
            row["text"] = chat._compile_jinja_template(template).render(**VARIABLES)
        except Exception as error:
            row["error"] = f"{type(error).__name__}: {error}"
        yield row


def compared(left, operator, right):
    try:
        return chat._compile_jinja_template(f"{{{{ {left} {operator} {right} }}}}").render()[0]
    except Exception:
        return "E"


def comparisons():
    tables = {operator: ["".join(compared(a, operator, b) for b in VALUES) for a in VALUES] for operator in OPERATORS}
    return {"values": VALUES, "tables": tables}


def family_rows():
    for family in FAMILIES:
        cases = []
        for case in family["cases"]:
            case = {"add_generation_prompt": False, "messages": [], "tools": None, "documents": None,
                    "variables": {}, **case}
            messages = [{k: v for k, v in message.items() if v is not None} for message in case["messages"]]
            try:
                texts, _ = chat.render_jinja_template(
                    [messages], tools=case["tools"], documents=case["documents"],
                    chat_template=family["template"], add_generation_prompt=case["add_generation_prompt"],
                    **{**family["tokens"], **case["variables"]})
                case["text"] = texts[0]
            except Exception as error:
                case["error"] = str(error)
            cases.append(case)
        yield {"name": family["name"], "template": family["template"], "tokens": family["tokens"], "cases": cases}


def smollm2_cases(model):
    """With the template of the model's GGUF file; only the texts are kept."""
    import gguf
    from chat_families import CONVERSATIONS
    field = gguf.GGUFReader(model).fields["tokenizer.chat_template"]
    template = str(bytes(field.parts[field.data[0]]), "utf-8")
    for messages in CONVERSATIONS:
        if not messages or any(type(m.get("content")) is not str for m in messages):
            continue
        for prompt in (False, True):
            texts, _ = chat.render_jinja_template([messages], chat_template=template, add_generation_prompt=prompt)
            yield {"messages": messages, "add_generation_prompt": prompt, "text": texts[0]}


def write(name, rows):
    rows = list(rows)
    with open(OUT / name, "w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    return rows


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    with open(OUT / "variables.json", "w", encoding="utf-8") as out:
        json.dump(VARIABLES, out, ensure_ascii=False)
    rows = write("expressions.jsonl", expression_rows())
    families = write("families.jsonl", family_rows())
    with open(OUT / "comparisons.json", "w", encoding="utf-8") as out:
        json.dump(comparisons(), out, ensure_ascii=False, indent=1)
        out.write("\n")
    errors = [row for row in rows if "error" in row]
    print(f"{len(rows)} expressions, {len(errors)} of them errors; {len(families)} families, "
          f"{sum(len(f['cases']) for f in families)} cases")
    if "--smollm2" in sys.argv:
        with open(OUT / "smollm2.json", "w", encoding="utf-8") as out:
            json.dump(list(smollm2_cases(sys.argv[sys.argv.index("--smollm2") + 1])), out, ensure_ascii=False)
    if "-v" in sys.argv:
        for row in rows:
            print(repr(row["template"]), "->", repr(row.get("text", row.get("error"))))
