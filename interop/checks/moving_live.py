"""Moving in with clients that remember: they find nothing new, whether the old server is asked or its files are read.

mpop, fetchmail and getmail poll the old server and leave their mail there. It is imported, and
`--verify` must agree; then the program takes the old server's place, and the same clients poll it with what they remember.
Nothing may be new, and a message that comes afterwards must be. A difference that is planted must be found.
"""

import os
from collections.abc import Callable
from pathlib import Path

from harness import dovecot, overlay, paths
from harness.clients import fetchmail, getmail, mpop
from harness.clients.endpoint import Channel, Endpoint, Login, LoginKind, Way
from harness.courier import Courier
from harness.cyrus import Cyrus
from harness.dovecot import Dovecot
from harness.popa3d import Popa3d
from harness.processes import listens, wait_for
from harness.program import Program
from harness.report import Report

from .moving import answers

_LOGIN = Login("mrose", "redqueen")
_CLIENTS = (mpop, fetchmail, getmail)
_WAY = Way(LoginKind.USER, Channel.PLAIN)

#: As many messages as each maildrop has; `RESTANTE_MOVING=1000` makes it the number that the documents speak of.
_COUNT = int(os.environ.get("RESTANTE_MOVING", "200"))


_Old = Dovecot | Courier | Cyrus | Popa3d


def all_checks(report: Report) -> None:
    """A check for each server, and for each way to have its mail."""
    for name, start, source in (
        ("live from Dovecot (sdbox)", _sdbox, _over_tls),
        ("live from Courier", _courier, _in_clear),
        ("live from Cyrus", _cyrus, _over_tls),
        ("live from popa3d", _popa3d, _in_clear),
        ("live from Dovecot, by its files", _maildir, _files),
        ("live from Courier, by its files", _courier, _files),
    ):
        report.check(f"mail moves in {name}", lambda start=start, source=source: _moved(start, source))


def _moved(start: Callable[[Path, Program], _Old], source_of: Callable[[Program, _Old], list]) -> str:
    program = Program(paths.scratch(f"live{start.__name__}{source_of.__name__}"))
    program.add_user(_LOGIN.user, _LOGIN.password)
    program.add_user("planted", _LOGIN.password)
    old: _Old = start(_fresh(program.directory / "old"), program)
    places = {client: _fresh(program.directory / client.NAME) for client in _CLIENTS}
    try:
        _poll(program, old.port, places, "at the old server", _COUNT)
        source = source_of(program, old)
        _import(program, _LOGIN.user, source, 0)
        # What is there already does not come again.
        again = _import(program, _LOGIN.user, source, 0)
        if f"0 messages imported into the maildrop of mrose, {_COUNT} there already." not in again:
            raise AssertionError(f"imported again: {again}")
        alike = _import(program, _LOGIN.user, [*source, "--verify"], 0)
        _import(program, "planted", source, 0)
        program.deliver("planted", b"Subject: planted\n\nThe old server has no such message.\n")
        found = _import(program, "planted", [*source, "--verify"], 65)
        if f"{_COUNT} messages there, {_COUNT + 1} here" not in found:
            raise AssertionError(f"the planted message was not found: {found}")
        expected = answers(old.port)
    finally:
        old.stop()
    _take_place(program, old.port)
    try:
        for number, (one, other) in enumerate(zip(answers(old.port), expected, strict=True), 1):
            if one != other:
                raise AssertionError(f"message {number} was {other}, is {one}")
        _poll(program, old.port, places, "after the import", 0)
        program.deliver(_LOGIN.user, b"Subject: later\n\nThis came after the import.\n")
        _poll(program, old.port, places, "that came later", 1)
    finally:
        program.stop()
    return alike.strip()


def _poll(program: Program, port: int, places: dict, what: str, count: int) -> None:
    """Each client polls with what it remembers, and finds so many messages."""
    server = Endpoint(port, program.pop3s_port, program.directory / "authority.pem")
    for client, place in places.items():
        found = len(client.poll(server, _WAY, _LOGIN, place))
        if found != count:
            raise AssertionError(f"{client.NAME} found {found} messages {what}, not {count}")


def _import(program: Program, account: str, words: list, code: int) -> str:
    done = program.command("maildrop", "import", account, *words, "--stdin", input=b"redqueen\n", patience=600)
    said = (done.stdout + done.stderr).decode(errors="replace")
    if done.returncode != code:
        raise AssertionError(f"import ended with {done.returncode}: {said}")
    return said


def _over_tls(program: Program, old: Dovecot | Cyrus) -> list:
    # The authority of the program has signed what the old server shows.
    return [f"pop3s://{_LOGIN.user}@localhost:{old.tls_port}", "--trust", program.directory / "authority.pem"]


def _in_clear(_program: Program, old: _Old) -> list:
    return [f"pop3://{_LOGIN.user}@127.0.0.1:{old.port}", "--insecure"]


def _files(_program: Program, old: Dovecot | Courier) -> list:
    return [old.maildir]


def _take_place(program: Program, port: int) -> None:
    """Starts the program where the old server was: getmail remembers by the port, too."""
    text = program.configuration.read_text()
    program.configuration.write_text(text.replace(f"127.0.0.1:{program.pop3_port}\"", f"127.0.0.1:{port}\""))
    program.pop3_port = port
    wait_for("the old server to be gone", lambda: not listens(port))
    program.start()


def _sdbox(directory: Path, program: Program) -> Dovecot:
    place, source = directory / "sdbox", directory / "Maildir"
    _bring(source)
    place.mkdir()
    os.chown(place, overlay.USERS["vmail"], overlay.USERS["vmail"])
    return _dovecot(
        directory, program, f"mail_location = sdbox:{place}\n", fill=["import", f"maildir:{source}", "", "ALL"],
    )


def _maildir(directory: Path, program: Program) -> Dovecot:
    _bring(directory / "Maildir")
    return _dovecot(directory, program)


def _dovecot(directory: Path, program: Program, settings: str = "", **options) -> Dovecot:
    certificate, key = program.directory / "certificate.pem", program.directory / "key.pem"
    return Dovecot(directory, certificate, key, {_LOGIN.user: dovecot.local(_LOGIN.password)}, settings, **options)


def _cyrus(directory: Path, program: Program) -> Cyrus:
    old = Cyrus(directory, program.directory / "certificate.pem", program.directory / "key.pem", [_LOGIN])
    old.deliver(_LOGIN.user, _texts())
    return old


def _courier(directory: Path, program: Program) -> Courier:
    _bring(directory / "Maildir")
    return Courier(directory, program.directory / "certificate.pem", program.directory / "key.pem", [_LOGIN])


def _popa3d(directory: Path, _program: Program) -> Popa3d:
    spool = directory / "spool"
    spool.mkdir()
    mbox = "".join(f"From eve@dobbs.org Mon Nov 23 08:24:39 2026\n{text}\n" for text in _texts())
    (spool / _LOGIN.user).write_text(mbox)
    (spool / _LOGIN.user).chmod(0o600)
    return Popa3d(directory, [_LOGIN])


def _bring(maildir: Path) -> None:
    for part in ("cur", "new", "tmp"):
        (maildir / part).mkdir(parents=True)
    for number, text in enumerate(_texts()):
        (maildir / f"new/{1700000000 + number}.M{number}P1.host").write_text(text)


def _texts() -> list[str]:
    """Texts of many sizes, with lines that begin with dots, and letters that are not ASCII."""
    # popa3d makes unique-ids of what the header says of the way that a message has come.
    header = "Received: by old id {0}; Mon, 23 Nov 2026 08:24:39 +0000\nFrom: eve@dobbs.org\nSubject: {0}\nMessage-ID: <{0}@dobbs.org>\n\n"
    return [header.format(number) + f".{number}\n..\n.\n" + "Grüße\n" * (number * 7 % 500) for number in range(_COUNT)]


def _fresh(directory: Path) -> Path:
    directory.mkdir()
    return directory
