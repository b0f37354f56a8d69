"""`restante fetch`: keeps what it retrieves in a Maildir, and what it has seen in a ledger."""

import json
from pathlib import Path

from .. import paths
from ..peers import Unavailable
from ..processes import run
from .endpoint import Channel, Endpoint, Login, LoginKind, Way, ways

NAME = "restante fetch"

#: Without TLS, which it must be told to do.
WAYS = ways(LoginKind.USER, channels=(Channel.PLAIN,))

REMEMBERS = True
#: A name is made of the unique-id, so that a message which comes again is found.
ORDERED = False

STEP = 1


def poll(server: Endpoint, way: Way, login: Login, directory: Path, keep: bool = True) -> list[bytes]:
    """What was not there at the last poll with this directory, in no order."""
    require()
    maildir = directory / "Maildir"
    for part in ("cur", "new", "tmp"):
        (maildir / part).mkdir(parents=True, exist_ok=True)
    # As whoever has read it does; what is gone would look like another Maildir.
    for old in (maildir / "new").iterdir():
        old.rename(maildir / "cur" / f"{old.name}:2,S")
    seen = {file.name for file in (maildir / "cur").iterdir()}
    done = run([paths.PROGRAM, "-c", configure(server.host, server.port(way.channel), login, directory, keep), "fetch", "a"], patience=120)
    if done.returncode != 0:
        raise RuntimeError(f"fetch: {done.returncode}: {(done.stdout + done.stderr).decode(errors='replace').strip()}")
    if touched := seen ^ {file.name for file in (maildir / "cur").iterdir()}:
        raise RuntimeError(f"fetch changed what was read: {sorted(touched)[:3]}")
    if left := list((maildir / "tmp").iterdir()):
        raise RuntimeError(f"fetch left {left[0].name} in tmp")
    return [file.read_bytes() for file in (maildir / "new").iterdir()]


def configure(host: str, port: int, login: Login, directory: Path, keep: bool) -> Path:
    """Writes its configuration for one account, `a`, with a Maildir and a ledger in the directory."""
    password = _secret(directory / "password", login.password + "\n")
    quoted = json.dumps
    return _secret(directory / "fetch.toml", (
        f"state = {quoted(str(directory / 'state'))}\n[account.a]\n"
        f'host = {quoted(host)}\nport = {port}\nuser = {quoted(login.user)}\ntls = "none"\ninsecure = true\n'
        f"keep = {'true' if keep else 'false'}\n"
        f"auth = {{ password_file = {quoted(str(password))} }}\n"
        f"deliver = {{ maildir = {quoted(str(directory / 'Maildir'))} }}\n"
    ))


def require() -> None:
    """Raises Unavailable unless the program can fetch."""
    if not paths.PROGRAM.exists() or run([paths.PROGRAM, "fetch", "--help"]).returncode != 0:
        raise Unavailable(f"{paths.PROGRAM} cannot fetch")


def expected(stored: bytes) -> bytes:
    """What it makes of a stored message: a Maildir holds LF line ends."""
    return stored.replace(b"\r\n", b"\n")


def _secret(file: Path, text: str) -> Path:
    file.touch(mode=0o600)
    file.write_text(text)
    return file
