"""`restante fetch setup ADDRESS` finds the server of an address: by a DNS and web servers of our own, at the ports where the real ones are.

The system's resolver says where they are, so all of it runs in a network of its own, where `/etc/resolv.conf` is ours and the ports 53, 80,
110, 443 and 995 are free. That needs root.
"""

import fcntl
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness import paths
from harness.nameserver import Zones
from harness.processes import Process, has_namespaces, listens, run, wait_for
from harness.report import Report

#: What autoconfig files say of the server of a domain.
_XML = """\
<clientConfig version="1.1"><emailProvider id="{domain}"><domain>{domain}</domain>
<incomingServer type="pop3"><hostname>{host}</hostname><port>995</port><socketType>SSL</socketType>
<username>%EMAILLOCALPART%</username><authentication>password-cleartext</authentication></incomingServer>
</emailProvider></clientConfig>
"""

#: The names that have an address, which is ours. Of what is not here there is nothing. Only one of them would be guessed.
_HOSTS = (
    "inbox.srv.test", "inbox.stls.test", "inbox.two.test", "dead.two.test", "pop.guess.test", "inbox.auto.test", "autoconfig.auto.test",
    "known.test", "inbox.known.test", "autoconfig.elsewhere.test", "autoconfig.redirected.test", "autoconfig.thunderbird.net",
    "inbox.listed.test",
)

_SRV = {
    "_pop3s._tcp.srv.test": [(0, 0, 995, "inbox.srv.test")],
    "_pop3._tcp.srv.test": [(0, 0, 110, "inbox.srv.test")],
    "_pop3._tcp.stls.test": [(0, 0, 110, "inbox.stls.test")],
    "_pop3s._tcp.two.test": [(20, 0, 995, "inbox.two.test"), (10, 0, 9995, "dead.two.test")],
    "_pop3s._tcp.away.test": [(0, 0, 995, "inbox.srv.test")],
    "_pop3s._tcp.none.test": [(0, 0, 0, "")],
    "_pop3._tcp.none.test": [(0, 0, 0, "")],
}

#: A domain whose servers never answer.
_SILENT = "silent.test"

#: What web servers have, by host and path; what begins with http is another place.
_PAGES = {
    ("autoconfig.auto.test", "/mail/config-v1.1.xml"): _XML.format(domain="auto.test", host="inbox.auto.test"),
    ("known.test", "/.well-known/autoconfig/mail/config-v1.1.xml"): _XML.format(domain="known.test", host="inbox.known.test"),
    ("autoconfig.elsewhere.test", "/mail/config-v1.1.xml"): _XML.format(domain="elsewhere.test", host="inbox.srv.test"),
    ("autoconfig.redirected.test", "/mail/config-v1.1.xml"): "http://autoconfig.auto.test/mail/config-v1.1.xml",
    ("autoconfig.thunderbird.net", "/v1.1/listed.test"): _XML.format(domain="listed.test", host="inbox.listed.test"),
}

#: Domain, what else is said to setup, how that ends, what it tells, and where the account is then.
_CASES = (
    ("srv.test", (), 0, "by SRV records of the domain", ("inbox.srv.test", "implicit")),
    ("stls.test", (), 0, "by SRV records of the domain", ("inbox.stls.test", "starttls")),
    ("two.test", (), 0, "restante: dead.two.test", ("inbox.two.test", "implicit")),
    ("auto.test", (), 0, "as the provider says", ("inbox.auto.test", "implicit")),
    ("known.test", (), 0, "as the provider says", ("inbox.known.test", "implicit")),
    ("listed.test", (), 0, "by Mozilla's list of providers", ("inbox.listed.test", "implicit")),
    ("guess.test", (), 0, "a usual name, which is there", ("pop.guess.test", "implicit")),
    # A certificate says so, which DNS alone cannot.
    ("elsewhere.test", (), 0, "as the provider says", ("inbox.srv.test", "implicit")),
    ("away.test", (), 64, "inbox.srv.test is of another domain than away.test, and only DNS leads there", None),
    ("away.test", ("--yes",), 0, "by SRV records of the domain", ("inbox.srv.test", "implicit")),
    ("none.test", (), 69, "the domain says that there is none", None),
    ("nothing.test", (), 69, "--server HOST", None),
    ("redirected.test", (), 69, "--server HOST", None),
    (_SILENT, (), 69, "--server HOST", None),
)


def all_checks(report: Report) -> None:
    """Everything is tried in one network; each case is told apart."""
    told: dict[str, str | None] = {}

    def stage() -> str:
        directory = paths.scratch("fetch-discovery")
        command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]
        here = [sys.executable, "-m", "checks.fetch_discovery", directory]
        done = run([*command, *here], cwd=paths.REPOSITORY / "interop", stdin=subprocess.DEVNULL, patience=300)
        if done.returncode != 0:
            raise AssertionError(done.stderr.decode(errors="replace")[-1500:])
        told.update(json.loads(done.stdout))
        return f"{len(_CASES)} domains"

    name = "servers are found by a DNS and web servers of our own"
    if not has_namespaces():
        report.skip(name, "that needs root and namespaces (a network of its own)")
        return
    if report.check(name, stage):
        for case, wrong in told.items():
            report.check(f"found out: {case}", lambda wrong=wrong: _right(wrong))


def _right(wrong: str | None) -> None:
    if wrong is not None:
        raise AssertionError(wrong)


class _Web(BaseHTTPRequestHandler):
    """The web servers of all hosts."""

    asked: list[tuple[str, str]] = []

    def do_GET(self) -> None:
        host = self.headers["Host"].split(":")[0]
        _Web.asked.append((host, self.path))
        page = _PAGES.get((host, self.path.split("?")[0]))
        self.send_response(404 if page is None else 302 if page.startswith("http") else 200)
        if page is not None and page.startswith("http"):
            self.send_header("Location", page)
            page = None
        text = (page or "").encode()
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words) -> None:
        """Nobody reads it."""


def _stage(directory: Path) -> None:
    """Runs in the network of its own; prints what went wrong with each case."""
    _raise_loopback()
    for name, text in (("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"), ("nsswitch.conf", "hosts: files dns\n")):
        (directory / name).write_text(text)
        run(["mount", "--bind", directory / name, f"/etc/{name}"], check=True)
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=localhost",
         "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=" + ",".join(f"DNS:{host}" for host in _HOSTS),
         "-keyout", key, "-out", certificate],
        check=True,
    )
    zones = Zones(("127.0.0.1", 53), dict.fromkeys(_HOSTS, "127.0.0.1"), _SRV, silent=_SILENT)
    web = ThreadingHTTPServer(("127.0.0.1", 443), _Web)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    # The handshake belongs to the thread of the request.
    web.socket = context.wrap_socket(web.socket, server_side=True, do_handshake_on_connect=False)
    # Who follows a redirect out of TLS finds an account.
    for each in (web, ThreadingHTTPServer(("127.0.0.1", 80), _Web)):
        threading.Thread(target=each.serve_forever, daemon=True).start()
    server = _serve(directory, certificate, key)
    try:
        with ThreadPoolExecutor(len(_CASES)) as pool:
            cases = enumerate(_CASES)
            wrongs = list(pool.map(lambda case: _case(directory / str(case[0]), certificate, *case[1]), cases))
    finally:
        server.stop()
        zones.stop()
    names = [" ".join((domain, *more)) for domain, more, *_ in _CASES]
    told = dict(zip(names, wrongs, strict=True))
    told["the address is told to the domain's own provider only"] = _discreet()
    print(json.dumps(told))


def _discreet() -> str | None:
    """Mozilla's list is asked about domains, and of nobody in them."""
    told = [(host, path) for host, path in _Web.asked if host == "autoconfig.thunderbird.net" and ("bob" in path or "?" in path)]
    provider = ("autoconfig.auto.test", "/mail/config-v1.1.xml?emailaddress=bob%40auto.test")
    if told or provider not in _Web.asked:
        return f"asked for {_Web.asked}"
    return None


def _serve(directory: Path, certificate: Path, key: Path) -> Process:
    """Our own server, with bob's two messages in it."""
    configuration = directory / "restante.toml"
    configuration.write_text(
        f'user = "root"\nhostname = "inbox.srv.test"\ndata = "{directory}/data"\ndomains = ["srv.test"]\n'
        '[[listener]]\nprotocol = "pop3s"\naddress = "127.0.0.1:995"\n[[listener]]\nprotocol = "pop3"\naddress = "127.0.0.1:110"\n'
        f'[tls]\ncertificate = "{certificate}"\nkey = "{key}"\n[maildrop]\nallow_volatile = true\n'
        '[auth]\nscram_iterations = 4096\nrefusal_delay = "500 ms"\n'
    )
    ours = [paths.PROGRAM, "-c", configuration]
    run([*ours, "user", "add", "bob", "--stdin"], input=b"redqueen\n", check=True)
    run([*ours, "deliver", "bob"], input=b"Subject: one\n\n1\n", check=True)
    with (directory / "log").open("wb") as log:
        server = Process([*ours, "serve"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_for("the server", lambda: listens(995) and listens(110))
    return server


def _case(home: Path, certificate: Path, domain: str, more: tuple, code: int, tells: str, place: tuple | None) -> str | None:
    """What is wrong with a case, if anything is."""
    home.mkdir()
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "SSL_CERT_FILE": str(certificate)}
    fetch = [paths.PROGRAM, "fetch"]
    words = ["setup", f"bob@{domain}", "--user", "bob", "--stdin", *more]
    done = run([*fetch, *words], env=env, input=b"redqueen\n", patience=200)
    said = (done.stdout + done.stderr).decode(errors="replace")
    if done.returncode != code or tells not in said:
        return f"ended with {done.returncode}, not {code} and {tells!r}: {said}"
    file = home / ".config/restante/fetch.toml"
    if place is None:
        return f"an account was written: {file.read_text()}" if file.exists() else None
    text = file.read_text()
    host = re.search(r'^host = "(.+)"$', text, re.M).group(1)
    tls = re.search(r'^tls = "(.+)"$', text, re.M)
    found = (host, tls.group(1) if tls else "implicit")
    if found != place:
        return f"{found} was written, not {place}: {said}"
    return None


def _raise_loopback() -> None:
    """What `ip link set lo up` does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        set_flags, up_and_running = 0x8914, 0x41
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh", b"lo", up_and_running))


if __name__ == "__main__":
    _stage(Path(sys.argv[1]))
