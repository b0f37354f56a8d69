"""Operations that are one command of the program: it makes its calls in one thread."""

import signal

from harness import paths
from harness.drop import sane
from harness.oracle import Violation
from harness.processes import run
from harness.program import Program

from . import served
from .operation import ACCOUNT, Operation, Outcome, Ran
from .states import HUGE, IMPORTED, LARGE, MIDDLE, SMALL, holding, to_import, torn

#: sysexits.h: whatever the disk does, the sender is to try again.
_TEMPORARY = 75


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
    how = f"exit status {status}: {output.decode(errors='replace').strip()[-300:]}"
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


_import = command("maildrop", "import", ACCOUNT, "{program.directory.parent}/maildir")

OPERATIONS = (
    Operation("deliver, no file yet", holding(), deliver(MIDDLE), added=(MIDDLE,), grows=True),
    Operation("deliver, small", holding(MIDDLE, SMALL), deliver(SMALL), added=(SMALL,), grows=True),
    Operation("deliver, large", holding(MIDDLE, SMALL), deliver(LARGE), added=(LARGE,), grows=True),
    Operation("deliver, after a torn one", torn, deliver(SMALL), added=(SMALL,)),
    Operation("deliver, into an emptied file", _emptied, deliver(SMALL), added=(SMALL,)),
    Operation("import", to_import, _import, added=IMPORTED, stepwise=True, again=_import),
)
