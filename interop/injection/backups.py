"""Backups and restores: the operations, and how a backup's directory is judged."""

import shutil
from pathlib import Path

from harness import drop
from harness.drop import Mail, look, tool
from harness.oracle import Violation
from harness.program import Program

from . import served
from .commands import command
from .operation import ACCOUNT, Operation, Outcome, Start, Trial
from .states import MIDDLE, SMALL, holding

_BACKUP = "{program.directory}/backup"
_MEANWHILE = b"Subject: meanwhile\r\n\r\nbetween two restores\r\n"


def _backup(program: Program) -> Path:
    return program.directory / "backup"


def _shown(program: Program) -> tuple[Mail, ...]:
    return tuple(look(program, ACCOUNT))


def _first(program: Program) -> None:
    holding(SMALL, MIDDLE)(program)


def _saved(program: Program) -> tuple[Mail, ...]:
    """A maildrop, and a backup of it."""
    _first(program)
    tool(program, "maildrop", "backup", _backup(program))
    return _shown(program)


def _grown(program: Program) -> Start:
    """Mail came since the backup, so its copy gets longer."""
    saved = _saved(program)
    program.deliver(ACCOUNT, MIDDLE)
    return Start(saved=saved)


def _written_anew(program: Program) -> Start:
    """The file was replaced since the backup, so it is copied whole and the old copy goes."""
    saved = _saved(program)
    served.deleting(program, frozenset({0}))
    tool(program, "maildrop", "compact", ACCOUNT)
    program.deliver(ACCOUNT, SMALL)
    return Start(saved=saved, shown=saved)


def _newer(program: Program) -> Start:
    """Since the backup mail came, and a session deleted what is saved and what is not."""
    saved = _saved(program)
    program.deliver(ACCOUNT, MIDDLE)
    program.deliver(ACCOUNT, SMALL)
    shown = _shown(program)
    served.deleting(program, frozenset({0, 3}))
    return Start(after=shown[:3], shown=shown, saved=saved)


def _lost(program: Program) -> Start:
    """The same, and then the file was lost: what nobody saved is gone, and its unique-ids with it."""
    start = _newer(program)
    for file in (program.directory / "data" / "d").glob("*/*/*"):
        file.unlink()
    return Start(after=start.saved, shown=start.shown, saved=start.saved)


def _restores(program: Program) -> list[Mail] | None:
    """What comes back from the backup where all else is lost; none if there is no backup yet."""
    data, aside = program.directory / "data", program.directory / "aside"
    shutil.rmtree(aside, ignore_errors=True)
    data.rename(aside)
    data.mkdir()
    try:
        if not (_backup(program) / "manifest").exists():
            return None
        tool(program, "maildrop", "restore", _backup(program), "--all")
        # A first backup that could not copy the only maildrop has the accounts.
        return look(program, ACCOUNT) or None
    finally:
        shutil.rmtree(data)
        aside.rename(data)


def _backup_serves(trial: Trial) -> list[Mail]:
    """What the backup held before can still be restored, or what it was to hold; and it can be added to."""
    saved = None if trial.start.saved is None else list(trial.start.saved)
    found = _restores(trial.program)
    if found != trial.before and (trial.ran.outcome is Outcome.DONE or found != saved):
        raise Violation(f"the backup has {_told(found)}, and had {_told(saved)} ({trial.ran.how})")
    tool(trial.program, "maildrop", "backup", _backup(trial.program))
    found = _restores(trial.program)
    if found != trial.before:
        raise Violation(f"a later backup has {_told(found)}, and the maildrop {_told(trial.before)}")
    if trial.start.saved is not None and len(list((_backup(trial.program) / "drops").iterdir())) != 1:
        raise Violation("a copy that nobody needs is left in the backup")
    return trial.found


def _told(mails: list[Mail] | None) -> str:
    return "nothing" if mails is None else str([mail.unique_id for mail in mails])


def _restorable(trial: Trial) -> list[Mail]:
    """The replaced file is kept; mail comes in between two restores; the next restore does it all."""
    program, start = trial.program, trial.start
    data = program.directory / "data"
    files = [*data.glob("d/*/*/*.rsm"), *data.glob("replaced/*.rsm")]
    if trial.file and not any(file.read_bytes().startswith(trial.file) for file in files):
        raise Violation(f"the file that was replaced is neither in place nor kept: {files}")
    program.deliver(ACCOUNT, _MEANWHILE)
    more = look(program, ACCOUNT)
    if difference := drop.arrived(more, trial.found, [_MEANWHILE]):
        raise Violation(f"after a delivery before the next restore: {difference}")
    if more[-1].unique_id in {mail.unique_id for mail in (*start.shown, *start.after)}:
        raise Violation(f"{more[-1].unique_id} is given out a second time")
    tool(program, "maildrop", "restore", _backup(program), ACCOUNT)
    found, expected = look(program, ACCOUNT), [*start.after, more[-1]]
    # What came in between may have the place of a message that comes back.
    if sorted(found, key=_unique_id) != sorted(expected, key=_unique_id):
        raise Violation(f"restored again, there are {_told(found)}, and not {_told(expected)}")
    if left := [file.name for file in data.glob("d/*/*/*.new")]:
        raise Violation(f"the next restore left {left}")
    return found


def _unique_id(mail: Mail) -> str:
    return mail.unique_id


_backing_up = command("maildrop", "backup", _BACKUP)
_restoring = command("maildrop", "restore", _BACKUP, ACCOUNT)

OPERATIONS = (
    Operation("backup, the first", _first, _backing_up, writes_anew=True, also=_backup_serves),
    Operation("backup, of a longer file", _grown, _backing_up, writes_anew=True, also=_backup_serves),
    Operation("backup, of a replaced file", _written_anew, _backing_up, writes_anew=True, also=_backup_serves),
    Operation(
        "restore, newer mail is there", _newer, _restoring,
        writes_anew=True, done_or_not=True, also=_restorable,
    ),
    Operation(
        "restore, nothing is there", _lost, _restoring,
        writes_anew=True, done_or_not=True, also=_restorable,
    ),
)
