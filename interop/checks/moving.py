"""Moving in: mail that Dovecot or Courier has served is imported, and clients find what they know.

Each server really serves the Maildir for a while: mail comes, is numbered, is deleted, and comes again. Then it and the
program are asked the same, and must answer alike: as many messages, in the same order, of the same size, with the same
unique-ids and the same text.
"""

import os
import poplib
from collections.abc import Callable
from pathlib import Path

from harness import dovecot, overlay, paths
from harness.clients.endpoint import Login
from harness.courier import Courier
from harness.dovecot import Dovecot
from harness.program import Program
from harness.report import Report

_USER, _PASSWORD = "mrose", "redqueen"

#: Names in the order in which they are brought; where they are sorted by octets is not where they are sorted as numbers.
_FIRST = [
    "new/1700000000.M99P1.host", "new/1700000000.M123P1.host,S={octets}", "cur/1700000001.P1.host:2,S", "new/1699999999.M5P2.host",
    "cur/1700000000.M99P3.host,S={octets},W={wire}:2,RS", "new/1700000500.M1P1.host", "new/1700000501.M1P1+1.host", "cur/1700000502.1_2.host:2,",
]
#: One is older than all that were there before it.
_LATER = ["new/1700000900.M1P1.host", "new/1600000000.M1P1.host", "cur/1700000901.M1P1.host:2,FS"]
#: Those of the first that are deleted in between, by their numbers.
_DELETED = [2, 5]


def all_checks(report: Report) -> None:
    """A check for each server, and for ways in which Dovecot may be set to call messages."""
    for name, format_ in (("as usual", None), ("like Courier", "UID%u-%v"), ("after files", "%f"), ("like UW", "%08Xv%08Xu")):
        report.check(f"mail moves in from Dovecot that calls it {name}", lambda f=format_: _from_dovecot(f))
    report.check("mail moves in from Courier", _from_courier)
    report.check("mail moves in from Courier, then Dovecot", _from_both)


def _from_dovecot(format_: str | None) -> str:
    directory = _place("dovecot")
    settings = f"pop3_uidl_format = {format_}\n" if format_ else ""
    told = _live_with(directory, lambda program: _dovecot(directory, program, settings))
    return _moved(directory, told, ["--uidl-format", format_] if format_ else [])


def _from_courier() -> str:
    directory = _place("courier")
    return _moved(directory, _live_with(directory, lambda program: _courier(directory, program)), [])


def _from_both() -> str:
    """Courier's list is from before the change, and counts no more."""
    directory = _place("both")
    _live_with(directory, lambda program: _courier(directory, program))
    os.utime(directory / "Maildir/courierpop3dsizelist", (1_700_000_000, 1_700_000_000))
    server = _dovecot(directory, Program(_fresh(directory / "other")), "")
    try:
        told = answers(server.port)
    finally:
        server.stop()
    return _moved(directory, told, [])


def _dovecot(directory: Path, program: Program, settings: str) -> Dovecot:
    certificate, key = program.directory / "certificate.pem", program.directory / "key.pem"
    return Dovecot(directory, certificate, key, {_USER: dovecot.local(_PASSWORD)}, settings)


def _courier(directory: Path, program: Program) -> Courier:
    certificate, key = program.directory / "certificate.pem", program.directory / "key.pem"
    return Courier(directory, certificate, key, [Login(_USER, _PASSWORD)])


def _place(name: str) -> Path:
    directory = paths.scratch(f"moving-{name}")
    for part in ("cur", "new", "tmp"):
        (directory / "Maildir" / part).mkdir(parents=True)
    return directory


def _fresh(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _live_with(directory: Path, start: Callable[[Program], Dovecot | Courier]) -> list:
    """Lets a server serve the Maildir for a while; what it answers at the end."""
    _bring(directory, _FIRST)
    server = start(Program(_fresh(directory / "tls")))
    try:
        client = _login(server.port)
        for number in _DELETED:
            client.dele(number)
        client.quit()
        _bring(directory, _LATER)
        # Whoever numbers messages does so when they are seen first.
        _login(server.port).quit()
        return answers(server.port)
    finally:
        server.stop()


def _bring(directory: Path, names: list[str]) -> None:
    owner = overlay.USERS["vmail"]
    for number, name in enumerate(names):
        text = f"Subject: {len(names)}\n\n.{number}\n" + "x\n" * number
        file = directory / "Maildir" / name.format(octets=len(text), wire=len(text) + text.count("\n"))
        file.write_text(text)
        os.chown(file, owner, owner)


def _login(port: int) -> poplib.POP3:
    client = poplib.POP3("127.0.0.1", port, timeout=30)
    client.user(_USER)
    client.pass_(_PASSWORD)
    return client


def answers(port: int) -> list:
    """What a client can know: sizes, unique-ids and texts, in their order."""
    client = _login(port)
    try:
        sizes, names = client.list()[1], client.uidl()[1]
        texts = [client.retr(number)[1] for number in range(1, len(sizes) + 1)]
        return list(zip(sizes, names, texts, strict=True))
    finally:
        client.quit()


def _moved(directory: Path, expected: list, options: list[str]) -> str:
    """That the program answers as the server did from which it has the mail."""
    if len(expected) != len(_FIRST) - len(_DELETED) + len(_LATER):
        raise AssertionError(f"the old server has {len(expected)} messages")
    program = Program(_fresh(directory / "restante"))
    program.add_user(_USER, _PASSWORD)
    done = program.command("maildrop", "import", _USER, directory / "Maildir", *options)
    if done.returncode != 0:
        raise AssertionError(done.stderr.decode(errors="replace"))
    program.start()
    try:
        found = answers(program.pop3_port)
    finally:
        program.stop()
    for number, (one, other) in enumerate(zip(found, expected, strict=True), 1):
        if one != other:
            raise AssertionError(f"message {number} was {other}, is {one}")
    return f"{len(found)} messages: " + done.stdout.decode().splitlines()[-1]
