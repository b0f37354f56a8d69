"""A real solid-pop3d on loopback, with a Maildir for each user.

tcpserver starts one for each connection, as inetd does where it is installed. Passwords are asked of PAM.
"""

import os
from pathlib import Path

from . import overlay, popa3d
from .clients.endpoint import Login
from .processes import free_port, listens, wait_for

PACKAGES = ["solid-pop3d", "liblockfile1", "ucspi-tcp"]

#: `%s` is the user. What would be remembered for each user is elsewhere.
_SETTINGS = """\
<Global>
    MailDropName "{home}/%s/Maildir"
    MailDropType maildir
    UserOverride no
    LogStatistics no
</Global>
"""

#: $1 has the files that name its users, $2 is its configuration, $3 the port.
_START = """
set -e
for file in passwd group shadow; do mount --bind "$1/$file" "/etc/$file"; done
exec tcpserver -H -R -l localhost -c 40 -b 40 127.0.0.1 "$3" /usr/sbin/solid-pop3d -f "$2"
"""


class Solid:
    """A running solid-pop3d. The mail of a user is `home/USER/Maildir` in the directory."""

    def __init__(self, directory: Path, logins: list[Login]):
        tree = overlay.tree("solid-pop3d", PACKAGES)
        self.port = free_port()
        self.home = directory / "home"
        owner = overlay.USERS["vmail"]
        for login in logins:
            for part in ("new", "cur", "tmp"):
                (self.home / login.user / "Maildir" / part).mkdir(parents=True, exist_ok=True)
        for path in (self.home, *self.home.rglob("*")):
            os.chown(path, owner, owner)
        names, settings = directory / "names", directory / "spop3d.conf"
        popa3d.name_users(tree, names, {login.user: overlay.crypted(login.password) for login in logins})
        settings.write_text(_SETTINGS.format(home=self.home))
        self._log_file = directory / "solid-pop3d.log"
        self._process = overlay.start(tree, ["sh", "-c", _START, "sh", names, settings, self.port], self._log_file)
        wait_for("solid-pop3d", lambda: not self._process.alive() or listens(self.port))
        if not self._process.alive():
            raise RuntimeError(f"solid-pop3d did not start:\n{self.log()[-2000:]}")

    def log(self) -> str:
        """What solid-pop3d wrote."""
        return self._log_file.read_text(errors="replace")

    def stop(self) -> None:
        """Ends every process of it."""
        self._process.kill()
