"""Real front ends before the program: whose session it is arrives, TLS counts where it may, and strangers are not believed.

Each client comes from an address of its own, which only the front end can have told.
"""

import poplib
import re
import socket
import ssl
import time
from collections.abc import Callable

from harness import corpus, delivery, dovecot, paths
from harness.clients import poplib_client
from harness.clients.endpoint import Channel, Login
from harness.dovecot import Dovecot
from harness.haproxy import HAProxy, Route
from harness.nginx import Nginx
from harness.processes import free_port, wait_for
from harness.program import Program
from harness.report import Report

#: Where clients come from; the front ends themselves are 127.0.0.1.
_CLIENT = "127.0.0.77"
_OURS = '["127.0.0.1/32"]'
_OTHERS = '["192.0.2.0/24"]'

#: The listeners: name → protocol and settings.
_LISTENERS = {
    "proxied": f'"pop3"\nplaintext_login = "always"\nproxy_protocol = {_OURS}',
    "proxied, passwords inside TLS": f'"pop3"\nproxy_protocol = {_OURS}',
    "proxied, front end ends TLS": f'"pop3"\nproxy_protocol = {_OURS}\nproxy_tls = true',
    "proxied pop3s": f'"pop3s"\nproxy_protocol = {_OURS}',
    "others are proxies": f'"pop3"\nplaintext_login = "always"\nproxy_protocol = {_OTHERS}',
    "xclient": f'"pop3"\nplaintext_login = "always"\nxclient = {_OURS}',
    "xclient, passwords inside TLS": f'"pop3"\nxclient = {_OURS}',
    "xclient pop3s": f'"pop3s"\nxclient = {_OURS}',
    "others are xclients": f'"pop3"\nplaintext_login = "always"\nxclient = {_OTHERS}',
}
#: Hard messages, a few.
_COUNT = 12


def all_checks(report: Report) -> None:
    """HAProxy, nginx and Dovecot, each with sessions through it."""
    rig = _Rig()
    for name, checks in (("HAProxy", _haproxy), ("nginx", _nginx), ("Dovecot", _dovecot)):
        began: list = []
        if report.check(f"{name} in front", lambda: _start(began, checks, rig)):
            front, todo = began
            for what, body in todo.items():
                report.check(f"{name}, {what}", body)
            front.stop()
    report.check("no front end: a listener that wants a header cuts a client without one", rig.no_header)
    rig.program.stop()


def _start(began: list, checks: Callable, rig: "_Rig") -> str:
    front, todo = checks(rig)
    began += [front, todo]
    return getattr(front, "version", "")


class _Rig:
    """The program with a listener of each kind, a maildrop, and what must come out of it."""

    def __init__(self):
        self.directory = paths.scratch("frontends")
        self.ports = {name: free_port() for name in _LISTENERS}
        listeners = "".join(
            f'\n[[listener]]\naddress = "127.0.0.1:{self.ports[name]}"\nprotocol = {settings}\n'
            for name, settings in _LISTENERS.items()
        )
        settings = f'{listeners}\n[maildrop]\nlock_wait = "300ms"\n\n[auth]\nrefusal_delay = "500ms"\nscram_iterations = 4096\n'
        self.program = Program(self.directory, settings)
        self.certificate, self.key = self.directory / "certificate.pem", self.directory / "key.pem"
        self.login = self.program.add_user("mrose")
        self.program.start()
        with delivery.lmtp(self.program.lmtp_port) as client:
            for message in corpus.small()[:: len(corpus.small()) // _COUNT]:
                client.deliver("alice@example.org", ["mrose"], message.text)
        client = poplib_client.session(self.program.endpoint, Channel.PLAIN, self.login)
        self.texts = [poplib_client.text(client, number + 1) for number in range(client.stat()[0])]
        client.quit()
        self.context = ssl.create_default_context(cafile=self.directory / "authority.pem")

    def session(self, port: int, channel: Channel, peer: str = _CLIENT, user: str = "mrose", tls: bool | None = None) -> str:
        """A whole session from `_CLIENT`; the log must name `peer`, and TLS if it was ours."""
        before = len(self.program.log())
        client = self.client(port, channel)
        client.user(user)
        client.pass_("redqueen")
        for number, text in enumerate(self.texts, 1):
            if poplib_client.text(client, number) != text:
                raise AssertionError(f"message {number} differs")
        client.quit()
        line = self._logged(before, "session ended user=")
        if f'peer="{peer}:' not in line or ('via="127.0.0.1:' in line) != (peer == _CLIENT):
            raise AssertionError(f"the peer should be {peer}: {line}")
        if tls is not None and ("tls=" in line) != tls:
            raise AssertionError(f"TLS should be ours: {tls}: {line}")
        return f"{len(self.texts)} messages, peer {peer}"

    def refused(self, port: int, channel: Channel, code: bytes, secret: str = "redqueen") -> str:
        """A login that is refused, with this in the reply."""
        client = self.client(port, channel)
        try:
            client.user("mrose")
            client.pass_(secret)
        except poplib.error_proto as error:
            if code not in error.args[0]:
                raise AssertionError(f"not refused with {code!r}: {error}") from None
            return error.args[0].decode(errors="replace")
        finally:
            client.close()
        raise AssertionError("the login was accepted")

    def busy(self, port: int, channel: Channel) -> str:
        """That another session holds the maildrop comes through."""
        holder = poplib_client.session(self.program.endpoint, Channel.PLAIN, self.login)
        try:
            return self.refused(port, channel, b"[IN-USE]")
        finally:
            holder.quit()

    def not_believed(self, route: Route) -> str:
        """What a front end says that is not known is an unknown command, and the session is the front end's."""
        before = len(self.program.log())
        with socket.create_connection(("127.0.0.1", route.port), 10, (_CLIENT, 0)) as client:
            client.sendall(b"QUIT\r\n")
            said = b"".join(iter(lambda: client.recv(512), b""))
        if not said.startswith(b"+OK") or b"\r\n-ERR" not in said:
            raise AssertionError(f"a header was not refused: {said!r}")
        line = self._logged(before, f'listener="pop3 127.0.0.1:{route.backend}"')
        if _CLIENT in line:
            raise AssertionError(f"a stranger was believed: {line}")
        return said.splitlines()[1].decode()

    def no_warning(self) -> str:
        """Nothing that a person should look at, though somebody looked at the port again and again."""
        time.sleep(0.5)
        if warnings := [line for line in self.program.log().splitlines() if " WARN " in line and "header" in line]:
            raise AssertionError(warnings[0])
        return "half a second of them"

    def no_header(self) -> None:
        """The specification forbids to guess."""
        with socket.create_connection(("127.0.0.1", self.ports["proxied"]), 10) as client:
            client.sendall(b"USER mrose\r\n")
            try:
                said = client.recv(512)
            except ConnectionResetError:
                said = b""
        if said:
            raise AssertionError(f"answered: {said!r}")

    def client(self, port: int, channel: Channel) -> poplib.POP3:
        """A client from `_CLIENT` that has not logged in."""
        client = (_FromThereTls if channel is Channel.TLS else _FromThere)(port, self.context)
        if channel is Channel.STLS:
            client.stls(self.context)
        # A front end may not know it; then headers come as they are to those who do not ask.
        try:
            client.utf8()
        except poplib.error_proto:
            pass
        return client

    def _logged(self, before: int, words: str) -> str:
        wait_for("the log", lambda: words in self.program.log()[before:], 5)
        return next(line for line in reversed(self.program.log()[before:].splitlines()) if words in line)


class _FromThere(poplib.POP3):
    """A client at `_CLIENT`."""

    def __init__(self, port: int, context: ssl.SSLContext):
        self._trusting = context
        super().__init__("localhost", port, 20)

    def _create_socket(self, timeout: float) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout, (_CLIENT, 0))


class _FromThereTls(_FromThere):
    def _create_socket(self, timeout: float) -> socket.socket:
        return self._trusting.wrap_socket(super()._create_socket(timeout), server_hostname="localhost")


def _haproxy(rig: _Rig) -> tuple:
    ports = rig.ports
    v1 = Route(ports["proxied"], "send-proxy")
    stls = Route(ports["proxied, passwords inside TLS"], "send-proxy-v2")
    through = Route(ports["proxied pop3s"], "send-proxy-v2")
    ends_tls = Route(ports["proxied, front end ends TLS"], "send-proxy-v2-ssl", tls=True)
    clear = Route(ports["proxied, front end ends TLS"], "send-proxy-v2-ssl")
    doubted = Route(ports["proxied, passwords inside TLS"], "send-proxy-v2-ssl", tls=True)
    stranger = Route(ports["others are proxies"], "send-proxy")
    # It only looks whether the port is open, ten times a second.
    looking = Route(ports["proxied"], "check inter 100ms")
    front = HAProxy(
        rig.directory / "haproxy", rig.certificate, rig.key,
        [v1, stls, through, ends_tls, clear, doubted, stranger, looking],
    )
    return front, {
        "send-proxy, in clear": lambda: rig.session(v1.port, Channel.PLAIN, tls=False),
        "send-proxy-v2, STLS": lambda: rig.session(stls.port, Channel.STLS, tls=True),
        "send-proxy-v2, implicit TLS": lambda: rig.session(through.port, Channel.TLS, tls=True),
        "send-proxy-v2-ssl, TLS ends there": lambda: rig.session(ends_tls.port, Channel.TLS, tls=False),
        "send-proxy-v2-ssl, in clear: no password": lambda: rig.refused(clear.port, Channel.PLAIN, b"TLS"),
        "send-proxy-v2-ssl, proxy_tls is off: no password": lambda: rig.refused(doubted.port, Channel.TLS, b"TLS"),
        "health checks are not complained about": rig.no_warning,
        "send-proxy from a network that is not named": lambda: rig.not_believed(stranger),
    }


def _nginx(rig: _Rig) -> tuple:
    front = Nginx(rig.directory / "nginx", rig.certificate, rig.key, rig.ports["proxied"])
    return front, {
        "in clear": lambda: rig.session(front.port, Channel.PLAIN, tls=False),
        "STLS ends there": lambda: rig.session(front.port, Channel.STLS, tls=False),
        "TLS ends there": lambda: rig.session(front.tls_port, Channel.TLS, tls=False),
        "a wrong password": lambda: rig.refused(front.port, Channel.PLAIN, b"[AUTH]", "wrong"),
        "a busy maildrop": lambda: rig.busy(front.tls_port, Channel.TLS),
    }


def _dovecot(rig: _Rig) -> tuple:
    ports = rig.ports
    mine = "destuser=mrose"
    front = Dovecot(
        rig.directory / "dovecot", rig.certificate, rig.key,
        {
            "mrose": dovecot.proxied(ports["xclient"]),
            "stls": dovecot.proxied(ports["xclient, passwords inside TLS"], f"{mine} starttls=any-cert"),
            "tls": dovecot.proxied(ports["xclient pop3s"], f"{mine} ssl=any-cert"),
            "stranger": dovecot.proxied(ports["others are xclients"], mine),
        },
    )
    return front, {
        "in clear": lambda: rig.session(front.port, Channel.PLAIN, tls=False),
        "STLS ends there": lambda: rig.session(front.port, Channel.STLS, tls=False),
        "STLS to us": lambda: rig.session(front.tls_port, Channel.TLS, user="stls", tls=True),
        "implicit TLS to us": lambda: rig.session(front.tls_port, Channel.TLS, user="tls", tls=True),
        "from a network that is not named": lambda: rig.session(
            front.port, Channel.PLAIN, user="stranger", peer="127.0.0.1"
        ),
        "many logins": lambda: _many(rig, front),
        "a wrong password": lambda: rig.refused(front.port, Channel.PLAIN, b"[AUTH]", "wrong"),
        "a busy maildrop": lambda: rig.busy(front.tls_port, Channel.TLS),
    }


def _many(rig: _Rig, front: Dovecot) -> str:
    """Until the names that Dovecot gives to sessions had every octet of base 64: it sends them as they are."""
    for count in range(1, 200):
        client = rig.client(front.port, Channel.PLAIN)
        client.user("mrose")
        client.pass_("redqueen")
        client.quit()
        names = set("".join(re.findall(r"Started proxying .*session=<([^>]+)>", front.log())))
        if count >= 10 and {"+", "/"} <= names:
            return f"{count} logins"
    raise AssertionError("no name has both a plus and a slash")
