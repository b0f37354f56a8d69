"""Deletions: what a client deleted is gone after QUIT, and only then; the rest keeps its unique-ids."""

import poplib
import time

from harness import corpus, delivery
from harness.clients import curl, fetchmail, mpop, poplib_client
from harness.clients.endpoint import Channel, Login
from harness.paths import scratch
from harness.program import Program
from harness.report import Report

#: As many messages as each of these maildrops begins with.
_COUNT = 30


def all_checks(report: Report, program: Program) -> None:
    """Each with a maildrop of its own."""
    checks = {
        "mpop, keep off": lambda: _drained(program, "drainmpop", mpop),
        "fetchmail, nokeep": lambda: _drained(program, "drainfetchmail", fetchmail),
        "poplib, every other one, QUIT": lambda: _every_other(program),
        "curl, DELE": lambda: _by_curl(program),
        "RSET": lambda: _reset(program),
        "a lost connection deletes nothing": lambda: _lost_connection(program),
        "a second session gets [IN-USE]": lambda: _in_use(program),
        "a delivery during a session shows in the next": lambda: _snapshot(program),
        "unique-ids are never used again": lambda: _never_again(program),
        "restart: the same messages and unique-ids": lambda: _restart(program),
    }
    for name, body in checks.items():
        report.check(name, body)


def _filled(program: Program, user: str) -> tuple[Login, dict[str, bytes]]:
    """A new maildrop and what it holds: unique-id → text."""
    login = program.add_user(user)
    with delivery.lmtp(program.lmtp_port) as client:
        for message in corpus.small()[:_COUNT]:
            client.deliver("alice@example.org", [user], message.text)
    content = _content(program, login)
    if len(content) != _COUNT:
        raise AssertionError(f"{len(content)} messages of {_COUNT}")
    return login, content


def _content(program: Program, login: Login) -> dict[str, bytes]:
    client = poplib_client.session(program.endpoint, Channel.PLAIN, login)
    ids = poplib_client.unique_ids(client)
    content = {name: poplib_client.text(client, number) for number, name in enumerate(ids, 1)}
    client.quit()
    return content


def _same(wanted: dict[str, bytes], got: dict[str, bytes]) -> None:
    if list(wanted) != list(got):
        raise AssertionError(f"unique-ids: wanted {list(wanted)}, got {list(got)}")
    if wanted != got:
        raise AssertionError("a text has changed")


def _drained(program: Program, user: str, client) -> str:
    login, content = _filled(program, user)
    texts = client.retrieve(program.endpoint, Channel.STLS, login, _COUNT, scratch("client"), keep=False)
    if texts != [client.expected(text) for text in content.values()]:
        raise AssertionError("the texts differ")
    _same({}, _content(program, login))
    return f"{len(texts)} retrieved and deleted"


def _every_other(program: Program) -> None:
    login, content = _filled(program, "everyother")
    client = poplib_client.session(program.endpoint, Channel.TLS, login)
    for number in range(1, _COUNT + 1, 2):
        client.dele(number)
    client.quit()
    _same(dict(list(content.items())[1::2]), _content(program, login))


def _by_curl(program: Program) -> None:
    login, content = _filled(program, "bycurl")
    curl.command(program.endpoint, Channel.TLS, login, "/3", "DELE", multi=False)
    kept = list(content.items())
    del kept[2]
    _same(dict(kept), _content(program, login))


def _reset(program: Program) -> None:
    login, content = _filled(program, "reset")
    client = poplib_client.session(program.endpoint, Channel.PLAIN, login)
    for number in range(1, _COUNT + 1):
        client.dele(number)
    client.rset()
    client.quit()
    _same(content, _content(program, login))


def _lost_connection(program: Program) -> None:
    login, content = _filled(program, "lost")
    client = poplib_client.session(program.endpoint, Channel.TLS, login)
    for number in range(1, _COUNT + 1):
        client.dele(number)
    client.close()
    _same(content, _content(program, login))


def _in_use(program: Program) -> str:
    login, _ = _filled(program, "busy")
    first = poplib_client.session(program.endpoint, Channel.PLAIN, login)
    began = time.monotonic()
    try:
        poplib_client.session(program.endpoint, Channel.TLS, login)
    except poplib.error_proto as refusal:
        if b"[IN-USE]" not in refusal.args[0]:
            raise
    else:
        raise AssertionError("two sessions hold one maildrop")
    waited = time.monotonic() - began
    first.quit()
    poplib_client.session(program.endpoint, Channel.TLS, login).quit()
    return f"refused after {waited:.1f} s"


def _snapshot(program: Program) -> None:
    login, content = _filled(program, "snapshot")
    client = poplib_client.session(program.endpoint, Channel.PLAIN, login)
    program.deliver("snapshot", b"Subject: new\n\nThis came later.\n")
    if client.stat()[0] != _COUNT:
        raise AssertionError("the listing moved under the session")
    client.dele(1)
    client.quit()
    after = list(_content(program, login).items())
    _same(dict(list(content.items())[1:]), dict(after[:-1]))
    if after[-1][1] != b"Subject: new\r\n\r\nThis came later.\r\n":
        raise AssertionError("the new message is not the last one")


def _never_again(program: Program) -> str:
    """A maildrop that is emptied again and again gives each message a new unique-id."""
    login = program.add_user("again")
    seen: set[str] = set()
    rounds = 20
    for number in range(rounds):
        for _ in range(3):
            program.deliver("again", b"Subject: %d\n\n" % number)
        client = poplib_client.session(program.endpoint, Channel.PLAIN, login)
        ids = poplib_client.unique_ids(client)
        if len(ids) != 3 or seen & set(ids):
            raise AssertionError(f"round {number}: {ids}, used before: {seen & set(ids)}")
        seen.update(ids)
        for message in range(1, 4):
            client.dele(message)
        client.quit()
    return f"{len(seen)} unique-ids"


def _restart(program: Program) -> None:
    login, content = _filled(program, "restart")
    program.stop()
    program.start()
    _same(content, _content(program, login))
