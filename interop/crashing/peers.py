"""What comes twice when another program that fetches is killed in the middle: fetchmail, getmail and mpop.

Each is killed once, when a number of messages between a fifth and four fifths of all has come, and run to its end then. What waits in
tmp/ counts for that, since ours shows messages together, when they are durable. The link is slow, so that a session takes a while.
"""

import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness import paths
from harness.clients import getmail
from harness.clients import restante
from harness.clients.endpoint import Login
from harness.peers import Unavailable, require
from harness.processes import Process, run, wait_for

from .bench import Case
from .destinations import Command, Destination, Maildir, Mbox
from .trials import Trials

_COUNT = 150
_PATIENCE = 300


@dataclass(frozen=True)
class Peer:
    """A program, what it delivers to, and how it is run: by an empty directory, a port and a login."""

    name: str
    program: str
    kind: str
    words: Callable[[Path, int, Login], list]


def _private(file: Path, text: str) -> Path:
    file.touch(mode=0o600)
    file.write_text(text)
    return file


def _mpop(delivery: str) -> Callable[[Path, int, Login], list]:
    def words(directory: Path, port: int, login: Login) -> list:
        for part in ("cur", "new", "tmp"):
            (directory / "Maildir" / part).mkdir(parents=True, exist_ok=True)
        return ["mpop", "-C", _private(directory / "mpoprc", (
            f"account default\nhost 127.0.0.1\nport {port}\nuser {login.user}\npassword {login.password}\nauth user\ntls off\n"
            f"timeout 60\nkeep on\nreceived_header off\nuidls_file {directory}/uidls\ndelivery {delivery.format(directory)}\n"
        ))]

    return words


def _fetchmail(directory: Path, port: int, login: Login) -> list:
    agent = _agent(directory)
    _private(directory / "fetchmailrc", (
        "set invisible\nset no bouncemail\nset no spambounce\n"
        f"poll 127.0.0.1 protocol pop3 port {port} uidl bad-header accept no dns timeout 60\n"
        f"  auth password user '{login.user}' password '{login.password}' sslproto '' no fetchall keep no rewrite mda '{agent}'\n"
    ))
    return ["env", f"HOME={directory}", f"FETCHMAILHOME={directory}", "LC_ALL=C", "fetchmail", "-f", directory / "fetchmailrc",
            "--pidfile", directory / "pid", "-i", directory / "ids"]


def _getmail(directory: Path, port: int, login: Login) -> list:
    # As root it gives mail to nobody else unless it is told so, and never to a Maildir.
    _private(directory / "getmailrc", (
        f"[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = {port}\nusername = {login.user}\npassword = {login.password}\n"
        f"[destination]\ntype = MDA_external\npath = {_agent(directory)}\nunixfrom = false\nallow_root_commands = true\n"
        "[options]\nread_all = false\ndelete = false\ndelivered_to = false\nreceived = false\n"
    ))
    return ["env", f"HOME={directory}", *getmail.command(["--getmaildir", directory, "--rcfile", directory / "getmailrc"])]


def _restante(directory: Path, port: int, login: Login) -> list:
    return [paths.PROGRAM, "-c", restante.configure("127.0.0.1", port, login, directory, keep=True), "fetch", "a"]


def _agent(directory: Path) -> Path:
    agent = directory / "agent"
    (directory / "command").mkdir(exist_ok=True)
    agent.write_text(f'#!/bin/sh\nf="{directory}/command/$(date +%s%N)-$$"; cat > "$f.part" && mv "$f.part" "$f"\n')
    agent.chmod(0o755)
    return agent


PEERS = (
    Peer("restante fetch, Maildir", "sh", "maildir", _restante),
    Peer("mpop, Maildir", "mpop", "maildir", _mpop("maildir {}/Maildir")),
    Peer("mpop, mbox", "mpop", "mbox", _mpop("mbox {}/mbox")),
    Peer("fetchmail, command", "fetchmail", "command", _fetchmail),
    Peer("getmail, command", "getmail", "command", _getmail),
)
_MADE = {"maildir": Maildir, "mbox": Mbox, "command": Command}


def main(place: Path, rounds: int, seed: int) -> int:
    """Prints the table; nobody is judged by it."""
    print(f"  seed {seed} (again: interop/fetch_crash.py --peers --seed {seed})")
    trials = Trials(place / "peers")
    bench = trials.bench
    texts = bench.fill(Case(("maildir",), count=_COUNT, large=0))
    failed = 0
    print(f"\n| {_COUNT} messages, killed once in the middle | kills | delivered before | twice, of all | twice, of those delivered before | lost |")
    print("|---|---|---|---|---|---|")
    try:
        for peer in PEERS:
            try:
                require(peer.program)
                print(_row(peer, place / "peers" / "client", trials.slow(), bench.source("ours").login, set(texts), rounds, random.Random(seed)), flush=True)
            except (Unavailable, RuntimeError, TimeoutError) as reason:
                failed += not isinstance(reason, Unavailable)
                print(f"| {peer.name} | not run: {reason} | | | | |", flush=True)
    finally:
        trials.stop()
    return 1 if failed else 0


def _row(peer: Peer, directory: Path, port: int, login: Login, names: set[str], rounds: int, dice: random.Random) -> str:
    told = Counter()
    while told["kills"] < rounds:
        destination, before = _fetched(peer, directory, port, login, dice.uniform(0.2, 0.8) * len(names))
        found = destination.found()
        if strange := set(found) - names:
            raise RuntimeError(f"{peer.name} delivered {len(strange)} that were never sent, as {min(strange)}")
        told["kills"] += 1
        told["before"] += before
        told["twice"] += sum(len(texts) - 1 for texts in found.values())
        told["lost"] += len(names - set(found))
    of_before = f"{100 * told['twice'] / told['before']:.0f} %" if told["before"] else "–"
    share = 100 * told["twice"] / (rounds * len(names))
    return (
        f"| {peer.name} | {rounds} | {told['before'] / rounds:.0f} | {told['twice'] / rounds:.0f} ({share:.0f} %) | {of_before} | "
        f"{told['lost']} |"
    )


def _count(destination: Destination) -> int:
    """How many messages have come, roughly."""
    if isinstance(destination, Mbox):
        return destination.path.read_bytes().count(b"\nSubject: ") if destination.path.exists() else 0
    if isinstance(destination, Maildir):
        return sum(len(list(part.iterdir())) for name in ("new", "tmp") if (part := destination.path / name).is_dir())
    return len(list(destination.path.iterdir()))


def _fetched(peer: Peer, directory: Path, port: int, login: Login, kill_at: float):
    """The destination after all, and how many messages it had when the program was killed."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    destination = _MADE[peer.kind]()
    if peer.kind == "command":
        destination.path = directory / "command"
        destination.path.mkdir()
    else:
        destination.begin(directory)
    words = peer.words(directory, port, login)
    with (directory / "first").open("wb") as said:
        process = Process(words, stdout=said, stderr=said)
        wait_for(peer.name, lambda: not process.alive() or _count(destination) >= kill_at, _PATIENCE)
        process.kill()
    before = len(destination.found())
    # What a killed program has left that holds the next one up.
    for lock in ("pid", "mbox.lock"):
        (directory / lock).unlink(missing_ok=True)
    for _ in range(3):
        done = run(words, patience=_PATIENCE)
        status, said = done.returncode, (done.stdout + done.stderr).decode(errors="replace")
        # fetchmail says 1 when there was nothing new.
        if status == 0 or status == 1 and peer.program == "fetchmail":
            return destination, before
        # The server may not have seen yet that the other one is dead.
        time.sleep(1)
    raise RuntimeError(f"{peer.name}: {status} {said[-300:]}")
