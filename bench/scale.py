#!/usr/bin/python3
"""`make bench-scale`: how the costs of the program grow, and what that lets two kinds of machine carry.

    scale.py [--quick] [--only PART,…] [--prepare] [--write]

Parts: idle, crowd, population, size, logins, cores, serial. Data directories and what was measured stay in
target/scaling, so that a part can be measured again by itself; `rm -r` it to begin anew. `--prepare` makes the data
directories and measures nothing. `--write` puts the tables into docs/scaling.md. All of it takes an hour and 15 GB,
`--quick` five minutes and 1 GB.
"""

import argparse
import os
import sys
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

# What is measured is built for speed.
os.environ.setdefault("RESTANTE_PROFILE", "release")

from harness import paths  # noqa: E402
from harness.processes import run  # noqa: E402
from scaling import cores, document, idle, logins, model, place, population, serial, size  # noqa: E402
from scaling.table import Rows  # noqa: E402

#: Sessions, processes that hold them (a process may have 20,000 descriptors where this was written), TLS.
_IDLE = [(1000, 1, False), (3000, 1, False), (9500, 1, False), (1000, 1, True), (9500, 1, True)]
_IDLE_QUICK = [(100, 1, False), (1000, 1, False), (500, 1, True)]
_CROWD, _CROWD_QUICK = [(100_000, 11, False)], [(2000, 2, False)]
_COUNTS, _COUNTS_QUICK = [1000, 10_000, 100_000, 1_000_000], [1000, 5000]
_SIZES, _SIZES_QUICK = [10, 100, 1000, 10_000, 100_000, 1_000_000], [10, 1000, 10_000]


def main() -> int:
    asked = _arguments()
    steps, crowd = (_IDLE_QUICK, _CROWD_QUICK) if asked.quick else (_IDLE, _CROWD)
    counts, sizes = (_COUNTS_QUICK, _SIZES_QUICK) if asked.quick else (_COUNTS, _SIZES)
    seconds = 1 if asked.quick else 5
    usual = 5000 if asked.quick else 100_000
    parts = {
        "idle": lambda rows: idle.measure(rows, usual, steps, seconds),
        "crowd": lambda rows: idle.measure(rows, usual, crowd, seconds),
        "population": lambda rows: (population.measure(rows, counts), population.deliveries(rows, counts)),
        "size": lambda rows: size.measure(rows, sizes, seconds),
        "logins": lambda rows: logins.measure(rows, usual, seconds),
        "cores": lambda rows: cores.measure(rows, usual, seconds),
        "serial": lambda rows: serial.measure(rows, usual),
    }
    chosen = [name for name in parts if not asked.only or name in asked.only.split(",")]
    if asked.prepare:
        _prepare(chosen, [*counts, usual], sizes)
        return 0
    rows = Rows(place.ROOT / ("quick.rows.json" if asked.quick else "rows.json"))
    rows.about(f"{date.today()}, {run([paths.PROGRAM, '--version']).stdout.decode().strip()}")
    for name in chosen:
        parts[name](rows)
    model.add(rows)
    print(document.text(rows))
    if asked.write:
        document.write(rows)
    return 0


def _prepare(chosen: list[str], counts: list[int], sizes: list[int]) -> None:
    if "population" not in chosen:
        counts = counts[-1:] if {"idle", "crowd", "logins", "cores", "serial"} & set(chosen) else []
    for count in sorted(set(counts)):
        population.place(count)
    if "size" in chosen:
        size.place(sizes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
