"""What a poll costs by how it logs in: remembered, for the first time in an hour, inside TLS."""

from statistics import median

from . import machine, population
from .idle import POLLED_AT_ONCE
from .place import ROOT, Place, Server, figure, timing
from .table import Rows

_CONNECTIONS = 8


def measure(rows: Rows, population_size: int, seconds: int) -> None:
    here = population.place(population_size)
    polled = here.users("polled", [f"p{n}" for n in range(POLLED_AT_ONCE)])
    _better_hashes(here, polled)
    server = Server(here)
    for kind, options, tls in (
        ("password remembered", [], False),
        ("password remembered, TLS", ["--tls", ROOT / "certificate.pem"], True),
        ("password remembered, TLS resumed", ["--tls", ROOT / "certificate.pem", "--resume"], True),
    ):
        words = ["poll", "--users-file", polled, "--connections", _CONNECTIONS, "--seconds", seconds, *options]
        outcomes = [server.bench(*words, tls=tls) for _ in range(3)]
        rows.add("login", kind, {
            "CPU, µs": median(figure(one, "server CPU a") for one in outcomes),
            "p50, ms": median(timing(one, "session", "p50") for one in outcomes),
            "p99, ms": median(timing(one, "session", "p99") for one in outcomes),
        })
    server.stop()
    server = Server(here)
    before = machine.hashing(server.pid)
    first = population.walk(server, polled, 0, POLLED_AT_ONCE, 1)
    hashed = (machine.hashing(server.pid) - before) * 1e6 / POLLED_AT_ONCE
    server.stop()
    rows.add("login", "password hashed (argon2id)", {
        "CPU, µs": first["cpu"] + hashed, "p50, ms": first["p50"], "p99, ms": first["p99"],
    })


def _better_hashes(here: Place, polled) -> None:
    """Sees to it that the accounts have hashes of our own: at most so many are made after one start as may wait."""
    server = Server(here)
    population.walk(server, polled, 0, POLLED_AT_ONCE, 1)
    machine.calm([server.pid])
    server.stop()
