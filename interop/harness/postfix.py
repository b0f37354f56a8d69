"""A real Postfix on loopback, among the files of its package (`overlay.py`).

Nothing of the host's mail system is read or changed, and the users `postfix` and `postdrop`, on which Postfix
insists, exist only where it runs. That needs root; without it the check is skipped with that reason.
"""

import os
import re
from pathlib import Path

from . import manual, overlay, wire
from .agent import Agent
from .program import Program

_POSTFIX, _POSTDROP = overlay.USERS["postfix"], overlay.USERS["postdrop"]

_MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
lmtp      unix  - - n - - lmtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
{services}
"""

_MAIN_CF = """\
compatibility_level = 3.6
myhostname = mx.dobbs.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
queue_directory = {spool}
data_directory = /var/lib/postfix
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file_prefixes = /
maillog_file = {log}
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_maps = static:all
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
disable_dns_lookups = yes
message_size_limit = 52428800
virtual_mailbox_limit = 0
mailbox_size_limit = 0
# Only CRLF.CRLF ends a message, for neighbours too; a bare LF ends a line.
smtpd_forbid_bare_newline = normalize
smtpd_forbid_bare_newline_exclusions =
# Mail is passed on as it comes, but for Received: no header is completed, no line is broken.
local_header_rewrite_clients =
message_drop_headers =
lmtp_line_length_limit = 0
header_size_limit = 1048576
# A message that is held back for a moment must be tried again within the patience of the run.
minimal_backoff_time = 1s
queue_run_delay = 1s
# As many as the tests' own deliverers use.
lmtp_destination_concurrency_limit = 8
lmtp_destination_recipient_limit = 1
{settings}
"""

#: Settings that hand everything to LMTP over TCP; where, is for the caller to fill in.
LMTP = """\
virtual_mailbox_domains = dobbs.org
virtual_transport = lmtp:inet:127.0.0.1:{port}
"""

#: Ways to the program: local part → the block of the docs for main.cf.
ROUTES = {
    "postfix-unix": "Postfix: main.cf, Unix socket",
    "postfix-tcp": "Postfix: main.cf, TCP",
    "postfix-pipe": "Postfix: main.cf, pipe",
}


class Postfix(Agent):
    """A running Postfix that delivers `…@dobbs.org` as its settings (main.cf) and services (master.cf) say."""

    name = "Postfix"
    ways = {"postfix-unix": "lmtp", "postfix-tcp": "lmtp", "postfix-pipe": "pipe-sender"}

    def __init__(self, directory: Path, program: Program, settings: str, services: str = ""):
        super().__init__(directory, program)
        tree = overlay.tree("postfix", ["postfix"])
        self._spool, etc = directory / "spool", directory / "etc"
        _make_queue(self._spool)
        etc.mkdir()
        (etc / "master.cf").write_text(_MASTER_CF.format(port=self.smtp_port, services=services))
        self._log_file = directory / "maillog"
        (etc / "main.cf").write_text(_MAIN_CF.format(spool=self._spool, log=self._log_file, settings=settings))
        setup = "install -d -o postfix /var/lib/postfix"
        self._start(tree, ["/usr/lib/postfix/sbin/master", "-c", etc, "-i"], setup)

    @classmethod
    def on_routes(cls, directory: Path, program: Program, more: str = "") -> "Postfix":
        """One that delivers to each local part of `ROUTES` on its own route, with more settings if need be."""
        maps, settings = [], ["virtual_mailbox_domains = dobbs.org", more]
        for route in ROUTES:
            for line in manual.block(ROUTES[route], program).splitlines():
                name, _, value = line.partition(" = ")
                if name == "virtual_transport":
                    maps.append(f"{{ {route}@dobbs.org = {value} }}")
                elif name != "virtual_mailbox_domains":
                    settings.append(line)
        settings.append(f"transport_maps = inline:{{ {' '.join(maps)} }}")
        return cls(directory, program, "\n".join(settings), manual.block("Postfix: master.cf", program))

    def log(self) -> str:
        """Postfix writes its log itself; what it says before it can is on standard error."""
        return super().log() + (self._log_file.read_text(errors="replace") if self._log_file.exists() else "")

    def queued(self) -> int:
        """Each message is a file in one of the queues."""
        queues = ("maildrop", "incoming", "active", "deferred")
        return sum(1 for queue in queues for entry in (self._spool / queue).rglob("*") if entry.is_file())

    def without_trace(self, text: bytes) -> bytes:
        """Postfix puts a Received on top, and nothing else."""
        found = _RECEIVED.match(text)
        if found is None or b"(Postfix)" not in found.group():
            raise AssertionError(f"Postfix's Received is missing: {text[:200]!r}")
        return text[found.end() :]


_MBOX_FROM = re.compile(rb">*From ")
_HEADER = re.compile(rb"[!-9;-~]+[ \t]*:")
_RECEIVED = re.compile(rb"\AReceived: from [^\r\n]+\r\n(?:[ \t][^\r\n]+\r\n)*")


def expected(text: bytes) -> bytes:
    """What this Postfix hands on for a message that it was given by `delivery.Smtp`, but for its Received.

    Its lines end with LF or CRLF. A line loses one leading dot, a lone dot after a bare LF is dropped, and a
    CR anywhere else becomes a space. A separator line of mbox becomes a header, and a blank line is put where
    the header ends without one.
    """
    lines = [line.removesuffix(b"\r") for line in wire.stuffed(text).split(b"\n")[:-1]]
    lines = [line.removeprefix(b".") for line in lines if line != b"."]
    if lines and _MBOX_FROM.match(lines[0]):
        lines[0] = b"X-Mailbox-Line: " + lines[0]
    for at, line in enumerate(lines):
        # Its own Received stands before the first line, so even that may be a continuation.
        if line == b"":
            break
        if not (_HEADER.match(line) or line[:1] in (b"\r" if at == 0 else b"\r \t")):
            lines.insert(at, b"")
            break
    return b"".join(line.replace(b"\r", b" ") + b"\r\n" for line in lines)


def _make_queue(spool: Path) -> None:
    """The queue directories with the owners and modes that Postfix's own set-up gives them."""
    spool.mkdir(parents=True)
    private = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming",
               "private", "saved", "trace")
    for name in private:
        (spool / name).mkdir(mode=0o700)
        os.chown(spool / name, _POSTFIX, 0)
    for name, mode in (("maildrop", 0o1730), ("public", 0o2710)):
        (spool / name).mkdir()
        os.chown(spool / name, _POSTFIX, _POSTDROP)
        (spool / name).chmod(mode)
    (spool / "pid").mkdir(mode=0o755)
