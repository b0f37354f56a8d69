"""What a run prints: a line a check, and at the end the sum, alone on a line.

A check that cannot run is SKIPPED with its reason; `skips.toml` says which skips are allowed, and when.
"""

import os
import shutil
import time
import tomllib
import traceback
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

from .peers import Unavailable
from .processes import has_namespaces, run

_ALLOWED = Path(__file__).resolve().parents[1] / "skips.toml"

#: The words that `when` of a skip may have.
_CONDITIONS: dict[str, Callable[[], bool]] = {
    "always": lambda: True,
    "not root": lambda: os.geteuid() != 0,
    "no namespaces": lambda: not has_namespaces(),
    "no disks": lambda: not _has_disks(),
    "cannot install": lambda: not _can_install(),
    "no tracing": lambda: not can_trace(),
    "not Debian": lambda: not Path("/etc/debian_version").exists(),
}


def can_trace() -> bool:
    """Whether strace may look at a child of ours: a container may forbid it."""
    return shutil.which("strace") is not None and run(["strace", "-o", "/dev/null", "true"]).returncode == 0


def _can_install() -> bool:
    """Whether `needs.sh` could have installed what is missing."""
    if shutil.which("apt-get") is None:
        return False
    if os.geteuid() == 0:
        return True
    return shutil.which("sudo") is not None and run(["sudo", "-n", "true"]).returncode == 0


def _has_disks() -> bool:
    """Whether file systems can lie on files that come through FUSE: the kernel must have all of it, and
    let a root mount that may be one in a namespace only."""
    if Path("/proc/self/uid_map").read_text().split() != ["0", "0", "4294967295"]:
        return False
    known = {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()}
    devices = all(Path(device).exists() for device in ("/dev/fuse", "/dev/loop-control"))
    return devices and {"ext4", "xfs"} <= known


class Skip(Exception):
    """Raised by a check that cannot run; the text is the reason."""


class Report:
    """Counts checks and prints each as it ends."""

    def __init__(self, part: str):
        self.part = part
        self.passed = self.failed = self.skipped = 0
        self.forbidden_skips: list[str] = []

    def check(self, name: str, body: Callable[[], object]) -> bool:
        """Runs one check. What it returns, if anything, is a figure worth printing."""
        began = time.monotonic()
        try:
            figure = body()
        except (Skip, Unavailable) as reason:
            self.skip(name, str(reason))
            return False
        except Exception as error:  # noqa: BLE001 — whatever it is, the check has failed and the next one runs
            self.failed += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(where.filename).name}:{where.lineno}"
            self._line("FAILED", name, began, f"{type(error).__name__} at {place}: {error}")
            return False
        self.passed += 1
        self._line("ok", name, began, "" if figure is None else str(figure))
        return True

    def skip(self, name: str, reason: str) -> None:
        """A check that does not run."""
        self.skipped += 1
        if not allowed(f"{self.part}: {name}"):
            self.forbidden_skips.append(name)
        print(f"  SKIPPED {name}: {reason}", flush=True)

    def end(self) -> int:
        """Prints the sum and returns the exit status."""
        for name in self.forbidden_skips:
            print(f"  this machine could have run it: {self.part}: {name}")
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped", flush=True)
        strict = os.environ.get("STRICT") == "1"
        return 1 if self.failed or (strict and self.forbidden_skips) else 0

    def _line(self, verdict: str, name: str, began: float, text: str) -> None:
        seconds = time.monotonic() - began
        print(f"  {verdict:<6} {seconds:6.2f} s  {name}{': ' if text else ''}{text}", flush=True)


def allowed(name: str) -> bool:
    """Whether `skips.toml` lets this check be skipped on this machine."""
    entries = tomllib.loads(_ALLOWED.read_text())["skip"]
    return any(fnmatchcase(name, entry["check"]) and _CONDITIONS[entry["when"]]() for entry in entries)
