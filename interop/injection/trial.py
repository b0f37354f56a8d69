"""One trial: a copy of the prepared state, the operation with one fault, and the judgement."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from harness import drop, paths, strace, volume
from harness.oracle import Violation
from harness.peers import Unavailable
from harness.program import Program
from harness.strace import Call, Fault

from . import served
from .operation import ACCOUNT, Operation, Outcome, Ran, Start, Trial

#: How often a fault that found nothing is aimed again: a server may have taken another thread.
_ATTEMPTS = 20
#: How often an operation of a server is recorded.
_RECORDINGS = 3

_MEMORY_MIB, _MEMORY_INODES = 1024, 100_000

#: What a state consists of, beside each other: the data directory, and a backup if there is one.
_TREES = ("data", "backup")

_AFTERWARDS = b"Subject: afterwards\r\n\r\nlife goes on\r\n"

# Fast logins: what is tested is not how passwords are hashed.
_SETTINGS = '[maildrop]\nlock_wait = "200ms"\nallow_volatile = true\nreserve = "2 MiB"\n\n[auth]\nscram = false\n'


@dataclass(frozen=True)
class Prepared:
    """An operation, the state that it starts from, and what there is to hit."""

    operation: Operation
    #: Where its trees are.
    state: Path
    start: Start
    before: list[drop.Mail]
    calls: list[Call]
    #: Sizes that a file passes through, if the operation makes one longer.
    grown: range

    @property
    def first(self) -> int:
        """The first call that touches a maildrop and not the accounts; before it nothing has happened."""
        reads = (
            at
            for at, call in enumerate(self.calls)
            if call.aimed and call.name == "pread64" and "accounts.db" in call.text
        )
        return max(reads, default=-1) + 1


@dataclass(frozen=True)
class Result:
    """What came of a trial."""

    outcome: Outcome | None
    wrong: str | None


def prepare(operation: Operation, directory: Path) -> Prepared:
    """Makes the state, and records the operation without a fault: it must do what it is there for."""
    directory.mkdir(parents=True)
    program = Program(directory, _SETTINGS)
    start = operation.prepare(program) or Start()
    # What the tools show must be looked at before the copy: looking may cut a torn tail.
    state = directory / "prepared"
    _copy(directory, state)
    before = drop.look(program, ACCOUNT)
    bench = Bench(directory.with_name(f"recording-{directory.name}"))
    prepared = Prepared(operation, state, start, before, [], range(0))
    recordings = [_record(bench, prepared) for _ in range(_RECORDINGS if operation.serves else 1)]
    # The one that a trial will most probably repeat: nothing else wanted a thread just then.
    calls = min(recordings, key=lambda calls: len({call.thread for call in calls if call.aimed}))
    grown = range(0)
    if operation.grows or operation.writes_anew:
        least = 0 if operation.writes_anew else _size(state / "data")
        grown = range(least, _size(bench.program.directory / "data"))
    return replace(prepared, calls=calls, grown=grown)


def _record(bench: "Bench", prepared: Prepared) -> list[Call]:
    operation = prepared.operation
    ran = bench.run(prepared, strace.recording(bench.trace))
    bench.end()
    calls = strace.record(bench.trace.read_text(), bench.roots(operation))
    found = drop.look(bench.program, bench.account(operation))
    wrong = operation.judge(prepared.start, prepared.before, found, ran.outcome, may_stay=False)
    if ran.outcome is not Outcome.DONE or wrong:
        raise RuntimeError(f"{operation.name} does not work without a fault: {ran.how} {wrong or ''}")
    return calls


def _copy(directory: Path, to: Path) -> None:
    """Copies a state."""
    for tree in _TREES:
        shutil.rmtree(to / tree, ignore_errors=True)
        if (directory / tree).exists():
            shutil.copytree(directory / tree, to / tree)


def _file(data: Path) -> bytes:
    """The one maildrop's file; nothing if there is none."""
    return b"".join(file.read_bytes() for file in (data / "d").glob("*/*/*.rsm"))


def _size(data: Path) -> int:
    """Octets of the one maildrop's file; 0 if there is none."""
    return sum(file.stat().st_size for file in (data / "d").glob("*/*/*.rsm"))


class Bench:
    """Where trials are made, one after the other."""

    def __init__(self, directory: Path):
        directory.mkdir(parents=True)
        # So that the server does what waits for the disk in one thread.
        os.environ["TOKIO_WORKER_THREADS"] = "1"
        self.program = Program(directory, _SETTINGS)
        self.trace = directory / "strace"

    def roots(self, operation: Operation) -> list[Path]:
        """Below these lies what faults are aimed at. In a server, that is the maildrops."""
        if operation.serves:
            return [self.program.directory / "data" / "d"]
        return [self.program.directory / tree for tree in _TREES]

    def account(self, operation: Operation) -> str:
        """The name that the account has now."""
        *maybe, name = operation.names
        return next((each for each in maybe if self.program.command("user", "show", each).returncode == 0), name)

    def run(self, prepared: Prepared, wrapper: list) -> Ran:
        """The operation on a fresh copy of the state."""
        operation = prepared.operation
        _copy(prepared.state, self.program.directory)
        self.program.log_file.write_bytes(b"")
        if operation.serves:
            served.start(self.program)
        return operation.run(self.program, wrapper)

    def end(self) -> None:
        """Ends the server, if there is one."""
        if self.program.server is not None:
            self.program.server.kill()
            self.program.server = None

    def fault(self, prepared: Prepared, fault: Fault, at: int) -> Result:
        """One fault at one call."""

        def body() -> Outcome:
            calls, aim = prepared.calls, at
            for _ in range(_ATTEMPTS):
                ran = self.run(prepared, strace.injecting(self.trace, fault, aim, calls))
                if self._hit(prepared.operation, fault, ran):
                    # SQLite takes an interrupted lock for a taken one; the sender tries again.
                    ours = "accounts.db" not in prepared.calls[at].text
                    if fault is Fault.EINTR and ours and ran.outcome is not Outcome.DONE:
                        raise Violation(f"a signal must only make it try again: {ran.how}")
                    if ours and _promised_unsynced(prepared, fault, at, ran):
                        raise Violation(f"it was promised although its sync failed: {ran.how}")
                    return self._judge(prepared, fault, ran)
                self.end()
                # The same calls, shared out among threads as they were this time.
                calls = strace.record(self.trace.read_text(errors="replace"), self.roots(prepared.operation))
                aim = strace.again(calls, prepared.calls, at)
                if aim is None:
                    calls, aim = prepared.calls, at
            raise Violation("the fault never came")

        return self._try(body)

    def short(self, prepared: Prepared, octets: int) -> Result:
        """A file may have so many octets: the write that would make it longer is short, the next one fails."""

        def body() -> Outcome:
            ran = self.run(prepared, ["prlimit", f"--fsize={octets}", "--"])
            if ran.outcome is not Outcome.REFUSED:
                raise Violation(f"it was {ran.outcome.value} although it cannot be: {ran.how}")
            return self._judge(prepared, None, ran)

        return self._try(body)

    def _try(self, body: Callable[[], Outcome]) -> Result:
        try:
            return Result(body(), None)
        except Violation as violation:
            return Result(None, str(violation))
        except Exception as error:  # noqa: BLE001 — whatever it is, this trial has failed and the next one runs
            return Result(None, f"{type(error).__name__}: {error}")
        finally:
            self.end()

    def _hit(self, operation: Operation, fault: Fault, ran: Ran) -> bool:
        if fault is not Fault.KILL:
            return "(INJECTED)" in self.trace.read_text(errors="replace")
        # Nobody else kills it; and it may have answered before.
        return not self.program.server.alive() if operation.serves else ran.outcome is Outcome.KILLED

    def _judge(self, prepared: Prepared, fault: Fault | None, ran: Ran) -> Outcome:
        operation = prepared.operation
        if fault is Fault.KILL and ran.outcome is Outcome.REFUSED:
            raise Violation(f"it was killed and yet told: {ran.how}")
        if fault is not Fault.KILL and ran.outcome is Outcome.KILLED and not operation.serves:
            raise Violation("it died although nobody killed it")
        if fault in (Fault.ENOSPC, Fault.EDQUOT) and operation.deleted and ran.outcome is Outcome.REFUSED:
            raise Violation(f"a deletion had room set aside for it: {ran.how}")
        may_stay = fault is not None and fault.may_stay
        start, before, shown = prepared.start, prepared.before, None
        ever = [*before, *start.shown, *(start.after or ())]

        def judge(found: list[drop.Mail], when: str) -> None:
            wrong = operation.judge(prepared.start, before, found, ran.outcome, may_stay)
            if wrong:
                raise Violation(f"{when}: {wrong} ({ran.how})")

        if operation.serves and fault is not Fault.KILL:
            # A maildrop that a failed call has poisoned must recover in the same server.
            if not self.program.server.alive():
                raise Violation("the server died of an error")
            shown = served.look(self.program)
            judge(shown, "in the same server")
            again = served.delivering(_AFTERWARDS)(self.program, [])
            if again.outcome is not Outcome.DONE:
                raise Violation(f"the server takes no mail any more: {again.how}")
            more = served.look(self.program)
            _grown(more, shown, ever)
            shown = more
        self.end()
        drop.sane(self.program.log_file.read_bytes(), 0)
        account = self.account(operation)
        found = drop.look(self.program, account)
        if shown is not None:
            if difference := drop.same(found, shown):
                raise Violation(f"the tools show another maildrop than the server did: {difference}")
        else:
            judge(found, "afterwards")
        if operation.also is not None:
            file = _file(prepared.state / "data")
            found = operation.also(Trial(self.program, start, before, found, file, ran))
            account = self.account(operation)
        if operation.again is not None:
            repeated = operation.again(self.program, [])
            found = drop.look(self.program, account)
            wrong = operation.judge(start, before, found, repeated.outcome, may_stay=False)
            if repeated.outcome is not Outcome.DONE or wrong:
                raise Violation(f"run again: {repeated.how} {wrong or ''}")
        drop.verify(self.program)
        self.program.deliver(account, _AFTERWARDS)
        more = drop.look(self.program, account)
        _grown(more, found, ever)
        return ran.outcome


def _promised_unsynced(prepared: Prepared, fault: Fault, at: int, ran: Ran) -> bool:
    """Whether somebody was told yes for what is perhaps only in the page cache.

    The store calls fdatasync for what it promises, and fsync for all else. A deletion that met a full disk may
    be written, and synced, once more.
    """
    once_more = prepared.operation.deleted and fault in (Fault.ENOSPC, Fault.EDQUOT)
    failed = prepared.calls[at].name == "fdatasync" and fault not in (Fault.KILL, Fault.EINTR)
    return failed and not once_more and ran.outcome is Outcome.DONE


def _grown(more: list[drop.Mail], found: list[drop.Mail], ever: list[drop.Mail]) -> None:
    if difference := drop.arrived(more, found, [_AFTERWARDS]):
        raise Violation(f"after one more delivery: {difference}")
    if more[-1].unique_id in {mail.unique_id for mail in (*ever, *found)}:
        raise Violation(f"{more[-1].unique_id} is given out a second time")


def scratch() -> Path:
    """The directory of this run: in memory, if this process may mount, since nothing here depends on the disk.

    What a killed process wrote stays, whatever it synced; and a fault is what strace says, not what a disk does.
    """
    directory = paths.scratch("inject")
    try:
        return volume.tmpfs(directory, _MEMORY_MIB, _MEMORY_INODES).place
    except Unavailable:
        return directory
