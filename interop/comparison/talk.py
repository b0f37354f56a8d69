"""One connection with a server, as a script of the comparison sees it."""

import socket
import ssl

USER, PASSWORD = b"bob", b"redqueen"
#: Another name for the same mail, whose password has spaces: within, and at its end.
SPACED_USER, SPACED_PASSWORD = b"alice", b"red queen "

#: What all servers hold. The first line begins with a dot; there are three lines of body; a header is not ASCII.
MESSAGES = (
    b".X-First: the first line begins with a dot\r\nSubject: dots\r\n\r\n.one\r\n..two\r\n.\r\nthree\r\n",
    b"From: mrose@dobbs.org\r\nSubject: three lines\r\n\r\none\r\ntwo\r\nthree\r\n",
    "From: mrose@dobbs.org\r\nSubject: Grüße\r\n\r\nbody\r\n".encode(),
    b"Subject: a header alone\r\n\r\n",
)


#: Refused logins make some servers think for a while.
_PATIENCE = 20


class Closed(Exception):
    """The server has closed the connection."""


class Talk:
    """What is sent, and the lines that come back, without their ends."""

    def __init__(self, port: int):
        self._socket = socket.create_connection(("127.0.0.1", port), 10)
        self._socket.settimeout(_PATIENCE)
        self._input = b""
        self.greeting = self.line()

    def send(self, octets: bytes) -> None:
        """Sends them as they are."""
        try:
            self._socket.sendall(octets)
        except OSError as error:
            raise Closed from error

    def line(self) -> bytes:
        """One line; raises Closed, or TimeoutError if nothing comes."""
        while b"\n" not in self._input:
            self._more()
        line, _, self._input = self._input.partition(b"\n")
        return line.removesuffix(b"\r")

    def ask(self, command: bytes) -> bytes:
        """Sends one command and returns the status line of its reply."""
        self.send(command + b"\r\n")
        return self.line()

    def lines(self, command: bytes) -> list[bytes] | bytes:
        """The lines of a multi-line reply as they came, without the last one; or the status line, if it refuses."""
        status = self.ask(command)
        return self.rest() if status.startswith(b"+OK") else status

    def rest(self) -> list[bytes]:
        """What follows a status line of a multi-line reply."""
        lines = []
        while (line := self.line()) != b".":
            lines.append(line)
        return lines

    def login(self) -> "Talk":
        """USER and PASS."""
        self.ask(b"USER " + USER)
        reply = self.ask(b"PASS " + PASSWORD)
        if not reply.startswith(b"+OK"):
            raise AssertionError(f"no login: {reply!r}")
        return self

    def silent(self, seconds: float = 0.7) -> bool:
        """Whether nothing more comes, and nobody hangs up."""
        self._socket.settimeout(seconds)
        try:
            if not self._input:
                self._input = self._socket.recv(65536)
            return False
        except TimeoutError:
            return True
        except OSError:
            return False
        finally:
            self._socket.settimeout(_PATIENCE)

    def start_tls(self) -> None:
        """The handshake, whoever it is."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._socket = context.wrap_socket(self._socket)

    def close(self) -> None:
        """Hangs up without QUIT."""
        self._socket.close()

    def quit(self) -> bytes:
        """QUIT, and the end."""
        reply = self.ask(b"QUIT")
        self.close()
        return reply

    def _more(self) -> None:
        try:
            octets = self._socket.recv(65536)
        except (ConnectionError, ssl.SSLError) as error:
            raise Closed from error
        if not octets:
            raise Closed
        self._input += octets
