"""Polls and deliveries by more and more connections, on one core and on two; and what the disk can sync."""

import os
import shutil
import subprocess
import threading
import time
from statistics import median

from . import machine, population
from .place import CLIENT, POLLED, ROOT, SERVER, Place, Server, figure, timing
from .table import Rows

_CONNECTIONS = [1, 8, 64, 512]
#: Of deliveries, with so many maildrops that take turns.
_DELIVERIES = [(1, 1), (16, 1), (8, 8), (64, 64)]
_OCTETS = 4096


def measure(rows: Rows, population_size: int, seconds: int) -> None:
    here = population.place(population_size)
    polled = here.users("polled", [f"p{n}" for n in range(POLLED)])
    both = f"{SERVER},{CLIENT}"
    for cores, client in ((SERVER, CLIENT), (both, both)):
        for connections in _CONNECTIONS:
            _polls(rows, here, polled, connections, cores, client, seconds)
    _deliveries(rows, here, seconds)
    for threads in (1, 8, 64):
        rows.add("disk", str(threads), {"append and fdatasync, /s": _syncs(threads, seconds)})


def _polls(rows: Rows, here: Place, polled, connections: int, cores: str, client: str, seconds: int) -> None:
    server = Server(here, cores=cores)
    words = ["poll", "--users-file", polled, "--connections", connections]
    server.bench(*words, "--seconds", 1, client=client)
    machine.calm([server.pid])
    octets, packets = machine.wire()
    outcomes = [server.bench(*words, "--seconds", seconds, client=client) for _ in range(3)]
    sent = [after - before for after, before in zip(machine.wire(), (octets, packets), strict=True)]
    sessions = sum(one["timings"][0]["count"] for one in outcomes) + 3 * connections
    figures = {
        "polls, /s": median(figure(one, "sessions") for one in outcomes),
        "CPU, µs": median(figure(one, "server CPU a") for one in outcomes),
        "p50, ms": median(timing(one, "session", "p50") for one in outcomes),
        "p99, ms": median(timing(one, "session", "p99") for one in outcomes),
        "octets, both ways": sent[0] / sessions, "packets": sent[1] / sessions,
    }
    figures |= _waits(server, words, client)
    server.stop()
    rows.add("cores", f"{connections}, {len(cores.split(','))}", figures)


def _waits(server: Server, words: list, client: str) -> dict:
    """Calls of futex a poll, from a run under strace, where there is one: threads that wait for each other."""
    if not shutil.which("strace"):
        return {}
    counts = ROOT / "strace"
    # SIGINT is what it ends at, with its table.
    tracer = subprocess.Popen(["strace", "-f", "-c", "-o", counts, "-p", str(server.pid)], stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    outcome = server.bench(*words, "--seconds", 1, client=client)
    tracer.send_signal(2)
    tracer.wait(30)
    sessions = outcome["timings"][0]["count"] + int(words[-1])
    calls = sum(int(line.split()[3]) for line in counts.read_text().splitlines() if line.split()[-1:] == ["futex"])
    return {"futex": calls / sessions}


def _deliveries(rows: Rows, here: Place, seconds: int) -> None:
    both = f"{SERVER},{CLIENT}"
    for cores, client, loads in ((SERVER, CLIENT, _DELIVERIES), (both, both, _DELIVERIES[-1:])):
        server = Server(here, cores=cores)
        for connections, maildrops in loads:
            users = here.users("recipients", [f"p{n}" for n in range(POLLED - maildrops, POLLED)])
            words = ["deliver", "--users-file", users, "--connections", connections, "--size", "1KiB"]
            outcomes = [server.bench(*words, "--seconds", seconds, client=client) for _ in range(3)]
            rows.add("deliver", f"{connections}, {maildrops}, {len(cores.split(','))}", {
                "messages, /s": median(figure(one, "messages") for one in outcomes),
                "CPU, µs": median(figure(one, "server CPU a") for one in outcomes),
                "server busy, % of a core": median(figure(one, "server CPU in use") for one in outcomes),
                "p50, ms": median(timing(one, "delivery", "p50") for one in outcomes),
                "p99, ms": median(timing(one, "delivery", "p99") for one in outcomes),
            })
        server.stop()


def _syncs(threads: int, seconds: int) -> float:
    """Blocks that are appended to a file for each thread and made durable, one after the other."""
    counts = [0] * threads
    end = time.monotonic() + seconds

    def write(number: int) -> None:
        file = ROOT / f"sync.{number}"
        with file.open("wb", buffering=0) as out:
            while time.monotonic() < end:
                out.write(bytes(_OCTETS))
                os.fdatasync(out.fileno())
                counts[number] += 1
        file.unlink()

    runners = [threading.Thread(target=write, args=(number,)) for number in range(threads)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    return sum(counts) / seconds
