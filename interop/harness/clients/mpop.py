"""mpop: delivers into a Maildir, pipelining when the server announces it."""

from pathlib import Path

from ..peers import require
from ..processes import run
from .endpoint import Channel, Endpoint, Login

NAME = "mpop"


def retrieve(
    server: Endpoint, channel: Channel, login: Login, count: int, directory: Path, keep: bool = True
) -> list[bytes]:
    """All messages, in the order of the scan listing; with `keep=False` they are deleted too."""
    require(NAME)
    maildir = directory / "Maildir"
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True)
    configuration = directory / "mpoprc"
    configuration.touch(mode=0o600)
    configuration.write_text(
        "account default\n"
        f"host {server.host}\nport {server.port(channel)}\nuser {login.user}\npassword {login.password}\n"
        f"auth user\ntimeout 60\nreceived_header off\nkeep {'on' if keep else 'off'}\n"
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
