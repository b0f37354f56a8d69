"""Logins by client certificate (EXTERNAL), as openssl's and curl's own clients make them.

The authority and its list are made by the commands that docs/operating.md tells (`harness/authority.py`), so they are
tried here too.
"""

import socket
import ssl

from harness import paths
from harness.authority import Authority
from harness.processes import free_port, run
from harness.program import Program
from harness.report import Report

_LISTENER = """
[[listener]]
protocol = "pop3s"
address = "127.0.0.1:{port}"
{authority}
[auth]
refusal_delay = "500 ms"
scram_iterations = 4096
"""


def all_checks(report: Report) -> None:
    """EXTERNAL with certificates that openssl has made."""
    directory, port = paths.scratch("certificates"), free_port()
    authority = Authority(directory)
    _, carol, _ = map(authority.sign, ("bob", "carol", "nobody"))
    authority.revoke(carol)
    program = Program(directory, settings=_LISTENER.format(port=port, authority=authority.settings("email")))
    for name in ("bob", "carol"):
        program.add_user(f"{name}@dobbs.org")
    program.deliver("bob@dobbs.org", b"Subject: by certificate\n\n")
    program.start()
    try:
        for version in ("-tls1_3", "-tls1_2"):
            report.check(
                f"openssl, EXTERNAL, {version[1:]}", lambda version=version: _openssl(program, port, version)
            )
        report.check("openssl, a revoked certificate", lambda: _refused(program, port))
        report.check("openssl, no certificate, no EXTERNAL", lambda: _without(program, port))
        report.check("openssl, a session does not resume", lambda: _no_session(program, port))
        report.check("curl, EXTERNAL", lambda: _curl(program, port, "bob", 0))
        report.check("curl, EXTERNAL for an account that is not there", lambda: _curl(program, port, "nobody", 67))
        report.check("Python's ssl, EXTERNAL without a reading ahead", lambda: _python(program, port))
    finally:
        status = program.stop()
    report.check("SIGTERM ends that server", lambda: _is_zero(status))


def _client(program: Program, port: int, name: str | None, *options, said: bytes) -> bytes:
    shown = [] if name is None else ["-cert", f"{name}.pem", "-key", f"{name}.key"]
    done = run(
        ["openssl", "s_client", "-connect", f"localhost:{port}", "-CAfile", program.endpoint.authority]
        + ["-verify_hostname", "localhost", "-crlf", "-ign_eof", *shown, *options],
        input=said, patience=20, cwd=program.directory,
    )
    return done.stdout + done.stderr


def _said(output: bytes, *wanted: bytes) -> None:
    for words in wanted:
        if words not in output:
            raise AssertionError(f"no {words!r} in: " + output.decode(errors="replace")[-900:])


def _openssl(program: Program, port: int, version: str) -> None:
    said = b"STAT\nCAPA\nAUTH EXTERNAL =\nSTAT\nQUIT\n"
    output = _client(program, port, "bob", version, said=said)
    # The first STAT is refused: a certificate alone logs nobody in.
    _said(output, b"Mail users of dobbs.org", b"-ERR", b" EXTERNAL", b"+OK bob@dobbs.org's maildrop has 1 message")


def _refused(program: Program, port: int) -> None:
    output = _client(program, port, "carol", said=b"AUTH EXTERNAL =\nQUIT\n")
    _said(output, b"alert certificate revoked")
    if b"maildrop" in output:
        raise AssertionError(output[-900:])
    _said(program.log().encode(), b"client certificate refused", b"CN=carol")


def _without(program: Program, port: int) -> None:
    output = _client(program, port, None, said=b"CAPA\nAUTH EXTERNAL =\nQUIT\n")
    _said(output, b"SASL ", b"-ERR mechanism is not possible")
    if b" EXTERNAL" in output:
        raise AssertionError(output[-900:])


def _no_session(program: Program, port: int) -> None:
    for version in ("-tls1_3", "-tls1_2"):
        output = _client(program, port, "bob", version, "-sess_out", "session.pem", said=b"QUIT\n")
        _said(output, b"+OK")
        session = program.directory / "session.pem"
        if not session.exists():
            continue
        output = _client(program, port, "bob", version, "-sess_in", "session.pem", said=b"QUIT\n")
        session.unlink()
        if b"\nReused, " in output:
            raise AssertionError(f"{version}: " + output.decode(errors="replace")[-900:])


def _curl(program: Program, port: int, name: str, status: int) -> None:
    done = run(
        ["curl", "-q", "-sS", "-4", "--cacert", program.endpoint.authority, "--cert", f"{name}.pem"]
        + ["--key", f"{name}.key", "--login-options", "AUTH=EXTERNAL", "-u", f"{name}@dobbs.org:"]
        + [f"pop3s://localhost:{port}/"],
        patience=30, cwd=program.directory,
    )
    if done.returncode != status:
        raise AssertionError(f"{done.returncode}: {done.stderr.decode(errors='replace')}")
    if status == 0 and done.stdout.split()[:1] != [b"1"]:
        raise AssertionError(done.stdout)


def _python(program: Program, port: int) -> None:
    """Everything in one write, an empty answer to an empty challenge."""
    context = ssl.create_default_context(cafile=program.endpoint.authority)
    context.load_cert_chain(program.directory / "bob.pem", program.directory / "bob.key")
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as peer,
        context.wrap_socket(peer, server_hostname="localhost") as inside,
    ):
        inside.sendall(b"AUTH EXTERNAL\r\n\r\nLIST\r\nQUIT\r\n")
        output = b""
        while octets := inside.recv(4096):
            output += octets
    _said(output, b"+ \r\n+OK bob@dobbs.org's maildrop has 1 message", b"\r\n1 ", b"signing off")


def _is_zero(status: int) -> None:
    if status != 0:
        raise AssertionError(f"exit status {status}")
