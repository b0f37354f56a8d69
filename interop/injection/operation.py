"""One operation that writes: what it starts from, how it is run under strace, what it may leave."""

import enum
from collections.abc import Callable
from dataclasses import dataclass

from harness.drop import Mail, arrived, same
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


@dataclass(frozen=True)
class Start:
    """What whoever made the state knows, and the maildrop does not show."""

    #: What it shows when the operation is done; none: what `added` and `deleted` make of it.
    after: tuple[Mail, ...] | None = None
    #: Everything that it has ever shown: none of these unique-ids may come again.
    shown: tuple[Mail, ...] = ()
    #: What a backup beside it holds; none: there is no backup.
    saved: tuple[Mail, ...] | None = None


@dataclass(frozen=True)
class Trial:
    """A trial after the fault, with nobody at work."""

    program: Program
    start: Start
    #: The maildrop before the operation, and now.
    before: list[Mail]
    found: list[Mail]
    #: Its file before the operation, if there was one.
    file: bytes
    ran: Ran


#: Given what stands before the command, or what is to attach to the server: strace and its options, or nothing.
Run = Callable[[Program, list], Ran]


@dataclass(frozen=True)
class Operation:
    """An entry of the table."""

    name: str
    #: Makes the state that each trial starts from a copy of.
    prepare: Callable[[Program], Start | None]
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
    #: It makes a new file as long as the maildrop's is then: limits below that make short writes.
    writes_anew: bool = False
    #: It writes to the accounts, so that is worth hitting, too.
    writes_accounts: bool = False
    #: What was refused may be done all the same, for the last step may fail after the new file has its name. It
    #: can be run again then.
    done_or_not: bool = False
    #: What else must hold, whatever it was told; raises Violation. It may work with the maildrop, and returns
    #: what that holds then.
    also: Callable[[Trial], list[Mail]] | None = None
    #: Names that the account may have afterwards.
    names: tuple[str, ...] = (ACCOUNT,)

    def judge(
        self, start: Start, before: list[Mail], found: list[Mail], outcome: Outcome, may_stay: bool
    ) -> str | None:
        """What is wrong with a maildrop after the operation; none if nothing is."""
        if start.after is not None:
            done = same(found, list(start.after))
        else:
            left = [mail for place, mail in enumerate(before) if place not in self.deleted]
            done = arrived(found, left, list(self.added))
        if outcome is Outcome.DONE or done is None and (may_stay or self.done_or_not or outcome is Outcome.KILLED):
            return done and f"it was promised, and {done}"
        undone = arrived(found, before, [])
        if undone is None:
            return None
        if self.stepwise:
            count = len(found) - len(before)
            return arrived(found, before, list(self.added[: max(count, 0)]))
        return f"it was {outcome.value}, and {undone}"

