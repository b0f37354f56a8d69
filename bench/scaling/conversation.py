"""A client for what `restante bench` has no workload for: accounts by the hundred thousand, and single commands."""

import socket
import ssl

from rig.mail import PASSWORD

_BIND_ADDRESS_NO_PORT = 24
_SOURCES = 200


class Conversation:
    """A session that blocks; every answer must be the one that was hoped for."""

    def __init__(self, port: int, number: int = 0, context: ssl.SSLContext | None = None):
        self._socket = socket.socket()
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Each address has ports of its own, and a share of its own of the logins that may wait.
        self._socket.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        self._socket.bind((f"127.0.1.{number % _SOURCES + 1}", 0))
        self._socket.settimeout(60)
        self._socket.connect(("127.0.0.1", port))
        if context:
            self._socket = context.wrap_socket(self._socket, server_hostname="localhost")
        self._line("a greeting")

    def ask(self, command: str) -> str:
        """A command with a reply of one line."""
        self._socket.sendall(command.encode() + b"\r\n")
        return self._line(command.split()[0])

    def ask_many(self, command: str) -> bytes:
        """A command with a reply of many lines; all of it."""
        self._socket.sendall(command.encode() + b"\r\n")
        whole = b""
        while not whole.endswith(b"\r\n.\r\n"):
            piece = self._socket.recv(1 << 20)
            if not piece or whole[:4] == b"-ERR":
                raise RuntimeError(f"{command}: {whole[-200:]!r}")
            whole += piece
        return whole

    def log_in(self, user: str) -> "Conversation":
        self.ask(f"USER {user}")
        self.ask(f"PASS {PASSWORD}")
        return self

    def quit(self) -> None:
        self.ask("QUIT")
        self._socket.close()

    def _line(self, what: str) -> str:
        line = b""
        while not line.endswith(b"\r\n"):
            piece = self._socket.recv(512)
            if not piece:
                raise RuntimeError(f"{what}: the connection ended after {line!r}")
            line += piece
        if not line.startswith(b"+OK"):
            raise RuntimeError(f"{what}: {line!r}")
        return line.decode(errors="replace")


def trusting(certificate: str) -> ssl.SSLContext:
    """TLS that trusts this certificate."""
    return ssl.create_default_context(cafile=certificate)
