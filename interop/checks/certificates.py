"""Logins by client certificate (EXTERNAL), as openssl's and curl's own clients make them.

The authority and its list are made by the commands that docs/operating.md tells, so they are tried here too.
"""

import socket
import ssl
from pathlib import Path

from harness import paths
from harness.processes import free_port, run
from harness.program import Program
from harness.report import Report

_LISTENER = """
[[listener]]
protocol = "pop3s"
address = "127.0.0.1:{port}"
client_ca = "{directory}/ca.pem"
client_crl = "{directory}/crl.pem"
client_account = "email"

[auth]
refusal_delay = "500 ms"
scram_iterations = 4096
"""

_EXTENSIONS = """\
subjectAltName=email:{address}
extendedKeyUsage=clientAuth
keyUsage=digitalSignature
"""

_LISTS = """\
[ca]
default_ca = users
[users]
database = index.txt
crlnumber = crlnumber
default_md = sha256
default_crl_days = 30
crl_extensions = crl
[crl]
authorityKeyIdentifier = keyid
"""


def all_checks(report: Report) -> None:
    """EXTERNAL with certificates that openssl has made."""
    directory, port = paths.scratch("certificates"), free_port()
    _authority(directory)
    for name in ("bob", "carol", "nobody"):
        _certificate(directory, name)
    _revoke(directory, "carol")
    program = Program(directory, settings=_LISTENER.format(directory=directory, port=port))
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


def _openssl_run(directory: Path, *words, **options):
    return run(["openssl", *words], cwd=directory, check=True, **options)


def _authority(directory: Path) -> None:
    _openssl_run(
        directory,
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
        "-subj", "/CN=Mail users of dobbs.org", "-addext", "basicConstraints=critical,CA:TRUE",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", "ca.key", "-out", "ca.pem",
    )


def _certificate(directory: Path, name: str) -> None:
    _openssl_run(
        directory,
        "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name.title()}",
        "-keyout", f"{name}.key", "-out", f"{name}.csr",
    )
    _openssl_run(
        directory,
        "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-days", "365", "-out", f"{name}.pem", "-extfile", "-",
        input=_EXTENSIONS.format(address=f"{name}@dobbs.org").encode(),
    )


def _revoke(directory: Path, name: str) -> None:
    (directory / "index.txt").touch()
    (directory / "crlnumber").write_text("01\n")
    (directory / "ca.conf").write_text(_LISTS)
    common = ["ca", "-config", "ca.conf", "-cert", "ca.pem", "-keyfile", "ca.key"]
    _openssl_run(directory, *common, "-revoke", f"{name}.pem")
    _openssl_run(directory, *common, "-gencrl", "-out", "crl.pem")


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
    _said(program.log().encode(), b"client certificate refused", b"CN=Carol")


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
