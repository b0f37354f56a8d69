"""How much memory a server takes while something is done, above what it had before."""

import threading
from contextlib import suppress
from pathlib import Path

_EVERY_SECONDS = 0.02


class Watch:
    """Looks at the resident memory of a process and all that descend from it, fifty times a second."""

    def __init__(self, pid: int):
        self._pid, self._ended = pid, threading.Event()
        self._before = self._most = _resident(pid)
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def above(self) -> float:
        """MiB at most beyond what it was at the beginning."""
        return (self._most - self._before) / (1 << 20)

    def _look(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            self._most = max(self._most, _resident(self._pid))


def _resident(root: int) -> int:
    """Octets of them all; what has ended meanwhile is not there."""
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        with suppress(OSError):
            status = Path("/proc", str(pid), "status").read_text()
            total += sum(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS:"))
            for children in Path("/proc", str(pid), "task").glob("*/children"):
                waiting += map(int, children.read_text().split())
    return total
