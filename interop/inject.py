#!/usr/bin/python3
"""The injecting rig: every operation that writes, with a kill or an error at every call that touches the disk.

strace makes the n-th call of an operation fail (EIO, ENOSPC, EDQUOT, EINTR; once or from then on), makes
everything fail from the n-th call on (a full disk, a dead disk), or kills the program there, for every n. Real
short writes are made by RLIMIT_FSIZE. After each trial the program's own tools show what is there: what was
promised is whole, what was refused is not there, deletions happened all or not at all, and mail goes on.

    inject.py [--short] [--only NAME] [--fault FAULT | short write] [--at N] [--processes P]

Nothing is random, so a line that failed says how to run it again.
"""

import argparse
import multiprocessing
import os
import shutil
import sys
import time
from collections import Counter

from harness import strace
from harness.report import Report, can_trace
from harness.strace import Fault
from injection import backups, commands, served, trial
from injection.trial import Bench, Prepared, Result

_OPERATIONS = (*commands.OPERATIONS, *backups.OPERATIONS, *served.OPERATIONS)

#: A file that may have only so many octets; beside the faults of strace.
_SHORT_WRITE = "short write"
#: Limits that are tried for an operation.
_LIMITS_SHORT, _LIMITS_LONG = 8, 150
#: Below this, `accounts.db-shm` cannot be made.
_LIMIT_LEAST = 32 * 1024

#: How often it is told how far the trials are.
_TELL_SECONDS = 60

_bench: Bench
_prepared: list[Prepared]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument(
        "--short", action="store_true",
        help="one error at every call (where judging takes long, at every second that only reads), the kinds in "
        "turns, and a kill at those that write; calls that read the accounts only once",
    )
    arguments.add_argument("--only", help="a part of an operation's name")
    arguments.add_argument("--fault", choices=[*(fault.value for fault in Fault), _SHORT_WRITE])
    arguments.add_argument("--at", type=int, help="the call of the operation's recording, from 0; octets for a short write")
    arguments.add_argument("--processes", type=int, default=2)
    options = arguments.parse_args()
    report = Report("inject")
    if reason := _unable():
        report.skip("every operation", reason)
        return report.end()
    global _prepared
    began, scratch = time.monotonic(), trial.scratch()
    wanted = [each for each in _OPERATIONS if options.only is None or options.only in each.name]
    _prepared = [trial.prepare(each, scratch / str(place)) for place, each in enumerate(wanted)]
    todo = list(_trials(options))
    outcomes = [Counter() for _ in _prepared]
    done, told = 0, began
    # Forked here, so that the children know what was prepared.
    with multiprocessing.get_context("fork").Pool(options.processes, _begin, [scratch]) as pool:
        for (place, fault, at), result in pool.imap_unordered(_try, todo, chunksize=4):
            done += 1
            if time.monotonic() - told > _TELL_SECONDS:
                told = time.monotonic()
                print(f"  {(told - began) / 60:.0f} min: {done} of {len(todo)} trials", flush=True)
            report.passed += result.wrong is None
            report.failed += result.wrong is not None
            outcomes[place][result.outcome.value if result.outcome else "failed"] += 1
            if result.wrong is not None:
                prepared = _prepared[place]
                name = prepared.operation.name
                print(f"  FAILED {name}, {fault} at {_where(prepared, fault, at)}: {result.wrong}")
                again = f"--only '{name}' --fault '{fault}' --at {at}"
                print(f"         again: interop/inject.py {again}", flush=True)
        # Who is ended while it asks for the next trial leaves the lock of those behind, and the others wait for it for ever.
        pool.close()
        pool.join()
    for prepared, counter in zip(_prepared, outcomes, strict=True):
        came = ", ".join(f"{count} {what}" for what, count in sorted(counter.items()))
        print(f"  {prepared.operation.name}: {sum(call.aimed for call in prepared.calls)} calls, {counter.total()} trials: {came}")
    print(f"  {len(todo)} trials in {time.monotonic() - began:.0f} s")
    return report.end()


def _unable() -> str | None:
    if shutil.which("strace") is None:
        return "strace is not installed (make test says how)"
    if not can_trace():
        return "this process may not trace another one"
    return None


def _trials(options):
    faults = [fault for fault in Fault if options.fault in (None, fault.value)]
    for place, prepared in enumerate(_prepared):
        turn = reads = 0
        for at, call in enumerate(prepared.calls):
            if not call.aimed or options.at not in (None, at):
                continue
            # Every command reads the accounts by the same calls.
            accounts = "/data/accounts.db" in call.text and not (prepared.operation.writes_accounts and call.writes)
            if options.short and prepared.operation is not _OPERATIONS[0] and accounts:
                continue
            # SQLite tries for ten seconds to get at accounts that cannot be read. Before the maildrop is
            # touched, a lasting fault says no more than one that passes.
            able = [fault for fault in faults if call.can(fault) and (at >= prepared.first or not fault.lasts)]
            if options.short:
                last = all(not later.aimed for later in prepared.calls[at + 1 :])
                errors = [fault for fault in able if fault is not Fault.KILL]
                if prepared.operation.also is not None and not call.writes:
                    # Judged at length: every second of the calls that only read.
                    reads += 1
                    if reads % 2 and not last:
                        continue
                    errors = [fault for fault in errors if not fault.lasts]
                turn += 1
                able = [fault for fault in able if fault is Fault.KILL] + errors[turn % max(len(errors), 1) :][:1]
                # At a call that only reads, the disk is what it is when the next one is to write.
                if not (call.writes or last) and options.fault is None:
                    able = [fault for fault in able if fault is not Fault.KILL]
            yield from ((place, fault.value, at) for fault in able)
        if options.fault in (None, _SHORT_WRITE):
            sizes = range(max(prepared.grown.start, _LIMIT_LEAST), prepared.grown.stop)
            step = max(len(sizes) // (_LIMITS_SHORT if options.short else _LIMITS_LONG), 1)
            wanted = sizes[::step] if options.at is None else [options.at]
            yield from ((place, _SHORT_WRITE, octets) for octets in (wanted if sizes else ()))


def _begin(scratch) -> None:
    global _bench
    _bench = Bench(scratch / f"bench-{os.getpid()}")


def _try(what) -> tuple[tuple, Result]:
    place, fault, at = what
    if fault == _SHORT_WRITE:
        return what, _bench.short(_prepared[place], at)
    return what, _bench.fault(_prepared[place], Fault(fault), at)


def _where(prepared: Prepared, fault: str, at: int) -> str:
    if fault == _SHORT_WRITE:
        return f"{at} octets"
    call = prepared.calls[at]
    return f"call {at}, {call.name} {call.nth}"


if __name__ == "__main__":
    sys.exit(main())
