"""The mail that all servers have: the same octets in each, in the form that each likes best."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness import overlay
from harness.processes import run

PASSWORD = "redqueen"


@dataclass(frozen=True)
class Kind:
    """Accounts with as many messages of the same sizes."""

    name: str
    accounts: int
    messages: int = 0
    size: str = "4KiB"
    mean: str | None = None
    #: Whether a case deletes them.
    drained: bool = False

    def users(self) -> list[str]:
        return [f"{self.name}{number}" for number in range(1, self.accounts + 1)]


#: What the servers keep in front of the measured workloads.
KINDS = [
    Kind("empty", 8),
    Kind("poll", 32, 200),
    Kind("small", 8, 1000),
    Kind("typical", 16, 200, "20KiB", "75KiB"),
    # popa3d opens no mbox of more than 200 MB.
    Kind("large", 2, 18, "10MiB"),
    Kind("huge", 1, 100_000, "1KiB"),
    Kind("idle", 400, 10, "2KiB"),
    # Mail comes in by LMTP, and each case drains what it has brought.
    Kind("lmtp", 200),
]

#: What is there once for each round, since a case empties it.
DRAINS = ["drain", "pipe"]


def in_round(kind: str, number: int) -> str:
    """The name of a kind, of those that are there once for each round."""
    return f"{kind}{number}x" if kind in DRAINS else kind


def kinds(rounds: int) -> list[Kind]:
    """All kinds."""
    numbers = range(1, rounds + 1)
    return KINDS + [Kind(in_round(name, number), 4, 1000, drained=True) for name in DRAINS for number in numbers]


class Mail:
    """Maildirs of all accounts, made once, and given to the servers as copies or as links."""

    def __init__(self, restante: Path, directory: Path, kinds: list[Kind]):
        self.kinds = kinds
        self.users = [user for kind in kinds for user in kind.users()]
        self._restante = restante
        self._place = directory
        directory.mkdir(parents=True)
        for kind in kinds:
            for user in kind.users():
                self._make(kind, user, directory / user, "maildir-sizes")

    def _make(self, kind: Kind, user: str, place: Path, form: str) -> None:
        words = [self._restante, "bench", "corpus", place, "--format", form, "--name", user]
        words += ["--messages", kind.messages, "--size", kind.size]
        words += ["--mean", kind.mean] if kind.mean else []
        run(words, patience=600, check=True)

    def maildir(self, user: str) -> Path:
        """The Maildir of a user, to be read only."""
        return self._place / user

    def give(self, home: Path, sizes_in_names: bool) -> None:
        """Makes a Maildir for each user below a directory, with or without sizes in the names."""
        owner = overlay.USERS["vmail"]
        for kind in self.kinds:
            # Links, for a disk that is not as large as that; a file that is unlinked is a copy, since to
            # take the last name of a file costs more than to take one of several.
            copy = shutil.copy2 if kind.drained else os.link
            for user in kind.users():
                target = home / user / "Maildir"
                target.parent.mkdir(parents=True)
                shutil.copytree(self._place / user, target, copy_function=copy)
                for file in (target / "new").iterdir():
                    name = file.name if sizes_in_names else file.name.split(",")[0]
                    if kind.drained:
                        file.rename(file.with_name(name))
                    else:
                        # As after a first session: a server that does not set flags leaves mail in new/,
                        # and would look through it at each login.
                        file.rename(target / "cur" / f"{name}:2,")
        subprocess.run(["chown", "-R", f"{owner}:{owner}", str(home)], check=True)

    def give_mboxes(self, spool: Path) -> None:
        """Makes an mbox for each user in a directory."""
        owner = overlay.USERS["vmail"]
        spool.mkdir()
        for kind in self.kinds:
            for user in kind.users():
                self._make(kind, user, spool / user, "mbox")
        subprocess.run(["chown", "-R", f"{owner}:{owner}", str(spool)], check=True)
        subprocess.run(["chmod", "-R", "u=rwX,go=", str(spool)], check=True)
