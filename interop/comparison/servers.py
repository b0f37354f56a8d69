"""The servers that are compared, each with the same mail and the same users."""

from pathlib import Path

from harness import dovecot, peers
from harness.clients.endpoint import Login
from harness.courier import Courier
from harness.dovecot import Dovecot
from harness.peers import Unavailable
from harness.program import Program

from .talk import MESSAGES, PASSWORD, SPACED_PASSWORD, SPACED_USER, USER

_SETTINGS = '[maildrop]\nlock_wait = "1s"\n\n[auth]\nrefusal_delay = "500ms"\nscram_iterations = 4096\n'
_SECRETS = {USER.decode(): PASSWORD.decode(), SPACED_USER.decode(): SPACED_PASSWORD.decode()}


def restante(directory: Path) -> Program:
    """The program, with the mail that all of them have."""
    program = Program(directory, _SETTINGS)
    for user, secret in _SECRETS.items():
        program.add_user(user, secret)
    for text in MESSAGES:
        program.deliver(USER.decode(), text)
    program.start()
    return program


def _maildir(directory: Path) -> None:
    for name in ("cur", "new", "tmp"):
        (directory / "Maildir" / name).mkdir(parents=True)
    for number, text in enumerate(MESSAGES):
        file = directory / f"Maildir/new/{1000000000 + number}.M{number}P1.host"
        file.write_bytes(text.replace(b"\r\n", b"\n"))


def _dovecot(directory: Path, certificate: Path, key: Path) -> tuple[str, int, Dovecot]:
    _maildir(directory)
    users = {user: dovecot.local(secret) for user, secret in _SECRETS.items()}
    server = Dovecot(directory, certificate, key, users)
    return f"Dovecot {peers.version('dovecot-pop3d')}", server.port, server


def _courier(directory: Path, certificate: Path, key: Path) -> tuple[str, int, Courier]:
    _maildir(directory)
    server = Courier(directory, certificate, key, [Login(*pair) for pair in _SECRETS.items()])
    return f"Courier {peers.version('courier-pop')}", server.port, server


def all_of_them(directory: Path) -> list[tuple[str, int, object]]:
    """Name, port, and what has `stop`; without those that this machine cannot run."""
    program = restante(directory)
    servers = [("Restante", program.pop3_port, program)]
    for start in (_dovecot, _courier):
        try:
            place = directory / start.__name__.strip("_")
            servers.append(start(place, directory / "certificate.pem", directory / "key.pem"))
        except Unavailable as reason:
            print(f"SKIPPED {start.__name__.strip('_')}: {reason}")
    return servers
