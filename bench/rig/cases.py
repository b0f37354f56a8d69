"""What is measured: each case is one call of `restante bench` on the other core."""

import json
import os
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from harness.processes import run

from . import mail
from .mail import PASSWORD, Kind
from .server import Refused, Server
from .watch import Watch

#: The core of the load generator.
CORE = "1"

#: What the table calls it.
_ABOVE = "memory above idle"


class Before(Enum):
    """What happens to a server before a case. No case measures what a password costs: the workloads log in
    to each account before the clock runs, and where they cannot it is done here."""

    NOTHING = auto()
    #: It is started anew: what an earlier case has left is memory that nobody would count.
    RESTARTED = auto()
    #: Each account has logged in once.
    LOGGED_IN = auto()
    #: It is started anew and has forgotten the maildrop; its account has logged in once.
    COLD = auto()
    #: Each account has had two messages by LMTP, so that whatever is made at the first one is there.
    DELIVERED = auto()


@dataclass(frozen=True)
class Case:
    """A workload on the accounts of a kind."""

    name: str
    workload: str
    kind: str
    options: str
    tls: bool = False
    before: Before = Before.NOTHING
    #: Sessions are due at a share of those that a server reached in a case before it, in the same round.
    pace: "Pace | None" = None
    #: Its figure is how much memory is taken meanwhile; it is measured in the first round only.
    is_watched: bool = False

    @property
    def is_lmtp(self) -> bool:
        """Whether mail comes in, instead of going out."""
        return self.workload == "deliver"


@dataclass(frozen=True)
class Pace:
    """A share of what a server reached in a case."""

    share: float
    label: str
    case: str


CASES = [
    Case("idle", "idle", "idle", "--connections 400 --sources 20", before=Before.RESTARTED),
    Case("idle-tls", "idle", "idle", "--connections 400 --sources 20", tls=True, before=Before.RESTARTED),
    Case("poll-empty", "poll", "empty", "--connections 8"),
    Case("poll", "poll", "poll", "--connections 8"),
    # As many connections as accounts: two sessions of one maildrop would wait for each other.
    Case("poll-at-80", "poll", "poll", "--connections 32", pace=Pace(0.8, "dovecot-tuned", "poll")),
    Case("poll-tls", "poll", "poll", "--connections 8", tls=True),
    Case("poll-tls-resumed", "poll", "poll", "--connections 8 --resume", tls=True),
    Case("retr-small", "retrieve", "small", "--connections 8"),
    Case("retr-small-pipe", "retrieve", "small", "--connections 8 --window 32"),
    Case("retr-typical", "retrieve", "typical", "--connections 16"),
    Case("retr-typical-tls", "retrieve", "typical", "--connections 16", tls=True),
    Case("retr-large", "retrieve", "large", "--connections 2"),
    Case("retr-large-tls", "retrieve", "large", "--connections 2", tls=True),
    Case("list-huge", "list", "huge", "--connections 1", before=Before.COLD),
    Case("drain", "drain", "drain", "--connections 4 --yes", before=Before.LOGGED_IN),
    Case("drain-pipe", "drain", "pipe", "--connections 4 --yes --window 32", before=Before.LOGGED_IN),
    *(
        Case(
            f"lmtp-{name}-{connections}", "deliver", "lmtp", f"--connections {connections} --size {size}",
            before=Before.DELIVERED,
        )
        for name, size in (("4k", "4KiB"), ("75k", "75KiB"))
        for connections in (1, 8, 32)
    ),
    Case(
        "lmtp-memory", "deliver", "lmtp", "--connections 1 --size 100MiB --copies 100 --messages 1 --patience 600",
        before=Before.RESTARTED, is_watched=True,
    ),
]


class Generator:
    """The load generator, and where what it saw is kept."""

    def __init__(self, restante: Path, directory: Path, certificate: Path, kinds: list[Kind], seconds: int):
        self._restante, self._certificate, self._seconds = restante, certificate, seconds
        self._directory = directory
        self._kinds = {kind.name: kind for kind in kinds}
        #: By round, label and case.
        self.outcomes: dict[tuple[int, str, str], dict] = {}
        self.record = directory / "outcomes.json"
        self._password = directory / "password"
        self._password.write_text(PASSWORD + "\n")
        for kind in kinds:
            (directory / f"users.{kind.name}").write_text("".join(user + "\n" for user in kind.users()))

    def measure(self, case: Case, server: Server, number: int) -> None:
        """Runs a case once, for the so many-th time; appends its outcome to the record."""
        kind = self._kinds[mail.in_round(case.kind, number)]
        words = ["taskset", "-c", CORE, self._restante, "bench", case.workload, "--case", case.name]
        words += ["--label", server.label, "--record", self.record]
        words += ["--users-file", self._directory / f"users.{kind.name}"]
        words += ["--seconds", self._seconds, *case.options.split()]
        if case.pace:
            words += ["--rate", self._rate(case.pace, number)]
        words += self._where(case, server)
        already = 0
        match case.before:
            case Before.RESTARTED:
                server.restart()
            case Before.LOGGED_IN:
                server.log_in_once(kind.users())
            case Before.COLD:
                server.make_cold(kind.users())
            case Before.DELIVERED:
                already = self._deliver_to_each(case, server, kind)
        with Watch(server.pid) as watch:
            _call([*words, "--pid", server.pid])
        # What is refused below is not in the record.
        outcome = json.loads(self._forget_last())
        copies = figure(outcome, "recipients of a message")
        if case.is_watched:
            outcome["figures"] = [{"name": _ABOVE, "value": watch.above, "unit": "MiB", "better": "lower"}]
        found = figure(outcome, "messages in the maildrop")
        if found not in (None, kind.messages):
            raise Refused(f"{found:.0f} messages where there are {kind.messages}")
        if case.is_lmtp:
            delivered = already + round(outcome["timings"][0]["count"] * (copies or 1))
            if wrong := self._what_is_missing(kind, server, delivered):
                raise Refused(wrong)
        with self.record.open("a") as record:
            record.write(json.dumps(outcome) + "\n")
        self.outcomes[number, server.label, case.name] = outcome

    def _where(self, case: Case, server: Server) -> list:
        """Where a case finds the server, and how it logs in."""
        if case.is_lmtp:
            return ["--server", f"127.0.0.1:{server.lmtp_port}"]
        words = ["--password-file", self._password]
        if case.tls:
            return [*words, "--server", f"127.0.0.1:{server.tls_port}", "--tls", self._certificate]
        return [*words, "--server", f"127.0.0.1:{server.port}"]

    def _deliver_to_each(self, case: Case, server: Server, kind: Kind) -> int:
        """Two messages for each account, not measured; how many they are."""
        messages = 2 * kind.accounts
        words = [self._restante, "bench", case.workload, *case.options.split(), "--messages", messages]
        _call([*words, "--users-file", self._directory / f"users.{kind.name}", *self._where(case, server)])
        return messages

    def _what_is_missing(self, kind: Kind, server: Server, delivered: int) -> str | None:
        """Drains all accounts: each message must be one that was delivered, by the checksum in it, and none may be
        missing. What is wrong. The next case finds empty maildrops."""
        words = ["taskset", "-c", CORE, self._restante, "bench", "drain", "--yes", "--json", "--window", "32"]
        words += ["--users-file", self._directory / f"users.{kind.name}", "--password-file", self._password]
        drained = json.loads(_call([*words, "--server", f"127.0.0.1:{server.port}"]))
        known = figure(drained, "messages known by their stamp")
        found = next(timing["count"] for timing in drained["timings"] if timing["name"] == "RETR")
        if (found, known) == (delivered, 100):
            return None
        return f"of {delivered} messages that were delivered {found} are there, {known:.0f}% of them as they were sent"

    def _rate(self, pace: Pace, number: int) -> float:
        outcome = self.outcomes.get((number, pace.label, pace.case))
        if outcome is None:
            raise Refused(f"the rate is a share of what {pace.label} reached in {pace.case}, which was not measured")
        return round(pace.share * figure(outcome, "sessions"), 1)

    def _forget_last(self) -> str:
        """Takes the last outcome off the record."""
        lines = self.record.read_text().splitlines(keepends=True)
        temporary = self.record.with_suffix(".new")
        temporary.write_text("".join(lines[:-1]))
        os.replace(temporary, self.record)
        return lines[-1]


def _call(words: list) -> bytes:
    """Runs the load generator; what it says. A workload that ends with a reason is refused with it."""
    ended = run(words, patience=900)
    if ended.returncode == 0:
        return ended.stdout
    said = ended.stderr.decode(errors="replace").splitlines()
    reasons = [line for line in said if line.startswith("restante: ")] or said[-1:] or ["no reason given"]
    raise Refused(reasons[0].removeprefix("restante: "))


def figure(outcome: dict, name: str) -> float | None:
    """The value of a figure, if the outcome has it."""
    return next((one["value"] for one in outcome["figures"] if one["name"] == name), None)
