#!/usr/bin/python3
"""`make bench-peers`: the program, Dovecot and Courier do the same work with the same mail, in turn.

    peers.py [--rounds N] [--seconds N] [--write] [--only WORD,…] [--servers LABEL,…]

Each server is pinned to one core and the load generator to another. Prints medians with ratios to
dovecot-tuned; leaves a page with charts and all outcomes in target/interop/bench-peers. `--write` puts the table
into docs/performance.md.
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
from rig import mail, servers, table  # noqa: E402
from rig.cases import CASES, Generator, Refused  # noqa: E402

_DOCUMENT = paths.REPOSITORY / "docs/performance.md"
_BEGIN, _END = "<!-- bench-peers: begin -->", "<!-- bench-peers: end -->"


def main() -> int:
    asked = _arguments()
    scratch = paths.scratch("bench-peers")
    cases = [case for case in CASES if not asked.only or any(word in case.name for word in asked.only.split(","))]
    kinds = [kind for kind in mail.with_drains(asked.rounds) if any(kind.name.startswith(c.kind) for c in cases)]
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
    limits = _limits(asked)
    refusals = _measure(generator, cases, running, asked.rounds)
    for server in running:
        server.stop()
    outcomes = table.read(generator.record)
    text = _report(asked, running, outcomes, refusals, limits)
    print(text)
    page = run([paths.PROGRAM, "bench", "report", generator.record, "--baseline", table.BASELINE])
    (scratch / "report.html").write_bytes(page.stdout)
    print(f"\nCharts: {scratch}/report.html", file=sys.stderr)
    if asked.write:
        _write(text)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--servers", default="")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--no-limits", action="store_true")
    return parser.parse_args()


def _measure(generator: Generator, cases: list, running: list, rounds: int) -> list[str]:
    """All cases on all servers, in turn, so many times; what was refused, and why."""
    refusals: dict[str, None] = {}
    for number in range(1, rounds + 1):
        for case in cases:
            for server in running:
                if case.workload == "idle":
                    # What an earlier case has left is memory that nobody would count.
                    server.restart()
                try:
                    generator.measure(case, server, number)
                except Refused as reason:
                    refusals.setdefault(f"{server.label}, {case.name}: {reason}")
            print(f"round {number} of {rounds}: {case.name} done", file=sys.stderr)
    return list(refusals)


def _limits(asked: argparse.Namespace) -> str:
    """What the machine can do at best, measured in the same run."""
    if asked.no_limits:
        return ""
    words = ["cargo", "bench", "--quiet", "--locked", "-p", "restante-tests", "--bench", "limits"]
    return run(words, patience=900, check=True, cwd=paths.REPOSITORY).stdout.decode()


def _report(asked, running, outcomes, refusals, limits) -> str:
    versions = ", ".join(f"{server.label} {server.version}" for server in running)
    runs = "one run" if asked.rounds == 1 else f"medians of {asked.rounds} runs"
    parts = [
        f"{date.today()}, {outcomes[0]['machine']}; {runs} of {asked.seconds} seconds. {versions}.",
        table.markdown(outcomes, [server.label for server in running]),
    ]
    if refusals:
        parts.append("Not measured, since the answer was wrong or none:\n\n" + "\n".join(f"- {one}" for one in refusals))
    if limits:
        parts.append("What the machine can do at best, one thread, in the same run:\n\n" + limits.strip())
    return "\n\n".join(parts)


def _write(text: str) -> None:
    """Replaces the generated part of the document."""
    document = _DOCUMENT.read_text()
    before, rest = document.split(_BEGIN)
    _, after = rest.split(_END)
    _DOCUMENT.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}")


if __name__ == "__main__":
    sys.exit(main())
