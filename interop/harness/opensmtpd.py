"""A real OpenSMTPD on loopback (Debian's opensmtpd), with the actions of the docs."""

import re
from pathlib import Path

from . import manual, overlay
from .agent import Agent
from .processes import run
from .program import Program

PACKAGES = ["opensmtpd"]

#: Ways to the program: local part → the block of the docs.
ROUTES = {
    "opensmtpd-unix": "OpenSMTPD: Unix socket",
    "opensmtpd-tcp": "OpenSMTPD: TCP",
    "opensmtpd-mda": "OpenSMTPD: mda",
}

_CONFIGURATION = """\
listen on 127.0.0.1 port {port}
smtp max-message-size "50M"
smtp limit max-mails 100000
smtp limit max-rcpt 100000
{actions}
"""

#: $1 is where the spool lies, with the owners and modes that smtpd asks for.
_SETUP = """
mkdir -p /var/lib/opensmtpd/empty
install -d -m 711 {spool}/smtpd
install -d -m 770 -g opensmtpq {spool}/smtpd/offline
for part in corrupt incoming purge queue temporary; do install -d -m 700 -o opensmtpq {spool}/smtpd/$part; done
mount --bind {spool} /var/spool
"""

_TRACE = re.compile(rb"\A(?:Return-Path: [^\r\n]+\r\n)?Delivered-To: [^\r\n]+\r\nReceived: from [^\r\n]+\r\n(?:[ \t][^\r\n]+\r\n)*")


class OpenSmtpd(Agent):
    """A running OpenSMTPD that delivers to each local part of `ROUTES` by its own action."""

    name = "OpenSMTPD"
    ways = {"opensmtpd-unix": "lmtp", "opensmtpd-tcp": "lmtp", "opensmtpd-mda": "pipe"}

    def __init__(self, directory: Path, program: Program):
        super().__init__(directory, program)
        tree = overlay.tree("opensmtpd", PACKAGES)
        self._spool = directory / "spool"
        self._spool.mkdir()
        actions = []
        for route in ROUTES:
            action = manual.block(ROUTES[route], program)
            # The page has one way only; here each has a name of its own, and its own recipient.
            action = action.replace('"deliver"', f'"{route}"')
            actions.append(action.replace("match from any", f'match from any rcpt-to "{route}@dobbs.org"'))
        configuration = directory / "smtpd.conf"
        configuration.write_text(_CONFIGURATION.format(port=self.smtp_port, actions="\n".join(actions)))
        self._start(tree, ["/usr/sbin/smtpd", "-d", "-f", configuration], _SETUP.format(spool=self._spool))

    def hurry(self) -> None:
        """It waits 10 s before the second attempt and longer before each later one, which no setting changes."""
        namespace = ["nsenter", "--mount", "--pid", "--target", self._process.pid]
        run([*namespace, "/usr/sbin/smtpctl", "schedule", "all"])

    def queued(self) -> int:
        """Each message has a directory in the queue."""
        return sum(1 for queue in ("queue", "incoming") for _ in (self._spool / "smtpd" / queue).glob("*/*"))

    def without_trace(self, text: bytes) -> bytes:
        """OpenSMTPD puts Return-Path (none for the null sender), Delivered-To and Received on top, and nothing else."""
        found = _TRACE.match(text)
        if found is None or b"(OpenSMTPD)" not in found.group():
            raise AssertionError(f"OpenSMTPD's trace headers are missing: {text[:200]!r}")
        return text[found.end() :]
