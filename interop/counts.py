#!/usr/bin/python3
"""`make counts`: instructions and allocations of the hot paths, against what was recorded.

Each script of `tests/counts/` runs under callgrind, in the build of the tests. Instructions repeat on any machine of
the same kind, however busy it is, so what is more than 3 % beyond the record has become dearer. `--record` records anew.
"""

import argparse
import os
import re
import shlex
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.paths import REPOSITORY, TARGET, scratch
from harness.peers import require
from harness.processes import run
from harness.report import Report

_PROGRAM = TARGET / "debug" / "examples" / "counts"
_RECORD = Path(__file__).resolve().parent / "counts.toml"
_HEAD = """\
# What `make counts` compares with: instructions and allocations of each script of tests/counts/, in the build of the tests.
# `make counts RECORD=1` writes this file; the commit that does so says why a path has become dearer, or cheaper.
"""

#: What each script does.
_SCRIPTS = {
    "poll": "1,000 sessions: USER, PASS, STAT, QUIT",
    "capa": "1,000 times CAPA",
    "retr": "1,000 times RETR of 4 KiB, pipelined, from memory",
    "list": "LIST of 100,000",
    "uidl": "UIDL of 100,000 that came with their unique-ids",
    "native-uidl": "UIDL of 100,000 whose unique-ids are made of numbers",
    "open": "open a maildrop of 100,000 for the first time",
    "reopen": "open it again",
}
_TOLERANCE = 0.03
_ALLOCATING = re.compile(r"^(malloc|calloc|realloc|posix_memalign|aligned_alloc|memalign)(?:'\d+)?$")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--record", action="store_true")
    record = parser.parse_args().record
    report, counts = Report("counts"), {}
    if report.check("scripts run under callgrind", lambda: counts.update(_count())):
        if record:
            _RECORD.write_text(_HEAD + "".join(map(_entry, counts.items())))
        recorded = tomllib.loads(_RECORD.read_text())
        for script, count in counts.items():
            report.check(_SCRIPTS[script], lambda: judge(recorded.get(script, {}), count))
    return report.end()


def _count() -> dict[str, dict[str, int]]:
    require("valgrind")
    cargo = shlex.split(os.environ.get("CARGO", "cargo"))
    # The whole workspace: with fewer packages, others' code would be built with fewer features.
    built = run([*cargo, "build", "--locked", "--workspace", "--example", "counts"], 1800, cwd=REPOSITORY)
    if built.returncode != 0:
        raise RuntimeError(built.stderr.decode(errors="replace")[-2000:])
    directory = scratch("counts")
    prepared = run([_PROGRAM, "prepare", directory], 120)
    if prepared.returncode != 0:
        raise RuntimeError(prepared.stderr.decode(errors="replace")[-2000:])
    # One after the other where they open the same maildrop: two sessions must not hold it.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        others = pool.map(lambda script: (script, _callgrind(script, directory)), list(_SCRIPTS)[:-3])
        counts = {script: _callgrind(script, directory) for script in list(_SCRIPTS)[-3:]}
        return dict(others) | counts


def _callgrind(script: str, directory: Path) -> dict[str, int]:
    """What happens from the beginning of the function that counts."""
    out = directory / f"{script}.callgrind"
    # Not `--toggle-collect`: it leaves out the cost of what is outside, but counts the calls. What comes after is the end
    # of the process: some thousand instructions.
    command = ["valgrind", "--tool=callgrind", "--zero-before=*counts::measured*"]
    command += ["--compress-strings=no", "--compress-pos=no", f"--callgrind-out-file={out}"]
    done = run([*command, _PROGRAM, script, directory], 300)
    if done.returncode != 0:
        raise RuntimeError(f"{script}: {done.stderr.decode(errors='replace')[-1000:]}")
    return parse(out.read_text(errors="replace"))


def parse(profile: str) -> dict[str, int]:
    """Instructions in all, and calls of the allocator, of a profile without abbreviations."""
    instructions = re.search(r"^(?:summary|totals): (\d+)", profile, re.MULTILINE)
    if instructions is None or int(instructions[1]) == 0:
        raise ValueError("callgrind has counted nothing")
    allocations, inside, called = 0, "", ""
    for line in profile.splitlines():
        if line.startswith("fn="):
            inside = line.removeprefix("fn=")
        elif line.startswith("cfn="):
            called = line.removeprefix("cfn=")
        # The dynamic linker's stub calls the same function once more.
        elif line.startswith("calls=") and _ALLOCATING.match(called) and not _ALLOCATING.match(inside):
            allocations += int(line.removeprefix("calls=").split()[0])
    return {"instructions": int(instructions[1]), "allocations": allocations}


def judge(recorded: dict[str, int], count: dict[str, int]) -> str:
    """Holds a script's counts against the record; what they are."""
    shown, over, lower = ", ".join(f"{value:,} {what}" for what, value in count.items()), [], []
    for what, value in count.items():
        budget = recorded.get(what, 0)
        # Allocations are few and exact; the tables of a hash map may be one more.
        if value > budget * (1 + _TOLERANCE) + (2 if what == "allocations" else 0):
            over.append(f"{what}: {budget:,} recorded, {value:,} counted")
        if value < budget * (1 - _TOLERANCE):
            lower.append(f"{what} {budget:,} to {value:,}")
    if over:
        raise AssertionError(f"{'; '.join(over)}; if it is worth it: make counts RECORD=1")
    return f"lower the budget with make counts RECORD=1: {', '.join(lower)}" if lower else shown


def _entry(entry: tuple[str, dict[str, int]]) -> str:
    script, count = entry
    values = "".join(f"{what} = {value}\n" for what, value in count.items())
    return f"\n# {_SCRIPTS[script]}\n[{script}]\n{values}"


if __name__ == "__main__":
    sys.exit(main())
