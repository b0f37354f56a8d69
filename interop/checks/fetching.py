"""Programs that fetch mail elsewhere hand it to `restante deliver`, and deliveries of both kinds come in at the same time.

Elsewhere is another account of ours. The configurations are those of the docs.
"""

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from harness import corpus, delivery, manual, paths, wire
from harness.clients import getmail, poplib_client
from harness.clients.endpoint import Channel, Login
from harness.peers import require
from harness.processes import run
from harness.program import Program
from harness.report import Report

from .drop import equal

_COUNT = 60
_PASSWORD = "tanstaafl"


def all_checks(report: Report) -> None:
    """fetchmail and getmail; LMTP and the command on one maildrop."""
    program = Program(paths.scratch("fetching"))
    # Programs are found and told as in the docs; which configuration counts is in the environment.
    program.environment["RESTANTE_CONFIG"] = str(program.configuration)
    program.start()
    texts = corpus.letters(_COUNT)
    for name, fetch in (("fetchmail", _fetchmail), ("getmail", _getmail)):
        report.check(f"{name} hands what it fetches to restante deliver", lambda: _fetched(program, name, fetch, texts))
    report.check("LMTP and restante deliver at the same time, into one maildrop", lambda: _at_once(program, texts))
    program.stop()


def _fetched(program: Program, name: str, fetch: Callable, texts: dict[str, bytes]) -> str:
    """What the account elsewhere held is in the other one, as the client makes it."""
    require(name)
    login, elsewhere = program.add_user(name), program.add_user(f"{name}-elsewhere", _PASSWORD)
    with delivery.lmtp(program.lmtp_socket) as client:
        for sender, text in texts.items():
            client.deliver(sender, [f"{elsewhere.user}@dobbs.org"], text)
    sources = poplib_client.retrieve(program.endpoint, Channel.PLAIN, elsewhere, _COUNT, None)
    fetch(program, name, elsewhere)
    copies = poplib_client.retrieve(program.endpoint, Channel.PLAIN, login, _COUNT, None)
    for source, copy in zip(sources, copies, strict=True):
        sender = _RETURN_PATH.match(source)[1].decode()
        head, expected = _CHANGES[name]
        found = head.match(copy)
        if found is None or found[1].decode() != sender:
            raise AssertionError(f"{name} of {sender}: {copy[:400]!r}")
        equal(sender, expected(source), copy[found.end() :])
    return f"{_COUNT} messages"


_RETURN_PATH = re.compile(rb"Return-Path: <([^>\r\n]*)>\r\n")
#: What stands before the message in the end, and what the client itself makes of it.
_CHANGES = {
    "fetchmail": (
        re.compile(
            _RETURN_PATH.pattern + rb"Delivered-To: fetchmail@dobbs\.org\r\n"
            # It puts its own Received behind these two.
            rb"Return-Path: [^\r\n]+\r\nDelivered-To: [^\r\n]+\r\n"
            rb"Received: from [^\r\n]+\r\n\tby [^\r\n]+ with POP3 \(fetchmail-[^\r\n]+\r\n\t[^\r\n]+\r\n"
        ),
        lambda source: source.split(b"\r\n", 2)[2],
    ),
    "getmail": (
        re.compile(_RETURN_PATH.pattern + rb"Received: from [^\r\n]+ by [^\r\n]+ with POP3-SSL\r\n  getmail6 [^\r\n]+\r\n"),
        lambda source: wire.stored(getmail.expected(source)),
    ),
}


def _configured(program: Program, title: str, name: str, changes: dict[str, str]) -> str:
    text = manual.block(title, program)
    for usual, here in {"pop.example.net": program.endpoint.host, "mrose@dobbs.org": f"{name}@dobbs.org", **changes}.items():
        if usual not in text:
            raise AssertionError(f"{title} does not have {usual!r}")
        text = text.replace(usual, here)
    return text


def _fetchmail(program: Program, name: str, elsewhere: Login) -> None:
    directory = program.directory / name
    directory.mkdir()
    configuration = directory / "fetchmailrc"
    configuration.touch(mode=0o600)
    port = program.endpoint.pop3s_port
    configuration.write_text(_configured(program, "fetchmail: fetchmailrc", name, {
        "protocol pop3": f"protocol pop3 port {port}", '"mrose"': f'"{elsewhere.user}"',
        '"redqueen"': f'"{elsewhere.password}"', " ssl ": f" ssl sslcertck sslcertfile '{program.endpoint.authority}' ",
    }))
    environment = {"FETCHMAILHOME": str(directory), "HOME": str(directory), "PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    done = run(["fetchmail", "-f", configuration, "--nosyslog"], patience=120, env=environment)
    if done.returncode != 0:
        raise RuntimeError(f"fetchmail: {(done.stdout + done.stderr).decode(errors='replace').strip()}")


def _getmail(program: Program, name: str, elsewhere: Login) -> None:
    directory = program.directory / name
    directory.mkdir()
    configuration = directory / "getmailrc"
    configuration.touch(mode=0o600)
    configuration.write_text(_configured(program, "getmail: getmailrc", name, {
        "username = mrose": f"username = {elsewhere.user}\nport = {program.endpoint.pop3s_port}\nca_certs = {program.endpoint.authority}",
        "password = redqueen": f"password = {elsewhere.password}", "path = /usr/local/bin/restante": f"path = {paths.PROGRAM}",
        # As root it gives mail to nobody else unless it is told so.
        "unixfrom = false": "unixfrom = false\nallow_root_commands = true",
    }))
    os.environ["RESTANTE_CONFIG"] = str(program.configuration)
    try:
        code, said = getmail.run(["--getmaildir", directory, "--rcfile", configuration], directory)
    finally:
        del os.environ["RESTANTE_CONFIG"]
    if code != 0 or "rror" in said:
        raise RuntimeError(f"getmail: {said[-800:]}")


def _at_once(program: Program, texts: dict[str, bytes]) -> str:
    login = program.add_user("both")

    def by_lmtp() -> None:
        with delivery.lmtp(program.lmtp_socket) as client:
            for sender, text in texts.items():
                if client.deliver(sender, ["both@dobbs.org"], text)[0][0] != 250:
                    raise AssertionError(f"LMTP refused {sender}")

    def by_command() -> None:
        for sender, text in texts.items():
            program.deliver("both@dobbs.org", text, sender)

    with ThreadPoolExecutor() as beside:
        for end in [beside.submit(way) for way in (by_lmtp, by_command, by_command)]:
            end.result()
    counted: dict[tuple[str, str], int] = {}
    for copy in poplib_client.retrieve(program.endpoint, Channel.PLAIN, login, 3 * len(texts), None):
        way = "lmtp" if b"\r\nReceived: from client.dobbs.org" in copy[:300] else "pipe-sender"
        text, trace = wire.without_trace(copy, way)
        sender = trace[0].decode()
        equal(sender, texts[sender], text)
        counted[way, sender] = counted.get((way, sender), 0) + 1
    if counted != {(way, sender): times for way, times in (("lmtp", 1), ("pipe-sender", 2)) for sender in texts}:
        raise AssertionError(f"{len(counted)} of {2 * len(texts)} are there as often as they were delivered")
    return f"{3 * len(texts)} messages"
