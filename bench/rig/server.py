"""A server that is measured: on loopback, pinned to one core, with the mail that all of them have."""

import os
import shutil
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness import overlay
from harness.processes import Process, free_port, listens, wait_for

from .mail import PASSWORD, Mail

if TYPE_CHECKING:
    from .cases import Case

#: The core of the servers; the load generator has another one.
CORE = "0"


class Refused(Exception):
    """A server gave a wrong answer, or none."""


class Server:
    """A running server: what to call it, where it listens, and its first process."""

    label: str
    version: str
    #: Whether it can do TLS.
    has_tls = True
    #: Whether mail comes in by LMTP.
    has_lmtp = False
    #: The cases that it can do, if not all that come to it otherwise.
    cases: frozenset[str] | None = None

    def __init__(self, directory: Path, mail: Mail, certificate: Path, key: Path):
        directory.mkdir()
        self.port, self.tls_port, self.lmtp_port = free_port(), free_port(), free_port()
        self._directory, self._mail, self._certificate, self._key = directory, mail, certificate, key
        self._log = directory / "log"
        self._words = self._prepare()
        self._start()

    def _start(self) -> None:
        self._process = self._launch()
        wait_for(self.label, lambda: not self._process.alive() or self._listens(), patience=60)
        if not self._process.alive():
            raise RuntimeError(f"{self.label} did not start:\n{self._log.read_text(errors='replace')[-2000:]}")

    def _listens(self) -> bool:
        wanted = ((True, self.port), (self.has_tls, self.tls_port), (self.has_lmtp, self.lmtp_port))
        return all(listens(port) for has, port in wanted if has)

    def can_do(self, case: "Case") -> bool:
        if case.tls and not self.has_tls or case.is_lmtp and not self.has_lmtp:
            return False
        return self.cases is None or case.name in self.cases

    @property
    def pid(self) -> int:
        return self._process.pid

    def restart(self) -> None:
        """Starts it anew, so that no process is there which an earlier case has left."""
        self._end()
        self._start()

    def _end(self) -> None:
        self.stop()
        wait_for(f"end of {self.label}", lambda: not (listens(self.port) or listens(self.tls_port)))

    def stop(self) -> None:
        self._process.kill()

    def log_in_once(self, users: list[str]) -> None:
        """Logs in to each account and out again: passwords that are verified once are verified then."""
        for user in users:
            try:
                self._log_in(user)
            except OSError as error:
                raise Refused(f"{user} cannot log in: {error}") from error

    def _log_in(self, user: str) -> None:
        with socket.create_connection(("127.0.0.1", self.port), 60) as client, client.makefile("rb") as lines:
            for command in (None, f"USER {user}", f"PASS {PASSWORD}", "QUIT"):
                if command:
                    client.sendall(f"{command}\r\n".encode())
                if not (said := lines.readline()).startswith(b"+OK"):
                    raise Refused(f"{user} cannot log in: {said!r}")

    def make_cold(self, users: list[str]) -> None:
        """Makes it forget what it knows of these maildrops, but not the passwords of their accounts.

        It is started anew without what it has noted beside the mail. The accounts log in while their mail is
        elsewhere; then the mail comes back, as it was.
        """
        self._end()
        moved = []
        for user in users:
            self._forget(user)
            moved += [(file, file.with_name(f"{file.name}.aside")) for file in self._files(user)]
        for file, aside in moved:
            file.rename(aside)
        try:
            for user in users:
                self._make_empty(user)
            self._start()
            self.log_in_once(users)
        finally:
            for file, aside in moved:
                if file.is_dir():
                    shutil.rmtree(file)
                file.unlink(missing_ok=True)
                aside.rename(file)
        # What it does at its start, or after a session, is no part of the next one.
        time.sleep(1)

    def _files(self, user: str) -> list[Path]:
        """What is to be moved for the mail of a user to be elsewhere."""
        return [self._maildir(user)]

    def _forget(self, user: str) -> None:
        """Removes what the server has noted about the mail of a user."""
        for note in self._maildir(user).iterdir():
            if note.name not in ("cur", "new", "tmp"):
                note.unlink()

    def _make_empty(self, user: str) -> None:
        """Makes a maildrop without mail, where a server does not do so by itself."""
        owner = overlay.USERS["vmail"]
        place = self._maildir(user)
        for part in (place, place / "cur", place / "new", place / "tmp"):
            part.mkdir()
            os.chown(part, owner, owner)

    def _maildir(self, user: str) -> Path:
        return self._directory / "home" / user / "Maildir"

    def _prepare(self) -> list:
        """Gives it its mail and its configuration; the command that starts it."""
        raise NotImplementedError

    def _launch(self) -> Process:
        return overlay.start(self._tree, ["taskset", "-c", CORE, *self._words], self._log)
