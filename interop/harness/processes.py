"""Processes of others and of ours: every one that is started is ended, by its own id.

Each child gets a process group of its own, so that what it starts ends with it; and the kernel
ends it if this process dies first (PR_SET_PDEATHSIG), so that a failed run leaves nothing behind.
"""

import atexit
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1

_running: set["Process"] = set()


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A child in its own process group."""

    def __init__(self, arguments: list, **options):
        self.arguments = [str(argument) for argument in arguments]
        self.child = subprocess.Popen(
            self.arguments, start_new_session=True, preexec_fn=_die_with_parent, **options
        )
        self.pid = self.child.pid
        self._ended = False
        _running.add(self)

    def alive(self) -> bool:
        """Whether the child still runs."""
        return self.child.poll() is None

    def signal(self, number: int) -> None:
        """Sends a signal to the child and all that it started; nothing once it was reaped."""
        # Its id may be somebody else's by then.
        if self._ended:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self) -> int:
        """Ends it at once (SIGKILL) and returns its wait status."""
        self.signal(signal.SIGKILL)
        return self._reap(None)

    def stop(self, patience: float = 10.0) -> int:
        """Asks it to end (SIGTERM), and insists when it does not."""
        self.signal(signal.SIGTERM)
        try:
            return self._reap(patience)
        except subprocess.TimeoutExpired:
            return self.kill()

    def _reap(self, patience: float | None) -> int:
        status = self.child.wait(patience)
        _running.discard(self)
        # Whatever it started and left behind.
        self.signal(signal.SIGKILL)
        self._ended = True
        return status


@atexit.register
def _end_all() -> None:
    for process in list(_running):
        process.kill()


# SIGTERM and SIGINT must pass through atexit too.
signal.signal(signal.SIGTERM, lambda number, frame: exit(128 + number))


def run(arguments: list, patience: float = 60, **options) -> subprocess.CompletedProcess:
    """Runs a program to its end; its output comes back as octets. It may take `patience` seconds."""
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.run(
        [str(argument) for argument in arguments],
        timeout=patience,
        preexec_fn=_die_with_parent,
        **options,
    )


def has_namespaces() -> bool:
    """Whether this process may make mount and process namespaces: root may, but not in every container."""
    return os.geteuid() == 0 and run(["unshare", "--mount", "--pid", "--fork", "true"]).returncode == 0


#: Ports that were given out: the system may offer one again as long as nobody listens there.
_given: set[int] = set()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, and that was not given out before."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port


def wait_for(what: str, ready: Callable[[], bool], patience: float = 20.0) -> None:
    """Waits until `ready()`; raises TimeoutError, naming what it waited for."""
    end = time.monotonic() + patience
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {patience:.0f} s")
        time.sleep(0.01)


def listens(port: int) -> bool:
    """Whether somebody accepts connections on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
