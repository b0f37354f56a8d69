"""One run of a client: how long it took, and what it and all its children used."""

import os
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from harness.peers import Unavailable
from harness.processes import Process

#: A client that is started from here would count this interpreter's memory as its own most, until it has called exec.
#: This one is small, and says what its child had.
_TIME = "/usr/bin/time"


class DidNotFinish(Exception):
    """It was ended because its time was up."""


@dataclass(frozen=True)
class Usage:
    """What a run took."""

    seconds: float
    #: User and system time, of all processes.
    cpu_seconds: float
    #: Of the largest process.
    rss_kib: int


def run(words: list, environment: dict[str, str], directory: Path, patience: float) -> Usage:
    """Runs a client to its end; what it says goes to a file in the directory."""
    if not Path(_TIME).exists():
        raise Unavailable(f"{_TIME} is missing (make test says how)")
    said, most = directory / "said", directory / "rss"
    # What others have left to write is not written now.
    os.sync()
    began = time.monotonic()
    with said.open("wb") as output:
        process = Process(
            [_TIME, "-q", "-f", "%M", "-o", most, *words],
            env=environment, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )
    late = threading.Event()

    def give_up() -> None:
        late.set()
        process.signal(9)

    timer = threading.Timer(patience, give_up)
    # Who is ended does not wait for it.
    timer.daemon = True
    timer.start()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    timer.cancel()
    timer.join()
    process.child.returncode = os.waitstatus_to_exitcode(status)
    # What it may have left behind.
    process.kill()
    if late.is_set():
        raise DidNotFinish(f"not within {patience:.0f} s")
    if process.child.returncode != 0:
        raise RuntimeError(f"exit status {process.child.returncode}: {said.read_text(errors='replace')[-1500:]}")
    return Usage(seconds, usage.ru_utime + usage.ru_stime, int(most.read_text()))
