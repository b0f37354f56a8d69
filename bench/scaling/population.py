"""Maildrops: 1,000 to 1,000,000 of them, with one message each; what polls of accounts at random cost."""

import random
import sys
from itertools import islice
from pathlib import Path
from statistics import median, quantiles

from harness import paths
from harness.processes import run

from . import machine
from .place import CLIENT, POLLED, POLLED_MESSAGES, Place, Server, figure, timing
from .table import Rows

#: Maildrops that are polled: more than rows of accounts are remembered (10,000), fewer than credentials (250,000).
_SAMPLE, _COLD = 40_000, 4_000


def place(count: int) -> Place:
    """The data directory with so many maildrops of one message."""
    found = Place(f"drops-{count}")
    if found.facts() is None:
        _make(found, count)
    return found


def _make(here: Place, count: int) -> None:
    print(f"making {count} maildrops …", file=sys.stderr)
    users, polled = [f"u{n}" for n in range(count)], [f"p{n}" for n in range(POLLED)]
    facts = {"count": count, "import_s": here.accounts(users)}
    here.accounts(polled)
    server = Server(here)
    given = server.bench("deliver", "--users-file", here.users("all", users), "--messages", count, "--size", "1KiB",
                         "--connections", 16)
    facts["delivered"] = given
    server.bench("deliver", "--users-file", here.users("polled", polled), "--messages", POLLED * POLLED_MESSAGES,
                 "--size", "1KiB", "--connections", 16)
    server.stop()
    here.made(facts)


def measure(rows: Rows, counts: list[int]) -> None:
    for count in counts:
        _measure(rows, place(count), count)


def _measure(rows: Rows, here: Place, count: int) -> None:
    facts = here.facts()
    size = sum(file.stat().st_size for file in here.data.glob("accounts.db*"))
    figures = {"import, s": facts["import_s"], "accounts.db, MB": size / 1e6}
    chosen = [f"u{n}" for n in random.Random(1).sample(range(count), min(count, _SAMPLE))]
    sample = here.users("sample", chosen)
    cold = machine.forget_files()
    server = Server(here)
    figures["ready, cold, s" if cold else "ready, s"] = server.ready
    before = machine.memory(server.pid)["pss"]
    figures["memory at the start, MiB"] = before / 2**20
    # Each for the first time in the life of this process; whoever waits for a password waits for better hashes, too, so
    # that only the rest of the CPU time says something.
    first = walk(server, sample, 0, len(chosen), 64)
    figures["first poll, CPU, µs"] = first["cpu"]
    machine.calm([server.pid])
    after = machine.memory(server.pid)["pss"]
    figures["memory a maildrop seen, KiB"] = (after - before) / len(chosen) / 1024
    # In another order, so that what is forgotten first is not what is asked for next.
    random.Random(2).shuffle(chosen)
    again = walk(server, here.users("sample", chosen), 0, min(len(chosen), _SAMPLE // 2), 1)
    figures |= {"poll, CPU, µs": again["cpu"], "poll, p50, ms": again["p50"], "poll, p99, ms": again["p99"]}
    if machine.forget_files():
        found = walk(server, sample, 0, min(len(chosen), _COLD), 1)
        figures |= {"cold, CPU, µs": found["cpu"], "cold, p50, ms": found["p50"], "cold, p99, ms": found["p99"]}
    server.stop()
    figures["a maildrop on disk, KiB"] = _on_disk(here)
    rows.add("population", f"{count:,}", figures)


def _on_disk(here: Place) -> float:
    """KiB that a maildrop's file takes up: the median of some, since those that are polled have more messages."""
    return median(file.stat().st_blocks / 2 for file in islice((here.data / "d").rglob("*.rsm"), 1000))


def walk(server: Server, users: Path, first: int, count: int, connections: int) -> dict:
    """Each account once: milliseconds, and microseconds of the server's CPU that were not spent on passwords."""
    before = machine.cpu(server.pid) - machine.hashing(server.pid)
    words = ["taskset", "-c", CLIENT, sys.executable, paths.REPOSITORY / "bench/scaling/worker.py", "walk"]
    ended = run([*words, server.port, users, first, count, connections], patience=900, check=True)
    spent = machine.cpu(server.pid) - machine.hashing(server.pid) - before
    times = [int(line) / 1e6 for line in ended.stdout.split()]
    return {"cpu": spent * 1e6 / count, "p50": median(times), "p99": quantiles(times, n=100)[-1]}


def deliveries(rows: Rows, counts: list[int]) -> None:
    """What making the maildrops has measured: each delivery makes one."""
    for count in counts:
        given = place(count).facts()["delivered"]
        rows.add("new", f"{count:,}", {
            "messages, /s": figure(given, "messages"),
            "CPU, µs": figure(given, "server CPU a"), "server memory then, MiB": figure(given, "server memory"),
            "p50, ms": timing(given, "delivery", "p50"), "p99, ms": timing(given, "delivery", "p99"),
        })
