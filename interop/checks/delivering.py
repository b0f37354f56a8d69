"""Every way in, each with the whole corpus where it can carry it."""

import tempfile
from pathlib import Path

from harness import corpus, delivery, postfix, wire
from harness.clients import poplib_client
from harness.clients.endpoint import Channel, Login
from harness.corpus import Message
from harness.program import Program
from harness.recorder import Recorder
from harness.report import Report

from .drop import Drop, equal


def all_ways(report: Report, program: Program) -> list[Drop]:
    """Delivers by every way; returns the maildrops that came of it."""
    messages = corpus.messages()
    drops = []

    def way(name: str, drop: Drop, body) -> None:
        def delivered_and_kept():
            body(drop)
            drop.learn(program.endpoint)
            return f"{len(drop.messages)} messages, {sum(map(len, drop.stored)) / 1e6:.1f} MB"

        if report.check(name, delivered_and_kept):
            drops.append(drop)

    way("restante deliver", Drop(program.add_user("pipe"), "pipe"), lambda drop: _pipe(program, drop, messages))
    way(
        "restante deliver -f SENDER",
        Drop(program.add_user("sender"), "pipe-sender"),
        lambda drop: _pipe(program, drop, corpus.small()[::5], "alice@example.org"),
    )
    way("LMTP over TCP", Drop(program.add_user("tcp"), "lmtp"), lambda drop: _lmtp(program.lmtp_port, drop, messages))
    way(
        "LMTP over a Unix socket",
        Drop(program.add_user("unix"), "lmtp"),
        lambda drop: _lmtp(program.lmtp_socket, drop, messages),
    )
    way("LMTP by swaks", Drop(program.add_user("swaks"), "lmtp"), lambda drop: _swaks(program, drop))
    way("Postfix", Drop(program.add_user("postfix"), "lmtp"), lambda drop: _postfix(program, drop, messages))
    report.check("LMTP, two recipients and a stranger", lambda: _recipients(program))
    report.check("deliver, unknown recipient", lambda: _unknown(program))
    return drops


def _pipe(program: Program, drop: Drop, messages, sender: str | None = None) -> None:
    for message in messages:
        program.deliver(f"{drop.login.user}@dobbs.org", message.text, sender)
        drop.messages.append(message)


def _lmtp(place: int | Path, drop: Drop, messages) -> None:
    with delivery.lmtp(place) as client:
        for message in messages:
            replies = client.deliver("alice@example.org", [f"{drop.login.user}@dobbs.org"], message.text)
            if [code for code, _ in replies] != [250]:
                raise AssertionError(f"{message.name}: {replies}")
            drop.messages.append(Message(message.name, wire.payload(message.text)))


def _swaks(program: Program, drop: Drop) -> None:
    with tempfile.TemporaryDirectory(dir=program.directory) as scratch:
        # A Perl start each, so only the hard ones that fit on its stack; every other over TCP.
        hard = [message for message in corpus.small() if message.name.startswith("generated/")][:40]
        for number, message in enumerate(hard):
            place = program.lmtp_socket if number % 2 else program.lmtp_port
            delivery.swaks(place, "alice@example.org", f"{drop.login.user}@dobbs.org", message.text, Path(scratch))
            drop.messages.append(Message(message.name, wire.payload(message.text)))


def _postfix(program: Program, drop: Drop, messages) -> None:
    """Postfix may hand messages over in any order; the sender's address tells which is which."""
    senders = {f"message-{number}@example.org": message for number, message in enumerate(messages)}
    recorder = Recorder(program.lmtp_port)
    try:
        directory = program.directory / "postfix-mta"
        server = postfix.Postfix(directory, program, postfix.LMTP.format(port=recorder.port))
        try:
            with delivery.Smtp("127.0.0.1", server.smtp_port, timeout=60) as client:
                client.ehlo()
                for sender, message in senders.items():
                    client.submit(sender, f"{drop.login.user}@dobbs.org", message.text)
            server.drain(patience=90)
        finally:
            server.stop()
    finally:
        recorder.stop()
    handed = {each.sender: each.text for each in recorder.handed()}
    if missing := senders.keys() - handed.keys():
        raise AssertionError(f"Postfix did not hand on {len(missing)} of {len(senders)} messages")
    for sender, message in senders.items():
        equal(f"{message.name}, as Postfix made it", postfix.expected(message.text), server.without_trace(handed[sender]))

    for text in poplib_client.retrieve(program.endpoint, Channel.PLAIN, drop.login, len(senders), None):
        sender = wire.without_trace(text, "lmtp")[1][0].decode("ascii")
        drop.messages.append(Message(senders[sender].name, handed[sender]))


def _recipients(program: Program) -> str:
    """Each recipient has a reply of its own, and a stranger among them does not hurt the others."""
    first, second = program.add_user("first"), program.add_user("second")
    with delivery.lmtp(program.lmtp_socket) as client:
        replies = client.deliver(
            "alice@example.org",
            ["first@dobbs.org", "nobody@dobbs.org", "second@mailgate.dobbs.org", "first@elsewhere.example"],
            b"Subject: two of you\r\n\r\n",
        )
    codes = [code for code, _ in replies]
    if codes != [250, 550, 250, 550]:
        raise AssertionError(f"replies: {replies}")
    for login in (first, second):
        _holds_one(program, login)
    return "250 550 250 550"


def _holds_one(program: Program, login: Login) -> None:

    client = poplib_client.session(program.endpoint, Channel.PLAIN, login)
    count, _ = client.stat()
    client.quit()
    if count != 1:
        raise AssertionError(f"{login.user} has {count} messages, not 1")


def _unknown(program: Program) -> None:
    done = program.command("deliver", "nobody@dobbs.org", input=b"Subject: lost\n\n")
    # EX_NOUSER of sysexits.h: the transfer agent tells the sender.
    if done.returncode != 67:
        raise AssertionError(f"exit status {done.returncode}: {done.stderr!r}")
