"""A real Postfix on loopback, in a root of its own below `target/peers`.

The package is unpacked, not installed: nothing of the host's mail system is read or changed, and the
users `postfix` and `postdrop`, on which Postfix insists, exist only in the passwd file of its root.
It runs in a mount and a process namespace, so that ending one process ends all of them and undoes
every mount. That needs root; without it the check is skipped with that reason.
"""

import os
import re
import shutil
import signal
from pathlib import Path

from . import peers, wire
from .paths import PEERS
from .processes import Process, free_port, has_namespaces, listens, wait_for

# Of the range that systemd keeps for users that exist for a while; nobody on the host has them.
_POSTFIX_ID = 61190
_POSTDROP_ID = 61191

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
"""

_MAIN_CF = """\
compatibility_level = 3.6
myhostname = mx.dobbs.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
queue_directory = /var/spool/postfix
data_directory = /var/lib/postfix
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = /var/log/postfix.log
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = dobbs.org
virtual_mailbox_maps = static:all
virtual_transport = lmtp:inet:127.0.0.1:{lmtp_port}
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
"""


class Postfix:
    """A running Postfix that delivers `…@dobbs.org` to one LMTP port."""

    def __init__(self, lmtp_port: int):
        self.smtp_port = free_port()
        self._root = _root()
        self._configure(lmtp_port)
        self._log_file = self._root / "var/log/postfix.log"
        # `unshare --kill-child` is the first process of the namespace's parent: killing it ends all.
        self._process = Process(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER, self._root]
        )
        wait_for("Postfix", lambda: not self._process.alive() or listens(self.smtp_port))
        if not self._process.alive():
            raise RuntimeError(f"Postfix did not start:\n{self.log()}")

    def log(self) -> str:
        """What Postfix wrote to its log."""
        return self._log_file.read_text(errors="replace") if self._log_file.exists() else ""

    def queued(self) -> int:
        """How many messages have not been handed on yet."""
        spool = self._root / "var/spool/postfix"
        return sum(
            1
            for queue in ("maildrop", "incoming", "active", "deferred")
            for entry in (spool / queue).rglob("*")
            if entry.is_file()
        )

    def drain(self, patience: float) -> None:
        """Waits until its queue is empty."""
        wait_for("Postfix's queue", lambda: self.queued() == 0, patience)

    def stop(self) -> None:
        """Ends every process of it."""
        self._process.signal(signal.SIGTERM)
        self._process.kill()

    def _configure(self, lmtp_port: int) -> None:
        etc = self._root / "etc/postfix"
        (etc / "master.cf").write_text(_MASTER_CF.format(port=self.smtp_port))
        (etc / "main.cf").write_text(_MAIN_CF.format(lmtp_port=lmtp_port))
        (self._root / "var/log").mkdir(parents=True, exist_ok=True)
        (self._root / "var/log/postfix.log").unlink(missing_ok=True)
        shutil.rmtree(self._root / "var/spool/postfix", ignore_errors=True)
        _make_queue(self._root)


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


def without_received(text: bytes) -> bytes:
    """The message without the Received that Postfix put on top of it."""
    found = _RECEIVED.match(text)
    if found is None or b"(Postfix)" not in found.group():
        raise AssertionError(f"Postfix's Received is missing: {text[:200]!r}")
    return text[found.end() :]


# In the new mount namespace: only what Postfix needs of the host, then its own root for ever.
_ENTER = """\
mount --make-rprivate / &&
mount --rbind /dev "$0/dev" &&
exec chroot "$0" /usr/lib/postfix/sbin/master -c /etc/postfix -i
"""


def _root() -> Path:
    """Postfix's root directory: its package, the libraries it loads, and a passwd file."""
    if not has_namespaces():
        raise peers.Unavailable("Postfix needs root and namespaces (chroot, and users of its own)")
    root = PEERS / "postfix-root"
    if (root / ".complete").exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    unpacked = [peers.unpack(package) for package in peers.missing_with("postfix")]
    root.mkdir(parents=True)
    shutil.copytree(unpacked[0] / "usr", root / "usr", symlinks=True)
    (root / "etc/postfix").mkdir(parents=True)
    for directory in ("dev", "tmp", "var/log", "var/lib/postfix"):
        (root / directory).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    _copy_libraries(root, unpacked)
    (root / "etc/passwd").write_text(
        "root:x:0:0::/root:/bin/false\n"
        f"postfix:x:{_POSTFIX_ID}:{_POSTFIX_ID}::/var/spool/postfix:/bin/false\n"
        "nobody:x:65534:65534::/nonexistent:/bin/false\n"
    )
    (root / "etc/group").write_text(
        f"root:x:0:\npostfix:x:{_POSTFIX_ID}:\npostdrop:x:{_POSTDROP_ID}:\nnogroup:x:65534:\n"
    )
    (root / "etc/services").write_text("smtp 25/tcp\nlmtp 24/tcp\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (root / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
    os.chown(root / "var/lib/postfix", _POSTFIX_ID, _POSTFIX_ID)
    (root / ".complete").touch()
    return root


def _copy_libraries(root: Path, unpacked: list[Path]) -> None:
    """Puts each library that a program of Postfix loads where the loader will look for it."""
    search = [root / "usr/lib/postfix"]
    for place in unpacked:
        search += [path.parent for path in place.rglob("*.so*") if path.parent not in search]
    for program in (root / "usr/lib/postfix/sbin").iterdir():
        for library in peers.shared_libraries(program, search):
            if root in library.parents:
                continue
            place = library
            for source in unpacked:
                if source in library.parents:
                    place = Path("/") / library.relative_to(source)
            copy = root / place.relative_to("/")
            if not copy.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(library, copy)


def _make_queue(root: Path) -> None:
    """The queue directories with the owners and modes that Postfix's own set-up gives them."""
    spool = root / "var/spool/postfix"
    spool.mkdir(parents=True)
    private = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming",
               "private", "saved", "trace")
    for name in private:
        (spool / name).mkdir(mode=0o700)
        os.chown(spool / name, _POSTFIX_ID, 0)
    for name, mode in (("maildrop", 0o1730), ("public", 0o2710)):
        (spool / name).mkdir()
        os.chown(spool / name, _POSTFIX_ID, _POSTDROP_ID)
        (spool / name).chmod(mode)
    (spool / "pid").mkdir(mode=0o755)
