"""A real Courier POP3 server on loopback, with a Maildir of its own."""

import os
from pathlib import Path

from . import overlay
from .clients.endpoint import Login
from .processes import free_port, listens, wait_for

PACKAGES = [
    "courier-base", "courier-pop", "courier-authlib", "courier-authdaemon", "courier-authlib-userdb",
    "libcourier-unicode4", "libltdl7", "libgamin0",
]

#: $1 is the port, $2 the lines of the user database, $3 the file with certificate and key.
_START = """
set -ea
mkdir -p /run/courier/authdaemon /var/lib/courier
umask 077
printf '%s\\n' "$2" >/run/userdb
/usr/sbin/makeuserdb -f /run/userdb
. /etc/courier/authdaemonrc
/usr/lib/courier/courier-authlib/authdaemond &
. /etc/courier/pop3d-ssl
. /etc/courier/pop3d
POP3AUTH="PLAIN LOGIN" POP3AUTH_TLS="PLAIN LOGIN" TLS_CERTFILE=$3 TLS_DHPARAMS= TLS_CACHEFILE=
while ! [ -S /run/courier/authdaemon/socket ]; do sleep 0.05; done
exec /usr/sbin/couriertcpd -address=127.0.0.1 -maxprocs=40 -maxperip=40 -nodnslookup -noidentlookup "$1" \\
    /usr/lib/courier/courier/courierpop3login /usr/lib/courier/courier/courierpop3d Maildir
"""


class Courier:
    """A running Courier; all of its users have the same Maildir."""

    def __init__(self, directory: Path, certificate: Path, key: Path, logins: list[Login]):
        tree = overlay.tree("courier", PACKAGES)
        for name in ("userdb.dat", "userdbshadow.dat"):
            link = tree / "etc/courier" / name
            link.unlink(missing_ok=True)
            link.symlink_to(f"/run/{name}")
        # authdaemond reads it again by itself, so its environment does not count.
        with (tree / "etc/courier/authdaemonrc").open("a") as settings:
            settings.write('authmodulelist="authuserdb"\n')
        self.port = free_port()
        self.maildir = directory / "Maildir"
        pem = directory / "pop3d.pem"
        pem.touch(mode=0o600)
        pem.write_text(key.read_text() + certificate.read_text())
        # Who does TLS is not who reads mail.
        os.chown(pem, overlay.USERS["courier"], 0)
        owner = overlay.USERS["vmail"]
        for path in (directory, self.maildir, *self.maildir.rglob("*")):
            os.chown(path, owner, owner)
        users = "\n".join(
            f"{login.user}\tuid={owner}|gid={owner}|home={directory}|mail={self.maildir}"
            f"|systempw={overlay.crypted(login.password)}"
            for login in logins
        )
        self._log_file = directory / "courier.log"
        self._process = overlay.start(tree, ["sh", "-c", _START, "sh", self.port, users, pem], self._log_file)
        wait_for("Courier", lambda: not self._process.alive() or listens(self.port))
        if not self._process.alive():
            raise RuntimeError(f"Courier did not start:\n{self.log()[-2000:]}")

    def log(self) -> str:
        """What Courier wrote."""
        return self._log_file.read_text(errors="replace")

    def stop(self) -> None:
        """Ends every process of it."""
        self._process.kill()
