"""One operation that writes: what it starts from, how it is run under strace, what it may leave."""

import enum
from collections.abc import Callable
from dataclasses import dataclass

from harness.drop import Mail, arrived
from harness.program import Program

ACCOUNT = "bob"


class Outcome(enum.Enum):
    """What the operation told whoever asked for it."""

    DONE = "done"
    REFUSED = "refused"
    #: Nothing: it was killed.
    KILLED = "killed"


@dataclass(frozen=True)
class Ran:
    """An operation that ended: what it told, and how (for the reader)."""

    outcome: Outcome
    how: str


#: Given what stands before the command, or what is to attach to the server: strace and its options, or nothing.
Run = Callable[[Program, list], Ran]


@dataclass(frozen=True)
class Operation:
    """An entry of the table."""

    name: str
    #: Makes the state that each trial starts from a copy of.
    prepare: Callable[[Program], None]
    run: Run
    #: Texts that it adds at the end of the maildrop, and places (from 0) that it deletes.
    added: tuple[bytes, ...] = ()
    deleted: frozenset[int] = frozenset()
    #: It takes one message after the other, and each is there by itself.
    stepwise: bool = False
    #: Run once more after the fault is gone: it must come to its end then.
    again: Run | None = None
    #: The same server goes on after an error that was not its death.
    serves: bool = False
    #: It makes one file longer, so limits between its sizes before and after make real short writes.
    grows: bool = False

    def judge(self, before: list[Mail], found: list[Mail], outcome: Outcome, may_stay: bool) -> str | None:
        """What is wrong with a maildrop after the operation; none if nothing is."""
        left = [mail for place, mail in enumerate(before) if place not in self.deleted]
        done = arrived(found, left, list(self.added))
        if outcome is Outcome.DONE or done is None and (may_stay or outcome is Outcome.KILLED):
            return done and f"it was promised, and {done}"
        undone = arrived(found, before, [])
        if undone is None:
            return None
        if self.stepwise:
            count = len(found) - len(before)
            return arrived(found, before, list(self.added[: max(count, 0)]))
        return f"it was {outcome.value}, and {undone}"

