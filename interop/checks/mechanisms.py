"""Every client, by every mechanism and channel that it can: the right secret brings the mail, octet for octet, and a
wrong one nothing. `docs/clients.md` has the table, and is held to what is checked here.
"""

import concurrent.futures
import dataclasses
import re
from pathlib import Path

from harness import corpus, delivery
from harness.authority import Authority
from harness.clients import curl, fetchmail, getmail, gnusasl, mpop, mutt, openssl, poplib_client
from harness.clients.endpoint import Channel, Endpoint, Login, LoginKind, Way
from harness.clients.library import LIBRARIES
from harness.issuer import Issuer
from harness.paths import REPOSITORY, scratch
from harness.processes import free_port, wait_for
from harness.program import Program
from harness.relay import Relay
from harness.report import Report

from .drop import equal
from .polling import last_channel

CLIENTS = (curl, mpop, fetchmail, getmail, mutt, poplib_client, *LIBRARIES, openssl, gnusasl)

TABLE = REPOSITORY / "docs/clients.md"

_PASSWORD, _APOP_SECRET = "redqueen", "tanstaaf"
#: Messages that every client can keep whole, small and not plain.
_MESSAGES = ("dots", "8-bit", "From lines")
#: Whose secret is the one of APOP, which is kept so that it can be read back.
_APOP = (LoginKind.APOP, LoginKind.CRAM_MD5)
_TOKENS = (LoginKind.OAUTHBEARER, LoginKind.XOAUTH2)
#: Clients mostly wait: for a refusal, or for themselves.
_THREADS = 6

_SETTINGS = """
[[listener]]
protocol = "pop3"
address = "127.0.0.1:{clear}"
plaintext_login = "always"
proxy_protocol = ["127.0.0.1/32"]
{authority}
[[listener]]
protocol = "pop3s"
address = "127.0.0.1:{tls}"
proxy_protocol = ["127.0.0.1/32"]
{authority}
[auth]
refusal_delay = "500ms"
scram_iterations = 4096
scram_sha1 = true
login = true
cram_md5 = true

"""


def all_checks(report: Report) -> None:
    """A program of its own, so that refused logins do not make those of others wait."""
    directory = scratch("mechanisms")
    issuer, authority = Issuer(directory), Authority(directory)
    clear, tls = free_port(), free_port()
    listeners = _SETTINGS.format(clear=clear, tls=tls, authority=authority.settings("common_name"))
    program = Program(directory, listeners + issuer.settings())
    _accounts(program)
    certificates = _certificates(authority)
    program.start()
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        rigs = {client: _Rig(program, (clear, tls), issuer, certificates, client) for client in CLIENTS}
        # The slow ones are the last of the list: begun first, they end with the others.
        slow_first = list(rigs.items())[::-1]
        right = {client: pool.submit(rig.all_right) for client, rig in slow_first}
        wrong = {
            (client, way): pool.submit(rig.wrong, way) for client, rig in slow_first for way in _one_of_each(client)
        }
        for client in CLIENTS:
            for way, outcome in right[client].result().items():
                report.check(f"{client.NAME}, {way}, octet for octet", outcome)
            for way in _one_of_each(client):
                report.check(f"{client.NAME}, {way}, a wrong secret", wrong[client, way].result)
    report.check("docs/clients.md is what was checked", _table_is_true)
    program.stop()
    report.check("no secret in the log, whatever the mechanism", lambda: _log_is_clean(program))


def _one_of_each(client) -> list[Way]:
    """Each mechanism over one channel."""
    return list({way.kind: way for way in client.MECHANISMS}.values())


def _name(client) -> str:
    return f"way{''.join(filter(str.isalnum, client.NAME)).lower()}"


def _accounts(program: Program) -> None:
    """For each client one whose mail it gets, and one for each mechanism whose secret it gets wrong."""
    names = [_name(client) for client in CLIENTS]
    names += [_stranger(client, way) for client in CLIENTS for way in _one_of_each(client)]
    lines = "".join(f"{name}:{{PLAIN}}{_PASSWORD}\n" for name in names)
    done = program.command("user", "import", "--apop", "-", input=lines.encode())
    if done.returncode != 0:
        raise RuntimeError(f"user import: {done.stderr.decode(errors='replace')}")


def _stranger(client, way: Way) -> str:
    return f"{_name(client)}-{way.kind.name.lower()}"


def _certificates(authority: Authority) -> dict[str, Path]:
    """Account → its certificate; those of whom shall not get in are taken back."""
    clients = [client for client in CLIENTS if any(way.kind is LoginKind.EXTERNAL for way in client.MECHANISMS)]
    right = [_name(client) for client in clients]
    wrong = [f"{name}-external" for name in right]
    certificates = {name: authority.sign(name) for name in right + wrong}
    authority.revoke(*(certificates[name] for name in wrong))
    return certificates


class _Rig:
    """A client, an account and what its maildrop holds."""

    def __init__(
        self, program: Program, ports: tuple[int, int], issuer: Issuer, certificates: dict[str, Path], client
    ):
        self._program, self._issuer, self._certificates, self._client = program, issuer, certificates, client
        self._user = _name(client)
        self._directory = program.directory / self._user
        self._stored: list[bytes] = []
        # What is said in clear is looked at, so those who are wrong say it elsewhere.
        (self._right, self._clear), (self._wrong, _) = (_endpoint(program, ports) for _ in range(2))

    def all_right(self) -> dict:
        """Way → a function that returns, or raises what its check raised. One session after the other: they lock."""
        try:
            self._fill()
        except Exception as error:  # noqa: BLE001 — each of its checks has failed
            return {way: _raising(error) for way in self._client.MECHANISMS}
        return {way: self._outcome(way) for way in self._client.MECHANISMS}

    def wrong(self, way: Way) -> None:
        """A wrong secret brings no mail, and the server has noticed."""
        user = _stranger(self._client, way)
        if way.kind in _TOKENS:
            login, noticed = Login(user, self._issuer.token(user, seconds=-3600)), 'why="the token has expired"'
        elif way.kind is LoginKind.EXTERNAL:
            login, noticed = self._login(way.kind, user), f'client certificate refused certificate="CN={user} '
        else:
            # The secret of the other kind of login.
            login, noticed = Login(user, _APOP_SECRET), f'login refused account="{user}"'
        before = self._program.log().count(noticed)
        try:
            texts = self._poll(self._wrong, way, login, "wrong")
        except RuntimeError:
            pass
        except Exception as error:  # noqa: BLE001 — poplib's own
            if "ERR" not in str(error):
                raise
        else:
            if texts or getattr(self._client, "COMPLAINS", True):
                raise AssertionError(f"a wrong secret brought {len(texts)} messages and no complaint")
        wait_for("the refusal in the log", lambda: self._program.log().count(noticed) > before, 5)

    def _outcome(self, way: Way):
        try:
            self._get(way)
        except Exception as error:  # noqa: BLE001 — the report says which check it was
            return _raising(error)
        return lambda: None

    def _fill(self) -> None:
        words = ("user", "passwd", self._user, "--apop", "--stdin")
        done = self._program.command(*words, input=_APOP_SECRET.encode() + b"\n")
        if done.returncode != 0:
            raise RuntimeError(f"user passwd --apop: {done.stderr.decode(errors='replace')}")
        texts = {message.name.removeprefix("generated/"): message.text for message in corpus.small()}
        with delivery.lmtp(self._program.lmtp_port) as session:
            for name in _MESSAGES:
                session.deliver("alice@example.org", [self._user], texts[name])
        login = Login(self._user, _PASSWORD)
        self._stored = poplib_client.retrieve(
            self._program.endpoint, Channel.PLAIN, login, len(_MESSAGES), self._directory
        )

    def _get(self, way: Way) -> None:
        self._clear.said.clear()
        texts = self._poll(self._right, way, self._login(way.kind, self._user), "right")
        wanted = [self._client.expected(text) for text in self._stored]
        if len(texts) != len(wanted):
            raise AssertionError(f"{len(texts)} messages of {len(wanted)}")
        if not getattr(self._client, "ORDERED", True):
            texts, wanted = sorted(texts), sorted(wanted)
        for name, want, text in zip(_MESSAGES, wanted, texts, strict=True):
            equal(name, want, text)
        wait_for(f"a session over {way.channel.value}", lambda: last_channel(self._program, self._user) is way.channel, 5)
        # What it says inside TLS is not seen, but it is told to do the same there.
        begun = rf"(?im)^(AUTH )?{way.kind.mechanism}\b".encode()
        if way.channel is Channel.PLAIN and not re.search(begun, self._clear.said):
            raise AssertionError(f"it did not log in by {way.kind.value}: {bytes(self._clear.said[:300])}")

    def _poll(self, server: Endpoint, way: Way, login: Login, name: str) -> list[bytes]:
        directory = self._directory / f"{way.kind.name}-{way.channel.name}-{name}"
        directory.mkdir(parents=True)
        return self._client.poll(server, way, login, directory)

    def _login(self, kind: LoginKind, user: str) -> Login:
        if kind is LoginKind.EXTERNAL:
            # No secret, so the certificate is all that it can come in by.
            return Login(user, "", self._certificates[user])
        if kind in _TOKENS:
            return Login(user, self._issuer.token(user))
        return Login(user, _APOP_SECRET if kind in _APOP else _PASSWORD)


def _endpoint(program: Program, ports: tuple[int, int]) -> tuple[Endpoint, Relay]:
    clear, tls = map(Relay, ports)
    return dataclasses.replace(program.endpoint, pop3_port=clear.port, pop3s_port=tls.port), clear


def _raising(error: Exception):
    def body() -> None:
        raise error

    return body


def table() -> str:
    """Client by mechanism: over which channels. One line a client, as `docs/clients.md` has it."""
    kinds = [kind for kind in LoginKind if any(way.kind is kind for client in CLIENTS for way in client.MECHANISMS)]
    lines = ["| client | " + " | ".join(kind.mechanism for kind in kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
    for client in CLIENTS:
        cells = []
        for kind in kinds:
            channels = [way.channel for way in client.MECHANISMS if way.kind is kind]
            cells.append("".join(_LETTERS[channel] for channel in Channel if channel in channels) or "–")
        lines.append(f"| {client.NAME} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


_LETTERS = {Channel.PLAIN: "c", Channel.STLS: "s", Channel.TLS: "t"}


def _table_is_true() -> str:
    if table() not in TABLE.read_text():
        raise AssertionError(f"docs/clients.md should have this table:\n{table()}")
    return f"{sum(len(client.MECHANISMS) for client in CLIENTS)} ways"


def _log_is_clean(program: Program) -> None:
    for word in (_PASSWORD, _APOP_SECRET, "eyJ", "panicked"):
        if word in program.log():
            line = next(line for line in program.log().splitlines() if word in line)
            raise AssertionError(f"{word!r} in the log: {line[:300]}")
