"""Programs that poll, by every login and channel that they can.

Each gets the texts octet for octet; what it left on the server it does not get again; what it deletes is gone.
The log says over which channel it came, and an APOP secret that is no password tells APOP from the others.
"""

import re

from harness import corpus, delivery, wire
from harness.clients import fetchmail, getmail, mpop, mutt, poplib_client
from harness.clients.endpoint import Channel, Login, LoginKind, Way
from harness.clients.library import LIBRARIES
from harness.corpus import Message
from harness.paths import scratch
from harness.processes import wait_for
from harness.program import Program
from harness.report import Report

from .drop import equal

_CLIENTS = (*LIBRARIES, getmail, mutt, mpop, fetchmail)
#: As many messages as each maildrop has that is not the whole corpus.
_COUNT = 30
#: What APOP goes by; the password is another.
_APOP_SECRET = "tanstaaf"

#: The listener, and the version of TLS if it was used, of a session that opened a maildrop.
_SESSION = re.compile(
    r'listener="(pop3s?) [^"]*".* session ended user="{}"(?: mechanism="\w+" certificate="[^"]*")?(?: tls="(\w+)")?'
)


def all_checks(report: Report, program: Program) -> None:
    """The whole corpus (of some a part) by each client's first way, a few messages by the others, and deletion over TLS."""
    for client in _CLIENTS:
        messages = [message for message in corpus.small() if _can_take(client, message)]
        # Hard ones and real ones.
        few = messages[:: max(1, len(messages) // _COUNT)]
        large, small = _Shared(program, client, "all", messages[:: client.STEP]), _Shared(program, client, "few", few)
        for way in client.WAYS:
            drop = large if way == client.WAYS[0] else small
            report.check(f"{client.NAME}, {way}", lambda: _kept(program, client, way, drop))
        way = client.WAYS[-1]
        report.check(f"{client.NAME}, deletes, {way}", lambda: _deleted(program, client, way, few))


def _can_take(client, message: Message) -> bool:
    # LMTP puts trace headers before it, of less than so many octets.
    trace = b"Received: " + b"x" * 500 + b"\r\n"
    return client.expected(trace + wire.stored(message.text)) is not None


class _Shared:
    """A maildrop that is filled when the first check needs it."""

    def __init__(self, program: Program, client, name: str, messages: list[Message]):
        self._program, self._messages = program, messages
        self._user = f"{name}{''.join(filter(str.isalnum, client.NAME)).lower()}"
        self._filled: tuple[Login, list[bytes]] | None = None

    def filled(self) -> tuple[Login, list[bytes]]:
        """Who owns it, and what must come out of it."""
        if self._filled is None:
            self._filled = _fill(self._program, self._user, self._messages)
        return self._filled


def _fill(program: Program, user: str, messages: list[Message]) -> tuple[Login, list[bytes]]:
    login = program.add_user(user)
    secret = program.command("user", "passwd", user, "--apop", "--stdin", input=_APOP_SECRET.encode() + b"\n")
    if secret.returncode != 0:
        raise RuntimeError(f"user passwd --apop: {secret.stderr.decode(errors='replace')}")
    with delivery.lmtp(program.lmtp_port) as client:
        for message in messages:
            client.deliver("alice@example.org", [user], message.text)
    stored = poplib_client.retrieve(program.endpoint, Channel.PLAIN, login, len(messages), None)
    return login, stored


def _poll(program: Program, client, way: Way, login: Login, directory, keep: bool = True) -> list[bytes]:
    if way.kind is LoginKind.APOP:
        login = Login(login.user, _APOP_SECRET)
    texts = client.poll(program.endpoint, way, login, directory, keep)
    # The line is written when the connection has ended, which is after the client has.
    wait_for("the end of the session", lambda: last_channel(program, login.user) is way.channel, patience=5)
    return texts


def last_channel(program: Program, user: str) -> Channel | None:
    """Over which channel this user's last session came."""
    sessions = re.findall(_SESSION.pattern.format(re.escape(user)), program.log())
    return {
        ("pop3", False): Channel.PLAIN,
        ("pop3", True): Channel.STLS,
        ("pop3s", True): Channel.TLS,
    }[sessions[-1][0], bool(sessions[-1][1])] if sessions else None


def _kept(program: Program, client, way: Way, drop: _Shared) -> str:
    login, stored = drop.filled()
    directory = scratch("client")
    compared = _compare(client, stored, _poll(program, client, way, login, directory))
    # What a client remembers does not depend on how it has logged in.
    if client.REMEMBERS and way.kind is client.WAYS[0].kind:
        again = _poll(program, client, way, login, directory)
        if again:
            raise AssertionError(f"the second poll brought {len(again)} messages")
    if client.REMEMBERS and way == client.WAYS[0]:
        program.deliver(login.user, b"Subject: new\n\nThis came later.\n")
        new = b"Subject: new\r\n\r\nThis came later.\r\n"
        _compare(client, [new], _poll(program, client, way, login, directory))
    return f"{compared} messages compared"


def _deleted(program: Program, client, way: Way, messages: list[Message]) -> str:
    user = f"gone{''.join(filter(str.isalnum, client.NAME)).lower()}"
    login, stored = _fill(program, user, messages)
    compared = _compare(client, stored, _poll(program, client, way, login, scratch("client"), keep=False))
    left = poplib_client.session(program.endpoint, Channel.PLAIN, login)
    count, _ = left.stat()
    left.quit()
    if count:
        raise AssertionError(f"{count} messages are left")
    return f"{compared} retrieved and deleted"


def _compare(client, stored: list[bytes], got: list[bytes]) -> int:
    if len(got) != len(stored):
        raise AssertionError(f"{len(got)} messages of {len(stored)}")
    # What it cannot take was left out before; that nothing here is None is part of the check.
    wanted = [client.expected(text) for text in stored]
    if not client.ORDERED:
        wanted, got = sorted(wanted), sorted(got)
    for number, (text, mine) in enumerate(zip(wanted, got, strict=True), 1):
        equal(f"message {number}", text, mine)
    return len(got)
