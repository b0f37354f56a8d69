"""Where mail is fetched to: how `fetch.toml` names it, what has come there, and how often a message may be there.

Each is made once for many trials; `begin` makes it ready for one, in a directory of that trial. What has come is told as texts, by
the names that their Subject lines give them.
"""

import json
import re
from abc import ABC, abstractmethod
from collections import defaultdict
from pathlib import Path

from harness import dovecot
from harness.clients import poplib_client
from harness.clients.endpoint import Channel, Login
from harness.processes import free_port, listens, wait_for
from harness.program import Program

from .sink import Sink

_SUBJECT = re.compile(rb"^Subject: (crash-\d+-\d+)\r?$", re.MULTILINE)


class Destination(ABC):
    """One kind."""

    #: It finds a message that it has, so nothing may be there twice; else one for each time that fetching was ended.
    exact = False

    @abstractmethod
    def begin(self, directory: Path) -> None:
        """Gets ready for a trial."""

    @abstractmethod
    def settings(self) -> str:
        """What is in the braces of `deliver = { … }`."""

    @abstractmethod
    def texts(self) -> list[bytes]:
        """All that has come since the trial began, with any line ends."""

    def found(self) -> dict[str, list[bytes]]:
        """The same by their names, lines ended with LF."""
        found = defaultdict(list)
        for text in self.texts():
            name = _SUBJECT.search(text)
            found[name[1].decode() if name else f"no Subject in {text[:80]!r}"].append(text.replace(b"\r\n", b"\n"))
        return found

    def untidy(self) -> str | None:
        """What is left that should not be, after an end that was in order."""
        return None

    def stop(self) -> None:
        """Ends what was started for it."""


class Maildir(Destination):
    """Files in new/."""

    exact = True

    def begin(self, directory: Path) -> None:
        self.path = directory / "Maildir"

    def settings(self) -> str:
        return f"maildir = {json.dumps(str(self.path))}"

    def texts(self) -> list[bytes]:
        return [file.read_bytes() for part in ("new", "cur") for file in self._files(part)]

    def untidy(self) -> str | None:
        left = [file.name for file in self._files("tmp")]
        return f"{len(left)} files in tmp/, as {left[0]}" if left else None

    def _files(self, part: str) -> list[Path]:
        place = self.path / part
        return list(place.iterdir()) if place.is_dir() else []


class Mbox(Destination):
    """One file of all; a text is whole when its blank line has come."""

    exact = True

    def begin(self, directory: Path) -> None:
        self.path = directory / "mbox"

    def settings(self) -> str:
        return f"mbox = {json.dumps(str(self.path))}"

    def texts(self) -> list[bytes]:
        if not self.path.exists():
            return []
        whole = b"\n" + self.path.read_bytes()
        pieces = whole.split(b"\nFrom ")[1:]
        # The line `From ` is not of the text; the last piece has its own line end.
        return [piece.partition(b"\n")[2].rstrip(b"\n") + b"\n" for piece in pieces]

    def untidy(self) -> str | None:
        left = [file.name for file in self.path.parent.glob("mbox.*")]
        if left:
            return f"{left} beside the mbox"
        octets = self.path.read_bytes() if self.path.exists() else b""
        return None if not octets or octets.endswith(b"\n\n") else f"the mbox ends with {octets[-60:]!r}"


class Command(Destination):
    """A shell that writes a file with the number of its process, so that a second delivery is a second file."""

    def begin(self, directory: Path) -> None:
        self.path = directory / "command"
        self.path.mkdir()

    def settings(self) -> str:
        # Renamed at its end: what is not whole was not delivered.
        script = f'f="{self.path}/$RESTANTE_NAME-$$"; cat > "$f.part" && mv "$f.part" "$f"'
        return f"command = {json.dumps(['/bin/sh', '-c', script])}"

    def texts(self) -> list[bytes]:
        return [file.read_bytes() for file in self.path.iterdir() if file.suffix != ".part"]


class Transfer(Destination):
    """LMTP or SMTP, to a server of ours that remembers."""

    def __init__(self, kind: str):
        self._kind, self._sink, self._first = kind, Sink(kind == "lmtp"), 0

    def begin(self, directory: Path) -> None:
        self._sink.texts.clear()

    def settings(self) -> str:
        return f'{self._kind} = "127.0.0.1:{self._sink.port}", recipient = "bob@dobbs.org"'

    def texts(self) -> list[bytes]:
        return list(self._sink.texts)

    def stop(self) -> None:
        self._sink.stop()


class Imap(Destination):
    """APPEND to an INBOX of Dovecot's, which is a Maildir."""

    _USER, _PASSWORD = "bob", "tanstaafl"

    def __init__(self, directory: Path, certificate: Path, key: Path):
        directory.mkdir()
        self._port, self._password = free_port(), directory / "password"
        self._password.touch(mode=0o600)
        self._password.write_text(self._PASSWORD + "\n")
        self._server = dovecot.Dovecot(
            directory, certificate, key, {self._USER: dovecot.local(self._PASSWORD)},
            "protocols = pop3 imap\nmail_max_userip_connections = 1000\nservice imap-login {\n  chroot =\n  inet_listener imap {\n"
            f"    port = {self._port}\n  }}\n  inet_listener imaps {{\n    port = {free_port()}\n  }}\n}}\n",
            tree=(dovecot.IMAP_TREE, dovecot.IMAP_PACKAGES),
        )
        wait_for("Dovecot's IMAP", lambda: listens(self._port))
        self._old: set[str] = set()

    def begin(self, directory: Path) -> None:
        self._old = {file.name.partition(":")[0] for file in self._files()}

    def settings(self) -> str:
        return (
            f'imap = "localhost", port = {self._port}, tls = "none", user = "{self._USER}", '
            f'password_file = {json.dumps(str(self._password))}, mailbox = "INBOX"'
        )

    def texts(self) -> list[bytes]:
        return [file.read_bytes() for file in self._files() if file.name.partition(":")[0] not in self._old]

    def _files(self) -> list[Path]:
        return [file for part in ("new", "cur") if (self._server.maildir / part).is_dir()
                for file in (self._server.maildir / part).iterdir()]

    def stop(self) -> None:
        self._server.stop()


class Store(Destination):
    """A maildrop of the program's own."""

    exact = True

    def __init__(self, directory: Path):
        self._program = Program(directory, settings="[auth]\nscram = false\n")
        self._login: Login = self._program.add_user("bob")
        self._program.start()

    def begin(self, directory: Path) -> None:
        client = self._session()
        for number in range(1, client.stat()[0] + 1):
            client.dele(number)
        client.quit()

    def settings(self) -> str:
        return f'store = "bob", config = {json.dumps(str(self._program.configuration))}'

    def texts(self) -> list[bytes]:
        client = self._session()
        texts = [poplib_client.text(client, number) for number in range(1, client.stat()[0] + 1)]
        client.quit()
        return texts

    def _session(self):
        return poplib_client.session(self._program.endpoint, Channel.PLAIN, self._login, patience=30)

    def stop(self) -> None:
        self._program.stop()


#: How each is made, in an empty directory that is not there yet, with a certificate and its key.
KINDS = {
    "maildir": lambda directory, certificate, key: Maildir(),
    "mbox": lambda directory, certificate, key: Mbox(),
    "store": lambda directory, certificate, key: Store(directory),
    "lmtp": lambda directory, certificate, key: Transfer("lmtp"),
    "smtp": lambda directory, certificate, key: Transfer("smtp"),
    "command": lambda directory, certificate, key: Command(),
    "imap": Imap,
}
