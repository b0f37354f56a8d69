"""Operations of a running server. strace attaches to it when all is ready, and detaches before it is judged.

With one worker thread and one session at a time, the server does what waits for the disk in one thread, if nothing
else waited when that thread was made.
"""

import contextlib
import poplib
import smtplib
import subprocess
import time
from pathlib import Path

from harness import delivery, wire
from harness.clients import poplib_client
from harness.clients.endpoint import Channel, Login
from harness.drop import Mail
from harness.oracle import Violation
from harness.processes import Process, wait_for
from harness.program import Program

from .operation import ACCOUNT, Operation, Outcome, Ran
from .states import BULK, HUGE, LARGE, MIDDLE, SMALL, holding

_LOGIN = Login(ACCOUNT, "redqueen")
#: How long to wait for what comes after a reply, and how long nothing must happen to believe that it is over.
_TIDYING_SECONDS, _SILENCE_SECONDS, _STEP_SECONDS = 2.0, 0.15, 0.01

_GONE = (OSError, EOFError, smtplib.SMTPServerDisconnected)


def start(program: Program) -> None:
    """Starts the server, and waits for what it does at first in the background."""
    program.start()
    reserve = program.directory / "data" / "reserve.bin"
    wait_for("the reserve", lambda: reserve.exists() and reserve.stat().st_size > 0)
    time.sleep(_STEP_SECONDS)


@contextlib.contextmanager
def attached(program: Program, wrapper: list):
    """strace looks at the server while this lasts, if there is to be one."""
    if not wrapper:
        yield
        return
    tracer = Process([*wrapper, "-p", program.server.pid], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        line = tracer.child.stderr.readline()
        if b"attached" not in line:
            raise RuntimeError(f"strace: {line.decode(errors='replace').strip()}")
        yield
    finally:
        # When its tracee was killed it waits at times for one that nobody has reaped yet.
        tracer.stop(patience=0.5)
        tracer.child.stderr.close()


def session(program: Program) -> poplib.POP3:
    """A session in the TRANSACTION state."""
    return poplib_client.session(program.endpoint, Channel.PLAIN, _LOGIN, patience=20)


def look(program: Program) -> list[Mail]:
    """Every message, as this server shows it."""
    client = session(program)
    try:
        names, sizes = poplib_client.unique_ids(client), poplib_client.octets(client)
        texts = [poplib_client.text(client, number) for number in range(1, len(names) + 1)]
        client.quit()
    finally:
        client.close()
    if [len(text) for text in texts] != sizes:
        raise Violation(f"texts of {[len(text) for text in texts]} octets, but LIST says {sizes}")
    return [Mail(*each) for each in zip(names, sizes, texts, strict=True)]


def deleting(program: Program, places: frozenset[int]) -> None:
    """A session that deletes, in a server that ends then."""
    start(program)
    client = session(program)
    try:
        for place in sorted(places):
            client.dele(place + 1)
        client.quit()
    finally:
        client.close()
        program.stop()
        program.server = None


def quitting(places: frozenset[int]):
    """A session that deletes; strace sees its QUIT and what the server tidies after the reply."""

    def body(program: Program, wrapper: list) -> Ran:
        client = session(program)
        try:
            for place in sorted(places):
                client.dele(place + 1)
            with attached(program, wrapper):
                try:
                    reply = client._shortcmd("QUIT")
                    ran = Ran(Outcome.DONE, reply.decode())
                except poplib.error_proto as refusal:
                    ran = _refused(refusal)
                except _GONE:
                    ran = Ran(Outcome.KILLED, "")
                _tidied(program, wrapper)
            return ran
        finally:
            client.close()

    return body


def _tidied(program: Program, wrapper: list) -> None:
    """Waits for what the server does after the reply: nobody is told when it is done, but the trace falls silent.

    A fault that is aimed at it must have come before.
    """
    if "-o" not in wrapper:
        wait_for("the server's death", lambda: not program.server.alive())
        return
    trace, aimed = Path(wrapper[wrapper.index("-o") + 1]), any("inject=" in str(word) for word in wrapper)
    end, size, silent = time.monotonic() + _TIDYING_SECONDS, -1, 0.0
    while program.server.alive() and time.monotonic() < end and silent < _SILENCE_SECONDS:
        came = not aimed or b"(INJECTED)" in trace.read_bytes()
        silent = silent + _STEP_SECONDS if came and trace.stat().st_size == size else 0.0
        size = trace.stat().st_size
        time.sleep(_STEP_SECONDS)


def _refused(refusal: poplib.error_proto) -> Ran:
    if "EOF" in str(refusal):
        return Ran(Outcome.KILLED, "")
    if "[SYS/" not in str(refusal):
        raise Violation(f"a reply that does not say whose fault it is: {refusal}")
    return Ran(Outcome.REFUSED, str(refusal))


def delivering(text: bytes):
    """One delivery by LMTP."""

    def body(program: Program, wrapper: list) -> Ran:
        client = delivery.lmtp(program.lmtp_port, patience=20)
        try:
            with attached(program, wrapper):
                ((code, reply),) = client.deliver("rig@example.org", [ACCOUNT], text)
        except _GONE:
            return Ran(Outcome.KILLED, "")
        finally:
            client.close()
        how = f"{code} {reply.decode()}"
        if code == 250:
            return Ran(Outcome.DONE, how)
        if not 400 <= code < 500:
            raise Violation(f"a disk's fault must not send mail back: {how}")
        return Ran(Outcome.REFUSED, how)

    return body


def _retrieve(program: Program, wrapper: list) -> Ran:
    """Opens a maildrop and retrieves all: each text is whole, or it is refused or cut."""
    # The first session of this server has seen nothing before.
    try:
        with attached(program, wrapper):
            client = session(program)
            try:
                shown = [poplib_client.text(client, number + 1) for number in range(3)]
                client.quit()
            finally:
                client.close()
    except poplib.error_proto as refusal:
        return _refused(refusal)
    except _GONE:
        return Ran(Outcome.KILLED, "")
    if shown != [wire.stored(text) for text in (MIDDLE, SMALL, LARGE)]:
        raise Violation("other octets than were delivered were retrieved")
    return Ran(Outcome.DONE, "all retrieved")


OPERATIONS = (
    Operation(
        "commit", holding(SMALL, MIDDLE, SMALL), quitting(frozenset({0, 2})),
        deleted=frozenset({0, 2}), serves=True,
    ),
    Operation(
        "commit of all, and replace", holding(SMALL, MIDDLE), quitting(frozenset({0, 1})),
        deleted=frozenset({0, 1}), serves=True,
    ),
    Operation(
        "commit of most, and rewrite", holding(SMALL, BULK, BULK, MIDDLE), quitting(frozenset({1, 2})),
        deleted=frozenset({1, 2}), serves=True,
    ),
    Operation(
        "commit of a large one, and a hole", holding(HUGE, BULK), quitting(frozenset({0})),
        deleted=frozenset({0}), serves=True,
    ),
    Operation("LMTP", holding(SMALL), delivering(SMALL), added=(SMALL,), serves=True),
    Operation("LMTP, no file yet", holding(), delivering(SMALL), added=(SMALL,), serves=True),
    Operation("LMTP, large", holding(SMALL), delivering(LARGE), added=(LARGE,), serves=True),
    Operation("open and retrieve", holding(MIDDLE, SMALL, LARGE), _retrieve, serves=True),
)
