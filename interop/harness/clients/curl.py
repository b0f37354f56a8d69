"""curl: one process fetches all messages over one connection.

It changes one thing: it takes the CRLF before the final dot as part of the text, and of a message of
0 octets it thus makes one line end.
"""

from pathlib import Path

from ..peers import require
from ..processes import run
from .endpoint import INSIDE_TLS, Channel, Endpoint, Login, LoginKind, Way, ways

NAME = "curl"

#: USER and PASS it takes only where there is no mechanism that it knows, and XOAUTH2 only without OAUTHBEARER.
MECHANISMS = ways(
    LoginKind.APOP, LoginKind.PLAIN, LoginKind.LOGIN, LoginKind.CRAM_MD5, LoginKind.OAUTHBEARER
) + ways(LoginKind.EXTERNAL, channels=INSIDE_TLS)


def retrieve(server: Endpoint, channel: Channel, login: Login, count: int, directory: Path) -> list[bytes]:
    """All messages in the order of the scan listing."""
    _run(server, channel, login, f"/[1-{count}]", "-o", directory / "#1")
    return [(directory / str(number)).read_bytes() for number in range(1, count + 1)]


def poll(server: Endpoint, way: Way, login: Login, directory: Path, keep: bool = True) -> list[bytes]:
    """All messages in the order of the scan listing, after a login of this kind."""
    options = ["--login-options", f"AUTH={'+' if way.kind is LoginKind.APOP else ''}{way.kind.mechanism}"]
    if way.kind is LoginKind.OAUTHBEARER:
        options += ["--oauth2-bearer", login.password]
    lines = _run(server, way.channel, login, "/", *options).splitlines()
    for number in range(1, len(lines) + 1):
        _run(server, way.channel, login, f"/{number}", *options, "-o", directory / str(number))
        if not keep:
            _run(server, way.channel, login, f"/{number}", *options, "-X", "DELE", "-I")
    return [(directory / str(number)).read_bytes() for number in range(1, len(lines) + 1)]


def expected(stored: bytes) -> bytes:
    """What curl makes of a stored message."""
    return stored or b"\r\n"


def listing(server: Endpoint, channel: Channel, login: Login) -> dict[int, int]:
    """The scan listing: number → octets."""
    lines = _run(server, channel, login, "/").decode("ascii").splitlines()
    return {int(number): int(octets) for number, octets in map(str.split, lines)}


def command(server: Endpoint, channel: Channel, login: Login, path: str, request: str, multi: bool) -> bytes:
    """Sends one command of its own (`-X`); `-I` says that no text follows."""
    return _run(server, channel, login, path, "-X", request, *([] if multi else ["-I"]))


def _run(server: Endpoint, channel: Channel, login: Login, path: str, *options) -> bytes:
    require(NAME)
    scheme = "pop3s" if channel is Channel.TLS else "pop3"
    url = f"{scheme}://{server.host}:{server.port(channel)}{path}"
    arguments = ["curl", "-q", "-sS", "-4", "--cacert", server.authority, "-u", f"{login.user}:{login.password}"]
    if channel is Channel.STLS:
        arguments.append("--ssl-reqd")
    if login.certificate:
        arguments += ["--cert", login.certificate]
    done = run([*arguments, *options, url], patience=120)
    if done.returncode != 0:
        raise RuntimeError(f"curl {url}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
