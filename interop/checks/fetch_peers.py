"""`restante fetch` beside the servers that people have: each hands out the same mail, and none is like another.

Every message comes once, octet for octet as the server says it to a plain client; nothing comes again; what comes later
does; and what is not kept is gone from the server. `CLIENT=mpop` puts mpop in its place: what it cannot do is the server's doing.
"""

import os
import poplib
from collections import Counter

from harness import fleet, paths
from harness.clients import mpop, restante
from harness.clients.endpoint import Channel, Endpoint, Login, LoginKind, Way
from harness.processes import wait_for
from harness.program import Program
from harness.report import Report

_LOGIN = Login("mrose", "redqueen")
_WAY = Way(LoginKind.USER, Channel.PLAIN)
#: Some servers wait 40 ms before each text that is asked for alone.
_COUNT = 60
_CLIENTS = {client.NAME: client for client in (restante, mpop)}


def all_checks(report: Report) -> None:
    """A check for each server."""
    client = _CLIENTS[os.environ.get("CLIENT", restante.NAME)]
    for name in fleet.NAMES:
        report.check(f"{client.NAME} beside {name}", lambda name=name: _fetched(client, name))


def _fetched(client, name: str) -> str:
    place = paths.scratch("fetch-" + "".join(filter(str.isalnum, name)).lower())
    for part in ("server", "client"):
        (place / part).mkdir()
    tls = Program(place / "tls").directory
    running = fleet.start(name, place / "server", tls / "certificate.pem", tls / "key.pem", _LOGIN, _texts())
    server = Endpoint(running.port, 0, tls / "authority.pem", host="127.0.0.1")
    try:
        _same("the first time", client.poll(server, _WAY, _LOGIN, place / "client"), client, _plain(running.port))
        _same("again", client.poll(server, _WAY, _LOGIN, place / "client"), client, [])
        later = 0
        if name not in fleet.CLOSED:
            later = 1
            running.add("Received: by old id later; Mon, 23 Nov 2026 09:00:00 +0000\nSubject: later\n\nThis came later.\n")
            texts = [text for text in _plain(running.port) if b"\nSubject: later\r\n" in text]
            _same("later", client.poll(server, _WAY, _LOGIN, place / "client"), client, texts)
        client.poll(server, _WAY, _LOGIN, place / "client", keep=False)
        # Courier answers QUIT before it deletes.
        wait_for("an empty server", lambda: _count(running.port) == 0, patience=10)
    finally:
        running.stop()
    return f"{_COUNT + later} messages"


def _same(when: str, found: list[bytes], client, stored: list[bytes]) -> None:
    """That these came, without what a server notes in a header between two sessions."""
    expected = Counter(_without_notes(client.expected(text)) for text in stored)
    came = Counter(map(_without_notes, found))
    if came != expected:
        first = next(iter((came - expected) + (expected - came)))
        raise AssertionError(
            f"{when}: {len(found)} messages came, {len(stored)} are there; "
            f"{(expected - came).total()} are missing, as {first[:300]!r}"
        )


def _without_notes(text: bytes) -> bytes:
    header, end, body = text.replace(b"\r\n", b"\n").partition(b"\n\n")
    lines = [line for line in header.split(b"\n") if not line.startswith(_NOTES)]
    return b"\n".join(lines) + end + body


#: What a server writes into an mbox when a session has ended.
_NOTES = (b"Status: ", b"X-UIDL: ", b"X-UID: ", b"X-IMAPbase: ")


def _plain(port: int) -> list[bytes]:
    """What a client gets that asks for one message after the other."""
    client = _login(port)
    count = client.stat()[0]
    texts = [b"".join(line + b"\r\n" for line in client.retr(number)[1]) for number in range(1, count + 1)]
    client.quit()
    return texts


def _count(port: int) -> int:
    client = _login(port)
    count = client.stat()[0]
    client.quit()
    return count


def _login(port: int) -> poplib.POP3:
    client = poplib.POP3("127.0.0.1", port, timeout=60)
    client.user(_LOGIN.user)
    client.pass_(_LOGIN.password)
    return client


def _texts() -> list[str]:
    """Texts of many sizes, with lines that begin with dots, and letters that are not ASCII."""
    # popa3d makes unique-ids of what the header says of the way that a message has come.
    header = "Received: by old id {0}; Mon, 23 Nov 2026 08:24:39 +0000\nFrom: eve@dobbs.org\nSubject: {0}\nMessage-ID: <{0}@dobbs.org>\n\n"
    return [header.format(number) + f".{number}\n..\n.\n" + "Grüße\n" * (number * 7 % 500) for number in range(_COUNT)]
