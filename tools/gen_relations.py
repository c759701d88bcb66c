#!/usr/bin/env python3
"""Generate the C tables of how models belong together, from api/modules.yaml and api/needs.yaml.

usage: gen_relations.py prefixes|adapter_prefixes|pieces|dialects|rules|interfaces api/modules.yaml OUT.inc
       gen_relations.py needs api/needs.yaml OUT.inc
"""
import itertools
import re
import sys

import gen_api
from gen_api import c_string

CHOICE = re.compile(r"\{([^}]*)\}")


def longest_first(texts):
    """The order in which the first one that fits is the longest that does."""
    return sorted(texts, key=len, reverse=True)


def prefix_rows(data):
    """One text a prefix."""
    return "".join(f"{c_string(text)},\n" for text in longest_first(data["prefixes"]))


def adapter_prefix_rows(data):
    """One initialiser a prefix of adapters: text, side."""
    rows = sorted(data["adapter_prefixes"], key=lambda row: -len(row[0]))
    return "".join(f"{{{c_string(text)}, HST_SIDE_{side.upper()}}},\n" for text, side in rows)


def piece_halves(row):
    """The parts of a row with the other half of each: (part, suffix, other suffix or None)."""
    halves = [(part, suffix) for part, suffix in row.items() if part not in ("format", "algorithm", "vague")]
    return [(part, suffix, next((other for _, other in halves if other != suffix), None)) for part, suffix in halves]


def piece_rows(data):
    """One initialiser a suffix, longest first: text, length, part, other half, format, algorithm, vague."""
    def text(value):
        return c_string(value) if value else "NULL"
    rows = [(suffix, part, other, row) for row in data["pieces"] for part, suffix, other in piece_halves(row)]
    return "".join(f"{{{c_string(suffix)}, {len(suffix)}, HST_PIECE_{part.upper()}, {text(other)}, {text(row.get('format'))}, {text(row.get('algorithm'))}, "
                   f"{str(row.get('vague', False)).lower()}}},\n" for suffix, part, other, row in sorted(rows, key=lambda item: -len(item[0])))


def flat(name):
    """A name with underscores for dots."""
    return name.replace(".", "_")


def dialect_rows(data):
    """One initialiser a mark: text, number of the dialect (0 is "any")."""
    named = [dialect for dialect in data["dialects"] if dialect["name"] != "any"]
    return "".join(f"{{{c_string(flat(mark))}, {number}}},\n" for number, dialect in enumerate(named, 1) for mark in dialect["marks"])


def expand(name, choice):
    """The name with its n-th alternative of each {a|b} that has several."""
    remaining = iter(choice)
    return CHOICE.sub(lambda match: match[1].split("|")[next(remaining)], name)


def expanded(rule):
    """Every rule that one with {a|b} stands for."""
    name, becomes, part = [*rule, ""][:3]
    counts = [len(alternatives.split("|")) for alternatives in CHOICE.findall(name)]
    for choice in itertools.product(*(range(count) for count in counts)):
        yield expand(name, choice), expand(becomes, choice), part


def rule_rows(data):
    """One initialiser a rule: dialect, name, what it becomes, slice. Rules of "any" come last."""
    named = [dialect for dialect in data["dialects"] if dialect["name"] != "any"]
    common = [dialect for dialect in data["dialects"] if dialect["name"] == "any"]
    numbered = [*enumerate(named, 1), *((0, dialect) for dialect in common)]
    return "".join(f"{{{number}, {c_string(flat(name))}, {c_string(flat(becomes))}, {c_string(part)}}},\n"
                   for number, dialect in numbered for rule in dialect["rules"] for name, becomes, part in expanded(rule))


def interface_rows(data):
    """One initialiser a row: fact, kind of component, key, when, dim, rank, divide, match the end."""
    def row(fact, rule):
        key = rule["key"]
        when = c_string(rule["when"]) if "when" in rule else "NULL"
        return (f"{{offsetof(struct hst_interface, {fact}), OF_{rule['of'].upper()}, {c_string(key.removeprefix('*'))}, {len(key.removeprefix('*'))}, {when}, "
                f"{rule['dim']}, {rule.get('rank', 0)}, {rule.get('divide', 1)}, {str(key.startswith('*')).lower()}}},\n")
    return "".join(row(fact, rule) for fact, rules in data["interfaces"].items() for rule in rules)


def need_rows(data):
    """One initialiser a need: family, variant, role, latent channels (0 = not a VAE), families."""
    lines = []
    for row in data["families"]:
        variant = c_string(row["variant"]) if "variant" in row else "NULL"
        for role in [key for key in row if key not in ("family", "variant")]:
            vae = data["vaes"][row[role]] if role == "vae" else {"channels": 0, "families": row[role]}
            families = ", ".join(map(c_string, vae["families"]))
            lines.append(f"{{{c_string(row['family'])}, {variant}, {c_string(role)}, {vae['channels']}, {{{families}}}}},\n")
    return "".join(lines)


if __name__ == "__main__":
    gen_api.__doc__ = __doc__
    gen_api.MAKERS.clear()
    gen_api.MAKERS.update(prefixes=prefix_rows, adapter_prefixes=adapter_prefix_rows, pieces=piece_rows, dialects=dialect_rows, rules=rule_rows,
                          interfaces=interface_rows, needs=need_rows)
    sys.exit(gen_api.main(sys.argv))
