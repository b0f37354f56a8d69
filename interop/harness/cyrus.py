"""A real Cyrus on loopback, which hands out over POP3 what was delivered to it over LMTP.

Passwords are in SASL's own database, as on a site without another one.
"""

import os
import smtplib
from pathlib import Path

from . import overlay
from .clients.endpoint import Login
from .processes import free_port, listens, wait_for

PACKAGES = [
    "cyrus-common", "cyrus-pop3d", "libical3", "libpcre3", "libwrap0", "libxapian30", "sasl2-bin", "libsasl2-modules",
    "libsasl2-modules-db",
]

#: Debian sets `popminpoll: 1`: somebody who comes again within a minute is refused. The tests do not wait.
_SETTINGS = """\
configdirectory: /var/lib/cyrus
proc_path: /run/cyrus/proc
mboxname_lockpath: /run/cyrus/lock
defaultpartition: default
partition-default: {spool}
autocreate_quota: 0
autocreate_post: yes
popminpoll: 0
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: /run/cyrus/sasldb2
sasl_mech_list: PLAIN
tls_server_cert: {pem}
tls_server_key: {pem}
"""

_SERVICES = """\
START {{
  recover cmd="ctl_cyrusdb -r"
}}
SERVICES {{
  pop3 cmd="pop3d" listen="127.0.0.1:{port}" proto="tcp4" prefork=0 maxchild=40
  pop3s cmd="pop3d -s" listen="127.0.0.1:{tls_port}" proto="tcp4" prefork=0 maxchild=40
  lmtp cmd="lmtpd -a" listen="127.0.0.1:{lmtp_port}" proto="tcp4" prefork=0 maxchild=4
}}
"""

#: $1 is its configuration, $2 its services, $3 the file of users: a name and a password in every line.
_START = """
set -e
mkdir -p /run/cyrus/proc /run/cyrus/lock /var/lib/cyrus/db /var/lib/cyrus/socket
while read -r name password; do
    printf %s "$password" | saslpasswd2 -p -c -f /run/cyrus/sasldb2 -u "$(hostname)" "$name"
done < "$3"
chown -R cyrus:mail /run/cyrus /var/lib/cyrus
mount --bind "$1" /etc/imapd.conf
exec /usr/lib/cyrus/bin/master -M "$2" -p /run/cyrus/master.pid
"""


class Cyrus:
    """A running Cyrus. What comes in later is delivered by `deliver`."""

    def __init__(self, directory: Path, certificate: Path, key: Path, logins: list[Login]):
        tree = overlay.tree("cyrus", PACKAGES)
        self.port, self.tls_port, self._lmtp_port = free_port(), free_port(), free_port()
        owner, spool, pem = overlay.USERS["cyrus"], directory / "spool", directory / "pop3d.pem"
        spool.mkdir()
        pem.touch(mode=0o600)
        pem.write_text(key.read_text() + certificate.read_text())
        for path in (spool, pem):
            os.chown(path, owner, owner)
        settings, services, users = directory / "imapd.conf", directory / "cyrus.conf", directory / "users"
        settings.write_text(_SETTINGS.format(spool=spool, pem=pem))
        services.write_text(_SERVICES.format(port=self.port, tls_port=self.tls_port, lmtp_port=self._lmtp_port))
        users.write_text("".join(f"{login.user} {login.password}\n" for login in logins))
        self._log_file = directory / "cyrus.log"
        self._process = overlay.start(tree, ["sh", "-c", _START, "sh", settings, services, users], self._log_file)
        ports = (self.port, self.tls_port, self._lmtp_port)
        wait_for("Cyrus", lambda: not self._process.alive() or all(map(listens, ports)))
        if not self._process.alive():
            raise RuntimeError(f"Cyrus did not start:\n{self.log()[-2000:]}")

    def deliver(self, user: str, texts: list[str]) -> None:
        """Delivers messages, in this order."""
        with smtplib.LMTP("127.0.0.1", self._lmtp_port) as lmtp:
            for text in texts:
                refused = lmtp.sendmail("eve@dobbs.org", [user], text.replace("\n", "\r\n").encode())
                if refused:
                    raise RuntimeError(f"Cyrus did not take a message: {refused}")

    def log(self) -> str:
        """What Cyrus wrote."""
        return self._log_file.read_text(errors="replace")

    def stop(self) -> None:
        """Ends every process of it."""
        self._process.kill()
