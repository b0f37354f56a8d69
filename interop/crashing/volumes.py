"""Disks that are full: the one of the destination, or the one of the ledger and the spool, with so many KiB free.

Fetching fails then and says so; when there is room again, the next run brings the rest: nothing is lost, and nothing is there twice.
"""

import shutil
from pathlib import Path

from harness import volume
from harness.oracle import Violation

from .bench import Bench, Case, Trial, fails_with_advice

_MIB = 4
#: More than all messages of a case have.
KIB_MAX = 900
_INODES = 4000
_AT_ONCE = "delete_at_once = true\nkeep = false"

#: What is on the small disk.
PLACES = ("destination", "ledger and spool")
CASES = [Case((kind,), _AT_ONCE, count=8, large=1) for kind in ("maildir", "mbox")]


class Full:
    """A small disk, and cases that write to it."""

    def __init__(self, bench: Bench, directory: Path):
        self._bench = bench
        self._volume = volume.tmpfs(directory / "volume", _MIB, _INODES)

    def stop(self) -> None:
        """Unmounts it."""
        self._volume.unmount()

    def begin(self, case: Case, where: str) -> Trial:
        """A trial that has its destination, or its ledger, on the small disk."""
        self._volume.leave(_MIB << 10)
        place = self._volume.place / "trial"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        return self._bench.begin(case, **({"target": place} if where == "destination" else {"state": place / "state"}))

    def attempt(self, trial: Trial, kib: int) -> bool:
        """Fetches with so many KiB free, then with enough; raises a Violation, or says whether the disk was too small."""
        self._volume.leave(kib)
        status = self._bench.fetch(trial)
        if status != 0:
            fails_with_advice(trial, status)
            if "No space left" not in trial.log[-1]:
                raise Violation(f"it does not say that the disk is full: {trial.log[-1]}")
        trial.ended += status != 0
        self._bench.nothing_lost(trial)
        # Once more, while nothing has changed.
        again = self._bench.fetch(trial)
        trial.ended += again != 0
        self._bench.nothing_lost(trial)
        self._volume.leave(_MIB << 10)
        self._bench.finish(trial)
        return status != 0
