"""What must be true of a maildrop, whatever was killed: the memory of what was acknowledged.

The oracle lives in another process than the program. It is told what is about to be said and what was
answered, and holds every listing that it is shown against that:

- a delivery that was acknowledged is there until its deletion was asked for;
- a deletion that was acknowledged (`+OK` to QUIT) never comes back;
- a session's deletions that were asked for but not answered happen together or not at all;
- a deletion that was not committed by QUIT never happens;
- a delivery that was not acknowledged is there whole, once, or not at all, and that is settled at the first
  look after the crash: what was shown stays, what was not shown does not turn up later;
- a unique-id means the same message for ever, a message has one unique-id, and the order stays.
"""

import threading
from dataclasses import dataclass, field
from typing import TextIO


class Violation(AssertionError):
    """Something happened that must never happen."""


@dataclass
class _Drop:
    """One maildrop's history. Messages are named by the number that the rig gave them."""

    #: Announced, not yet acknowledged and never seen.
    pending: set[int] = field(default_factory=set)
    #: Acknowledged or seen, and not deleted: must be there.
    present: set[int] = field(default_factory=set)
    #: Deleted with `+OK`, or settled as never having arrived: must not be there.
    gone: set[int] = field(default_factory=set)
    #: Sessions whose QUIT was sent and not answered: each happened whole or not at all.
    doubtful: list[frozenset[int]] = field(default_factory=list)
    #: unique-id → message, for ever; and the reverse.
    message_of: dict[str, int] = field(default_factory=dict)
    unique_id_of: dict[int, str] = field(default_factory=dict)
    #: Messages in the order in which listings showed them.
    order: dict[int, int] = field(default_factory=dict)


class Oracle:
    """Remembers, and judges each listing. Safe to call from many threads."""

    def __init__(self, drops: list[str], log: TextIO):
        self._drops = {name: _Drop() for name in drops}
        self._lock = threading.Lock()
        self._log = log
        self.delivered = self.deleted = self.settled_done = self.settled_undone = 0

    def announce(self, drop: str, message: int) -> None:
        """A delivery begins."""
        with self._lock:
            self._drops[drop].pending.add(message)
            self._say("announce", drop, message)

    def acknowledge(self, drop: str, message: int) -> None:
        """The delivery was answered with 250 or exit status 0."""
        with self._lock:
            state = self._drops[drop]
            # A session may have seen it, and even deleted it, before this thread heard the answer.
            if message in state.pending:
                state.pending.remove(message)
                state.present.add(message)
            self.delivered += 1
            self._say("acknowledge", drop, message)

    def expected(self, drop: str) -> frozenset[int]:
        """What a session that is opened from now on must find, unless its deletion is under way."""
        with self._lock:
            return frozenset(self._drops[drop].present)

    def known(self, drop: str, unique_id: str) -> int | None:
        """The message that this unique-id has been, if it was seen before."""
        with self._lock:
            return self._drops[drop].message_of.get(unique_id)

    def quit_sent(self, drop: str, messages: frozenset[int]) -> None:
        """A session is about to send QUIT with these deletions."""
        with self._lock:
            self._drops[drop].doubtful.append(messages)
            self._say("quit", drop, *sorted(messages))

    def quit_answered(self, drop: str, messages: frozenset[int]) -> None:
        """QUIT was answered with `+OK`: they are gone for ever."""
        with self._lock:
            state = self._drops[drop]
            state.doubtful.remove(messages)
            state.present -= messages
            state.gone |= messages
            self.deleted += len(messages)
            self._say("deleted", drop, *sorted(messages))

    def listing(self, drop: str, expected: frozenset[int], listing: list[tuple[str, int]]) -> None:
        """A session's listing: unique-id and message, in order. Raises Violation."""
        with self._lock:
            state = self._drops[drop]
            shown = [message for _, message in listing]
            self._identities(drop, state, listing)
            if back := state.gone.intersection(shown):
                raise Violation(f"{drop}: deleted or never arrived, and yet there: {sorted(back)}")
            under_way = frozenset().union(*state.doubtful)
            # Recomputed now: what was deleted between `expected` and the listing is in no set any more.
            if lost := (expected & state.present) - set(shown) - under_way:
                raise Violation(f"{drop}: acknowledged and lost: {sorted(lost)}")
            for batch in state.doubtful:
                _whole(drop, batch, set(shown))
            for message in state.pending.intersection(shown):
                state.pending.remove(message)
                state.present.add(message)

    def settle(self, drop: str, listing: list[tuple[str, int]]) -> None:
        """After a crash, with nothing under way: judges a listing and settles what was in doubt."""
        self.listing(drop, self.expected(drop), listing)
        with self._lock:
            state = self._drops[drop]
            shown = {message for _, message in listing}
            for batch in state.doubtful:
                if batch and batch <= shown:
                    self.settled_undone += 1
                else:
                    self.settled_done += bool(batch)
                    state.present -= batch
                    state.gone |= batch
            state.doubtful.clear()
            if missing := state.present - shown:
                raise Violation(f"{drop}: acknowledged and lost: {sorted(missing)}")
            # What has not arrived by now never will.
            state.gone |= state.pending
            state.pending.clear()
            self._say("settled", drop, *sorted(shown))

    def _identities(self, drop: str, state: _Drop, listing: list[tuple[str, int]]) -> None:
        last = -1
        for unique_id, message in listing:
            known = state.message_of.setdefault(unique_id, message)
            if known != message:
                raise Violation(f"{drop}: unique-id {unique_id} was message {known} and is now {message}")
            before = state.unique_id_of.setdefault(message, unique_id)
            if before != unique_id:
                raise Violation(f"{drop}: message {message} was {before} and is now {unique_id}")
            if not any(message in some for some in (state.present, state.pending, state.gone)):
                raise Violation(f"{drop}: message {message} was never delivered here")
            place = state.order.setdefault(message, len(state.order))
            if place <= last:
                raise Violation(f"{drop}: message {message} has moved in the listing, or is there twice")
            last = place

    def _say(self, *words) -> None:
        print(*words, file=self._log)


def _whole(drop: str, batch: frozenset[int], shown: set[int]) -> None:
    if remaining := batch & shown:
        if remaining != batch:
            raise Violation(f"{drop}: half of a session's deletions: {sorted(remaining)} of {sorted(batch)} remain")
