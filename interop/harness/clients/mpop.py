"""mpop: delivers into a Maildir, pipelining when the server announces it."""

from pathlib import Path

from ..peers import require
from ..processes import run
from .endpoint import COMMON, INSIDE_TLS, Channel, Endpoint, Login, LoginKind, Way, ways

NAME = "mpop"

WAYS = ways(*COMMON)

MECHANISMS = WAYS + ways(
    LoginKind.LOGIN, LoginKind.CRAM_MD5, LoginKind.SCRAM_SHA_1, LoginKind.SCRAM_SHA_256, LoginKind.OAUTHBEARER,
    LoginKind.XOAUTH2,
) + ways(LoginKind.EXTERNAL, channels=INSIDE_TLS)

REMEMBERS = ORDERED = True

#: Every third message of the corpus; `retrieving.py` brings it all.
STEP = 3


def retrieve(
    server: Endpoint, channel: Channel, login: Login, count: int, directory: Path, keep: bool = True
) -> list[bytes]:
    """All messages, in the order of the scan listing; with `keep=False` they are deleted too."""
    return poll(server, Way(LoginKind.USER, channel), login, directory, keep)


def poll(server: Endpoint, way: Way, login: Login, directory: Path, keep: bool = True) -> list[bytes]:
    """What was not there at the last poll with this directory, in the order of the scan listing."""
    require(NAME)
    channel = way.channel
    maildir = directory / "Maildir"
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True, exist_ok=True)
    for old in (maildir / "new").iterdir():
        old.unlink()
    # A line of its configuration is too short for a token.
    secret = directory / "secret"
    secret.touch(mode=0o600)
    secret.write_text(login.password)
    shown = f"passwordeval cat {secret}\n"
    if login.certificate:
        shown = f"tls_cert_file {login.certificate}\ntls_key_file {login.certificate}\n"
    configuration = directory / "mpoprc"
    configuration.touch(mode=0o600)
    configuration.write_text(
        "account default\n"
        f"host {server.host}\nport {server.port(channel)}\nuser {login.user}\n{shown}"
        f"auth {way.kind.mechanism.lower()}\ntimeout 60\nreceived_header off\nkeep {'on' if keep else 'off'}\n"
        f"uidls_file {directory}/uidls\ndelivery maildir {maildir}\n"
        f"tls {'off' if channel is Channel.PLAIN else 'on'}\n"
        f"tls_starttls {'on' if channel is Channel.STLS else 'off'}\n"
        f"tls_trust_file {server.authority}\n"
    )
    done = run(["mpop", "-C", configuration], patience=120)
    if done.returncode != 0:
        raise RuntimeError(f"mpop: {(done.stdout + done.stderr).decode(errors='replace').strip()}")
    paths = sorted((maildir / "new").iterdir(), key=_order)
    return [path.read_bytes() for path in paths]


def expected(stored: bytes) -> bytes:
    """What mpop makes of a stored message: a Maildir holds LF line ends (mpop(1))."""
    return stored.replace(b"\r\n", b"\n")


def _order(path: Path) -> int:
    # SECONDS.M…P…Q<count>.HOST: the count is the order of retrieval.
    return int(path.name.split(".")[1].rpartition("Q")[2])
