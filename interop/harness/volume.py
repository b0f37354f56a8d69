"""Small file systems that can be filled to the KiB: ext4 on a loop device, and tmpfs.

Only root can mount; whoever asks gets Unavailable with the reason. What was mounted is unmounted at the end of the
process, also of one that failed; the loop device goes with its file system.
"""

import atexit
import os
import shutil
from pathlib import Path

from .peers import Unavailable
from .processes import run, wait_for

_KIB = 1024
_MIB = 1024 * _KIB


class Volume:
    """A mounted file system with two ballast files: one of octets, many that only take inodes."""

    def __init__(self, place: Path, source: list):
        place.mkdir(parents=True, exist_ok=True)
        self.place = place
        done = run(["mount", *source, place])
        if done.returncode != 0:
            raise Unavailable(f"mount: {done.stderr.decode(errors='replace').strip()}")
        atexit.register(self.unmount)
        self._ballast = (place / "ballast").open("wb")
        self._inodes = place / "inodes"
        self._inodes.mkdir()

    def free_kib(self) -> int:
        """KiB that can still be written."""
        state = os.statvfs(self.place)
        return state.f_bavail * state.f_frsize // _KIB

    def leave(self, kib: int) -> int:
        """Takes or gives ballast until so many KiB are free; returns what is free, never more than asked for."""
        descriptor = self._ballast.fileno()
        # What others wrote is only counted for good when it has got its place.
        os.sync() if kib == 0 else None
        for _ in range(64):
            free, taken = self.free_kib(), os.fstat(descriptor).st_blocks // 2
            if free == kib:
                break
            if free < kib:
                os.ftruncate(descriptor, max(taken - (kib - free), 0) * _KIB)
                if taken == 0:
                    break
                continue
            # Growing may need blocks for itself, so it is done in shrinking steps.
            wanted = taken + free - kib
            while wanted > taken:
                try:
                    os.posix_fallocate(descriptor, 0, wanted * _KIB)
                    break
                except OSError:
                    os.ftruncate(descriptor, taken * _KIB)
                    wanted = taken + (wanted - taken) // 2
            if os.fstat(descriptor).st_blocks // 2 == taken:
                break
        return self.free_kib()

    def leave_inodes(self, count: int) -> None:
        """Takes inodes until so many are free."""
        number = 0
        while os.statvfs(self.place).f_favail > count:
            (self._inodes / str(number)).touch()
            number += 1

    def give_inodes(self) -> None:
        """Gives back what `leave_inodes` took."""
        for file in self._inodes.iterdir():
            file.unlink()

    def unmount(self) -> None:
        """Unmounts; a second call does nothing."""
        if not os.path.ismount(self.place):
            return
        self._ballast.close()

        def unmounted() -> bool:
            return run(["umount", self.place]).returncode == 0

        try:
            wait_for("umount", unmounted, patience=3)
        except TimeoutError:
            # Somebody of ours still dies in it: it goes when he is gone.
            run(["umount", "--lazy", self.place])


def ext4(directory: Path, mib: int) -> Volume:
    """An ext4 file system of blocks of 1 KiB, without blocks that only root may use."""
    _only_root()
    if shutil.which("mkfs.ext4") is None:
        raise Unavailable("mkfs.ext4 is not installed (make test says how)")
    directory.mkdir(parents=True)
    image = directory / "image"
    with image.open("wb") as file:
        file.truncate(mib * _MIB)
    run(["mkfs.ext4", "-q", "-F", "-b", "1024", "-m", "0", "-J", "size=4", image], check=True)
    return Volume(directory / "mount", ["-o", "loop", image])


def tmpfs(directory: Path, mib: int, inodes: int) -> Volume:
    """A tmpfs of so many MiB and inodes."""
    _only_root()
    return Volume(directory / "mount", ["-t", "tmpfs", "-o", f"size={mib}m,nr_inodes={inodes}", "tmpfs"])


def _only_root() -> None:
    if os.geteuid() != 0:
        raise Unavailable("only root can mount a file system")
