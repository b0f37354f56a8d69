#!/usr/bin/python3
"""`restante fetch` ended in the middle: at every call that changes something, at random, and by disks that refuse.

Each time every message must be on the server or in the destination at once, and, when fetching was run to its end after that, in the
destination: nothing lost; nothing twice in a Maildir, an mbox and our own store; elsewhere at most one twice for each end.

    fetch_crash.py [--short] [--only PART-OF-A-NAME] [--at "kill before N"] [--rounds N] [--seed SEED] [--processes P]
    fetch_crash.py --peers [--rounds N]         fetchmail, getmail and mpop, killed at random: a table of what comes twice

The calls of a session are counted by `harness/tracer.py`. A line that failed says how to run it again.
"""

import argparse
import multiprocessing
import os
import random
import sys
import time
from collections import Counter

from crashing import peers, volumes
from crashing.bench import Case
from crashing.trials import CASES, MANY, Attempt, Trials, errors, kills, scratch
from harness import paths, tracer
from harness.clients import restante
from harness.peers import Unavailable
from harness.report import Report, can_trace

_TELL_SECONDS = 60
#: Of a short run: for one case in so many, each call is tried; of the others every so manieth.
_SHORT_STRIDE = 6

_trials: Trials


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--short", action="store_true", help="a share of the calls and errors, and few moments at random")
    arguments.add_argument("--only", help="a part of a case's name, or `random`, or `volume`")
    arguments.add_argument("--at", help="only what the tracer does, as a failed line says it: kill before 17")
    arguments.add_argument("--rounds", type=int, help="moments at random for each case")
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    arguments.add_argument("--processes", type=int, default=2)
    arguments.add_argument("--peers", action="store_true")
    options = arguments.parse_args()
    if options.peers:
        return peers.main(paths.scratch("fetch-crash-peers"), options.rounds or 10, options.seed)
    print(f"  seed {options.seed} (again: interop/fetch_crash.py --seed {options.seed})", flush=True)
    report = Report("fetch crash")
    if reason := _unable():
        report.skip("every destination", reason)
        return report.end()
    began, place = time.monotonic(), scratch()
    todo = _todo(options, report, place)
    outcomes = Counter()
    told = began
    with multiprocessing.get_context("fork").Pool(options.processes, _begin, [place]) as pool:
        for (kind, name), wrong in pool.imap_unordered(_try, todo, chunksize=2):
            outcomes[kind, wrong is None] += 1
            report.passed += wrong is None
            report.failed += wrong is not None
            if wrong is not None:
                print(f"  FAILED {name}: {wrong}\n         again: interop/fetch_crash.py {_again(kind, name, options.seed)}", flush=True)
            if time.monotonic() - told > _TELL_SECONDS:
                told = time.monotonic()
                print(f"  {(told - began) / 60:.0f} min: {outcomes.total()} of {len(todo)} trials", flush=True)
        # Who is ended while it asks for the next trial leaves the lock of those behind, and the others wait for it for ever.
        pool.close()
        pool.join()
    _volumes(options, report, place)
    for kind in dict.fromkeys(kind for kind, _ in outcomes):
        print(f"  {kind}: {outcomes[kind, True] + outcomes[kind, False]} trials, {outcomes[kind, False]} failed")
    print(f"  {len(todo)} trials in {time.monotonic() - began:.0f} s")
    return report.end()


def _unable() -> str | None:
    if reason := tracer.able():
        return reason
    if not can_trace():
        return "this process may not trace another one"
    try:
        restante.require()
    except Unavailable as reason:
        return str(reason)
    return None


def _todo(options, report: Report, place) -> list[tuple]:
    """Every trial, as what a worker is given."""
    dice, todo, trials = random.Random(options.seed), [], Trials(place / "recording")
    refused: dict[str, str] = {}
    try:
        for number, case in enumerate(CASES):
            if options.only and options.only not in case.name or any(kind in refused for kind in (*case.kinds, case.source)):
                continue
            try:
                calls = trials.record(case)
            except Unavailable as reason:
                if len(case.kinds) == 1:
                    refused[case.kinds[0] if case.source == "ours" else case.source] = str(reason)
                continue
            if options.at:
                plans = [tuple(plan.split()) for plan in options.at.split(", then ")]
                todo.append(("again", Attempt(case, *plans)))
                continue
            mine = [("killed", each) for each in kills(case, calls, options.short, dice)]
            mine += [("disk", each) for each in errors(case, calls, options.short, dice)]
            # In a short run only one case is tried at every call.
            stride = _SHORT_STRIDE if options.short and number != 1 else 1
            todo += mine[dice.randrange(stride) :: stride]
        rounds = options.rounds or (2 if options.short else 60)
        for case in MANY:
            kind = case.kinds[0]
            if {kind, case.source} & set(refused) or options.at or options.only and options.only not in f"random {case.name}":
                continue
            try:
                trials.record(Case(case.kinds, count=1, large=0, source=case.source))
            except Unavailable as reason:
                refused[kind] = str(reason)
                continue
            todo += [("random", (case, f"{options.seed} {case.name} {at}")) for at in range(rounds)]
    finally:
        trials.stop()
    for kind, reason in refused.items():
        report.skip(kind, reason)
    dice.shuffle(todo)
    return todo


def _again(kind: str, name: str, seed: int) -> str:
    case, _, plan = name.rpartition(": ")
    return f"--seed {seed} --only 'random'" if kind == "random" else f"--only '{case}' --at '{plan}'"


def _begin(place) -> None:
    global _trials
    _trials = Trials(place / f"bench-{os.getpid()}")


def _try(what) -> tuple[tuple[str, str], str | None]:
    kind, each = what
    if kind == "random":
        case, seed = each
        return (kind, f"random {case.name}: {seed}"), _trials.at_random(case, seed)
    return (kind, each.name), _trials.attempt(each)


def _volumes(options, report: Report, place) -> None:
    """Full disks, one after the other: a mount of one process would be left behind by another."""
    if options.at or options.only and not options.only.startswith("disk with"):
        return
    dice, trials, outcomes = random.Random(options.seed), Trials(place / "volumes"), Counter()
    try:
        disk = volumes.Full(trials.bench, place / "volumes")
    except Unavailable as reason:
        trials.stop()
        report.skip("full disks", str(reason))
        return
    try:
        for case in volumes.CASES:
            for where in volumes.PLACES:
                if not _volume(options, report, trials, disk, case, where, outcomes, dice):
                    break
    finally:
        disk.stop()
        trials.stop()
    print(f"  full disks: {outcomes.total()} trials, {outcomes[True]} were too small, {outcomes['failed']} failed")


def _volume(options, report, trials, disk, case, where, outcomes, dice) -> bool:
    """Sizes of one disk; False if this build cannot do it."""
    sizes = [4 * at for at in range(volumes.KIB_MAX // 4)]
    chosen = [*sizes[:3], *sorted(dice.sample(sizes[3:], 4 if options.short else 60))]
    for kib in chosen:
        name = f"disk with {kib} KiB free, {where} of {case.name}"
        if options.only and not name.startswith(options.only):
            continue
        try:
            wrong, was_full = trials.on_a_full_disk(disk, case, where, kib)
        except Unavailable as reason:
            report.skip(f"full disks, {case.kinds[0]}", str(reason))
            return False
        outcomes["failed" if wrong else was_full] += 1
        report.passed += wrong is None
        report.failed += wrong is not None
        if wrong is not None:
            print(f"  FAILED {name}: {wrong}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
