"""A real popa3d on loopback, with an mbox for each user.

It is no server by itself here: tcpserver starts one for each connection, as most sites have it.
"""

import os
from pathlib import Path

from . import overlay
from .clients.endpoint import Login
from .processes import free_port, listens, wait_for

PACKAGES = ["popa3d", "ucspi-tcp"]

#: $1 has the files that name its users, $2 is the spool, $3 the port, $4 how many connections it takes at once. As a daemon
#: of its own it does not let the same client come often.
START = """
set -e
mkdir -p /var/lib/popa3d
for file in passwd group shadow; do mount --bind "$1/$file" "/etc/$file"; done
mount --bind "$2" /var/mail
exec tcpserver -H -R -l localhost -c "$4" -b "$4" 127.0.0.1 "$3" /usr/sbin/popa3d
"""


def name_users(tree: Path, names: Path, hashed: dict[str, str]) -> None:
    """Writes the files that name its users, with the hashes of their passwords."""
    names.mkdir(mode=0o700)
    owner = overlay.USERS["vmail"]
    accounts = "".join(f"{user}:x:{owner}:{owner}::/nonexistent:/bin/false\n" for user in hashed)
    (names / "passwd").write_text((tree / "etc/passwd").read_text() + accounts)
    (names / "group").write_text((tree / "etc/group").read_text())
    (names / "shadow").write_text("".join(f"{user}:{secret}:20000:0:99999:7:::\n" for user, secret in hashed.items()))


class Popa3d:
    """A running popa3d. The mail of a user is the file of that name in the spool."""

    def __init__(self, directory: Path, logins: list[Login]):
        tree = overlay.tree("popa3d", PACKAGES)
        self.port = free_port()
        names, self.spool = directory / "names", directory / "spool"
        owner = overlay.USERS["vmail"]
        for path in (self.spool, *self.spool.iterdir()):
            os.chown(path, owner, owner)
        name_users(tree, names, {login.user: overlay.crypted(login.password) for login in logins})
        self._log_file = directory / "popa3d.log"
        self._process = overlay.start(tree, ["sh", "-c", START, "sh", names, self.spool, self.port, 40], self._log_file)
        wait_for("popa3d", lambda: not self._process.alive() or listens(self.port))
        if not self._process.alive():
            raise RuntimeError(f"popa3d did not start:\n{self.log()[-2000:]}")

    def log(self) -> str:
        """What popa3d wrote."""
        return self._log_file.read_text(errors="replace")

    def stop(self) -> None:
        """Ends every process of it."""
        self._process.kill()
