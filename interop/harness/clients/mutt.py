"""mutt: `fetch-mail` into a Maildir, on a terminal of its own, with the keys pushed by its configuration.

It fetches all that is there each time: what would tell it what is new is LAST, which RFC 1939 no longer has. It ends
lines with LF, and of a line it keeps what stands before the first NUL, so messages with NUL are not compared.
"""

import os
import pty
import threading
from pathlib import Path

from ..peers import require
from ..processes import run
from .endpoint import COMMON, INSIDE_TLS, Channel, Endpoint, Login, LoginKind, Way, ways

NAME = "mutt"

WAYS = ways(*COMMON)

MECHANISMS = WAYS + ways(
    LoginKind.LOGIN, LoginKind.CRAM_MD5, LoginKind.SCRAM_SHA_1, LoginKind.SCRAM_SHA_256, LoginKind.OAUTHBEARER,
    LoginKind.XOAUTH2,
) + ways(LoginKind.EXTERNAL, channels=INSIDE_TLS)

REMEMBERS = False

#: What it thinks of a login it says on the screen only.
COMPLAINS = False

#: The names of the files say nothing of it.
ORDERED = False

STEP = 1


def poll(server: Endpoint, way: Way, login: Login, directory: Path, keep: bool = True) -> list[bytes]:
    """All messages, in no order; with `keep=False` they are deleted too."""
    require(NAME)
    maildir = directory / "Maildir"
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True, exist_ok=True)
    scheme = "pops" if way.channel is Channel.TLS else "pop"
    starttls = "yes" if way.channel is Channel.STLS else "no"
    if way.kind in (LoginKind.OAUTHBEARER, LoginKind.XOAUTH2):
        (directory / "token").write_text(login.password)
    configuration = directory / "muttrc"
    configuration.touch(mode=0o600)
    configuration.write_text(
        f'set folder="{directory}" spoolfile="{maildir}" mbox_type=Maildir tmpdir="{directory}"\n'
        f'set pop_host="{scheme}://{login.user}@{server.host}:{server.port(way.channel)}"\n'
        f'set pop_pass="{login.password}" pop_authenticators="{way.kind.mechanism.lower()}"\n'
        f'set pop_oauth_refresh_command="cat {directory}/token"\n'
        f"set pop_delete={'no' if keep else 'yes'} pop_last=no\n"
        f"set ssl_starttls={starttls} ssl_force_tls={starttls}\n"
        f'set ssl_ca_certificates_file="{server.authority}" certificate_file="{directory}/certificates"\n'
        f'set ssl_client_cert="{login.certificate or ""}"\n'
        "set quit=yes move=no mail_check=0 sleep_time=0 wait_key=no beep=no\n"
        'set header_cache="" message_cachedir="" charset=us-ascii\n'
        'push "<fetch-mail><quit>"\n'
    )
    environment = {"HOME": str(directory), "TERM": "xterm", "PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    status, screen = _on_terminal(["mutt", "-n", "-F", configuration], environment)
    (directory / "screen").write_bytes(screen)
    if status != 0:
        raise RuntimeError(f"mutt: status {status}, screen: {screen[-600:]!r}")
    # A message stays in new/ unless it was looked at.
    return [path.read_bytes() for name in ("new", "cur") for path in (maildir / name).iterdir()]


def expected(stored: bytes) -> bytes | None:
    """What mutt makes of a stored message; None if it cannot keep it whole."""
    return None if b"\0" in stored else stored.replace(b"\r\n", b"\n")


def _on_terminal(words: list, environment: dict[str, str]) -> tuple[int, bytes]:
    """Runs a program on a terminal; its exit status, and what it drew."""
    ours, its = pty.openpty()
    screen = bytearray()

    def watch() -> None:
        try:
            while octets := os.read(ours, 65536):
                screen.extend(octets)
        except OSError:
            pass  # EIO: nobody has the other end any more.

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        done = run(words, patience=60, stdin=its, stdout=its, stderr=its, env=environment)
    finally:
        os.close(its)
        watcher.join(5)
        os.close(ours)
    return done.returncode, bytes(screen)
