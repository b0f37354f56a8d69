"""Mail from the world over SMTP: a real Postfix that is no neighbour of ours, swaks, and Python's smtplib.

Whatever they bring is judged, with a DNS that knows nobody.
"""

import smtplib
import ssl
from email.message import EmailMessage
from pathlib import Path

from harness import corpus, paths, wire
from harness.clients import poplib_client
from harness.clients.endpoint import Channel, Login
from harness.nameserver import NameServer
from harness.peers import require
from harness.postfix import Postfix
from harness.processes import free_port, listens, run, wait_for
from harness.program import Program
from harness.report import Report

from .drop import equal
from .transfer import submit

_SETTINGS = """
smtp_sessions_per_address_max = 0

[smtp]
resolver = ["127.0.0.1:{resolver}"]

[[listener]]
protocol = "smtp"
address = "127.0.0.1:{port}"
"""
_COUNT = 200


def all_checks(report: Report) -> None:
    """Every sender."""
    directory = paths.scratch("receiving")
    port, names = free_port(), NameServer()
    settings = _SETTINGS.format(port=port, resolver=names.port)
    program = Program(directory / "program", settings, user="mail")
    program.start()
    wait_for("the listener for the world", lambda: listens(port))
    report.check("Postfix elsewhere sends to us, inside TLS", lambda: _postfix(program, directory, port))
    report.check("swaks, STARTTLS, two recipients, pipelined", lambda: _swaks(program, port))
    report.check("smtplib, SMTPUTF8", lambda: _utf8(program, port))
    report.check("swaks finds no open relay", lambda: _relay(port))
    program.stop()
    names.stop()


def _postfix(program: Program, directory: Path, port: int) -> str:
    login = program.add_user("world")
    texts = corpus.letters(_COUNT)
    agent = Postfix(
        directory / "Postfix",
        program,
        f"relay_domains = dobbs.org\ntransport_maps = inline:{{ {{ dobbs.org = smtp:[127.0.0.1]:{port} }} }}\n"
        "smtp_tls_security_level = encrypt\nsmtp_host_lookup = native\nsmtp_line_length_limit = 0\n",
        "tlsmgr    unix  - - n 1000? 1 tlsmgr",
    )
    try:
        submit(agent, [login.user], texts)
        agent.drain(patience=90)
    finally:
        agent.stop()
    copies = _copies(program, login)
    if sorted(sender for sender, _, _ in copies) != sorted(texts):
        raise AssertionError(f"{len(copies)} copies of {len(texts)} messages")
    for sender, trace, text in copies:
        equal(sender, texts[sender], agent.without_trace(text))
        for words in ("with ESMTPS", "Authentication-Results: mailgate.dobbs.org;", "spf=", "dkim=", "dmarc="):
            if words not in trace:
                raise AssertionError(f"{words!r} is not in {trace!r}")
    return f"{len(texts)} messages"


def _copies(program: Program, login: Login) -> list[tuple[str, str, bytes]]:
    """Of each message the envelope sender, the trace headers, and the rest."""
    client = poplib_client.session(program.endpoint, Channel.PLAIN, login)
    count = client.stat()[0]
    client.quit()
    copies = []
    for copy in poplib_client.retrieve(program.endpoint, Channel.PLAIN, login, count, None):
        text, (sender, _) = wire.without_trace(copy, "smtp")
        copies.append((sender.decode(), copy[: len(copy) - len(text)].decode(), text))
    return copies


def _swaks(program: Program, port: int) -> str:
    require("swaks")
    logins = [program.add_user("first"), program.add_user("second")]
    done = _run_swaks(
        port, "--to", "first@dobbs.org,second@dobbs.org,nobody@dobbs.org", "--pipeline",
        "--tls", "--tls-verify", "--tls-ca-path", program.endpoint.authority,
    )
    said = done.stdout.decode(errors="replace")
    for words in ("250-CHUNKING", "250-SMTPUTF8", "=== TLS started with cipher TLSv1.3", "550 5.1.1", "250 2.0.0 delivered"):
        if words not in said:
            raise AssertionError(f"{words!r} is not in {said[-2500:]}")
    for login in logins:
        [(_, trace, _)] = _copies(program, login)
        if f"for <{login.user}@dobbs.org>" not in trace:
            raise AssertionError(trace)
    return "250, 250, 550, and one 250 for both"


def _utf8(program: Program, port: int) -> str:
    login = program.add_user("boesch")
    done = program.command("alias", "add", "bösch@dobbs.org", "boesch")
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Zoë <zoë@exämple.org>", "bösch@dobbs.org", "Grüße"
    message.set_content("Übermorgen.\n")
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.dobbs.org", timeout=60) as client:
        context = ssl.create_default_context(cafile=program.endpoint.authority)
        # The certificate is for a name, and smtplib has connected to an address.
        context.check_hostname = False
        client.starttls(context=context)
        client.send_message(message, "zoë@exämple.org", ["bösch@dobbs.org"])
    [(sender, trace, _)] = _copies(program, login)
    if sender != "zoë@exämple.org" or "with UTF8SMTPS" not in trace or "for <bösch@dobbs.org>" not in trace:
        raise AssertionError(trace)
    return trace.splitlines()[0]


def _relay(port: int) -> str:
    ways = (
        "victim@elsewhere.example", "victim%elsewhere.example@dobbs.org", "elsewhere.example!victim@dobbs.org",
        "@dobbs.org:victim@elsewhere.example", "victim@[192.0.2.9]", '"victim@elsewhere.example"@dobbs.org',
    )
    for sender in ("spam@elsewhere.example", "world@dobbs.org", "<>"):
        for way in ways:
            done = _run_swaks(port, "--from", sender, "--to", way, "--quit-after", "RCPT")
            # 24: no recipient was accepted.
            if done.returncode != 24:
                raise AssertionError(f"{sender} to {way}: {done.returncode}: {done.stdout[-1500:]!r}")
    return f"{3 * len(ways)} tries"


def _run_swaks(port: int, *options: str | Path):
    return run(["swaks", "--server", f"127.0.0.1:{port}", "--helo", "client.example", "--from", "a@example.org", *options])
