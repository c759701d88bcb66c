#!/usr/bin/env python3
"""Write every case into a folder, and a list of them for check.c. usage: write.py FOLDER

A line of the list FOLDER/cases.tsv: file, outcome, bytes of heap and milliseconds allowed beyond the rule (0 = none)."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from badfiles import collect  # noqa: E402


def main(folder):
    """Write them. Returns the cases."""
    folder.mkdir(parents=True, exist_ok=True)
    found = collect()
    assert len({case.id for case in found}) == len({case.file for case in found}) == len(found)
    for case in found:
        case.write(folder)
    (folder / "cases.tsv").write_text("".join(f"{case.file}\t{case.want}\t{case.heap}\t{case.ms}\n" for case in found), encoding="utf-8")
    return found


if __name__ == "__main__":
    print(len(main(pathlib.Path(sys.argv[1]))), "cases")
