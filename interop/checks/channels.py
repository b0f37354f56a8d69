"""TLS as openssl's own client sees it: certificates, versions, ALPN, and STLS that keeps nothing."""

import socket

from harness.processes import run
from harness.program import Program
from harness.report import Report


def all_checks(report: Report, program: Program) -> None:
    """STLS and implicit TLS."""
    plain, implicit = ["-starttls", "pop3"], []
    for name, port, options in (
        ("STLS", program.endpoint.pop3_port, plain),
        ("implicit TLS", program.endpoint.pop3s_port, implicit),
    ):
        def accepted(*words, wanted=b"Verification: OK"):
            output = _client(program, port, *options, *words)
            if wanted not in output or b"+OK" not in output:
                raise AssertionError(output.decode(errors="replace")[-600:])

        def refused(*words):
            output = _client(program, port, *options, *words)
            if b"Verification: OK" in output and b"\nCIPHER" in output.upper():
                raise AssertionError(output.decode(errors="replace")[-600:])
            if b"alert" not in output:
                raise AssertionError("refused, but without an alert: " + output.decode(errors="replace")[-600:])

        report.check(f"openssl, {name}, no ALPN", accepted)
        report.check(f"openssl, {name}, TLS 1.3", lambda: accepted("-tls1_3", wanted=b"TLSv1.3"))
        report.check(f"openssl, {name}, TLS 1.2", lambda: accepted("-tls1_2", wanted=b"TLSv1.2"))
        report.check(f"openssl, {name}, ALPN pop3", lambda: accepted("-alpn", "pop3", wanted=b"ALPN protocol: pop3"))
        report.check(f"openssl, {name}, ALPN h2 is refused", lambda: refused("-alpn", "h2"))
        report.check(
            f"openssl, {name}, TLS 1.1 is refused",
            lambda: refused("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"),
        )
    report.check("what follows STLS in plain is never executed", lambda: _injection(program))


def _client(program: Program, port: int, *options) -> bytes:
    done = run(
        ["openssl", "s_client", "-connect", f"localhost:{port}", "-CAfile", program.endpoint.authority]
        + ["-verify_hostname", "localhost", "-crlf", "-ign_eof", *options],
        input=b"CAPA\nQUIT\n",
        patience=20,
    )
    return done.stdout + done.stderr


def _injection(program: Program) -> None:
    """CVE-2011-0411 and its kin: the connection is closed, and nothing is answered in plain or in TLS."""
    with socket.create_connection(("127.0.0.1", program.pop3_port), timeout=10) as peer:
        greeting = peer.recv(512)
        if not greeting.startswith(b"+OK"):
            raise AssertionError(greeting)
        peer.sendall(b"STLS\r\nUSER pipe\r\nPASS redqueen\r\n")
        answer = b""
        try:
            while octets := peer.recv(512):
                answer += octets
        except ConnectionResetError:
            pass
    if answer.count(b"\r\n") > 1:
        raise AssertionError(f"commands after STLS were answered: {answer!r}")
