"""A mail transfer agent of a Debian package on loopback: it takes mail over SMTP, and must hand all of it on.

Its spool lies in the directory of the run, everything else as `overlay.py` has it.
"""

import time
from pathlib import Path

from . import overlay
from .processes import Process, free_port, listens, wait_for
from .program import Program

#: The program's directory is where a usual installation has its socket, with directories above it that nobody else can write.
_SETUP = """
chmod 755 /run
mkdir /run/restante
mount --bind {directory} /run/restante
"""


class Agent:
    """What all agents have in common. Who makes one calls `_start` when its configuration is written."""

    #: For messages, and for the file of its log.
    name: str
    #: Local part → which trace headers the program puts before what it gets on this route (a key of `wire.TRACE`).
    ways: dict[str, str]

    def __init__(self, directory: Path, program: Program):
        self.directory = directory
        self._setup = _SETUP.format(directory=program.directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.smtp_port = free_port()
        self.log_file = directory / "log"
        self._process: Process | None = None

    def _start(self, tree: Path, words: list, setup: str = "") -> None:
        self._tree = tree
        self._process = overlay.start(tree, words, self.log_file, self._setup + setup)
        wait_for(self.name, lambda: not self._process.alive() or listens(self.smtp_port))
        if not self._process.alive():
            raise RuntimeError(f"{self.name} did not start:\n{self.log()[-3000:]}")

    def log(self) -> str:
        """What it wrote to its log."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def queued(self) -> int:
        """How many messages have not been handed on yet."""
        raise NotImplementedError

    def keeps(self, text: bytes) -> bool:
        """Whether it leaves this sound message as it is."""
        return True

    def hurry(self) -> None:
        """Tells it to try again now what it has put off, if its configuration cannot say that it shall do so soon."""

    def drain(self, patience: float) -> None:
        """Waits until its queue is empty."""
        last = time.monotonic()

        def empty() -> bool:
            nonlocal last
            if time.monotonic() > last + 1:
                self.hurry()
                last = time.monotonic()
            return self.queued() == 0

        try:
            wait_for(f"{self.name}'s queue", empty, patience)
        except TimeoutError as late:
            raise TimeoutError(f"{late}; {self.queued()} messages wait; {self.log()[-1500:]}") from None

    def without_trace(self, text: bytes) -> bytes:
        """The message without the header fields that the agent put on top of it."""
        raise NotImplementedError

    def stop(self) -> None:
        """Ends every process of it."""
        self._process.kill()
