"""Sessions that are held and say nothing: their memory, the kernel's, and what polls cost meanwhile."""

import os
import subprocess
import sys
from statistics import median

from harness import paths
from harness.processes import Process

from . import machine, population
from .place import CLIENT, ROOT, Place, Server, figure, timing
from .table import Rows

_RATE = 200
#: Accounts that are polled; their maildrops have one session at once.
POLLED_AT_ONCE = 64


class Holder:
    """A process that holds sessions of one server."""

    def __init__(self, server: Server, users, first: int, count: int, tls: bool, cores: str):
        words = ["taskset", "-c", cores, sys.executable, paths.REPOSITORY / "bench/scaling/worker.py", "hold"]
        words += [server.tls_port if tls else server.port, users, first, count]
        words += [ROOT / "certificate.pem"] if tls else []
        pipe = subprocess.PIPE
        self._process = Process(words, stdin=pipe, stdout=pipe)

    def expect(self, said: str) -> None:
        line = self._process.child.stdout.readline().decode().strip()
        if line != said:
            raise RuntimeError(f"a client did not come to be {said}")

    def go_on(self) -> None:
        self._process.child.stdin.write(b"\n")
        self._process.child.stdin.flush()

    def end(self) -> None:
        """Lets it ask each session whether it lives, and leave."""
        self.go_on()
        if self._process.child.wait(120) != 0:
            raise RuntimeError("a session that was held did not live any more")
        self._process.kill()


def measure(rows: Rows, population_size: int, steps: list[tuple[int, int, bool]], seconds: int) -> None:
    """Steps: sessions, processes that hold them, whether inside TLS."""
    here = population.place(population_size)
    for sessions, processes, tls in steps:
        _measure(rows, here, sessions, processes, tls, seconds)


def _measure(rows: Rows, here: Place, sessions: int, processes: int, tls: bool, seconds: int) -> None:
    everybody = here.users("all", [f"u{n}" for n in range(sessions)])
    servers = [Server(here, number) for number in range(processes)]
    pids = [server.pid for server in servers]
    polled = here.users("polled", [f"p{n}" for n in range(POLLED_AT_ONCE)])
    # A first run, so that what polls leave behind is there before the sessions are.
    _poll(servers[0], polled, 1)
    each = -(-sessions // processes)
    parts = [range(sessions)[at : at + each] for at in range(0, sessions, each)]
    # Of many processes none has a core of its own anyway.
    cores = CLIENT if processes == 1 else f"0-{os.cpu_count() - 1}"
    pairs = zip(servers, parts, strict=True)
    holders = [Holder(server, everybody, part[0], len(part), tls, cores) for server, part in pairs]
    for holder in holders:
        holder.expect("warm")
    machine.calm(pids)
    before, kernel, slabs = _memory(pids), machine.kernel(), machine.slabs()
    for holder in holders:
        holder.go_on()
    for holder in holders:
        holder.expect("held")
    machine.calm(pids)
    after = _memory(pids)
    figures = {
        "memory a session, KiB": (after["pss"] - before["pss"]) / sessions / 1024,
        "page tables a session, KiB": (after["tables"] - before["tables"]) / sessions / 1024,
        "servers, MiB": after["pss"] / 2**20,
    }
    figures |= _of_kernel(kernel, slabs, sessions)
    outcomes = [_poll(servers[0], polled, seconds) for _ in range(3)]
    figures |= {
        "poll, CPU, µs": median(figure(one, "server CPU a") for one in outcomes),
        "poll, p50, ms": median(timing(one, "session", "p50") for one in outcomes),
        "poll, p99, ms": median(timing(one, "session", "p99") for one in outcomes),
        "never begun": sum(figure(one, "sessions never begun") for one in outcomes),
    }
    for holder in holders:
        holder.end()
    for server in servers:
        server.stop()
    kind = ", TLS" if tls else ""
    of = f", {processes} processes" if processes > 1 else ""
    rows.add("idle", f"{sessions:,}{kind}{of}", figures)


def _poll(server: Server, users, seconds: int) -> dict:
    return server.bench("poll", "--users-file", users, "--rate", _RATE, "--seconds", seconds)


def _memory(pids: list[int]) -> dict[str, int]:
    each = [machine.memory(pid) for pid in pids]
    return {name: sum(one[name] for one in each) for name in each[0]}


def _of_kernel(before: dict, slabs: dict, sessions: int) -> dict[str, float]:
    """What the kernel has more of than before: all slabs, and of them what is the server's of a session."""
    grown = {name: (size - slabs.get(name, 0)) / sessions for name, size in machine.slabs().items()}
    largest = sorted(grown.items(), key=lambda one: -one[1])[:12]
    return {
        "kernel, KiB": machine.end_of_server(grown) / 1024,
        "all slabs, both ends, KiB": (machine.kernel()["slab"] - before["slab"]) / sessions / 1024,
        "slabs, octets": {name: round(octets) for name, octets in largest if octets >= 32},
    }
