"""A Maildir that Dovecot and the program serve at the same time, into which everybody delivers.

Mail comes by our LMTP and as any delivery agent brings it; clients of both servers retrieve and delete at random; somebody sets
flags, as an IMAP client would; and our server is killed again and again. A message has one unique-id, whoever is asked.
At the end nothing is lost and nothing doubled, and both servers say the same.
"""

import os
import poplib
import pwd
import random
import smtplib
import threading
import time
from collections.abc import Callable
from pathlib import Path

from harness import delivery, dovecot, paths
from harness.dovecot import Dovecot
from harness.program import Program
from harness.report import Report, Skip

_USER, _PASSWORD = "mrose", "redqueen"
#: Whom mail belongs to that two servers share: a user that every system has.
_OWNER = "nobody"

_SETTINGS = """
[maildrop]
store = "maildir"
lock_wait = "20s"

[maildir]
path = "{directory}/{{local}}/Maildir"
unique_ids = "dovecot"

[auth]
scram = false
"""


def all_checks(report: Report, seconds: float = 8) -> None:
    """One check, for so many seconds."""
    report.check("a Maildir is shared with Dovecot", lambda: _shared(seconds))


class _Life:
    """What has happened to the Maildir."""

    def __init__(self, seconds: float):
        self.end = time.monotonic() + seconds
        self.delivered: set[str] = set()
        self.deleted: set[str] = set()
        #: Of which nobody has said whether they are deleted.
        self.doubtful: set[str] = set()
        self.kills = 0
        self.names: dict[str, str] = {}
        self.sessions = {"Dovecot": 0, "Restante": 0}
        self.faults: list[str] = []
        self._lock = threading.Lock()
        self._count = 0

    def text(self) -> tuple[str, bytes]:
        """A new message, and how it is known again."""
        with self._lock:
            self._count += 1
            mark = f"mark-{self._count}"
        body = "".join(f".{line}\n" for line in range(random.randrange(40)))
        return mark, f"Subject: {mark}\n\n{body}".encode()

    def note(self, change: Callable[[], None]) -> None:
        """Notes something that has happened."""
        with self._lock:
            change()

    def named(self, mark: str, unique_id: str, who: str) -> None:
        """A server calls a message so."""
        with self._lock:
            known = self.names.setdefault(mark, unique_id)
            if known != unique_id:
                self.faults.append(f"{who} calls {mark} {unique_id}, and it was {known}")

    def during(self, act: Callable[[], None]) -> threading.Thread:
        """Does something again and again, until the time is over."""

        def again():
            try:
                while time.monotonic() < self.end:
                    act()
            except Exception as fault:  # noqa: BLE001
                self.note(lambda: self.faults.append(repr(fault)))

        thread = threading.Thread(target=again)
        thread.start()
        return thread


def _shared(seconds: float) -> str:
    if os.geteuid() != 0:
        raise Skip("only root can start servers that become the same other user")
    directory = paths.scratch("sharing")
    owner = pwd.getpwnam(_OWNER)
    place = directory / "restante"
    place.mkdir()
    home = directory / _USER
    for part in ("cur", "new", "tmp"):
        (home / "Maildir" / part).mkdir(parents=True)
    program = Program(place, _SETTINGS.format(directory=directory), _OWNER)
    program.add_user(_USER, _PASSWORD)
    certificate, key = place / "certificate.pem", place / "key.pem"
    server = Dovecot(home, certificate, key, {_USER: dovecot.local(_PASSWORD)}, owner=owner.pw_uid)
    program.start()
    life = _Life(seconds)
    maildir = home / "Maildir"
    try:
        threads = [
            life.during(lambda: _deliver(life, program)),
            life.during(lambda: _bring(life, maildir, owner.pw_uid)),
            life.during(lambda: _flag(maildir)),
            life.during(lambda: _session(life, server.port, "Dovecot")),
            life.during(lambda: _session(life, server.port, "Dovecot")),
            life.during(lambda: _session(life, program.pop3_port, "Restante")),
        ]
        _kill_again_and_again(life, program)
        for thread in threads:
            thread.join()
        return _judge(life, server.port, program.pop3_port)
    finally:
        server.stop()
        program.stop()


#: What a client sees of a server that dies, or is not there.
_GONE = (OSError, EOFError, smtplib.SMTPException)


def _kill_again_and_again(life: _Life, program: Program) -> None:
    """Not in a thread of its own: the server would end with that."""
    while time.monotonic() < life.end - 1:
        time.sleep(random.uniform(0.2, 1.5))
        program.server.kill()
        life.kills += 1
        program.start()


def _deliver(life: _Life, program: Program) -> None:
    mark, text = life.text()
    try:
        with delivery.lmtp(program.lmtp_port) as client:
            ((code, reply),) = client.deliver("alice@example.org", [f"{_USER}@dobbs.org"], text)
    except _GONE:
        # Whether it is delivered nobody has said.
        time.sleep(0.01)
        return
    if code != 250:
        raise AssertionError(f"not delivered: {code} {reply}")
    life.note(lambda: life.delivered.add(mark))
    time.sleep(random.uniform(0, 0.02))


def _bring(life: _Life, maildir: Path, owner: int) -> None:
    mark, text = life.text()
    name = f"{time.time():.6f}".replace(".", ".M") + f"P{os.getpid()}_{mark}.host"
    if random.random() < 0.5:
        name += f",S={len(text)}"
    file = maildir / "tmp" / name
    file.write_bytes(text)
    os.chown(file, owner, owner)
    file.rename(maildir / "new" / name)
    life.note(lambda: life.delivered.add(mark))
    time.sleep(random.uniform(0, 0.02))


def _flag(maildir: Path) -> None:
    """Renames a message as whoever sets a flag does."""
    part = random.choice(("new", "cur"))
    files = os.listdir(maildir / part)
    if files:
        file = random.choice(files)
        flags = "".join(sorted(random.sample("DFRS", random.randrange(4))))
        try:
            (maildir / part / file).rename(maildir / "cur" / f"{file.split(':')[0]}:2,{flags}")
        except FileNotFoundError:
            pass
    time.sleep(0.002)


def _session(life: _Life, port: int, who: str) -> None:
    try:
        _visit(life, port, who)
    except (poplib.error_proto, *_GONE) as gone:
        is_refusal = isinstance(gone, poplib.error_proto) and "EOF" not in str(gone)
        if who != "Restante" or is_refusal:
            raise
        time.sleep(0.01)


def _visit(life: _Life, port: int, who: str) -> None:
    try:
        client = _login(port)
    except poplib.error_proto as refused:
        # Dovecot gives up on a Maildir in which "messages keep getting expunged"; ours waits for nobody in a session.
        if who == "Restante" and not any(word in str(refused).encode() for word in (b"IN-USE", b"EOF")):
            raise
        time.sleep(0.01)
        return
    marked = _look(life, client, who)
    chosen = random.sample(sorted(marked), len(marked) // 3)
    gone = set()
    for number in chosen:
        try:
            client.dele(number)
            gone.add(marked[number])
        except poplib.error_proto as refused:
            if "EOF" in str(refused):
                raise
            # The other server's client was first.
    life.note(lambda: life.doubtful.update(gone))
    try:
        client.quit()
    except poplib.error_proto:
        return

    def done():
        life.deleted |= gone
        life.sessions[who] += 1

    life.note(done)
    time.sleep(random.uniform(0, 0.05))


def _look(life: _Life, client: poplib.POP3, who: str) -> dict[int, str]:
    """The messages of a session by their numbers, those apart that somebody else has deleted meanwhile."""
    unique_ids = dict(line.split() for line in client.uidl()[1])
    sizes = dict(line.split() for line in client.list()[1])
    marked = {}
    for number, unique_id in unique_ids.items():
        try:
            lines = client.retr(int(number))[1]
        except poplib.error_proto as refused:
            if "EOF" in str(refused):
                raise
            continue
        octets = sum(len(line) + 2 for line in lines)
        mark = next(line for line in lines if line.startswith(b"Subject: ")).decode().split()[1]
        if octets != int(sizes[number]):
            raise AssertionError(f"{who} says {sizes[number]} octets of {mark}, and sends {octets}")
        life.named(mark, unique_id.decode(), who)
        marked[int(number)] = mark
    if len(set(marked.values())) != len(marked):
        raise AssertionError(f"{who} shows a message twice")
    return marked


def _login(port: int) -> poplib.POP3:
    client = poplib.POP3("127.0.0.1", port, timeout=60)
    client.user(_USER)
    client.pass_(_PASSWORD)
    return client


def _judge(life: _Life, *ports: int) -> str:
    if life.faults:
        raise AssertionError("; ".join(life.faults[:5]))
    shown = []
    for who, port in zip(("Dovecot", "Restante"), ports, strict=True):
        client = _login(port)
        shown.append(_look(life, client, who))
        client.quit()
    if life.faults or shown[0] != shown[1]:
        raise AssertionError(f"the servers say different things at the end: {life.faults[:3]}")
    there = set(shown[0].values())
    lost = life.delivered - life.deleted - life.doubtful - there
    back = there & life.deleted
    if lost or back:
        raise AssertionError(f"lost: {sorted(lost)[:9]}, back again: {sorted(back)[:9]}")
    if min(life.sessions.values()) < 2:
        raise AssertionError(f"somebody was never served: {life.sessions}")
    return (
        f"{len(life.delivered)} delivered, {len(life.deleted)} deleted, {len(there)} left, {life.kills} kills; sessions: "
        + ", ".join(f"{who} {count}" for who, count in life.sessions.items())
    )
