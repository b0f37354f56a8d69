"""Where mail is fetched from: our own server, and Dovecot with a Maildir, each with mail for one user."""

import contextlib
import poplib
import time
from collections.abc import Iterator
from pathlib import Path

from harness import delivery, fleet
from harness.clients.endpoint import Login
from harness.program import Program

#: Tries until a server has seen that a killed session is over.
_TRIES, _WAIT_SECONDS = 200, 0.05


class Source:
    """A server. Whoever makes one says where it listens and whose mail it has."""

    port: int
    login: Login

    def add(self, text: bytes) -> None:
        """Brings a message; its lines end with LF."""
        raise NotImplementedError

    def stop(self) -> None:
        """Ends it."""
        raise NotImplementedError

    def names(self) -> set[str]:
        """The Subject lines of the messages that are there."""
        with self._session() as client:
            numbers = range(1, client.stat()[0] + 1)
            headers = [b"\n".join(client.top(number, 0)[1]) for number in numbers]
        return {header.partition(b"Subject: ")[2].split(b"\n")[0].decode() for header in headers}

    def empty(self) -> None:
        """Deletes all of them."""
        with self._session() as client:
            for number in range(1, client.stat()[0] + 1):
                client.dele(number)

    @contextlib.contextmanager
    def _session(self) -> Iterator[poplib.POP3]:
        client = self._log_in()
        try:
            yield client
            client.quit()
        finally:
            client.close()

    def _log_in(self) -> poplib.POP3:
        for attempt in range(_TRIES):
            client = poplib.POP3("127.0.0.1", self.port, timeout=60)
            try:
                client.user(self.login.user)
                client.pass_(self.login.password)
                return client
            except poplib.error_proto as refusal:
                client.close()
                if b"IN-USE" not in refusal.args[0] or attempt == _TRIES - 1:
                    raise
                time.sleep(_WAIT_SECONDS)
        raise AssertionError("the last try raises")


class Ours(Source):
    """`restante serve`, with its native store."""

    def __init__(self, program: Program):
        self._program = program
        # A secret for APOP, which costs nothing: where it is announced and refused, each login is slower than the last.
        self.login = program.add_user("bob", apop=True)
        program.start()
        self.port = program.pop3_port
        self._delivery = delivery.lmtp(program.lmtp_port)

    def add(self, text: bytes) -> None:
        ((code, reply),) = self._delivery.deliver("eve@dobbs.org", [f"{self.login.user}@dobbs.org"], text.replace(b"\n", b"\r\n"))
        if code != 250:
            raise RuntimeError(f"the server of the trial takes no mail: {code} {reply!r}")

    def stop(self) -> None:
        self._delivery.close()
        self._program.stop()


class Dovecot(Source):
    """Dovecot with a Maildir."""

    def __init__(self, directory: Path, tls: Path):
        directory.mkdir()
        self.login = Login("bob", "redqueen")
        self._filled = fleet.start("Dovecot", directory, tls / "certificate.pem", tls / "key.pem", self.login, [])
        self.port = self._filled.port

    def add(self, text: bytes) -> None:
        self._filled.add(text.decode())

    def stop(self) -> None:
        self._filled.stop()
