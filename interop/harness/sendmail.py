"""A real Sendmail on loopback (Debian's sendmail-bin), with the mailer of the docs."""

import re
from pathlib import Path

from . import manual, overlay
from .agent import Agent
from .program import Program

PACKAGES = ["sendmail-bin", "sendmail-base", "sendmail-cf", "m4", "liblockfile1", "libwrap0"]

#: Ways to the program: local part → the block of the docs.
ROUTES = {"sendmail-unix": "Sendmail: sendmail.mc"}

_MC = """\
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `mx.dobbs.org')dnl
define(`QUEUE_DIR', `{spool}')dnl
define(`confPID_FILE', `/run/sendmail.pid')dnl
define(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe,ForwardFileInUnsafeDirPath')dnl
define(`confTRUSTED_USER', `root')dnl
define(`confDEF_USER_ID', `mail:mail')dnl
define(`confCON_EXPENSIVE', `False')dnl
define(`confSERVICE_SWITCH_FILE', `/run/service.switch')dnl
define(`confQUEUE_LA', `1000')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confDELAY_LA', `1000')dnl
define(`confMIN_QUEUE_AGE', `0')dnl
define(`confTO_QUEUERETURN', `1h')dnl
define(`confTO_IDENT', `0')dnl
define(`confEIGHT_BIT_HANDLING', `pass8')dnl
undefine(`ALIAS_FILE')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
DAEMON_OPTIONS(`Name=MTA, Addr=127.0.0.1, Port={port}')dnl
{mailer}
"""

_SETUP = """
mkdir -p /run/mail
printf 'hosts files\\naliases files\\npasswd files\\n' >/run/service.switch
# It must know itself by a whole name, and ask nobody outside for it.
printf '127.0.0.1 mx.dobbs.org %s localhost\\n' "$(hostname)" >/run/hosts
printf 'passwd: files\\ngroup: files\\nhosts: files\\n' >/run/nsswitch.conf
for file in hosts nsswitch.conf; do mount --bind /run/$file /etc/$file; done
mount --bind /run/service.switch /etc/mail/service.switch
m4 {mc} >/run/sendmail.cf
/usr/libexec/sendmail/makemap -C /run/sendmail.cf hash /run/mail/mailertable <{table}
"""

_RECEIVED = re.compile(rb"\AReceived: from [^\r\n]+\r\n(?:[ \t][^\r\n]+\r\n)*")


class Sendmail(Agent):
    """A running Sendmail that delivers `…@dobbs.org` by the mailer of the docs."""

    name = "Sendmail"
    ways = {"sendmail-unix": "lmtp"}

    def __init__(self, directory: Path, program: Program):
        super().__init__(directory, program)
        tree = overlay.tree("sendmail", PACKAGES)
        self._spool = directory / "spool"
        self._spool.mkdir(mode=0o700)
        mailer = "".join(manual.block(ROUTES[route], program) for route in ROUTES)
        mailer = mailer.replace("/etc/mail/mailertable", "/run/mail/mailertable")
        mc, table = directory / "sendmail.mc", directory / "mailertable"
        mc.write_text(_MC.format(spool=self._spool, port=self.smtp_port, mailer=mailer))
        table.write_text(manual.block("Sendmail: mailertable", program))
        self._start(
            tree, ["/usr/libexec/sendmail/sendmail", "-bD", "-q1s", "-C", "/run/sendmail.cf"],
            _SETUP.format(mc=mc, table=table),
        )

    def keeps(self, text: bytes) -> bool:
        """It drops Content-Length, and of body parts what it does not take for a field of their headers."""
        return not re.search(rb"multipart/|content-length:", text.lower())

    def queued(self) -> int:
        """Each message has one control file in the queue."""
        return sum(1 for _ in self._spool.glob("[qhQT]f*"))

    def without_trace(self, text: bytes) -> bytes:
        """Sendmail puts a Received on top, and nothing else."""
        found = _RECEIVED.match(text)
        if found is None or b"(8." not in found.group():
            raise AssertionError(f"Sendmail's Received is missing: {text[:200]!r}")
        return text[found.end() :]
