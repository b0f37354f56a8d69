"""Every POP3 server of others that can be had here, each on loopback with a maildrop that holds the same mail."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import dovecot, overlay
from .clients.endpoint import Login
from .courier import Courier
from .cyrus import Cyrus
from .dovecot import Dovecot
from .mailutils import Mailutils
from .popa3d import Popa3d
from .solid import Solid


@dataclass(frozen=True)
class Filled:
    """A server that runs and has the mail of one user."""

    server: Dovecot | Courier | Cyrus | Mailutils | Popa3d | Solid
    #: Brings one more message, while nobody is in a session.
    add: Callable[[str], None]

    @property
    def port(self) -> int:
        """Where it listens, in clear."""
        return self.server.port

    def stop(self) -> None:
        """Ends it."""
        self.server.stop()


@dataclass(frozen=True)
class _Place:
    """What a server is started with: an empty directory, a certificate and its key, whose mail it is, and the mail."""

    directory: Path
    certificate: Path
    key: Path
    login: Login
    texts: list[str]


def _dovecot(place: _Place) -> Filled:
    add = _maildir(place.directory / "Maildir", place.texts)
    users = {place.login.user: dovecot.local(place.login.password)}
    return Filled(Dovecot(place.directory, place.certificate, place.key, users), add)


def _sdbox(place: _Place) -> Filled:
    """In Dovecot's own form; what is added goes into its Maildir first."""
    box = place.directory / "sdbox"
    box.mkdir()
    os.chown(box, overlay.USERS["vmail"], overlay.USERS["vmail"])
    _maildir(place.directory / "brought", place.texts)
    for path in (place.directory / "brought").rglob("*"):
        os.chown(path, overlay.USERS["vmail"], overlay.USERS["vmail"])
    users = {place.login.user: dovecot.local(place.login.password)}
    fill = ["import", f"maildir:{place.directory / 'brought'}", "", "ALL"]
    server = Dovecot(place.directory, place.certificate, place.key, users, f"mail_location = sdbox:{box}\n", fill=fill)
    return Filled(server, _nothing_more)


def _courier(place: _Place) -> Filled:
    add = _maildir(place.directory / "Maildir", place.texts)
    return Filled(Courier(place.directory, place.certificate, place.key, [place.login]), add)


def _cyrus(place: _Place) -> Filled:
    server = Cyrus(place.directory, place.certificate, place.key, [place.login])
    server.deliver(place.login.user, place.texts)
    return Filled(server, lambda text: server.deliver(place.login.user, [text]))


def _popa3d(place: _Place) -> Filled:
    add = _mbox(place.directory / "spool" / place.login.user, place.texts)
    return Filled(Popa3d(place.directory, [place.login]), add)


def _mailutils(place: _Place) -> Filled:
    add = _mbox(place.directory / "spool" / place.login.user, place.texts)
    return Filled(Mailutils(place.directory, [place.login]), add)


def _solid(place: _Place) -> Filled:
    add = _maildir(place.directory / "home" / place.login.user / "Maildir", place.texts)
    return Filled(Solid(place.directory, [place.login]), add)


#: Name → how it is started.
_ALL = {
    "Dovecot": _dovecot, "Dovecot (sdbox)": _sdbox, "Courier": _courier, "Cyrus": _cyrus, "popa3d": _popa3d,
    "GNU Mailutils": _mailutils, "solid-pop3d": _solid,
}
NAMES = tuple(_ALL)
#: To these no message can be added while they run.
CLOSED = frozenset({"Dovecot (sdbox)"})


def start(name: str, directory: Path, certificate: Path, key: Path, login: Login, texts: list[str]) -> Filled:
    """Starts one of NAMES in an empty directory; the texts have LF, and end with it. Raises Unavailable where it cannot be had."""
    return _ALL[name](_Place(directory, certificate, key, login, texts))


def _maildir(maildir: Path, texts: list[str]) -> Callable[[str], None]:
    """Makes one with these messages; what brings one more."""
    for part in ("cur", "new", "tmp"):
        (maildir / part).mkdir(parents=True)
    count = 0

    def add(text: str) -> None:
        nonlocal count
        count += 1
        file = maildir / f"tmp/{1700000000 + count}.M{count}P1.host"
        file.write_text(text)
        os.chown(file, overlay.USERS["vmail"], overlay.USERS["vmail"])
        file.rename(maildir / "new" / file.name)

    for text in texts:
        add(text)
    return add


def _mbox(file: Path, texts: list[str]) -> Callable[[str], None]:
    """Makes one with these messages; what brings one more."""
    file.parent.mkdir()
    file.touch(mode=0o600)

    def add(text: str) -> None:
        with file.open("a") as mbox:
            mbox.write(f"From eve@dobbs.org Mon Nov 23 08:24:39 2026\n{text}\n")

    for text in texts:
        add(text)
    return add


def _nothing_more(_text: str) -> None:
    raise NotImplementedError("one of CLOSED")
