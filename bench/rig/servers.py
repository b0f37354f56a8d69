"""The servers that are measured, each on loopback, pinned to one core, with the same mail."""

import os
import subprocess
from pathlib import Path

from harness import overlay, peers
from harness.courier import PACKAGES as COURIER_PACKAGES
from harness.dovecot import PACKAGES as DOVECOT_PACKAGES
from harness.processes import Process, free_port, listens, run, wait_for

from .mail import PASSWORD, Mail

#: The core of the servers; the load generator has another one.
CORE = "0"


class Server:
    """A running server: what to call it, where it listens, and its first process."""

    label: str
    version: str

    def __init__(self, directory: Path, mail: Mail, certificate: Path, key: Path):
        directory.mkdir()
        self.port, self.tls_port = free_port(), free_port()
        self._directory, self._mail, self._certificate, self._key = directory, mail, certificate, key
        self._log = directory / "log"
        self._words = self._prepare()
        self._start()

    def _start(self) -> None:
        self._process = self._launch()
        wait_for(self.label, lambda: not self._process.alive() or self._listens(), patience=60)
        if not self._process.alive():
            raise RuntimeError(f"{self.label} did not start:\n{self._log.read_text(errors='replace')[-2000:]}")

    def _listens(self) -> bool:
        return listens(self.port) and listens(self.tls_port)

    @property
    def pid(self) -> int:
        return self._process.pid

    def restart(self) -> None:
        """Starts it anew, so that no process is there which an earlier case has left."""
        self.stop()
        wait_for(f"end of {self.label}", lambda: not (listens(self.port) or listens(self.tls_port)))
        self._start()

    def stop(self) -> None:
        self._process.kill()

    def _prepare(self) -> list:
        """Gives it its mail and its configuration; the command that starts it."""
        raise NotImplementedError

    def _launch(self) -> Process:
        return overlay.start(self._tree, ["taskset", "-c", CORE, *self._words], self._log)


class Restante(Server):
    """The program, with a warm cache of credentials, as it is after the first login."""

    label = "restante"
    program: Path

    def _prepare(self) -> list:
        self.version = run([self.program, "--version"]).stdout.decode().split()[-1]
        config = self._directory / "restante.toml"
        config.write_text(
            f'hostname = "localhost"\ndata = "{self._directory}/data"\nuser = "root"\n'
            f'[[listener]]\nprotocol = "pop3"\naddress = "127.0.0.1:{self.port}"\nplaintext_login = "loopback"\n'
            f'[[listener]]\nprotocol = "pop3s"\naddress = "127.0.0.1:{self.tls_port}"\n'
            f'[tls]\ncertificate = "{self._certificate}"\nkey = "{self._key}"\n'
            "[limits]\nsessions_per_address_max = 0\n[auth]\nscram = false\n"
        )
        words = [self.program, "-c", config]
        accounts = "".join(f"{user}:{{PLAIN}}{PASSWORD}\n" for user in self._mail.users)
        run([*words, "user", "import", "-"], input=accounts.encode(), check=True)
        for user in self._mail.users:
            place = self._mail.maildir(user)
            run([*words, "maildrop", "import", "--no-quota", user, place], patience=600, check=True)
        return [*words, "serve"]

    def _launch(self) -> Process:
        with self._log.open("ab") as log:
            return Process(["taskset", "-c", CORE, *self._words], stdout=log, stderr=log)


_DOVECOT = """\
protocols = pop3
listen = 127.0.0.1
base_dir = /run/dovecot
state_dir = /var/lib/dovecot
log_path = {log}
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login
first_valid_uid = 1
mail_location = maildir:{home}/%u/Maildir
passdb {{
  driver = passwd-file
  args = scheme=plain {users}
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={home}/%u
}}
service stats {{
  chroot =
}}
service anvil {{
  chroot =
}}
service pop3-login {{
  chroot =
  process_limit = 1024
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = {tls_port}
  }}
{login}}}
{more}"""

_TUNED_LOGIN = """\
  service_count = 0
  process_min_avail = 1
  client_limit = 10000
"""

_TUNED = """\
pop3_no_flag_updates = yes
mail_fsync = optimized
service pop3 {
  service_count = 1000
  process_min_avail = 16
}
"""


class Dovecot(Server):
    """Dovecot with Debian's defaults: a process for each login, and one for each session."""

    label = "dovecot-stock"
    _sizes, _login, _more = False, "", ""

    def _prepare(self) -> list:
        self._tree = overlay.tree("dovecot", DOVECOT_PACKAGES)
        self.version = peers.version("dovecot-pop3d")
        home, users = self._directory / "home", self._directory / "users"
        self._mail.give(home, self._sizes)
        users.write_text("".join(f"{user}:{{PLAIN}}{PASSWORD}\n" for user in self._mail.users))
        config = self._directory / "dovecot.conf"
        config.write_text(
            _DOVECOT.format(
                log=self._log, certificate=self._certificate, key=self._key, home=home, users=users,
                owner=overlay.USERS["vmail"], port=self.port, tls_port=self.tls_port, login=self._login,
                more=self._more,
            )
        )
        return ["/usr/sbin/dovecot", "-F", "-c", config]


class TunedDovecot(Dovecot):
    """Its documented high-performance mode: login processes that stay, mail processes that are reused."""

    label = "dovecot-tuned"
    _sizes, _login, _more = True, _TUNED_LOGIN, _TUNED


#: $1 and $2 are the ports, $3 the file of the user database, $4 the file with certificate and key.
_COURIER = """
set -ea
mkdir -p /run/courier/authdaemon /var/lib/courier
umask 077
cp "$3" /run/userdb
/usr/sbin/makeuserdb -f /run/userdb
. /etc/courier/authdaemonrc
/usr/lib/courier/courier-authlib/authdaemond &
. /etc/courier/pop3d-ssl
. /etc/courier/pop3d
POP3AUTH="PLAIN LOGIN" POP3AUTH_TLS="PLAIN LOGIN" TLS_CERTFILE=$4 TLS_DHPARAMS= TLS_CACHEFILE=
while ! [ -S /run/courier/authdaemon/socket ]; do sleep 0.05; done
limits="-address=127.0.0.1 -maxprocs=1000 -maxperip=1000 -nodnslookup -noidentlookup"
mail=/usr/lib/courier/courier
/usr/sbin/couriertcpd $limits "$2" /usr/bin/couriertls -server -tcpd $mail/courierpop3login $mail/courierpop3d Maildir &
exec /usr/sbin/couriertcpd $limits "$1" $mail/courierpop3login $mail/courierpop3d Maildir
"""


class Courier(Server):
    """Courier: a process for each session, and one more for TLS."""

    label = "courier"

    def _prepare(self) -> list:
        tree = self._tree = overlay.tree("courier", COURIER_PACKAGES)
        self.version = peers.version("courier-pop")
        for name in ("userdb.dat", "userdbshadow.dat"):
            link = tree / "etc/courier" / name
            link.unlink(missing_ok=True)
            link.symlink_to(f"/run/{name}")
        rc = tree / "etc/courier/authdaemonrc"
        if 'authmodulelist="authuserdb"' not in rc.read_text():
            with rc.open("a") as settings:
                settings.write('authmodulelist="authuserdb"\n')
        home, owner = self._directory / "home", overlay.USERS["vmail"]
        self._mail.give(home, sizes_in_names=True)
        # A cheap hash: what a password costs is not what is compared here.
        hashed = run(["openssl", "passwd", "-1", PASSWORD], check=True).stdout.decode().strip()
        users = self._directory / "userdb"
        users.write_text(
            "".join(
                f"{user}\tuid={owner}|gid={owner}|home={home}/{user}|mail={home}/{user}/Maildir|systempw={hashed}\n"
                for user in self._mail.users
            )
        )
        pem = self._directory / "pop3d.pem"
        pem.touch(mode=0o600)
        pem.write_text(self._key.read_text() + self._certificate.read_text())
        os.chown(pem, overlay.USERS["courier"], 0)
        return ["sh", "-c", _COURIER, "sh", self.port, self.tls_port, users, pem]


ALL = [TunedDovecot, Restante, Dovecot, Courier]


def certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for localhost and its key."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    words += ["-addext", "basicConstraints=CA:FALSE", "-keyout", key, "-out", certificate]
    subprocess.run(list(map(str, words)), check=True, stderr=subprocess.DEVNULL)
    return certificate, key
