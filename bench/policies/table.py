"""Tables of what bench-policies prints. usage: bench-policies SEED... | table.py [FILE.md]      Exit 1 when `cost` is worse than it may be."""
import collections
import json
import pathlib
import sys

PEERS = ["cost", "lru", "lfu", "gdsf", "s3fifo", "arc", "clairvoyant", "bound", "infinite"]


def read(lines):
    """{(family, seed, share): {policy: seconds}}"""
    runs = collections.defaultdict(dict)
    for line in lines:
        family, seed, share, policy, seconds, _ = line.split()
        runs[family, int(seed), float(share)][policy] = float(seconds)
    return runs


def total(runs, policy, family=None):
    """Seconds of loading over all runs, each weighed alike: of what LRU takes."""
    rows = [run[policy] / run["lru"] for (name, *_), run in runs.items() if family in (None, name)]
    return sum(rows) / len(rows)


def page(runs):
    """The tables as Markdown."""
    families = sorted({key[0] for key in runs})
    worst = max(runs, key=lambda key: runs[key]["cost"] / runs[key]["lru"])
    lines = ["Seconds of loading as a share of what LRU takes (mean over seeds and cache sizes of 5, 10, 20 and 40% of all bytes):", "",
             "| trace | " + " | ".join(PEERS) + " |", "|---" * (len(PEERS) + 1) + "|"]
    for family in families + [None]:
        lines.append(f"| {family or '**all**'} | " + " | ".join(f"{total(runs, policy, family):.3f}" for policy in PEERS) + " |")
    lines += ["", "`clairvoyant` knows the future and is greedy; below `bound` no cache can be (PFOO-L, bench/policies/bound.h); `infinite` loads each once."]
    ratio = runs[worst]["cost"] / runs[worst]["lru"]
    lines += ["", f"Worst single trace of `cost` against LRU: {ratio:.3f} ({worst[0]}, seed {worst[1]}, cache {worst[2]:.0%})."]
    return "\n".join(lines) + "\n", total(runs, "cost"), ratio


def main():
    """Print the tables, keep them, and judge."""
    runs = read(sys.stdin)
    text, mean, worst = page(runs)
    print(text)
    if len(sys.argv) > 1:
        target = pathlib.Path(sys.argv[1])
        target.write_text(target.read_text(encoding="utf-8") + "\n" + text if target.exists() else text, encoding="utf-8")
        rows = [{"family": family, "seed": seed, "cache": share, **run} for (family, seed, share), run in sorted(runs.items())]
        target.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0 if mean < 1 and worst <= 1.02 else 1


if __name__ == "__main__":
    sys.exit(main())
