"""One maildrop of 10 to 1,000,000 messages of 1 KiB: what each thing that a session does costs."""

import random
import sys
import time
from statistics import median

from . import machine
from .conversation import Conversation
from .place import Place, Server, figure, timing
from .table import Rows

#: Who logs in first, so that what a process needs for its first session is not counted as the maildrop's.
_OTHER = "other"
#: Single messages that are retrieved, deleted, delivered.
_RETRIEVED, _DELETED, _DELIVERED = 2000, 20, 500
#: Messages that are never deleted.
_LEFT = 5


def place(sizes: list[int]) -> Place:
    """A data directory with a maildrop of each size."""
    found = Place(f"sizes-{max(sizes)}")
    if found.facts() is None:
        _make(found, sizes)
    return found


def _make(here: Place, sizes: list[int]) -> None:
    here.accounts([f"m{size}" for size in sizes] + [_OTHER])
    server = Server(here)
    facts = {}
    for size in sizes:
        print(f"making a maildrop of {size} messages …", file=sys.stderr)
        words = ["--users-file", here.users("one", [f"m{size}"]), "--messages", size, "--size", "1KiB"]
        facts[size] = figure(server.bench("deliver", *words, "--connections", 16), "messages")
    server.stop()
    here.made({"filled": facts})


def measure(rows: Rows, sizes: list[int], seconds: int) -> None:
    here = place(sizes)
    for size in sizes:
        _measure(rows, here, size, seconds)


def _measure(rows: Rows, here: Place, size: int, seconds: int) -> None:
    user = f"m{size}"
    one = here.users("one", [user])
    _remember(here, [user, _OTHER])
    server = Server(here)
    for _ in range(2):
        Conversation(server.port).log_in(_OTHER).quit()
    machine.calm([server.pid])
    machine.forget_files()
    before = machine.memory(server.pid)["pss"]
    cold = _first(server, user)
    machine.calm([server.pid])
    known = machine.memory(server.pid)["pss"]
    figures = {"cold login and STAT, ms": cold["ms"], "its CPU without the password, ms": cold["cpu"]}
    polled = server.bench("poll", "--users-file", one, "--connections", 1, "--seconds", seconds)
    figures |= {
        "poll, CPU, µs": figure(polled, "server CPU a"),
        "poll, p50, ms": timing(polled, "session", "p50"), "poll, p99, ms": timing(polled, "session", "p99"),
    }
    listed = server.bench("list", "--users-file", one, "--connections", 1, "--seconds", seconds)
    figures |= {f"{name}, ms": timing(listed, name, "p50") for name in ("LIST", "UIDL", "TOP")}
    figures |= _retrieve(server, user, size) | _held(server, user)
    figures["memory of the maildrop known, KiB"] = (known - before) / 1024
    figures |= _delete(server, user)
    given = server.bench("deliver", "--users-file", one, "--messages", _DELIVERED, "--size", "1KiB", "--connections", 1)
    figures |= {"delivery, CPU, µs": figure(given, "server CPU a"), "delivery, p50, ms": timing(given, "delivery", "p50")}
    _as_before(server, user, size)
    server.stop()
    figures["filled at, messages/s"] = here.facts()["filled"][str(size)]
    rows.add("size", f"{size:,}", figures)


def _remember(here: Place, users: list[str]) -> None:
    """Logins in a server that ends afterwards: the accounts have hashes of our own from then on."""
    server = Server(here)
    for user in users:
        Conversation(server.port).log_in(user).quit()
    machine.calm([server.pid])
    server.stop()


def _first(server: Server, user: str) -> dict:
    before = machine.cpu(server.pid) - machine.hashing(server.pid)
    conversation = Conversation(server.port)
    start = time.monotonic()
    conversation.log_in(user).ask("STAT")
    elapsed = time.monotonic() - start
    conversation.quit()
    spent = machine.cpu(server.pid) - machine.hashing(server.pid) - before
    return {"ms": elapsed * 1e3, "cpu": spent * 1e3}


def _retrieve(server: Server, user: str, size: int) -> dict:
    """Messages at random, one after the other."""
    conversation = Conversation(server.port).log_in(user)
    chance = random.Random(1)
    numbers = [chance.randint(1, size) for _ in range(_RETRIEVED)]
    for number in numbers:
        conversation.ask_many(f"RETR {number}")
    times, before = [], machine.cpu(server.pid)
    for number in numbers:
        start = time.perf_counter()
        conversation.ask_many(f"RETR {number}")
        times.append(time.perf_counter() - start)
    spent = machine.cpu(server.pid) - before
    conversation.quit()
    return {"RETR, CPU, µs": spent * 1e6 / len(numbers), "RETR, p50, ms": median(times) * 1e3}


def _held(server: Server, user: str) -> dict:
    """What a session adds that has listed everything."""
    before = machine.memory(server.pid)["pss"]
    conversation = Conversation(server.port).log_in(user)
    conversation.ask_many("UIDL")
    machine.calm([server.pid])
    held = machine.memory(server.pid)["pss"] - before
    conversation.quit()
    return {"memory of a session, KiB": max(held, 0) / 1024}


def _delete(server: Server, user: str) -> dict:
    """One message a session: what QUIT takes, and all of the session costs, tidying included."""
    times, before = [], machine.cpu(server.pid)
    for number in range(_DELETED):
        conversation = Conversation(server.port).log_in(user)
        # Deleting down to nothing would be another thing.
        if int(conversation.ask("STAT").split()[1]) <= _LEFT:
            conversation.quit()
            break
        conversation.ask(f"DELE {number % _LEFT + 1}")
        start = time.perf_counter()
        conversation.quit()
        times.append(time.perf_counter() - start)
    machine.calm([server.pid])
    spent = machine.cpu(server.pid) - before
    return {"DELE and QUIT, CPU, ms": spent * 1e3 / len(times), "QUIT, p50, ms": median(times) * 1e3}


def _as_before(server: Server, user: str, size: int) -> None:
    """Deletes what is there beyond the size, for the next time."""
    conversation = Conversation(server.port).log_in(user)
    for number in range(size + 1, int(conversation.ask("STAT").split()[1]) + 1):
        conversation.ask(f"DELE {number}")
    conversation.quit()
