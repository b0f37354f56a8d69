"""Programs of Debian packages that look for their files at fixed places, run there without being installed.

The packages are unpacked below `target/peers` and laid over `/usr` and `/etc` in a mount namespace that only
the program sees; what it writes below `/run` and `/var/lib` is in memory and goes with it. Nothing of the
host is changed, and ending the namespace's first process ends all of them. That needs root; without it
what uses this is skipped with that reason.
"""

import shutil
import subprocess
from pathlib import Path

from . import peers
from .paths import PEERS
from .processes import Process, has_namespaces, run

#: $1 is the tree that is laid over, $2 what is done there first; the rest is the command, by its own paths.
_ENTER = """
set -e
tree=$1 setup=$2; shift 2
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$tree/usr:/usr" /usr
mount -t overlay overlay -o "lowerdir=$tree/etc:/etc" /etc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mount -t proc proc /proc
eval "$setup"
exec "$@"
"""

#: Users on which mail servers insist: name → id, of the range that systemd keeps for users that exist
#: for a while; `vmail` owns the mail of a peer.
USERS = {
    "postfix": 61190, "postdrop": 61191, "dovecot": 61192, "dovenull": 61193, "courier": 61194, "vmail": 61195,
    "popa3d": 61196, "cyrus": 61197, "Debian-exim": 61198, "opensmtpd": 61199, "opensmtpq": 61200, "smmsp": 61201,
    "smmta": 61202, "spop3d": 61203,
}


def tree(name: str, packages: list[str]) -> Path:
    """The files of these packages in one tree, with users of their own; made once."""
    if not has_namespaces():
        raise peers.Unavailable(f"{name} needs root and namespaces (files at fixed places, users of its own)")
    place = PEERS / f"{name}-tree"
    if (place / ".complete").exists():
        return place
    shutil.rmtree(place, ignore_errors=True)
    for package in packages:
        unpacked = peers.unpack(package)
        for part in ("usr", "etc", "lib"):
            if (unpacked / part).is_dir():
                # Debian has /lib in /usr.
                target = place / ("usr/lib" if part == "lib" else part)
                shutil.copytree(unpacked / part, target, symlinks=True, dirs_exist_ok=True)
    (place / "etc").mkdir(exist_ok=True)
    for file, line in (("passwd", "{0}:x:{1}:{1}::/nonexistent:/bin/false\n"), ("group", "{0}:x:{1}:\n")):
        ours = "".join(line.format(*user) for user in USERS.items())
        (place / "etc" / file).write_text(Path("/etc", file).read_text() + ours)
    (place / ".complete").touch()
    return place


def start(over: Path, words: list, log: Path, setup: str = "") -> Process:
    """Starts a command among the files of a tree, after `setup` for the shell; what it says goes to a file."""
    with log.open("ab") as output:
        return Process(_among(over, words, setup), stdin=subprocess.DEVNULL, stdout=output, stderr=output)


def ask(over: Path, words: list) -> bytes:
    """Runs a command among the files of a tree to its end; what it says."""
    return run(_among(over, words), stdin=subprocess.DEVNULL, check=True).stdout


def _among(over: Path, words: list, setup: str = "") -> list:
    enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER]
    return [*enter, "sh", over, setup, *words]


def crypted(password: str) -> str:
    """A password as a peer's list of users may hold it (sha512-crypt)."""
    return run(["openssl", "passwd", "-6", "-stdin"], input=password.encode(), check=True).stdout.decode().strip()
