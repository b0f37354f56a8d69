#!/usr/bin/python3
"""A client process of its own: descriptors are counted by the process.

    worker.py hold PORT USERS FROM COUNT [CERTIFICATE]   logs all in and out, waits for a line, logs them in and holds them
    worker.py walk PORT USERS FROM COUNT CONNECTIONS     polls each once; prints a time in nanoseconds for each

Accounts are lines of USERS. `hold` says `warm` and `held` when it is, and waits for a line before it goes on.
"""

import resource
import sys
import threading
import time
from itertools import islice
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2] / "interop")]

from scaling.conversation import Conversation, trusting  # noqa: E402

_THREADS = 64


def main() -> None:
    what, port, users, first, count, *more = sys.argv[1:]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Path(users).open() as lines:
        names = [line.strip() for line in islice(lines, int(first), int(first) + int(count))]
    if what == "hold":
        hold(int(port), names, trusting(more[0]) if more else None)
    else:
        walk(int(port), names, int(more[0]))


def hold(port: int, names: list[str], context) -> None:
    def enter(number: int) -> Conversation:
        return Conversation(port, number, context).log_in(names[number])

    _each(len(names), lambda number: enter(number).quit(), _THREADS)
    _say("warm")
    held = _each(len(names), enter, _THREADS)
    _say("held")
    # All of them still live.
    _each(len(names), lambda number: (held[number].ask("NOOP"), held[number].quit()), 1)


def walk(port: int, names: list[str], connections: int) -> None:
    def poll(number: int) -> int:
        start = time.perf_counter_ns()
        conversation = Conversation(port, number).log_in(names[number])
        conversation.ask("STAT")
        conversation.quit()
        return time.perf_counter_ns() - start

    print("\n".join(map(str, _each(len(names), poll, connections))))


def _say(what: str) -> None:
    print(what, flush=True)
    sys.stdin.readline()


def _each(count: int, work, threads: int) -> list:
    """The results of work on each number, in their order; the first failure ends the process."""
    results, failures = [None] * count, []

    def some(number: int) -> None:
        try:
            for n in range(number, count, threads):
                if failures:
                    return
                results[n] = work(n)
        except Exception as failure:  # told below, whatever it is
            failures.append(failure)

    if threads == 1:
        some(0)
    else:
        runners = [threading.Thread(target=some, args=(number,)) for number in range(threads)]
        for runner in runners:
            runner.start()
        for runner in runners:
            runner.join()
    if failures:
        raise SystemExit(f"{failures[0]}")
    return results


if __name__ == "__main__":
    main()
