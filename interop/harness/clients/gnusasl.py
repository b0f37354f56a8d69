"""GNU SASL's library over `openssl s_client`: SCRAM bound to the TLS channel (RFC 9266), by nobody's code of ours.

No mail program that Debian 12 has can do that. openssl tells the keying material that both ends of the channel
share, and the library makes of it, and of the server's challenges, what the client answers.
"""

import base64
import ctypes
import ctypes.util
import re
import subprocess
from pathlib import Path

from .. import wire
from ..peers import Unavailable, require
from ..processes import Process
from . import openssl
from .endpoint import INSIDE_TLS, Channel, Endpoint, Login, LoginKind, Way, ways

NAME = "GNU SASL"

MECHANISMS = ways(
    LoginKind.SCRAM_SHA_1, LoginKind.SCRAM_SHA_256, LoginKind.SCRAM_SHA_1_PLUS, LoginKind.SCRAM_SHA_256_PLUS,
    LoginKind.EXTERNAL, channels=INSIDE_TLS,
)

#: Properties of `gsasl.h`.
_AUTHID, _PASSWORD, _TLS_EXPORTER = 1, 3, 25
_OK, _NEEDS_MORE = 0, 1
_KEYING = re.compile(rb"Keying material: ([0-9A-F]{64})")


def poll(server: Endpoint, way: Way, login: Login, directory: Path) -> list[bytes]:
    """All messages in the order of the scan listing."""
    require("openssl")
    words = [word for word in openssl.arguments(server, way.channel, login) if word != "-quiet"]
    words += ["-ign_eof", "-nocommands", "-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen", "32"]
    process = Process(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    talk = _Talk(process.child)
    try:
        keying = talk.until(_KEYING)[1].decode()
        # What openssl says of the channel ends with this line; without STLS the greeting stands behind it.
        if way.channel is Channel.TLS:
            talk.until(re.compile(rb"\+OK .*"))
        _log_in(talk, way.kind, login, bytes.fromhex(keying))
        count = int(talk.ask(b"STAT").split()[1])
        texts = []
        for number in range(1, count + 1):
            talk.ask(b"RETR %d" % number)
            texts.append(wire.unstuffed(talk.text()))
        talk.ask(b"QUIT")
        return texts
    finally:
        process.kill()


def expected(stored: bytes) -> bytes:
    """Nothing is changed."""
    return stored


class _Talk:
    """Lines to and from the server, between those that openssl says itself."""

    def __init__(self, child: subprocess.Popen):
        self._child = child

    def until(self, pattern: re.Pattern) -> re.Match:
        """Reads lines up to one like this."""
        while line := self._child.stdout.readline():
            if found := pattern.match(line.strip()):
                return found
        raise RuntimeError(f"{NAME}: the connection ended before {pattern.pattern!r}")

    def ask(self, line: bytes) -> bytes:
        """Sends a line and returns the reply's; openssl may still say things, of session tickets for one."""
        self._child.stdin.write(line + b"\r\n")
        self._child.stdin.flush()
        reply = self.until(re.compile(rb"(\+|-ERR).*"))[0]
        if reply.startswith(b"-ERR"):
            raise RuntimeError(f"{NAME}: {reply!r}")
        return reply

    def text(self) -> bytes:
        """The lines of a multi-line reply, without its last one."""
        lines = []
        while (line := self._child.stdout.readline()) not in (b".\r\n", b""):
            lines.append(line)
        return b"".join(lines)


def _log_in(talk: _Talk, kind: LoginKind, login: Login, keying: bytes) -> None:
    library = _library()
    context, session, answer = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_char_p()
    _must(library, library.gsasl_init(ctypes.byref(context)))
    _must(library, library.gsasl_client_start(context, kind.mechanism.encode(), ctypes.byref(session)))
    known = {_AUTHID: login.user.encode(), _PASSWORD: login.password.encode()}
    if kind.name.endswith("PLUS"):
        known[_TLS_EXPORTER] = base64.b64encode(keying)
    for name, value in known.items():
        _must(library, library.gsasl_property_set(session, name, value))
    line, challenge = b"AUTH " + kind.mechanism.encode(), b""
    while True:
        reply = talk.ask(line)
        if reply.startswith(b"+OK"):
            break
        challenge = reply.removeprefix(b"+").strip()
        status = library.gsasl_step64(session, challenge, ctypes.byref(answer))
        if status not in (_OK, _NEEDS_MORE):
            raise RuntimeError(f"{NAME}: {library.gsasl_strerror(status).decode()}")
        line = answer.value or b""
    library.gsasl_finish(session)
    library.gsasl_done(context)


def _library() -> ctypes.CDLL:
    name = ctypes.util.find_library("gsasl")
    if name is None:
        raise Unavailable("GNU SASL's library is not installed (mpop brings it)")
    library = ctypes.CDLL(name)
    pointer = ctypes.c_void_p
    library.gsasl_init.argtypes = [pointer]
    library.gsasl_client_start.argtypes = [pointer, ctypes.c_char_p, pointer]
    library.gsasl_property_set.argtypes = [pointer, ctypes.c_int, ctypes.c_char_p]
    library.gsasl_step64.argtypes = [pointer, ctypes.c_char_p, pointer]
    library.gsasl_finish.argtypes = library.gsasl_done.argtypes = [pointer]
    library.gsasl_strerror.restype = ctypes.c_char_p
    return library


def _must(library: ctypes.CDLL, status: int) -> None:
    if status != _OK:
        raise RuntimeError(f"{NAME}: {library.gsasl_strerror(status).decode()}")
