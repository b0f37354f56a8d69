"""`openssl s_client`, as an administrator uses it: lines typed at it, here all at once.

It only carries the lines, so what it is good for is what needs no answer to what the server says.
"""

import base64
from pathlib import Path

from .. import wire
from ..peers import require
from ..processes import run
from .endpoint import INSIDE_TLS, Channel, Endpoint, Login, LoginKind, Way, ways

NAME = "openssl s_client"

MECHANISMS = ways(
    LoginKind.USER, LoginKind.PLAIN, LoginKind.LOGIN, LoginKind.EXTERNAL, LoginKind.OAUTHBEARER, LoginKind.XOAUTH2,
    channels=INSIDE_TLS,
)


def poll(server: Endpoint, way: Way, login: Login, directory: Path) -> list[bytes]:
    """All messages in the order of the scan listing, each in a session of its own."""
    require("openssl")
    status_lines = _session(server, way, login, b"STAT").splitlines()
    count = int(status_lines[-2].split()[1])
    texts = []
    for number in range(1, count + 1):
        output = _session(server, way, login, b"RETR %d" % number)
        _, _, text = output.partition(b" octets\r\n")
        # After the text come its last line and the reply to QUIT.
        texts.append(wire.unstuffed(text[: text.rindex(b".\r\n+OK ")]))
    return texts


def expected(stored: bytes) -> bytes:
    """Nothing is changed."""
    return stored


def arguments(server: Endpoint, channel: Channel, login: Login) -> list:
    """The command without what is asked of it; it verifies whom it talks to."""
    return [
        "openssl", "s_client", "-quiet", "-connect", f"{server.host}:{server.port(channel)}",
        "-CAfile", server.authority, "-verify_hostname", "localhost", "-verify_return_error",
        *(["-starttls", "pop3"] if channel is Channel.STLS else []),
        *(["-cert", login.certificate] if login.certificate else []),
    ]


def _session(server: Endpoint, way: Way, login: Login, command: bytes) -> bytes:
    lines = [*_login(way.kind, login), command, b"QUIT"]
    done = run(arguments(server, way.channel, login), input=b"".join(line + b"\r\n" for line in lines), patience=30)
    if b"-ERR" in done.stdout or b"+OK" not in done.stdout:
        raise RuntimeError(f"{NAME}: {(done.stdout + done.stderr).decode(errors='replace')[-600:]}")
    return done.stdout


def _login(kind: LoginKind, login: Login) -> list[bytes]:
    user, secret = login.user.encode(), login.password.encode()
    base64_of = base64.b64encode
    return {
        LoginKind.USER: lambda: [b"USER " + user, b"PASS " + secret],
        LoginKind.PLAIN: lambda: [b"AUTH PLAIN " + base64_of(b"\0" + user + b"\0" + secret)],
        LoginKind.LOGIN: lambda: [b"AUTH LOGIN", base64_of(user), base64_of(secret)],
        LoginKind.EXTERNAL: lambda: [b"AUTH EXTERNAL ="],
        LoginKind.OAUTHBEARER: lambda: [
            b"AUTH OAUTHBEARER " + base64_of(b"n,a=" + user + b",\1auth=Bearer " + secret + b"\1\1")
        ],
        LoginKind.XOAUTH2: lambda: [
            b"AUTH XOAUTH2 " + base64_of(b"user=" + user + b"\1auth=Bearer " + secret + b"\1\1")
        ],
    }[kind]()

