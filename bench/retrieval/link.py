"""The way to a server: straight over loopback, or through a process that delays (`delay.py`)."""

import sys
from pathlib import Path

from harness.processes import Process, free_port, listens, wait_for

from .cases import FAR, ONE_WAY

_DELAY = Path(__file__).with_name("delay.py")


class Links:
    """Both ways to one server."""

    def __init__(self, port: int):
        self._port, self._far_port = port, free_port()
        self._delay = Process([sys.executable, _DELAY, self._far_port, port, ONE_WAY])
        wait_for("the delay", lambda: not self._delay.alive() or listens(self._far_port))
        if not self._delay.alive():
            raise RuntimeError(f"{_DELAY} did not start")

    def port(self, link: str) -> int:
        """Where to connect to, for this link."""
        return self._far_port if link is FAR else self._port

    def stop(self) -> None:
        self._delay.kill()
