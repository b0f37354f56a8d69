"""A real pop3d of GNU Mailutils on loopback, with an mbox for each user.

tcpserver starts one for each connection.
"""

import os
from pathlib import Path

from . import overlay, popa3d
from .clients.endpoint import Login
from .processes import free_port, listens, wait_for

PACKAGES = [
    "mailutils-pop3d", "mailutils-common", "libmailutils9", "libmu-dbm9", "libkyotocabinet16v5", "liblzo2-2", "libmariadb3",
    "libltdl7", "libgc1", "guile-3.0-libs", "libwrap0", "ucspi-tcp",
]

_SETTINGS = """\
mode inetd;
mailbox {{
    mailbox-type mbox;
    mail-spool {spool};
}}
auth {{
    authentication generic:system;
    authorization system;
}}
logging {{
    syslog no;
}}
"""

#: $1 has the files that name its users, $2 is its configuration, $3 the port. What it says is not for the client.
_START = """
set -e
for file in passwd group shadow; do mount --bind "$1/$file" "/etc/$file"; done
exec tcpserver -H -R -l localhost -c 40 -b 40 127.0.0.1 "$3" sh -c 'exec /usr/sbin/pop3d --config-file="$1" 2>>"$2"' sh "$2" "$4"
"""


class Mailutils:
    """A running pop3d. The mail of a user is the file of that name in the spool."""

    def __init__(self, directory: Path, logins: list[Login]):
        tree = overlay.tree("mailutils", PACKAGES)
        self.port = free_port()
        self.spool = directory / "spool"
        self.spool.mkdir(exist_ok=True)
        owner = overlay.USERS["vmail"]
        for path in (self.spool, *self.spool.iterdir()):
            os.chown(path, owner, owner)
        names, settings = directory / "names", directory / "mailutils.conf"
        popa3d.name_users(tree, names, {login.user: overlay.crypted(login.password) for login in logins})
        settings.write_text(_SETTINGS.format(spool=self.spool))
        self._log_file = directory / "mailutils.log"
        said = directory / "mailutils.said"
        said.touch(mode=0o666)
        self._process = overlay.start(tree, ["sh", "-c", _START, "sh", names, settings, self.port, said], self._log_file)
        wait_for("pop3d", lambda: not self._process.alive() or listens(self.port))
        if not self._process.alive():
            raise RuntimeError(f"pop3d did not start:\n{self.log()[-2000:]}")

    def log(self) -> str:
        """What pop3d wrote."""
        return self._log_file.read_text(errors="replace")

    def stop(self) -> None:
        """Ends every process of it."""
        self._process.kill()
