#!/usr/bin/env python3
"""Check that code depends only on what LAYERS allows: by its includes, and by the symbols of its objects. Draw it.

usage: layers.py BUILD [--draw SVG]     exits 1 when there is a forbidden edge. BUILD is a built folder (for the symbols)."""
import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
PROGRAMS = {"client": "libhoist.so.*.p", "cli": "hoist.p"}  # layers that are no static library of their own


def read_rules():
    """{layer: layers it may use}, in the order of the file."""
    lines = (line.split("#")[0].strip() for line in (ROOT / "LAYERS").read_text(encoding="utf-8").splitlines())
    return {name.strip(): set(allowed.split()) for name, _, allowed in (line.partition(":") for line in lines if line)}


def layer_of(path, rules):
    """The layer that a file below src/ (or include/) belongs to; the longest name wins."""
    fitting = [layer for layer in rules if path.startswith(layer + "/")]
    return max(fitting, key=len, default=None)


def include_edges(rules):
    """(layer, layer, where) of every include between layers."""
    for path in sorted((ROOT / "src").rglob("*.[ch]")):
        name = str(path.relative_to(ROOT / "src"))
        for included in INCLUDE.findall(path.read_text(encoding="utf-8")):
            yield layer_of(name, rules), layer_of(included, rules), f"{name} includes {included}"


def objects_of(build, layer):
    """Object files of a layer."""
    folder = PROGRAMS.get(layer, f"lib{layer.replace('/', '_')}.a.p")
    return [path for place in build.glob(folder) for path in sorted(place.glob("*.o"))]


def symbols_of(paths, kind):
    """Names that objects define (kind `--defined-only`) or need (`--undefined-only`)."""
    listed = subprocess.run(["nm", "-P", "-g", kind, *paths], capture_output=True, text=True, check=True).stdout if paths else ""
    return {line.split()[0] for line in listed.splitlines() if line and not line.endswith(":")}


def symbol_edges(build, rules):
    """(layer, layer, where) of every symbol that one layer needs of another."""
    objects = {layer: objects_of(build, layer) for layer in rules}
    home = {symbol: layer for layer, paths in objects.items() for symbol in symbols_of(paths, "--defined-only")}
    home = {symbol: "hoist" if layer == "client" and symbol.startswith("hoist_") else layer for symbol, layer in home.items()}
    for layer, paths in objects.items():
        for symbol in sorted(symbols_of(paths, "--undefined-only")):
            yield layer, home.get(symbol), f"{layer} calls {symbol}"


def draw(edges, rules, path):
    """Draw the edges that are there, without those that follow from others."""
    graph = ["digraph layers {", 'rankdir=RL; node [shape=box style="rounded,filled" fillcolor="#eef3fb" color="#7a8fb0" fontname="sans-serif" fontsize=12];',
             'edge [color="#9aa7bd" arrowsize=0.7]; bgcolor="white";']
    graph += [f'"{layer}";' for layer in rules]
    graph += [f'"{user}" -> "{used}";' for user, used in sorted(edges)]
    reduced = subprocess.run(["tred"], input="\n".join([*graph, "}"]), capture_output=True, text=True, check=True).stdout
    drawn = subprocess.run(["dot", "-Tsvg"], input=reduced, capture_output=True, text=True, check=True).stdout
    path.write_text(re.sub(r"<!--.*?-->\n?", "", drawn, flags=re.S), encoding="utf-8")


def find_edges(build, rules):
    """{(layer, layer): where} of all that is used between layers."""
    found = collections.defaultdict(list)
    for user, used, where in [*include_edges(rules), *symbol_edges(build, rules)]:
        if None not in (user, used) and user != used:
            found[user, used].append(where)
    return found


def main(arguments):
    """Check, and draw when asked to."""
    rules = read_rules()
    found = find_edges(pathlib.Path(arguments[0]), rules)
    forbidden = {edge: places for edge, places in found.items() if edge[1] not in rules[edge[0]]}
    for (user, used), places in sorted(forbidden.items()):
        print(f"{user} may not use {used}: {places[0]} ({len(places)} in all)")
    unused = sum((layer, allowed) not in found for layer in rules for allowed in rules[layer])
    print(f"{len(rules)} layers, {len(found)} edges, {len(forbidden)} forbidden, {unused} allowed but not used")
    if "--draw" in arguments:
        draw(found, rules, ROOT / arguments[arguments.index("--draw") + 1])
    return bool(forbidden)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
