"""Faults by strace: which system calls an operation makes, and what is to happen at which of them.

strace counts each kind of call in each thread by itself, so a fault is aimed at the n-th `fdatasync` of a thread.
An operation that is worth injecting into is therefore one that makes its calls in one thread, and the recording
(`record`) says what there is to hit: only calls that touch the data directory, not those of the loader.
"""

import enum
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

#: Calls of which the descriptor or the result is written to the disk, read from it, or a lock on it.
_WRITES = ("pwritev", "pwritev2", "pwrite64", "write", "fallocate", "copy_file_range")
_SYNCS = ("fdatasync", "fsync")
_NAMES = ("linkat", "link", "renameat", "renameat2", "rename", "unlinkat", "unlink", "mkdirat", "mkdir")
_OPENS = ("openat2", "openat")
_READS = ("pread64", "preadv", "preadv2", "read", "getdents64", "fstat")
_LOCKS = ("fcntl",)

SET = (*_OPENS, *_WRITES, "ftruncate", *_SYNCS, *_NAMES, *_READS, *_LOCKS)

#: What a disk without space refuses; cutting, removing and reading go on.
_NEEDS_SPACE = (*_WRITES, *_SYNCS, "linkat", "link", "renameat", "renameat2", "rename", "mkdirat", "mkdir")
#: What a dead disk refuses; locks and sizes are in memory.
_NEEDS_DISK = tuple(name for name in SET if name not in (*_LOCKS, "fstat"))
#: What a signal can interrupt. Waiting for names does not end early.
_INTERRUPTIBLE = (*_OPENS, *_WRITES, "ftruncate", *_SYNCS, "pread64", "preadv", "preadv2", "read", *_LOCKS)

_ENTRY = re.compile(r"^(\d+) +(\w+)\((.*)")


class Fault(enum.Enum):
    """What happens at a call."""

    KILL = "kill"
    #: Once, and the next call of that kind works again.
    EIO = "EIO"
    ENOSPC = "ENOSPC"
    EDQUOT = "EDQUOT"
    EINTR = "EINTR"
    #: Every call of this kind from this one on.
    EIO_ON = "EIO+"
    #: Everything that needs space, from this call on.
    FULL = "full"
    #: Everything that needs the disk, from this call on.
    DEAD = "dead"

    @property
    def lasts(self) -> bool:
        """Whether the next call fails, too."""
        return self in (Fault.EIO_ON, Fault.FULL, Fault.DEAD)

    @property
    def may_stay(self) -> bool:
        """Whether what was refused may be there all the same: nobody can take it back any more."""
        return self in (Fault.KILL, Fault.DEAD)


@dataclass(frozen=True)
class Call:
    """One call of a recording, the `nth` of its name in its thread; `thread` counts threads as they turn up."""

    name: str
    nth: int
    thread: int
    text: str
    #: It touches what the operation is about, so it is worth hitting.
    aimed: bool

    @property
    def writes(self) -> bool:
        """Whether it changes what is on the disk, or makes that last."""
        return self.name in (*_WRITES, *_SYNCS, *_NAMES, "ftruncate") or self._makes

    @property
    def _makes(self) -> bool:
        """Whether it makes a file by opening it."""
        return "O_CREAT" in self.text or "O_TMPFILE" in self.text

    def can(self, fault: Fault) -> bool:
        """Whether this call can fail so."""
        if fault in (Fault.ENOSPC, Fault.EDQUOT, Fault.FULL):
            return self.name in _NEEDS_SPACE or self._makes
        if fault is Fault.EINTR:
            return self.name in _INTERRUPTIBLE
        return True


def record(output: str, roots: list[Path]) -> list[Call]:
    """The calls of a recording (`-f -y`) in order; those that touch what lies below `roots` are aimed at."""
    counts, threads, calls = Counter(), {}, []
    for line in output.splitlines():
        if (found := _ENTRY.match(line)) is None or found[2] not in SET:
            continue
        thread, name, text = found.groups()
        counts[thread, name] += 1
        aimed = any(str(root) in text for root in roots) and (name not in _LOCKS or "SETLK" in text)
        place = threads.setdefault(thread, len(threads))
        calls.append(Call(name, counts[thread, name], place, text, aimed))
    return calls


def again(calls: list[Call], recorded: list[Call], at: int) -> int | None:
    """Where the call `at` of one recording is in another one of the same operation; None if it did something else."""
    rank = sum(call.aimed for call in recorded[:at])
    aimed = [place for place, call in enumerate(calls) if call.aimed]
    if rank < len(aimed) and calls[aimed[rank]].name == recorded[at].name:
        return aimed[rank]
    return None


def recording(output: Path) -> list:
    """strace, to record what can be hit."""
    return _strace(output)


def injecting(output: Path, fault: Fault, at: int, calls: list[Call]) -> list:
    """strace, with a fault at one call of the recording."""
    call = calls[at]
    words = _strace(output)
    if fault is Fault.KILL:
        rules = {call.name: f"signal=KILL:when={call.nth}"}
    elif fault is Fault.EIO_ON:
        rules = {call.name: f"error=EIO:when={call.nth}+"}
    elif fault is Fault.FULL:
        rules = {name: f"error=ENOSPC:when={n}+" for name, n in _from(at, calls, (*_NEEDS_SPACE, call.name))}
    elif fault is Fault.DEAD:
        rules = {name: f"error=EIO:when={n}+" for name, n in _from(at, calls, (*_NEEDS_DISK, call.name))}
    else:
        rules = {call.name: f"error={fault.value}:when={call.nth}"}
    for name, rule in rules.items():
        words += ["-e", f"inject=?{name}:{rule}"]
    return words


def _from(at: int, calls: list[Call], names: tuple[str, ...]):
    """For each name, the number of its first call that is not before `at`, in the thread of that call."""
    # What is written otherwise is not on the disk: a server's threads wake each other by it.
    aimed = {call.name for call in calls if call.aimed}
    for name in dict.fromkeys(names):
        if name in ("read", "write") and name not in aimed:
            continue
        mine = [call for call in calls if call.name == name and call.thread == calls[at].thread]
        later = [call.nth for call in calls[at:] if call in mine]
        # One that comes no more by the recording comes perhaps because of the fault.
        yield name, later[0] if later else max((call.nth for call in mine), default=0) + 1


def _strace(output: Path) -> list:
    # `?`: not every machine has every call.
    calls = ",".join(f"?{name}" for name in SET)
    return ["strace", "-f", "-y", "-s", "0", "-o", output, "-e", f"trace={calls}"]
