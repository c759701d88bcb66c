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
PACKED = re.compile(r"packed (?P<name>\S+)")
NAME = re.compile(r"(?P<name>[^\s\[\]]+)")
INDEX = re.compile(r"index (?P<name>.+) (?P<dim>\d) (?P<compare>>=|<) (?P<values>\d+)")
KINDS = ((INDEX, "HST_RULE_INDEX"), (SHAPE, "HST_RULE_SHAPE"), (RANK, "HST_RULE_RANK"), (COUNT, "HST_RULE_COUNT"), (PACKED, "HST_RULE_PACKED"), (NAME, "HST_RULE_NAME"))
VALUES_MAX = 4


def text(value):
    """Return VALUE as a C string literal, or NULL."""
    return "NULL" if value is None else json.dumps(str(value), ensure_ascii=True)


def closing(name, begin):
    """Where the brace that opens at BEGIN closes."""
    depth = 0
    for at in range(begin, len(name)):
        depth += (name[at] == "{") - (name[at] == "}")
        if depth == 0:
            return at
    raise ValueError(f"a brace is open in {name}")


def expand(name):
    """Every name that {a,b} stands for, as a shell does it."""
    begin = name.find("{")
    if begin < 0:
        return [name]
    end = closing(name, begin)
    return [name[:begin] + inner + rest for choice in choices(name[begin + 1:end]) for inner in expand(choice) for rest in expand(name[end + 1:])]


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


def parse(line):
    """The kind of a line, and its parts."""
    for pattern, kind in KINDS:
        found = pattern.fullmatch(line)
        if found and found.groupdict().get("values", "").count("|") < VALUES_MAX:
            return kind, found.groupdict()
    raise ValueError(f"cannot read the line {line!r}")


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
        negate = "true" if rest.startswith("not ") else "false"
        kind, parts = parse(rest.removeprefix("not "))
        names = self.names(expand(parts["name"]) if "name" in parts else [])
        dim = {"in": 1, "out": 0}.get(parts.get("dim"), parts.get("dim", 0))
        return (f"{{.kind = {kind}, .negate = {negate}, .dim = {dim}, .compare = {COMPARE[parts.get('compare', '=')]}, "
                f".values = {{{parts.get('values', '0').replace('|', ', ')}}}, .names = {names}}}")

    def case(self, case):
        """What a rule or one of its cases says."""
        undecided = case.get("undecided")
        if undecided and undecided.startswith("$"):
            undecided = self.data["hints_text"][undecided[1:]]
        lines = ", ".join(self.line(line) for line in case["when"])
        array = f"(const struct hst_rule_line[]){{{lines}}}" if lines else "NULL"
        has_family = "true" if "family" in case else "false"
        return (f"{{.family = {text(case.get('family'))}, .has_family = {has_family}, .variant = {text(case.get('variant'))}, .undecided = {text(undecided)}, "
                f".between = {self.names(case.get('between'))}, .lines = {array}, .line_count = {len(case['when'])}}}")

    def rule(self, rule):
        """A rule."""
        known = {"type", "family", "variant", "role", "runner_up", "rival", "undecided", "between", "when", "cases"}
        if set(rule) - known:
            raise ValueError(f"unknown words {set(rule) - known} in {rule}")
        cases = ",\n      ".join(self.case(case) for case in rule.get("cases", []))
        array = f"(const struct hst_rule_case[]){{{cases}}}" if cases else "NULL"
        rival = rule.get("rival")
        return (f"    {{.type = {text(rule.get('type', 'lora'))}, .role = {text(rule.get('role', 'lora'))}, .runner_up = {text(rule.get('runner_up', rival))}, "
                f".rival = {text(rival)},\n     .base = {self.case(rule)},\n     .cases = {array}, .case_count = {len(rule.get('cases', []))}}},\n")

    def hint(self, hint):
        """A hint."""
        lists = ", ".join(f".{key} = {self.names(list(map(str, hint.get(key) or [])))}" for key in ("architecture", "ss", "config", "base_model", "name", "unless"))
        return f"    {{.family = {text(hint.get('family'))}, .variant = {text(hint.get('variant'))}, {lists}}},\n"


def array(declaration, lines):
    """A C array of lines."""
    return f"{declaration} = {{\n{''.join(lines)}}};\n"


def rows(items, form):
    """The rows of a C array."""
    return [f"    {form(item)},\n" for item in items]


def rules_of(data, tables):
    """The tables about tensors."""
    return [array("static const char *const prefixes[]", rows(data["prefixes"], text)),
            array("static const char *const spare_prefixes[]", rows(data["spare_prefixes"], text)),
            array("static const struct hst_rule rules[]", map(tables.rule, data["rules"])),
            array("static const struct hst_rule_part parts[]", rows(data["parts"], lambda part: f"{{{text(part['prefix'])}, {text(part['role'])}, {text(part.get('family'))}}}")),
            array("static const struct hst_rule_architecture architectures[]",
                  rows(data["architectures"].items(), lambda row: f"{{{text(row[0])}, {text(row[1] and row[1][0])}, {text(row[1] and row[1][1])}}}")),
            array("static const struct hst_rule_storage storages[]", rows(data["storage"], lambda row: f"{{{text(row['is'])}, {text(row['suffix'])}}}"))]


def loras_of(data, tables):
    """The tables about adapters."""
    return [array("static const struct hst_rule lora_rules[]", map(tables.rule, data["lora_bases"])),
            f"static const char lora_unknown[] = {text(data['lora_unknown'])};\n",
            array("static const char *const lora_prefixes[]", rows(data["lora_prefixes"], text))]


def main(source, out):
    """Write the tables."""
    with open(source, encoding="utf-8") as file:
        data = yaml.safe_load(file)
    tables = Tables(data)
    body = rules_of(data, tables) + loras_of(data, tables) + [array("static const struct hst_rule_hint hints[]", map(tables.hint, data["hints"]))]
    names = [f"static const char *const {name}[] = {{{content}}};\n" for content, name in tables.arrays.items()]
    with open(out, "w", encoding="utf-8") as file:
        file.write(f"/* Generated by tools/gen_families.py from {source.rpartition('/')[2]}; edit that file instead. */\n" + "".join(names) + "\n".join(body))


if __name__ == "__main__":
    main(*sys.argv[1:])
