"""The servers that are measured, each in the way in which its makers want it to be run."""

import os
import shlex
import subprocess
from pathlib import Path

from harness import courier, dovecot, overlay, paths, peers, popa3d
from harness.processes import Process, run

from .mail import PASSWORD
from .server import CORE, Server


class Built(Server):
    """A program of this repository, which runs where it was built."""

    def _launch(self) -> Process:
        with self._log.open("ab") as log:
            return Process(["taskset", "-c", CORE, *self._words], stdout=log, stderr=log)


class Restante(Built):
    """The program, with mail that `maildrop import` has brought in."""

    label = "restante"
    has_lmtp = True
    program: Path

    def _prepare(self) -> list:
        self._command = words = self._configured("")
        for user in self._mail.users:
            place = self._mail.maildir(user)
            run([*words, "maildrop", "import", "--no-quota", "--unique-ids", "new", user, place], patience=600, check=True)
        self._imported = set((self._directory / "data").rglob("*.rsx"))
        return [*words, "serve"]

    def _configured(self, store: str) -> list:
        """Its configuration, with what it says of the store, and its accounts; how it is called then."""
        self.version = run([self.program, "--version"]).stdout.decode().split()[-1]
        config = self._directory / "restante.toml"
        config.write_text(
            f'hostname = "localhost"\ndata = "{self._directory}/data"\nuser = "root"\n'
            f'[[listener]]\nprotocol = "pop3"\naddress = "127.0.0.1:{self.port}"\nplaintext_login = "loopback"\n'
            f'[[listener]]\nprotocol = "pop3s"\naddress = "127.0.0.1:{self.tls_port}"\n'
            f'[[listener]]\nprotocol = "lmtp"\naddress = "127.0.0.1:{self.lmtp_port}"\n'
            f'[tls]\ncertificate = "{self._certificate}"\nkey = "{self._key}"\n{store}'
            "[limits]\nsessions_per_address_max = 0\nmessage_octets_max = \"1 GiB\"\n[auth]\nscram = false\n"
        )
        words = [self.program, "-c", config]
        accounts = "".join(f"{user}:{{PLAIN}}{PASSWORD}\n" for user in self._mail.users)
        run([*words, "user", "import", "-"], input=accounts.encode(), check=True)
        return words

    def _files(self, user: str) -> list[Path]:
        file = self._file(user)
        return [part for part in (file, file.with_suffix(".rsx")) if part.exists()]

    def _forget(self, user: str) -> None:
        index = self._file(user).with_suffix(".rsx")
        # What the import has left beside the mail is part of what it brought in.
        if index not in self._imported:
            index.unlink(missing_ok=True)

    def _file(self, user: str) -> Path:
        return Path(run([*self._command, "maildrop", "path", user], check=True).stdout.decode().strip())

    def _make_empty(self, user: str) -> None:
        pass


class OnMaildirs(Restante):
    """The program, with the Maildirs that the tuned Dovecot has, where they are."""

    label = "restante-maildir"

    def _prepare(self) -> list:
        home = self._directory / "home"
        self._mail.give(home, sizes_in_names=True)
        store = f'[maildrop]\nstore = "maildir"\n[maildir]\npath = "{home}/{{name}}/Maildir"\nunique_ids = "dovecot"\n'
        return [*self._configured(store), "serve"]

    _files, _forget, _make_empty = Server._files, Server._forget, Server._make_empty


#: Room for as many sessions at once as are measured, and LMTP to the same Maildirs.
_STOCK = """\
protocols = pop3 lmtp
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
}}
protocol lmtp {{
  postmaster_address = postmaster@localhost
}}
service pop3-login {{
  process_limit = 1024
}}
"""

_TUNED = """\
pop3_no_flag_updates = yes
mail_fsync = optimized
service pop3-login {{
  service_count = 0
  process_min_avail = 1
  client_limit = 10000
}}
service pop3 {{
  service_count = 1000
  process_min_avail = 16
}}
service lmtp {{
  process_min_avail = 32
}}
"""


class Dovecot(Server):
    """Dovecot with Debian's defaults: a process for each login, and one for each session."""

    label = "dovecot-stock"
    has_lmtp = True
    _sizes, _more = False, _STOCK

    def _prepare(self) -> list:
        self._tree = overlay.tree(dovecot.LMTP_TREE, dovecot.LMTP_PACKAGES)
        self.version = peers.version("dovecot-pop3d")
        home, users = self._directory / "home", self._directory / "users"
        self._mail.give(home, self._sizes)
        users.write_text("".join(f"{user}:{{PLAIN}}{PASSWORD}\n" for user in self._mail.users))
        config = self._directory / "dovecot.conf"
        text = (dovecot.COMMON + self._more).format(
            log=self._log, certificate=self._certificate, key=self._key, maildir=f"{home}/%u/Maildir",
            home=f"{home}/%u", users=users, owner=overlay.USERS["vmail"], port=self.port, tls_port=self.tls_port,
            lmtp_port=self.lmtp_port,
        )
        config.write_text(text)
        return ["/usr/sbin/dovecot", "-F", "-c", config]


class TunedDovecot(Dovecot):
    """Its documented high-performance mode: login processes that stay, mail processes that are reused."""

    label = "dovecot-tuned"
    _sizes, _more = True, _STOCK + _TUNED


#: $3 and $4 are the ports.
_COURIER = courier.SETUP + """
limits="-address=127.0.0.1 -maxprocs=1000 -maxperip=1000 -nodnslookup -noidentlookup"
/usr/sbin/couriertcpd $limits "$4" /usr/bin/couriertls -server -tcpd $serve &
exec /usr/sbin/couriertcpd $limits "$3" $serve
"""


class Courier(Server):
    """Courier: a process for each session, and one more for TLS."""

    label = "courier"

    def _prepare(self) -> list:
        self._tree = courier.tree()
        self.version = peers.version("courier-pop")
        home = self._directory / "home"
        self._mail.give(home, sizes_in_names=True)
        users, hashed = self._directory / "userdb", _cheaply_hashed()
        users.write_text("".join(courier.user(user, home / user, hashed) for user in self._mail.users))
        pem = courier.secrets(self._directory, self._certificate, self._key)
        return ["sh", "-c", _COURIER, "sh", users, pem, self.port, self.tls_port]


class Popa3d(Server):
    """popa3d: a process for each session, one mbox for each user, and nothing beside it."""

    label = "popa3d"
    has_tls = False

    def _prepare(self) -> list:
        self._tree = overlay.tree("popa3d", popa3d.PACKAGES)
        self.version = peers.version("popa3d")
        names, self._spool = self._directory / "names", self._directory / "mail"
        self._mail.give_mboxes(self._spool)
        popa3d.name_users(self._tree, names, dict.fromkeys(self._mail.users, _cheaply_hashed()))
        return ["sh", "-c", popa3d.START, "sh", names, self._spool, self.port, 1000]

    def _files(self, user: str) -> list[Path]:
        return [self._spool / user]

    def _forget(self, user: str) -> None:
        pass

    def _make_empty(self, user: str) -> None:
        pass


class Bare(Built):
    """A server that only answers: what the load generator and the machine take by themselves."""

    label = "bare"
    version = "(one thread that answers)"
    has_tls = False
    cases = frozenset({"poll", "poll-at-80"})

    def _prepare(self) -> list:
        cargo = shlex.split(os.environ.get("CARGO", "cargo"))
        words = [*cargo, "build", "--quiet", "--release", "--locked", "-p", "restante-tests", "--example", "bare"]
        run(words, patience=1800, check=True, cwd=paths.REPOSITORY, stderr=None)
        messages = sum(kind.messages for kind in self._mail.kinds if kind.name == "poll")
        return [paths.TARGET / "release/examples/bare", self.port, f"+OK {messages} 1"]


ALL = [TunedDovecot, Restante, OnMaildirs, Bare, Dovecot, Courier, Popa3d]


def _cheaply_hashed() -> str:
    """The password, for those that want a hash: what it costs is not what is compared here."""
    return run(["openssl", "passwd", "-1", PASSWORD], check=True).stdout.decode().strip()


def certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for localhost and its key."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    words += ["-addext", "basicConstraints=CA:FALSE", "-keyout", key, "-out", certificate]
    subprocess.run(list(map(str, words)), check=True, stderr=subprocess.DEVNULL)
    return certificate, key
