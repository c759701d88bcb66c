#!/usr/bin/env python3
"""Make the C tables of src/catalog/ from api/families.yaml, which explains the language of its rules.

usage: gen_families.py api/families.yaml OUT.inc"""
import json
import re
import sys

import yaml

COMPARE = {"=": "HST_RULE_EQUAL", "!=": "HST_RULE_OTHER", ">=": "HST_RULE_LEAST", "<": "HST_RULE_BELOW"}
SHAPE = re.compile(r"(?P<name>.+)\[(?P<dim>-?\d+|in|out)\] (?P<compare>=|!=|>=|<) (?P<values>[\d|]+)")
RANK = re.compile(r"rank (?P<name>.+) = (?P<values>\d+)")
COUNT = re.compile(r"tensors < (?P<values>\d+)")
INDEX = re.compile(r"index (?P<name>.+) (?P<dim>\d) (?P<compare>>=|<) (?P<values>\d+)")
VALUES_MAX = 4


def text(value):
    """Return VALUE as a C string literal, or NULL."""
    return "NULL" if value is None else json.dumps(str(value), ensure_ascii=True)


def expand(name):
    """Every name that {a,b} stands for, as a shell does it."""
    depth, begin = 0, None
    for at, letter in enumerate(name):
        if letter == "{":
            begin, depth = (at if depth == 0 else begin), depth + 1
        elif letter == "}":
            depth -= 1
            if depth == 0:
                return [f"{name[:begin]}{inner}{rest}" for choice in choices(name[begin + 1:at]) for inner in expand(choice) for rest in expand(name[at + 1:])]
    if depth:
        raise ValueError(f"a brace is open in {name}")
    return [name]


def choices(inside):
    """The parts between the commas that are in no brace of their own."""
    parts, depth = [""], 0
    for letter in inside:
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


class Tables:
    """The C text under construction: shared arrays of names first, then what refers to them."""

    def __init__(self, data):
        self.data = data
        self.arrays = {}

    def names(self, names):
        """The C name of an array of these texts, ended by NULL."""
        if not names:
            return "NULL"
        content = ", ".join(text(name) for name in names) + ", NULL"
        return self.arrays.setdefault(content, f"names_{len(self.arrays)}")

    def replace(self, line):
        """Put the texts of `names` for $NAME."""
        return re.sub(r"\$(\w+)", lambda found: str(self.data["names"][found.group(1)]), line)

    def line(self, line):
        """One line of `when` as a C initialiser."""
        rest = self.replace(line)
        negate = rest.startswith("not ")
        rest = rest.removeprefix("not ")
        kind, dim, compare, values, name = "HST_RULE_NAME", 0, "HST_RULE_EQUAL", [], rest
        for pattern, its_kind in ((INDEX, "HST_RULE_INDEX"), (SHAPE, "HST_RULE_SHAPE"), (RANK, "HST_RULE_RANK"), (COUNT, "HST_RULE_COUNT")):
            if found := pattern.fullmatch(rest):
                parts = found.groupdict()
                kind, name = its_kind, parts.get("name", "")
                dim = {"in": 1, "out": 0}.get(parts.get("dim"), parts.get("dim") or 0)
                compare = COMPARE[parts.get("compare", "=")]
                values = [int(value) for value in parts["values"].split("|")]
                break
        if rest.startswith("packed "):
            kind, name = "HST_RULE_PACKED", rest.removeprefix("packed ")
        if len(values) > VALUES_MAX or not re.fullmatch(r"[^\s\[\]]*", name):
            raise ValueError(f"cannot read the line {line!r}")
        return (f"{{.kind = {kind}, .negate = {'true' if negate else 'false'}, .dim = {dim}, .compare = {compare}, "
                f".values = {{{', '.join(map(str, values)) or '0'}}}, .names = {self.names(expand(name) if name else [])}}}")

    def case(self, case):
        """What a rule or one of its cases says."""
        undecided = case.get("undecided")
        if undecided and undecided.startswith("$"):
            undecided = self.data["hints_text"][undecided[1:]]
        lines = ", ".join(self.line(line) for line in case["when"])
        array = f"(const struct hst_rule_line[]){{{lines}}}" if lines else "NULL"
        return (f"{{.family = {text(case.get('family'))}, .has_family = {'true' if 'family' in case else 'false'}, .variant = {text(case.get('variant'))}, .undecided = {text(undecided)}, "
                f".between = {self.names(case.get('between'))}, .lines = {array}, .line_count = {len(case['when'])}}}")

    def rule(self, rule):
        """A rule."""
        known = {"type", "family", "variant", "role", "runner_up", "undecided", "between", "when", "cases"}
        if set(rule) - known:
            raise ValueError(f"unknown words {set(rule) - known} in {rule}")
        cases = ",\n      ".join(self.case(case) for case in rule.get("cases", []))
        array = f"(const struct hst_rule_case[]){{{cases}}}" if cases else "NULL"
        return (f"    {{.type = {text(rule.get('type', 'lora'))}, .role = {text(rule.get('role', 'lora'))}, .runner_up = {text(rule.get('runner_up'))},\n     .base = {self.case(rule)},\n"
                f"     .cases = {array}, .case_count = {len(rule.get('cases', []))}}},\n")

    def hint(self, hint):
        """A hint."""
        lists = ", ".join(f".{key} = {self.names(list(map(str, hint.get(key) or [])))}" for key in ("architecture", "ss", "base_model", "name", "unless"))
        return f"    {{.family = {text(hint.get('family'))}, .variant = {text(hint.get('variant'))}, {lists}}},\n"


def array(declaration, rows):
    """A C array of rows."""
    return f"{declaration} = {{\n{''.join(rows)}}};\n"


def main(source, out):
    """Write the tables."""
    with open(source, encoding="utf-8") as file:
        data = yaml.safe_load(file)
    tables = Tables(data)
    body = [
        array("static const char *const prefixes[]", [f"    {text(prefix)},\n" for prefix in data["prefixes"]]),
        array("static const char *const spare_prefixes[]", [f"    {text(prefix)},\n" for prefix in data["spare_prefixes"]]),
        array("static const struct hst_rule rules[]", [tables.rule(rule) for rule in data["rules"]]),
        array("static const struct hst_rule lora_rules[]", [tables.rule(rule) for rule in data["lora_bases"]]),
        f"static const char lora_unknown[] = {text(data['lora_unknown'])};\n",
        array("static const struct hst_rule_part parts[]", [f"    {{{text(part['prefix'])}, {text(part['role'])}, {text(part.get('family'))}}},\n" for part in data["parts"]]),
        array("static const struct hst_rule_architecture architectures[]",
              [f"    {{{text(name)}, {text(what[0] if what else None)}, {text(what[1] if what else None)}}},\n" for name, what in data["architectures"].items()]),
        array("static const struct hst_rule_storage storages[]", [f"    {{{text(row['is'])}, {text(row['suffix'])}}},\n" for row in data["storage"]]),
        array("static const struct hst_rule_piece pieces[]",
              [f"    {{{text(row['suffix'])}, HST_LORA_{row['part'].upper()}, {text(row['format'])}, {text(row['algorithm'])}}},\n" for row in data["lora_pieces"]]),
        array("static const char *const lora_prefixes[]", [f"    {text(prefix)},\n" for prefix in data["lora_prefixes"]]),
        array("static const struct hst_rule_hint hints[]", [tables.hint(hint) for hint in data["hints"]]),
    ]
    names = [f"static const char *const {name}[] = {{{content}}};\n" for content, name in tables.arrays.items()]
    with open(out, "w", encoding="utf-8") as file:
        file.write(f"/* Generated by tools/gen_families.py from {source.rpartition('/')[2]}; edit that file instead. */\n" + "".join(names) + "\n".join(body))


if __name__ == "__main__":
    main(*sys.argv[1:])
