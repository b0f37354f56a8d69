#!/usr/bin/python3
"""`make bench-peers`: the program, Dovecot, Courier and popa3d do the same work with the same mail, in turn.

    peers.py [--rounds N] [--seconds N] [--write] [--only CASE,…] [--servers LABEL,…] [--no-limits]

Each server is pinned to one core and the load generator to another. Prints what is aimed at and what came of it,
then medians of everything with ratios to dovecot-tuned; leaves a page with charts and all outcomes in
target/interop/bench-peers. `--write` puts the tables into docs/performance.md, those of mail that comes in into a section of
their own; what was not measured stays as it is there. `--only poll` means all cases whose
name has that in it, `--only =poll` that case alone.
"""

import argparse
import os
import sys
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

# The load generator is measured too; it and the server are built for speed.
os.environ.setdefault("RESTANTE_PROFILE", "release")

from harness import paths  # noqa: E402
from harness.peers import Unavailable  # noqa: E402
from harness.processes import run  # noqa: E402
from rig import mail, servers, table, targets  # noqa: E402
from rig.cases import CASES, Case, Generator  # noqa: E402
from rig.limits import AFTER, Limits  # noqa: E402
from rig.server import Refused  # noqa: E402

_DOCUMENT = paths.REPOSITORY / "docs/performance.md"
#: Mail that goes out, and mail that comes in: where in the document their tables are.
_SECTIONS = {False: "bench-peers", True: "bench-peers-lmtp"}


def main() -> int:
    asked = _arguments()
    scratch = paths.scratch("bench-peers")
    cases = [case for case in CASES if not asked.only or any(_is(case, word) for word in asked.only.split(","))]
    wanted = {case.kind for case in cases}
    numbers = range(1, asked.rounds + 1)
    names = {mail.in_round(kind, number) for kind in wanted for number in numbers}
    kinds = [kind for kind in mail.kinds(asked.rounds) if kind.name in names]
    limits = None if asked.no_limits else Limits()
    print("preparing mail …", file=sys.stderr)
    everything = mail.Mail(paths.PROGRAM, scratch / "mail", kinds)
    certificate, key = servers.certificate(scratch)
    servers.Restante.program = paths.PROGRAM
    running = []
    for kind in servers.ALL:
        if asked.servers and kind.label not in asked.servers.split(","):
            continue
        print(f"starting {kind.label} …", file=sys.stderr)
        try:
            running.append(kind(scratch / kind.label, everything, certificate, key))
        except Unavailable as reason:
            print(f"SKIPPED {kind.label}: {reason}", file=sys.stderr)
    generator = Generator(paths.PROGRAM, scratch, certificate, kinds, asked.seconds)
    #: By case.
    refusals: dict[str, list[str]] = {}
    for number in numbers:
        _round(number, generator, cases, running, limits, refusals)
    for server in running:
        server.stop()
    incoming = {case.name for case in CASES if case.is_lmtp}
    outcomes = table.read(generator.record)
    for is_incoming, section in _SECTIONS.items():
        chosen = [outcome for outcome in outcomes if (outcome["case"] in incoming) == is_incoming]
        if chosen:
            refused = [why for case, why in refusals.items() if (case in incoming) == is_incoming]
            text = _report(asked, running, chosen, sum(refused, []), None if is_incoming else limits)
            print(text)
            if asked.write:
                _write(section, text)
    page = run([paths.PROGRAM, "bench", "report", generator.record, "--baseline", table.BASELINE])
    (scratch / "report.html").write_bytes(page.stdout)
    print(f"\nCharts: {scratch}/report.html", file=sys.stderr)
    return 0


def _is(case: Case, word: str) -> bool:
    return case.name == word[1:] if word.startswith("=") else word in case.name


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--servers", default="")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--no-limits", action="store_true")
    return parser.parse_args()


def _round(number: int, generator: Generator, cases: list[Case], running: list, limits, refusals: dict) -> None:
    """All cases on all servers, in turn; notes what was refused, and why."""
    for case in cases:
        for server in running:
            if not server.can_do(case) or case.is_watched and number > 1:
                continue
            try:
                generator.measure(case, server, number)
            except Refused as reason:
                told = refusals.setdefault(case.name, [])
                told += [line for line in (f"{server.label}, {case.name}: {reason}",) if line not in told]
        print(f"round {number}: {case.name} done", file=sys.stderr)
        if limits and case.name == AFTER:
            _limits(number, generator, limits)
    if limits and all(case.name != AFTER for case in cases):
        _limits(number, generator, limits)


def _limits(number: int, generator: Generator, limits: Limits) -> None:
    tls = generator.outcomes.get((number, targets.OURS, AFTER), {})
    limits.measure(tls.get("cipher"))
    print(f"round {number}: limits done", file=sys.stderr)


def _report(asked, running, outcomes, refusals, limits) -> str:
    labels = {outcome["label"] for outcome in outcomes}
    running = [server for server in running if server.label in labels]
    versions = ", ".join(f"{server.label} {server.version}" for server in running)
    runs = "one run" if asked.rounds == 1 else f"medians of {asked.rounds} runs"
    machine = outcomes[0]["machine"] if outcomes else "nothing measured"
    parts = [
        f"{date.today()}, {machine}; {runs} of {asked.seconds} seconds. {versions}.",
        *_targets(outcomes, limits),
        table.markdown(outcomes, [server.label for server in running]),
        *_ciphers(outcomes),
    ]
    if refusals:
        parts.append("Not measured, since the answer was wrong or none:\n\n" + "\n".join(f"- {one}" for one in refusals))
    if limits:
        parts.append("What the machine asks for at least, in the same run:\n\n" + limits.markdown())
    return "\n\n".join(parts)


def _targets(outcomes, limits) -> list[str]:
    """The table of what is aimed at, if any of it was measured."""
    text = targets.markdown(outcomes, limits)
    return [text, "All figures:"] if text else []


def _ciphers(outcomes) -> list[str]:
    """What TLS was like, in a sentence."""
    found: dict[str, set[str]] = {}
    for outcome in outcomes:
        if outcome["cipher"]:
            found.setdefault(outcome["cipher"], set()).add(outcome["label"])
    said = "; ".join(f"{cipher} ({', '.join(sorted(labels))})" for cipher, labels in found.items())
    return [f"TLS was {said}."] if said else []


def _write(section: str, text: str) -> None:
    """Replaces a generated part of the document."""
    begin, end = f"<!-- {section}: begin -->", f"<!-- {section}: end -->"
    document = _DOCUMENT.read_text()
    before, rest = document.split(begin)
    _, after = rest.split(end)
    _DOCUMENT.write_text(f"{before}{begin}\n{text}\n{end}{after}")


if __name__ == "__main__":
    sys.exit(main())
