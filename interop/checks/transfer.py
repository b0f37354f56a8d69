"""Real mail transfer agents hand mail to the program, by every way that they have: each message once, octet for octet."""

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

from harness import corpus, delivery, manual, paths, wire
from harness.agent import Agent
from harness.clients import poplib_client
from harness.clients.endpoint import Channel, Login
from harness.exim import Exim
from harness.opensmtpd import OpenSmtpd
from harness.postfix import Postfix
from harness.program import Program
from harness.report import Report
from harness.sendmail import Sendmail

from .drop import equal

#: How each agent is started, in a directory, before a program.
AGENTS: dict[str, Callable[[Path, Program], Agent]] = {
    "Postfix": Postfix.on_routes,
    "Exim": Exim,
    "OpenSMTPD": OpenSmtpd,
    "Sendmail": Sendmail,
}

#: Messages on each route.
_COUNT = int(os.environ.get("RESTANTE_TRANSFER", "1000"))
#: Sessions in which they are submitted at the same time.
_SESSIONS = 4

_RETURN_PATH = re.compile(rb"Return-Path: <([^>\r\n]*)>\r\n")


def all_checks(report: Report) -> None:
    """Every agent, every route."""
    directory = paths.scratch("transfer")
    program = Program(directory / "program", user="mail")
    program.start()
    for name, start in AGENTS.items():
        started: list[Agent] = []

        def handed() -> str:
            agent = start(directory / name, program)
            started.append(agent)
            texts = corpus.letters(_COUNT, agent.keeps)
            for route in agent.ways:
                program.add_user(route)
            submit(agent, list(agent.ways), texts)
            agent.drain(patience=120)
            return f"{len(texts)} on each of {len(agent.ways)} routes, {sum(map(len, texts.values())) / 1e6:.1f} MB each"

        if report.check(f"{name} hands on all that it has", handed):
            agent = started[0]
            for route, way in agent.ways.items():
                texts = corpus.letters(_COUNT, agent.keeps)
                report.check(f"{name}, {route}, each once and as it was", lambda: verify(program, agent, route, texts))
        for agent in started:
            agent.stop()
    for name, start, route in (("Postfix", _asking_strangers, "postfix-tcp"), ("Exim", _asking_exim, "exim-tcp")):
        report.check(f"{name} asks, and refuses unknown recipients at RCPT", lambda: _asks(program, directory / f"asking-{name}", start, route))
    report.check("Postfix asks, and its own users may still send", lambda: _sends(program, directory / "sending"))
    program.stop()


def _sends(program: Program, directory: Path) -> None:
    agent = _asking_postfix(directory, program)
    try:
        with delivery.Smtp("127.0.0.1", agent.smtp_port, timeout=60) as client:
            client.ehlo()
            client.mail("postfix-tcp@dobbs.org")
            code, said = client.rcpt("friend@elsewhere.example")
    finally:
        agent.stop()
    if code != 250:
        raise AssertionError(f"{code} {said!r}")


#: Who asks is not one of its own, who are not held up.
_STRANGERS = "mynetworks = 192.0.2.0/24\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"


def _asking_strangers(directory: Path, program: Program) -> Agent:
    return _asking_postfix(directory, program, _STRANGERS)


def _asking_postfix(directory: Path, program: Program, more: str = "") -> Agent:
    asking = manual.block("Postfix: main.cf, unknown recipients", program)
    return Postfix.on_routes(directory, program, asking + more + "address_verify_poll_delay = 1s\naddress_verify_poll_count = 9\n")


def _asking_exim(directory: Path, program: Program) -> Agent:
    return Exim(directory, program, manual.block("Exim: acl, TCP", program))


def _asks(program: Program, directory: Path, start: Callable[[Path, Program], Agent], route: str) -> str:
    """The answer to RCPT while there is an account, and of another such agent when there is none any more."""
    codes = []
    for turn in ("there", "gone"):
        agent = start(directory / turn, program)
        try:
            with delivery.Smtp("127.0.0.1", agent.smtp_port, timeout=60) as client:
                client.ehlo()
                client.mail("alice@example.com")
                codes.append(client.rcpt(f"{route}@dobbs.org")[0])
        finally:
            agent.stop()
        program.command("user", "remove", route)
    if codes != [250, 550]:
        raise AssertionError(f"answers to RCPT: {codes}; {agent.log()[-2000:]}")
    return "250 550"


def submit(agent: Agent, recipients: list[str], texts: dict[str, bytes]) -> None:
    """Hands every message over, to each recipient by itself, in several sessions at the same time."""
    todo = [(sender, recipient, text) for sender, text in texts.items() for recipient in recipients]
    failures: list[Exception] = []

    def session(part: list) -> None:
        try:
            with delivery.Smtp("127.0.0.1", agent.smtp_port, timeout=60) as client:
                client.ehlo()
                for sender, recipient, text in part:
                    client.submit(sender, f"{recipient}@dobbs.org", text)
        except Exception as failure:  # noqa: BLE001 — raised below, in the thread that reports
            failures.append(failure)

    threads = [threading.Thread(target=session, args=(todo[at::_SESSIONS],)) for at in range(_SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def verify(program: Program, agent: Agent, route: str, texts: dict[str, bytes]) -> None:
    """Every message is in the maildrop of this route, octet for octet, once."""
    copies = [sender for sender, _ in retrieved(program, agent, route, texts)]
    if lost := texts.keys() - set(copies):
        raise AssertionError(f"{route}: {len(lost)} of {len(texts)} messages are lost")
    if len(copies) != len(texts):
        raise AssertionError(f"{route}: {len(copies) - len(texts)} messages came more than once")


def retrieved(program: Program, agent: Agent, route: str, texts: dict[str, bytes]) -> list[tuple[str, str]]:
    """The envelope sender and the unique-id of each message of the maildrop; each has its text, octet for octet."""
    client = poplib_client.session(program.endpoint, Channel.PLAIN, Login(route, "redqueen"))
    found = []
    for number, unique_id in enumerate(poplib_client.unique_ids(client), 1):
        text = poplib_client.text(client, number)
        # The program's own, or that of an agent which writes it itself, and none for the null sender.
        path = _RETURN_PATH.match(text)
        sender = path.group(1).decode("ascii") if path else ""
        handed, _ = wire.without_trace(text, agent.ways[route])
        equal(f"{route}, {sender}", texts[sender], agent.without_trace(handed))
        found.append((sender, unique_id))
    client.quit()
    return found
