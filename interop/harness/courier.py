"""A real Courier POP3 server on loopback, with a Maildir of its own.

What every Courier needs that is unpacked and not installed is in parts of its own, for whoever starts one in another way.
"""

import os
from pathlib import Path

from . import overlay
from .clients.endpoint import Login
from .processes import free_port, listens, wait_for

PACKAGES = [
    "courier-base", "courier-pop", "courier-authlib", "courier-authdaemon", "courier-authlib-userdb",
    "libcourier-unicode4", "libltdl7", "libgamin0",
]

#: The beginning of a script that starts it: $1 is the file of the user database, $2 that of the secrets.
#: Afterwards passwords are answered for, and $serve is what couriertcpd shall run.
SETUP = """
set -ea
mkdir -p /run/courier/authdaemon /var/lib/courier
umask 077
cp "$1" /run/userdb
/usr/sbin/makeuserdb -f /run/userdb
. /etc/courier/authdaemonrc
/usr/lib/courier/courier-authlib/authdaemond &
. /etc/courier/pop3d-ssl
. /etc/courier/pop3d
POP3AUTH="PLAIN LOGIN" POP3AUTH_TLS="PLAIN LOGIN" TLS_CERTFILE=$2 TLS_DHPARAMS= TLS_CACHEFILE=
while ! [ -S /run/courier/authdaemon/socket ]; do sleep 0.05; done
mail=/usr/lib/courier/courier
serve="$mail/courierpop3login $mail/courierpop3d Maildir"
"""

#: $3 is the port.
_START = SETUP + """
exec /usr/sbin/couriertcpd -address=127.0.0.1 -maxprocs=40 -maxperip=40 -nodnslookup -noidentlookup "$3" $serve
"""


def tree() -> Path:
    """Its files, set up for a user database below /run."""
    place = overlay.tree("courier", PACKAGES)
    for name in ("userdb.dat", "userdbshadow.dat"):
        link = place / "etc/courier" / name
        link.unlink(missing_ok=True)
        link.symlink_to(f"/run/{name}")
    # authdaemond reads it again by itself, so its environment does not count.
    rc, line = place / "etc/courier/authdaemonrc", 'authmodulelist="authuserdb"\n'
    if line not in rc.read_text():
        with rc.open("a") as settings:
            settings.write(line)
    return place


def user(name: str, home: Path, hashed: str) -> str:
    """A line of the user database; the Maildir is in the home."""
    owner = overlay.USERS["vmail"]
    return f"{name}\tuid={owner}|gid={owner}|home={home}|mail={home}/Maildir|systempw={hashed}\n"


def secrets(directory: Path, certificate: Path, key: Path) -> Path:
    """Makes the file with key and certificate that couriertls wants; who does TLS is not who reads mail."""
    pem = directory / "pop3d.pem"
    pem.touch(mode=0o600)
    pem.write_text(key.read_text() + certificate.read_text())
    os.chown(pem, overlay.USERS["courier"], 0)
    return pem


class Courier:
    """A running Courier; all of its users have the same Maildir."""

    def __init__(self, directory: Path, certificate: Path, key: Path, logins: list[Login]):
        files = tree()
        self.port = free_port()
        self.maildir = directory / "Maildir"
        owner = overlay.USERS["vmail"]
        for path in (directory, self.maildir, *self.maildir.rglob("*")):
            os.chown(path, owner, owner)
        users = directory / "userdb"
        users.write_text(
            "".join(user(login.user, directory, overlay.crypted(login.password)) for login in logins)
        )
        pem = secrets(directory, certificate, key)
        self._log_file = directory / "courier.log"
        self._process = overlay.start(files, ["sh", "-c", _START, "sh", users, pem, self.port], self._log_file)
        wait_for("Courier", lambda: not self._process.alive() or listens(self.port))
        if not self._process.alive():
            raise RuntimeError(f"Courier did not start:\n{self.log()[-2000:]}")

    def log(self) -> str:
        """What Courier wrote."""
        return self._log_file.read_text(errors="replace")

    def stop(self) -> None:
        """Ends every process of it."""
        self._process.kill()
