"""What is tried: which cases there are, at which calls fetching is ended or fails, and how one trial goes."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness import paths
from harness.oracle import Violation
from harness.peers import Unavailable
from harness.processes import Process, free_port, listens, wait_for

from .bench import Bench, Case, Trial, fails_with_advice
from .volumes import Full

_AT_ONCE = "delete_at_once = true\nkeep = false"
_KEPT, _LATER = "keep = true", "keep = false"

#: Every kind of destination, kept and deleted at once; few messages are synced one by one, more together.
CASES = [
    Case(("maildir",), _KEPT),
    Case(("maildir",), _AT_ONCE),
    Case(("maildir",), _LATER, count=3, large=0),
    Case(("maildir",), _AT_ONCE, count=2, large=1),
    *(Case((kind,), keep) for kind in ("mbox", "store", "lmtp", "smtp", "command", "imap") for keep in (_AT_ONCE, _KEPT)),
    Case(("maildir", "lmtp"), _AT_ONCE),
    Case(("lmtp", "command"), _AT_ONCE, count=3, large=0),
    Case(("mbox", "maildir"), _AT_ONCE, count=3, large=0),
    Case(("maildir",), _AT_ONCE, source="Dovecot"),
]
#: For moments at random: so many that a session takes a while.
MANY = [Case((kind,), keep, count=300, large=0) for kind in ("maildir", "mbox", "store", "lmtp") for keep in (_KEPT, _AT_ONCE)]
MANY.append(Case(("maildir",), _AT_ONCE, count=300, large=0, source="Dovecot"))

_ERRORS = ("EIO", "ENOSPC")
#: Calls of which a disk can refuse one. A name that cannot be removed stays, so nothing is to be learned from that.
_DISK = {"write", "pwrite64", "writev", "pwritev", "pwritev2", "fsync", "fdatasync", "syncfs", "openat", "mkdir", "mkdirat", "rename",
         "renameat", "renameat2", "link", "linkat", "ftruncate", "fallocate"}
_NEEDS_SPACE = _DISK - {"ftruncate"}
_DELAY = Path(__file__).resolve().parents[2] / "bench" / "retrieval" / "delay.py"
_DELAY_MILLISECONDS = 5


@dataclass(frozen=True)
class Attempt:
    """One trial of a case: what the tracer does in the first run, and in the second if there is one."""

    case: Case
    plan: tuple[str, ...]
    again: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As --only and --at want it."""
        plans = [" ".join(plan) for plan in (self.plan, self.again) if plan]
        return f"{self.case.name}: {', then '.join(plans)}"


def kills(case: Case, calls: list[str], short: bool, dice: random.Random) -> Iterator[Attempt]:
    """An end before and after every call, and now and then a second one in the run that comes after it."""
    # Nothing depends on what was said before the messages were asked for.
    first = next((at for at, call in enumerate(calls) if "pwrite64" in call), 0)
    places = range(len(calls)) if not short else [at for at in range(len(calls)) if at >= first or at % 4 == 0]
    for at in places:
        # What comes next shows most of the state after a call; not what a server has taken and nobody has heard of.
        when = ("before", "after") if not short or calls[at].startswith(("send", "rename", "clone")) else ("before",)
        for which in when:
            yield Attempt(case, ("kill", which, str(at)))
        if dice.random() < (0.05 if short else 0.3):
            second = ("kill", dice.choice(("before", "after")), str(dice.randrange(len(calls))))
            yield Attempt(case, ("kill", "before", str(at)), second)


def errors(case: Case, calls: list[str], short: bool, dice: random.Random) -> Iterator[Attempt]:
    """An error at every call that a disk can refuse: once, and from then on."""
    for at, call in enumerate(calls):
        name, _, about = call.partition(" ")
        if name not in _DISK or "socket:" in about or "pipe:" in about:
            continue
        able = [(error, str(at), times) for error in _ERRORS for times in ("1", "0") if error == "EIO" or name in _NEEDS_SPACE]
        yield from (Attempt(case, plan) for plan in (able if not short else [dice.choice(able)]))


class Trials:
    """One bench, on which one trial after the other is made."""

    def __init__(self, directory: Path):
        self.bench = Bench(directory)
        #: Ways to servers that take a while.
        self._slow: dict[str, tuple[int, Process]] = {}

    def stop(self) -> None:
        """Ends all that was started."""
        for _, delay in self._slow.values():
            delay.kill()
        self.bench.stop()

    def record(self, case: Case) -> list[str]:
        """The calls of a run that nobody disturbs."""
        trial = self.bench.begin(case)
        if self.bench.fetch(trial, ["EIO", "1000000"]) != 0:
            raise RuntimeError(f"{case.name}: {trial.log}")
        calls = self.bench.calls(trial)
        self.bench.finish(trial)
        return calls

    def attempt(self, attempt: Attempt) -> str | None:
        """What is wrong after it; None if nothing is."""
        return self._judged(lambda: self.bench.begin(attempt.case), lambda trial: self._attempt(attempt, trial))

    def _attempt(self, attempt: Attempt, trial: Trial) -> None:
        for plan in (attempt.plan, attempt.again):
            if not plan:
                continue
            status = self.bench.fetch(trial, plan)
            trial.ended += 1
            if plan[0] == "kill":
                if status not in (0, 137):
                    raise Violation("it was neither killed nor at its end")
            elif status != 0:
                fails_with_advice(trial, status)
            self.bench.nothing_lost(trial)
        self.bench.finish(trial)

    def at_random(self, case: Case, seed: str) -> str | None:
        """Fetches a long session over a slow link, and ends it at random again and again, by any of three signals."""
        dice = random.Random(seed)

        def body(trial: Trial) -> None:
            for _ in range(dice.randint(1, 4)):
                number = dice.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
                process = self.bench.start(trial)
                time.sleep(dice.random() * dice.choice((0.1, 0.4, 1.2)))
                process.signal(number)
                try:
                    said = process.child.communicate(timeout=60)[1].decode(errors="replace")
                except subprocess.TimeoutExpired as slow:
                    raise Violation(f"{number.name} does not end it") from slow
                finally:
                    process.kill()
                status = process.child.returncode
                trial.log.append(f"{number.name}: {status} {said.strip()}")
                if "panicked" in said:
                    raise Violation("a panic")
                trial.ended += 1
                self.bench.nothing_lost(trial)
            self.bench.finish(trial)

        return self._judged(lambda: self.bench.begin(case, port=self.slow(case.source)), body)

    def on_a_full_disk(self, disk: Full, case: Case, where: str, kib: int) -> tuple[str | None, bool]:
        """What is wrong after a session on a disk with so many KiB; and whether the disk was too small."""
        was_full = []
        wrong = self._judged(lambda: disk.begin(case, where), lambda trial: was_full.append(disk.attempt(trial, kib)))
        return wrong, was_full == [True]

    def slow(self, source: str = "ours") -> int:
        """The port of a link that takes a while, each way."""
        if source not in self._slow:
            port, end = free_port(), self.bench.source(source).port
            delay = Process([sys.executable, _DELAY, port, end, _DELAY_MILLISECONDS])
            self._slow[source] = port, delay
            wait_for("the slow link", lambda: listens(port))
        return self._slow[source][0]

    def _judged(self, begin, body) -> str | None:
        trial = None
        try:
            trial = begin()
            body(trial)
            return None
        except Unavailable:
            raise
        except Exception as wrong:  # noqa: BLE001 — whatever it is, this trial has failed and the next one runs
            kind = "" if isinstance(wrong, Violation) else f"{type(wrong).__name__}: "
            runs = "" if trial is None else "".join(f"\n           {line}" for run in trial.log for line in run.splitlines())
            return f"{kind}{wrong}{runs}"


def scratch() -> Path:
    """The directory of this run."""
    return paths.scratch("fetch-crash")
