"""One server with mail, one `restante fetch` that is ended in the middle, and the question where every message is.

A message may be missing nowhere at any moment: when fetching was ended, each is on the server or in every destination. When it was
run to its end after that, each is in every destination, and once: in those that know a message again; in the others at most one is
there twice for each time that fetching was ended.
"""

import itertools
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from harness import paths, tracer
from harness.clients import restante
from harness.oracle import Violation
from harness.peers import Unavailable
from harness.processes import Process, run
from harness.program import Program

from .destinations import KINDS, Destination
from .ledgers import judge as judge_ledger
from .sources import Dovecot, Ours, Source

#: sysexits.h of `restante fetch`: somebody's disk, the disk, and what passes by itself.
_FAILURES = (73, 74, 75)
_CONFIG = 78
#: Runs after the last kill until all is done: a first one deletes nothing if it may not.
_RUNS_MAX = 4
#: Octets of the message that does not fit into memory.
_LARGE = 700_000


@dataclass(frozen=True)
class Case:
    """What is fetched, and whereto."""

    kinds: tuple[str, ...]
    #: `keep` of the account, and perhaps more lines of it.
    keep: str = "keep = true"
    #: So many small messages, and so many large ones.
    count: int = 5
    large: int = 1
    #: The server: ours or Dovecot.
    source: str = "ours"

    @property
    def name(self) -> str:
        """For people, and for --only."""
        whence = "" if self.source == "ours" else f"from {self.source} to "
        keeps = {"keep = true": "kept", "keep = false": "deleted by the next session"}.get(self.keep, "deleted at once")
        return f"{whence}{' and '.join(self.kinds)}, {self.count + self.large} messages, {keeps}"

    @property
    def deletes(self) -> bool:
        """Whether the server is empty in the end."""
        return "false" in self.keep


@dataclass
class Trial:
    """What is known while one goes on."""

    case: Case
    directory: Path
    source: Source
    destinations: list[Destination]
    #: Name → text with LF.
    texts: dict[str, bytes]
    configuration: Path
    #: Where its ledger is.
    state: Path
    #: How often fetching was ended, or failed.
    ended: int = 0
    #: What came of each run.
    log: list[str] = field(default_factory=list)


class Bench:
    """A server, and destinations that are started when they are first asked for."""

    _names = itertools.count(1)

    def __init__(self, directory: Path):
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._program = Program(directory / "server", settings="[auth]\nscram = false\n")
        self._sources: dict[str, Source] = {"ours": Ours(self._program)}
        self._destinations: dict[str, Destination] = {}

    def stop(self) -> None:
        """Ends what was started."""
        for source in self._sources.values():
            source.stop()
        for destination in self._destinations.values():
            destination.stop()

    def source(self, name: str) -> Source:
        """A server, started when it is first asked for."""
        if name not in self._sources:
            self._sources[name] = Dovecot(self._directory / "dovecot", self._program.directory)
        return self._sources[name]

    def begin(self, case: Case, target: Path | None = None, state: Path | None = None, port: int | None = None) -> Trial:
        """A maildrop with new messages, and nothing fetched.

        Destination and ledger may lie in directories elsewhere, and another port may lead to the server.
        """
        directory = self._directory / "trial"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        destinations = [self._destination(kind) for kind in case.kinds]
        for destination in destinations:
            destination.begin(target or directory)
        source = self.source(case.source)
        source.empty()
        texts = self.fill(case)
        deliver = ", ".join(f"{{ {destination.settings()} }}" for destination in destinations)
        configuration = restante.configure("127.0.0.1", port or source.port, source.login, directory, keep=True)
        text, state = configuration.read_text(), state or directory / "state"
        text = text.replace(str(directory / "state"), str(state))
        lines = [line for line in text.splitlines() if not line.startswith(("keep", "deliver"))]
        configuration.write_text("\n".join([*lines, case.keep, f"deliver = [ {deliver} ]", ""]))
        return Trial(case, directory, source, destinations, texts, configuration, state)

    def fill(self, case: Case) -> dict[str, bytes]:
        """Delivers the messages of a case to the server."""
        texts = {}
        for place in range(case.count + case.large):
            name = f"crash-{os.getpid()}-{next(self._names)}"
            # The large one in the middle.
            octets = _LARGE if case.large and place == case.count // 2 else 300 + 211 * place
            text = _text(name, octets)
            self.source(case.source).add(text)
            texts[name] = text
        return texts

    def fetch(self, trial: Trial, plan: list[str] = ()) -> int:
        """Runs it, under the tracer's plan if there is one; its exit status, 137 if it was killed there."""
        words = [paths.PROGRAM, "-c", trial.configuration, "fetch", "a"]
        if plan:
            words = [sys.executable, "-I", "-S", tracer.__file__, trial.directory / "calls", *plan, "--", *words]
        done = run(words, stdin=subprocess.DEVNULL, patience=120)
        said = (done.stdout + done.stderr).decode(errors="replace")
        trial.log.append(f"{' '.join(plan) or 'fetch'}: {done.returncode} {said.strip()}")
        if "panicked" in said:
            raise Violation(f"a panic: {said[-600:]}")
        if done.returncode == _CONFIG and "not built yet" in said:
            raise Unavailable(f"{' and '.join(trial.case.kinds)}: this build refuses it: {said.strip().splitlines()[0]}")
        return done.returncode

    def start(self, trial: Trial) -> Process:
        """Starts it, for somebody who ends it."""
        words = [paths.PROGRAM, "-c", trial.configuration, "fetch", "a"]
        return Process(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def calls(self, trial: Trial) -> list[str]:
        """What the tracer has counted in the last run, a line each."""
        lines = (trial.directory / "calls").read_text().splitlines()
        return [line.partition(" ")[2] for line in lines if not line.startswith(" ")]

    def hit(self, trial: Trial) -> bool:
        """Whether the call that was to fail did."""
        return "\n  fails\n" in (trial.directory / "calls").read_text()

    def nothing_lost(self, trial: Trial) -> None:
        """Right after an end in the middle: what is not on the server is in every destination."""
        server = trial.source.names()
        for kind, destination in zip(trial.case.kinds, trial.destinations, strict=True):
            found = destination.found()
            if lost := [name for name in trial.texts if name not in server and name not in found]:
                raise Violation(f"{len(lost)} are neither on the server nor in {kind} after the end in the middle, as {lost[0]}")

    def finish(self, trial: Trial) -> None:
        """Runs it until all is done, and judges what is there then."""
        for _ in range(_RUNS_MAX):
            status = self.fetch(trial)
            if status != 0:
                raise Violation("the next run did not come to its end")
            if not trial.case.deletes or not trial.source.names():
                break
        self.judge(trial)

    def judge(self, trial: Trial) -> None:
        """What is there when all is done."""
        for kind, destination in zip(trial.case.kinds, trial.destinations, strict=True):
            _judge(kind, destination, trial)
        server = trial.source.names()
        if trial.case.deletes and server:
            raise Violation(f"{len(server)} messages are still on the server")
        if not trial.case.deletes and server != set(trial.texts):
            raise Violation(f"{len(set(trial.texts) - server)} kept messages are gone from the server")
        judge_ledger(trial.state / "a.ledger", len(trial.texts))
        if left := {file.name for file in trial.state.iterdir() if not _STATE.fullmatch(file.name)}:
            raise Violation(f"left in the state: {sorted(left)}")

    def _destination(self, kind: str) -> Destination:
        if kind not in self._destinations:
            tls = self._program.directory
            self._destinations[kind] = KINDS[kind](self._directory / kind, tls / "certificate.pem", tls / "key.pem")
        return self._destinations[kind]


#: Files of an account that stay; those that are new are overwritten by the next one.
_STATE = re.compile(r"a\.(ledger|last|server|status|history)(\.new)?|a\.ledger\.lock|a-[0-9a-f]{8}\.stage")


def _judge(kind: str, destination: Destination, trial: Trial) -> None:
    found = destination.found()
    if lost := [name for name in trial.texts if name not in found]:
        raise Violation(f"{len(lost)} of {len(trial.texts)} are not in {kind}, as {lost[0]}")
    if strange := [name for name in found if name not in trial.texts]:
        raise Violation(f"{kind} has what was never sent: {strange[0]}")
    doubled = sum(len(texts) - 1 for texts in found.values())
    if doubled > (0 if destination.exact else trial.ended):
        raise Violation(f"{doubled} are in {kind} twice after {trial.ended} ends in the middle")
    for name, texts in found.items():
        for text in texts:
            # Servers have put lines before it.
            if not text.endswith(trial.texts[name]):
                raise Violation(f"{name} is in {kind} with other octets: {len(text)} of them, {text[-80:]!r}")
    if untidy := destination.untidy():
        raise Violation(f"left behind: {untidy}")


def _text(name: str, octets: int) -> bytes:
    # No line begins with "From ": an mbox changes those.
    line = f".{name} Grüße, and a line that is long enough to be one of many\n".encode()
    head = f"Subject: {name}\nFrom: eve@dobbs.org\nMessage-ID: <{name}@dobbs.org>\n\n.\n..\n".encode()
    return head + line * (octets // len(line) + 1)


def fails_with_advice(trial: Trial, status: int) -> None:
    """A run that failed by an error: its exit status is one that says so, and it says what to do."""
    if status not in _FAILURES:
        raise Violation(f"exit status {status} for an error of the disk: {trial.log[-1]}")
    lines = trial.log[-1].splitlines()
    if len(lines) < 2 or len(lines[-1].strip()) < 10:
        raise Violation(f"it does not say what to do: {trial.log[-1]!r}")

