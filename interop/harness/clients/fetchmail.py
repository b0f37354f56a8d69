"""fetchmail: hands each message to a delivery agent, here one that writes a file.

The options change as little as fetchmail can: line ends and 8-bit text stay, no header is rewritten, no
Received is added. What it changes all the same is in `expected`.
"""

import re
from pathlib import Path

from ..peers import require
from ..processes import run
from .endpoint import Channel, Endpoint, Login, LoginKind, Way, ways

NAME = "fetchmail"

#: Told to log in by APOP it does not start TLS, and says nothing of it.
WAYS = ways(LoginKind.USER) + ways(LoginKind.APOP, channels=(Channel.PLAIN, Channel.TLS))

MECHANISMS = WAYS + ways(LoginKind.CRAM_MD5)

REMEMBERS = ORDERED = True

#: Every third message of the corpus: it starts some processes for each.
STEP = 3

_SECURITY = {
    Channel.PLAIN: "sslproto ''",
    Channel.STLS: "sslproto 'TLS1.2+'",
    Channel.TLS: "ssl",
}


def retrieve(
    server: Endpoint, channel: Channel, login: Login, count: int, directory: Path, keep: bool = True
) -> list[bytes]:
    """All messages in the order of the scan listing; with `keep=False` they are deleted too."""
    return _run(server, Way(LoginKind.USER, channel), login, directory, keep, "fetchall")


def poll(server: Endpoint, way: Way, login: Login, directory: Path, keep: bool = True) -> list[bytes]:
    """What was not there at the last poll with this directory, in the order of the scan listing."""
    return _run(server, way, login, directory, keep, "no fetchall")


def _run(server: Endpoint, way: Way, login: Login, directory: Path, keep: bool, which: str) -> list[bytes]:
    require(NAME)
    channel = way.channel
    inbox = directory / "inbox"
    inbox.mkdir(exist_ok=True)
    for old in inbox.iterdir():
        old.unlink()
    agent = directory / "agent"
    # A message after the other, so the clock puts them in order.
    agent.write_text(f"#!/bin/sh\nexec cat > {inbox}/$(date +%s%N)\n")
    agent.chmod(0o755)
    configuration = directory / "fetchmailrc"
    configuration.touch(mode=0o600)
    configuration.write_text(
        "set invisible\nset no bouncemail\nset no spambounce\n"
        f"poll {server.host} protocol {'apop' if way.kind is LoginKind.APOP else 'pop3'} port {server.port(channel)}"
        " uidl bad-header accept no dns timeout 60\n"
        f"  auth {'cram-md5' if way.kind is LoginKind.CRAM_MD5 else 'password'} user '{login.user}' password '{login.password}'\n"
        f"  {_SECURITY[channel]} sslcertck sslcertfile '{server.authority}'\n"
        f"  {which} {'keep' if keep else 'nokeep'} no rewrite no stripcr pass8bits\n"
        f"  mda '{agent}'\n"
    )
    environment = {"FETCHMAILHOME": str(directory), "HOME": str(directory), "PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    done = run(
        ["fetchmail", "-f", configuration, "--pidfile", directory / "pid", "-i", directory / "ids"],
        patience=120,
        env=environment,
    )
    if done.returncode not in (0, 1):  # 1: there was no mail
        raise RuntimeError(f"fetchmail: {(done.stdout + done.stderr).decode(errors='replace').strip()}")
    return [_HEADERLESS.sub(b"", path.read_bytes(), count=1) for path in sorted(inbox.iterdir())]


# What fetchmail writes over a message without header; it names this machine, so it is taken off again.
_HEADERLESS = re.compile(
    rb"\AFrom: FETCHMAIL-DAEMON\r\nTo: [^\r\n]+\r\nSubject: Headerless mail from [^\r\n]+\r\n"
)
# fetchmail reads lines into a buffer of this many octets, and puts stray octets where it tears longer ones.
LINE_OCTETS_MAX = 8191


def expected(stored: bytes) -> bytes | None:
    """What fetchmail makes of a stored message; None if it cannot keep it whole."""
    if any(len(line) > LINE_OCTETS_MAX for line in stored.split(b"\n")):
        return None
    # What is left of a message without header begins with its blank line (`_HEADERLESS` stood before it).
    header, rest = b"", stored
    while rest:
        line, end, rest = rest.partition(b"\n")
        if not line.strip(b"\r"):
            return header + b"\r\n" + rest
        # Separator lines of mbox are dropped, wherever they stand in the header.
        if line.startswith(b"From "):
            continue
        # A header line that begins with a dot keeps the dot that RETR doubled, but not the first line.
        header += (b"." if line.startswith(b".") and header else b"") + line + end
    # The blank line is there even if nothing follows the header.
    return header + b"\r\n"
