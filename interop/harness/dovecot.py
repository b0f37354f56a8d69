"""A real Dovecot on loopback: with a Maildir of its own, or as a proxy in front of a POP3 server."""

import os
from pathlib import Path

from . import overlay
from .processes import free_port, listens, wait_for

PACKAGES = ["dovecot-core", "dovecot-pop3d", "libexttextcat-2.0-0", "liblua5.4-0", "libwrap0"]
#: The same with LMTP, as a tree of its own: a tree is made once, of what it was first made of.
LMTP_TREE, LMTP_PACKAGES = "dovecot-lmtp", [*PACKAGES, "dovecot-lmtpd"]
#: And with IMAP.
IMAP_TREE, IMAP_PACKAGES = "dovecot-imap", [*PACKAGES, "dovecot-imapd"]

#: What every Dovecot needs that is unpacked and not installed; what a configuration says again behind it adds to it.
COMMON = """\
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
mail_location = maildir:{maildir}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = {tls_port}
  }}
}}
service stats {{
  chroot =
}}
service anvil {{
  chroot =
}}
passdb {{
  driver = passwd-file
  args = scheme=plain {users}
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={home}
}}
"""


def local(password: str) -> str:
    """Somebody whose mail is in Dovecot's own Maildir."""
    return "{PLAIN}" + password + "::::::"


def proxied(port: int, options: str = "") -> str:
    """Somebody whose mail is with a server on 127.0.0.1, which also says whether the password is right."""
    return f"::::::nopassword=y proxy=y host=127.0.0.1 port={port} {options}"


class Dovecot:
    """A running Dovecot. `users` says of each user what a line of a passwd-file says behind the name; `settings` come last.

    The mail is the `owner`'s, by his number. `fill` is a command of doveadm's that is run before, for the first of the users;
    `tree` is what it is unpacked from.
    """

    def __init__(
        self, directory: Path, certificate: Path, key: Path, users: dict[str, str], settings: str = "",
        owner: int = overlay.USERS["vmail"], fill: list | None = None, tree: tuple[str, list[str]] = ("dovecot", PACKAGES),
    ):
        tree = overlay.tree(*tree)
        self.port, self.tls_port = free_port(), free_port()
        self.maildir = directory / "Maildir"
        self.maildir.mkdir(parents=True, exist_ok=True)
        passwords, configuration = directory / "users", directory / "dovecot.conf"
        passwords.write_text("".join(f"{name}:{fields}\n" for name, fields in users.items()))
        common = COMMON.format(
            log="/dev/stderr", certificate=certificate, key=key, maildir=self.maildir, home=self.maildir,
            users=passwords, owner=owner, port=self.port, tls_port=self.tls_port,
        )
        configuration.write_text(common + "auth_debug = yes\n" + settings)
        for path in (self.maildir, *self.maildir.rglob("*")):
            os.chown(path, owner, owner)
        self._log_file = directory / "dovecot.log"
        if fill is not None:
            whose = ["env", f"HOME={directory}", f"USER={next(iter(users))}", "doveadm", "-o", f"mail_uid={owner}", "-o", f"mail_gid={owner}"]
            filled = overlay.start(tree, [*whose, "-c", configuration, *fill], self._log_file).child.wait()
            if filled != 0:
                raise RuntimeError(f"Dovecot was not filled:\n{self.log()[-2000:]}")
        self._process = overlay.start(tree, ["/usr/sbin/dovecot", "-F", "-c", configuration], self._log_file)
        wait_for("Dovecot", lambda: not self._process.alive() or listens(self.port) and listens(self.tls_port))
        if not self._process.alive():
            raise RuntimeError(f"Dovecot did not start:\n{self.log()[-2000:]}")

    def log(self) -> str:
        """What Dovecot wrote."""
        return self._log_file.read_text(errors="replace")

    def stop(self) -> None:
        """Ends every process of it."""
        self._process.kill()

