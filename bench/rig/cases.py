"""What is measured: each case is one call of `restante bench` on the other core."""

from dataclasses import dataclass
from pathlib import Path

from harness.processes import run

from .mail import PASSWORD, Kind
from .servers import Server

#: The core of the load generator.
CORE = "1"


@dataclass(frozen=True)
class Case:
    """A workload on the accounts of a kind."""

    name: str
    workload: str
    kind: str
    options: str
    tls: bool = False


CASES = [
    Case("idle", "idle", "idle", "--connections 200 --sources 20"),
    Case("idle-tls", "idle", "idle", "--connections 200 --sources 20", tls=True),
    Case("poll-empty", "poll", "empty", "--connections 8"),
    Case("poll", "poll", "poll", "--connections 8"),
    Case("poll-at-40", "poll", "poll", "--rate 40"),
    Case("poll-tls", "poll", "poll", "--connections 8", tls=True),
    Case("poll-tls-resumed", "poll", "poll", "--connections 8 --resume", tls=True),
    Case("retr-small", "retrieve", "small", "--connections 8"),
    Case("retr-small-pipe", "retrieve", "small", "--connections 8 --window 32"),
    Case("retr-typical", "retrieve", "typical", "--connections 16"),
    Case("retr-typical-tls", "retrieve", "typical", "--connections 16", tls=True),
    Case("retr-large", "retrieve", "large", "--connections 2"),
    Case("retr-large-tls", "retrieve", "large", "--connections 2", tls=True),
    Case("list-huge", "list", "huge", "--connections 1"),
    Case("drain", "drain", "drain", "--connections 4 --yes"),
]


class Refused(Exception):
    """The run ended with a wrong answer, or without one."""


class Generator:
    """The load generator, and where what it saw is kept."""

    def __init__(self, restante: Path, directory: Path, certificate: Path, kinds: list[Kind], seconds: int):
        self._restante, self._certificate, self._seconds = restante, certificate, seconds
        self._directory = directory
        self.record = directory / "outcomes.json"
        self._password = directory / "password"
        self._password.write_text(PASSWORD + "\n")
        for kind in kinds:
            (directory / f"users.{kind.name}").write_text("".join(user + "\n" for user in kind.users()))

    def measure(self, case: Case, server: Server, number: int) -> None:
        """Runs a case once, for the so many-th time; appends its outcome to the record."""
        kind = f"drain{number}x" if case.kind == "drain" else case.kind
        words = ["taskset", "-c", CORE, self._restante, "bench", case.workload, "--case", case.name]
        words += ["--label", server.label, "--pid", server.pid, "--record", self.record]
        words += ["--users-file", self._directory / f"users.{kind}", "--password-file", self._password]
        words += ["--seconds", self._seconds, *case.options.split()]
        if case.tls:
            words += ["--server", f"127.0.0.1:{server.tls_port}", "--tls", self._certificate]
        else:
            words += ["--server", f"127.0.0.1:{server.port}"]
        ended = run(words, patience=900)
        if ended.returncode != 0:
            said = ended.stderr.decode(errors="replace").splitlines()
            reasons = [line for line in said if line.startswith("restante: ")] or said[-1:] or ["no reason given"]
            raise Refused(reasons[0].removeprefix("restante: "))
