"""Operations that are one command of the program: it makes its calls in one thread."""

import json
import signal

from harness import paths
from harness.drop import Mail, look, sane, tool
from harness.oracle import Violation
from harness.processes import run
from harness.program import Program

from . import served
from .operation import ACCOUNT, Operation, Outcome, Ran, Start, Trial
from .states import HUGE, IMPORTED, LARGE, MIDDLE, SMALL, holding, to_import, torn

#: sysexits.h: whatever the disk does, the sender is to try again.
_TEMPORARY = 75
_NEW_NAME = "robert"


def command(*words, stdin: bytes | None = None, refusals: tuple[int, ...] = ()):
    """How to run one command. Exit status 0 is a promise; only these others may be, all if none is named."""

    def body(program: Program, wrapper: list) -> Ran:
        arguments = [paths.PROGRAM, "-c", program.configuration, *(str(word).format(program=program) for word in words)]
        done = run(
            [*wrapper, *arguments],
            input=b"" if stdin is None else stdin,
            # SIGXFSZ stays ignored, as under a server that limits files: the write fails, the process lives.
            restore_signals=False,
        )
        return ended(done.returncode, done.stdout + done.stderr, refusals)

    return body


def ended(status: int, output: bytes, refusals: tuple[int, ...]) -> Ran:
    """What a command's end means."""
    sane(output, status)
    how = f"exit status {status}: {output.decode(errors='replace').strip()[-600:]}"
    if status == 0:
        return Ran(Outcome.DONE, how)
    if status == -signal.SIGKILL:
        return Ran(Outcome.KILLED, how)
    if refusals and status not in refusals:
        raise Violation(f"only {refusals} may be told: {how}")
    return Ran(Outcome.REFUSED, how)


def deliver(text: bytes):
    """`restante deliver` of one message."""
    return command("deliver", ACCOUNT, stdin=text, refusals=(_TEMPORARY,))


def _emptied(program: Program) -> None:
    """A session deleted all of a large file, and the server died before it could be replaced."""
    holding(HUGE)(program)
    program.start()
    served.quitting(frozenset({0}))(program, ["strace", "-f", "-e", "inject=unlinkat:signal=KILL"])
    if program.server.alive():
        raise RuntimeError("the server was to die when it replaces the file")
    program.server.kill()
    program.server = None


def _deleted(program: Program, *texts: bytes, places: frozenset[int]) -> tuple[Mail, ...]:
    """Makes a maildrop of which a session deleted some messages; returns what it showed before."""
    holding(*texts)(program)
    shown = tuple(look(program, ACCOUNT))
    served.deleting(program, places)
    return shown


def _to_undelete(program: Program) -> Start:
    shown = _deleted(program, SMALL, MIDDLE, SMALL, places=frozenset({0, 2}))
    return Start(after=shown, shown=shown)


def _to_compact(program: Program) -> Start:
    # The last one, too: its uid must not come again in the new file.
    return Start(shown=_deleted(program, MIDDLE, SMALL, MIDDLE, SMALL, places=frozenset({2, 3})))


def _compacted(trial: Trial) -> list[Mail]:
    """What was promised is given back; and however it ended, it can be run again and leaves nothing behind."""
    data = trial.program.directory / "data"
    if trial.ran.outcome is not Outcome.DONE:
        tool(trial.program, "maildrop", "compact", ACCOUNT)
    (entry,) = map(json.loads, tool(trial.program, "maildrop", "list", "--json").splitlines())
    if entry["reclaimable_octets"] != 0:
        raise Violation(f"it was compacted, and {entry['reclaimable_octets']} octets could be given back")
    if left := [file.name for file in data.glob("d/*/*/*.new")]:
        raise Violation(f"it was compacted, and left {left}")
    return look(trial.program, ACCOUNT)


def _rename(program: Program, wrapper: list) -> Ran:
    """Renames. A warning says that the maildrop's file has the old name; then it is not all done."""
    ran = command("user", "rename", ACCOUNT, _NEW_NAME)(program, wrapper)
    return Ran(Outcome.REFUSED, ran.how) if "has the old name" in ran.how else ran


def _renamed(trial: Trial) -> list[Mail]:
    """What was promised is so for the account, and for the file, by which a lost account is found again."""
    program = trial.program

    def judge(where: str) -> None:
        unknown = program.command("user", "show", _NEW_NAME).returncode != 0
        if unknown and (trial.ran.outcome is Outcome.DONE or "warning" in trial.ran.how and where == "accounts"):
            raise Violation(f"it was renamed, and the {where} do not know the new name: {trial.ran.how}")

    judge("accounts")
    for file in (program.directory / "data").glob("accounts.db*"):
        file.unlink()
    tool(program, "maildrop", "rebuild")
    judge("files")
    return trial.found


_import = command("maildrop", "import", ACCOUNT, "{program.directory.parent}/maildir")
_undelete = command("maildrop", "undelete", ACCOUNT, "--all")
_compact = command("maildrop", "compact", ACCOUNT)

OPERATIONS = (
    Operation("deliver, no file yet", holding(), deliver(MIDDLE), added=(MIDDLE,), grows=True),
    Operation("deliver, small", holding(MIDDLE, SMALL), deliver(SMALL), added=(SMALL,), grows=True),
    Operation("deliver, large", holding(MIDDLE, SMALL), deliver(LARGE), added=(LARGE,), grows=True),
    Operation("deliver, after a torn one", torn, deliver(SMALL), added=(SMALL,)),
    Operation("deliver, into an emptied file", _emptied, deliver(SMALL), added=(SMALL,)),
    Operation("import", to_import, _import, added=IMPORTED, stepwise=True, again=_import),
    Operation("undelete", _to_undelete, _undelete, again=_undelete),
    Operation("compact", _to_compact, _compact, writes_anew=True, also=_compacted),
    Operation(
        "rename", holding(SMALL, MIDDLE), _rename,
        writes_accounts=True, also=_renamed, names=(_NEW_NAME, ACCOUNT),
    ),
)
