"""Where the server's CPU time of a poll goes, by `perf`; and what of it only one thread can do at once."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from harness.processes import run

from . import machine, population
from .idle import POLLED_AT_ONCE
from .place import ROOT, Server, figure
from .table import Rows

_CONNECTIONS, _SECONDS = 8, 4
#: Of each place the functions that run while its mutex is held, or in the one task that there is; none calls another one.
_PLACES = {
    "accounts: connection to the database (`Directory`)": ["sqlite3_step", "sqlite3_reset"],
    "accept, one task a listener (`Door::keep`)": ["accept4", "server::listener::Door::admit"],
    "log: a line is written (standard error)": ["__GI___libc_write", "__write"],
    "refused logins (`Throttle`)": ["auth::throttle::Throttle::arrive", "auth::throttle::Throttle::succeeded"],
    "credentials (`Credentials`)": ["auth::cache::Credentials::contains"],
    "maildrops known (`Table`)": ["maildrop::native::table::Table::entry_at_hand"],
    "places (`Admission`)": ["server::limits::take_one", "server::limits::permit::Permit::prove"],
}
#: Parts of a poll that say what kind of work it is; some are within others.
_PARTS = {
    "system calls, whichever": "do_syscall_64",
    "sending, and what loopback does at once for whoever receives": "tcp_sendmsg",
    "receiving": "__libc_recv",
    "closing": "__close",
    "the database of accounts": "sqlite3_step",
}


def measure(rows: Rows, population_size: int) -> None:
    if not shutil.which("perf"):
        print("SKIPPED serial: there is no perf", file=sys.stderr)
        return
    here = population.place(population_size)
    polled = here.users("polled", [f"p{n}" for n in range(POLLED_AT_ONCE)])
    server = Server(here)
    words = ["poll", "--users-file", polled, "--connections", _CONNECTIONS, "--seconds"]
    server.bench(*words, 1)
    machine.calm([server.pid])
    seen = ROOT / "perf.data"
    recording = ["perf", "record", "-q", "-g", "-e", "cpu-clock", "-F", "4000", "-o", seen, "-p", server.pid]
    recorder = subprocess.Popen([str(word) for word in [*recording, "--", "sleep", _SECONDS - 1]])
    cost = figure(server.bench(*words, _SECONDS), "server CPU a")
    recorder.wait(60)
    server.stop()
    _read(rows, seen, cost)


def _read(rows: Rows, seen: Path, cost: float) -> None:
    """Makes rows of what was recorded while a poll cost so many microseconds."""
    words = ["perf", "report", "-i", seen, "--children", "-g", "none", "--sort", "symbol", "--stdio"]
    shares: dict[str, float] = {}
    for line in run(words, patience=120).stdout.decode(errors="replace").splitlines():
        if found := re.match(r"\s*([\d.]+)%\s+[\d.]+%\s+\[[.k]\] (.*?)(?:\s{2}|$)", line):
            shares.setdefault(found[2], float(found[1]) / 100)
    for name, function in _PARTS.items():
        rows.add("where", name, {"share of a poll, %": shares.get(function, 0) * 100})
    for name, functions in _PLACES.items():
        spent = cost * sum(shares.get(function, 0) for function in functions)
        if spent:
            rows.add("serial", name, {
                "share of a poll, %": spent / cost * 100, "CPU, µs": spent, "polls at most, /s": 1e6 / spent,
                "cores until then": cost / spent,
            })
