#!/usr/bin/python3
"""`make test`: every check that a change must pass, a line a part, and the sum alone on the last line.

    check.py [PART…]      only these parts; default: all

Each part has a time budget on two cores with a warm build, all together less than 25 minutes. A part that
takes longer says so; it does not fail for it, since a first build takes as long as it takes.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness import reach
from harness.paths import PROGRAM, REPOSITORY, TARGET
from harness.report import allowed

_CARGO = shlex.split(os.environ.get("CARGO", "cargo"))
_HERE = Path(__file__).resolve().parent

_SUM = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE)
_CARGO_SUM = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", re.MULTILINE)
_CARGO_IGNORED = re.compile(r"^test (\S.*) \.\.\. ignored(?:, (.*))?$", re.MULTILINE)
_CARGO_OUTPUT = re.compile(r"^---- (\S+) stdout ----$")
#: Lines of our own programs that are worth repeating.
_NOTE = re.compile(
    r"\s+(FAILED|SKIPPED|caught|\d+ rounds|\d+ images|\d+ trials|sessions killed|seed|again"
    r"|.*: \d+ (runs|calls|points|trials)|this machine|.*lower the budget|\d+ s in all|lying disk)"
)
_UNITTEST_SUM = re.compile(r"^Ran (\d+) tests?", re.MULTILINE)


@dataclass
class Result:
    """What came of one part."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    #: Lines for the reader.
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Part:
    """One part of `make test`."""

    name: str
    what: str
    #: Warm, on two cores.
    budget_seconds: int
    body: Callable[[], Result]


def _run(words: list, **environment: str) -> tuple[int, str]:
    """Runs a command in the repository; its output goes to the log of the run and comes back."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=REPOSITORY,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    )
    output = done.stdout.decode(errors="replace")
    with (TARGET / "check.log").open("a") as log:
        print("$", shlex.join(map(str, words)), file=log)
        print(output, file=log)
    return done.returncode, output


def _commands(*commands: tuple[str, list, dict]) -> Result:
    """Commands of which each is one check."""
    result = Result()
    for name, words, environment in commands:
        status, output = _run(words, **environment)
        if status == 0:
            result.passed += 1
        else:
            result.failed += 1
            result.notes += [f"FAILED {name}: {shlex.join(map(str, words))}", *_tail(output, 40)]
    return result


def _tail(output: str, count: int) -> list[str]:
    return output.rstrip().splitlines()[-count:]


def _static() -> Result:
    return _commands(
        ("formatting", [*_CARGO, "fmt", "--all", "--check"], {}),
        ("lints", [*_CARGO, "clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"], {}),
        (
            "documentation",
            [*_CARGO, "doc", "--workspace", "--no-deps", "--locked"],
            {"RUSTDOCFLAGS": "-D warnings"},
        ),
    )


def _tests() -> Result:
    status, output = _run([*_CARGO, "test", "--workspace", "--locked", "--no-fail-fast", "--", "--show-output"])
    result = Result()
    said, output = _apart(output)
    for passed, failed, _ in _CARGO_SUM.findall(output):
        result.passed += int(passed)
        result.failed += int(failed)
    for name, reason in [*_ignored(output), *_skipping(said)]:
        result.skipped += 1
        result.notes.append(f"SKIPPED {name}: {reason}")
        _forbid(result, f"tests: {name}")
    if status != 0:
        # A part that does not build has no failed test, and has failed all the same.
        result.failed = max(result.failed, 1)
        result.notes += [line for line in output.splitlines() if re.match(r"test .* FAILED|error", line)][:40]
        for name in re.findall(r"^test (\S+).* FAILED$", output, re.MULTILINE)[:10]:
            result.notes += [f"---- {name}", *said.get(name, [])[:40]]
    return result


def _ignored(output: str) -> list[tuple[str, str]]:
    """Tests that carry `#[ignore]`, and why; not those that another test runs, nor measurements."""
    return [
        (name, reason or "ignored")
        for name, reason in _CARGO_IGNORED.findall(output)
        if not reason.startswith(("run by ", "a measurement"))
    ]


def _apart(output: str) -> tuple[dict[str, list[str]], str]:
    """What each test printed, and what cargo itself said without that."""
    said: dict[str, list[str]] = {}
    rest, lines = [], None
    for line in output.splitlines():
        if header := _CARGO_OUTPUT.match(line):
            lines = said.setdefault(header[1], [])
        elif line in ("successes:", "failures:"):
            # So does the output of a test that runs tests itself; what it says then counts too.
            lines = None
        if lines is None:
            rest.append(line)
        else:
            lines.append(line)
    return said, "\n".join(rest)


def _skipping(said: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Tests that found that they cannot run (all of) what they check: a line `SKIPPED: why`."""
    return [
        (name, line.removeprefix("SKIPPED: "))
        for name, lines in said.items()
        for line in lines
        if line.startswith("SKIPPED: ")
    ]


def _harness() -> Result:
    status, output = _run([sys.executable, _HERE / "test_harness.py"])
    count = int(found[1]) if (found := _UNITTEST_SUM.search(output)) else 0
    if status == 0 and count > 0:
        return Result(passed=count)
    return Result(failed=1, notes=_tail(output, 30))


def _script(name: str, *words) -> Callable[[], Result]:
    """One of our own scripts."""
    return lambda: _own([sys.executable, _HERE / name, *words])


def _own(command: list, **environment: str) -> Result:
    """One of our own programs, which prints its sum itself."""
    status, output = _run(command, **environment)
    found = _SUM.findall(output)
    if not found:
        return Result(failed=1, notes=_tail(output, 30))
    passed, failed, skipped = map(int, found[-1])
    notes = [line.strip() for line in output.splitlines() if _NOTE.match(line)]
    if status != 0 and failed == 0:
        failed = 1
        notes += _tail(output, 10)
    return Result(passed, failed, skipped, notes)


def _power() -> Result:
    """Power cuts, and the proof that a disk that lies is found out."""
    total, rig = Result(), PROGRAM.with_name("restante-powercut")
    for words in (["--images", "100"], ["--images", "10", "--lying-disk"]):
        result = _own([rig, *words, "--seconds", "300"], RESTANTE=str(PROGRAM))
        total.passed += result.passed
        total.failed += result.failed
        total.skipped += result.skipped
        total.notes += result.notes
    for note in [note for note in total.notes if note.startswith("SKIPPED ")]:
        _forbid(total, f"power: {note.removeprefix('SKIPPED ').partition(':')[0]}")
    return total


def _program() -> Result:
    """The programs that the parts after this one use. With all targets, since what tests ask of other crates changes how these are
    built: all but the last program is there already."""
    return _commands(("program", [*_CARGO, "build", "--workspace", "--all-targets", "--locked"], {}))


def _forbid(result: Result, name: str) -> None:
    if os.environ.get("STRICT") == "1" and not allowed(name):
        result.failed += 1
        result.notes.append(f"FAILED this machine could have run it: {name}")


_PARTS = [
    Part("static", "formatting, lints and documentation, warnings are errors", 120, _static),
    Part("tests", "unit tests, transcripts, properties, arrows, doctests", 240, _tests),
    Part("program", "the programs that the next parts use", 30, _program),
    Part("harness", "the rule and the oracle of the next parts", 5, _harness),
    Part("counts", "instructions and allocations of the hot paths", 30, _script("counts.py")),
    Part("fuzz", "each fuzz target for 10 s", 160, _script("fuzz.py", "--seconds", "10")),
    Part("mutants", "six ways to break the store, each noticed by the simulation", 120, _script("mutants.py")),
    Part("kill", "kill -9 under load, 150 rounds", 80, _script("kill.py", "--rounds", "150")),
    Part("inject", "an error and a kill at every call that touches the disk", 180, _script("inject.py", "--short")),
    Part("fetch-crash", "restante fetch ended at its calls, at random and by full disks", 120, _script("fetch_crash.py", "--short")),
    Part("fetch", "restante fetch beside six servers, after four other programs, led by a DNS, with a keyring", 100, _script("fetch.py")),
    Part("fill", "a disk with k KiB free, and deletions on a full one", 40, _script("fill.py")),
    Part("power", "power cuts under ext4 and XFS, 100 images", 60, _power),
    Part("transfer", "Postfix, Exim, OpenSMTPD and Sendmail hand 1,000 messages on, each way", 160, _script("transfer.py")),
    Part("interop", "real messages, clients, front ends and a real Postfix", 290, _script("run.py")),
]


def main() -> int:
    wanted = sys.argv[1:] or [part.name for part in _PARTS]
    if unknown := set(wanted) - {part.name for part in _PARTS}:
        print(f"no such part: {', '.join(unknown)}; there are {', '.join(part.name for part in _PARTS)}")
        return 64
    if (status := reach.elsewhere(Path(__file__))) is not None:
        return status
    TARGET.mkdir(parents=True, exist_ok=True)
    (TARGET / "check.log").write_text("")
    total, began = Result(), time.monotonic()
    for part in _PARTS:
        if part.name not in wanted:
            continue
        print(f"{part.name:<8} {part.what} …", flush=True)
        at = time.monotonic()
        result = part.body()
        seconds = time.monotonic() - at
        for note in result.notes:
            print(f"         {note}")
        over = f" (budget {part.budget_seconds} s)" if seconds > part.budget_seconds else ""
        print(
            f"{part.name:<8} {seconds:4.0f} s{over}: {result.passed} passed, {result.failed} failed, "
            f"{result.skipped} skipped",
            flush=True,
        )
        total.passed += result.passed
        total.failed += result.failed
        total.skipped += result.skipped
    print(f"all in {time.monotonic() - began:.0f} s; every output is in {TARGET / 'check.log'}")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
