"""POP3 libraries of other languages, each with a small program of ours around it that polls as a mail program does.

A program of `programs/` is started with CHANNEL HOST PORT USER LOGIN AUTHORITY DIRECTORY keep|delete and the
password in POP3_PASSWORD, or a certificate and its key in the file POP3_CERTIFICATE. It retrieves what is not yet in DIRECTORY/seen, writes each text to DIRECTORY/texts
under its message-number, notes its unique-id, and deletes everything if it shall not be kept.
"""

import functools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .. import paths
from ..peers import Unavailable, require, unpack_npm
from ..processes import run
from .endpoint import COMMON, INSIDE_TLS, Channel, Endpoint, LoginKind, Login, Way, ways

_PROGRAMS = Path(__file__).resolve().parent / "programs"

_EVERY = ways(*COMMON)
_WITHOUT_STLS = (Channel.PLAIN, Channel.TLS)


@dataclass(frozen=True)
class Library:
    """One library and the program around it."""

    NAME: str
    #: What it can do.
    WAYS: tuple[Way, ...]
    #: The words that start the program; raises Unavailable.
    command: Callable[[], list]
    #: What it makes of a stored message; None if it cannot keep it whole.
    expected: Callable[[bytes], bytes | None]
    #: What it can do beside that.
    MORE: tuple[Way, ...] = ()
    #: Our program keeps a list of unique-ids, and names a text by its number.
    REMEMBERS: bool = True
    ORDERED: bool = True
    STEP: int = 1

    @property
    def MECHANISMS(self) -> tuple[Way, ...]:
        """All that it can do."""
        return self.WAYS + self.MORE

    def poll(self, server: Endpoint, way: Way, login: Login, directory: Path, keep: bool = True) -> list[bytes]:
        """What was not there at the last poll with this directory, in the order of the scan listing."""
        texts = directory / "texts"
        texts.mkdir(parents=True, exist_ok=True)
        for old in texts.iterdir():
            old.unlink()
        done = run(
            [*self.command(), way.channel.name, server.host, server.port(way.channel), login.user, way.kind.mechanism]
            + [server.authority, directory, "keep" if keep else "delete"],
            patience=120,
            env=os.environ | {
                "POP3_PASSWORD": login.password, "POP3_CERTIFICATE": str(login.certificate or ""), "LC_ALL": "C.UTF-8",
            },
        )
        if done.returncode != 0:
            raise RuntimeError(f"{self.NAME}: {(done.stdout + done.stderr).decode(errors='replace').strip()[-800:]}")
        return [path.read_bytes() for path in sorted(texts.iterdir())]


def _perl() -> list:
    _can("Perl's Net::POP3 with TLS and SASL", "perl", "-MNet::POP3", "-MIO::Socket::SSL", "-MAuthen::SASL", "-MDigest::HMAC_MD5", "-e1")
    return ["perl", _PROGRAMS / "pop3.pl"]


def _ruby() -> list:
    _can("Ruby's net/pop", "ruby", "-rnet/pop", "-ropenssl", "-e0")
    return ["ruby", _PROGRAMS / "pop3.rb"]


@functools.cache
def _node() -> list:
    require("node")
    package = unpack_npm("node-pop3", "0.11.0")
    return ["env", f"NODE_POP3={package}/src/Command.js", "node", _PROGRAMS / "pop3.mjs"]


#: Debian's libjakarta-mail-java and what it uses.
_JARS = ("jakarta-mail.jar", "jakarta-activation.jar")


@functools.cache
def _java() -> list:
    require("javac")
    jars = [Path("/usr/share/java") / name for name in _JARS]
    if missing := [jar.name for jar in jars if not jar.exists()]:
        raise Unavailable(f"Jakarta Mail is not installed: {', '.join(missing)} (make test says how)")
    classes = paths.scratch("java")
    run(["javac", "-cp", ":".join(map(str, jars)), "-d", classes, _PROGRAMS / "Pop3.java"], patience=120, check=True)
    # A short life: what a compiler would win is less than it costs.
    fast = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]
    return ["java", *fast, "-cp", ":".join(map(str, [classes, *jars])), "Pop3"]


def _can(what: str, *words: str) -> None:
    require(words[0])
    if run(list(words)).returncode != 0:
        raise Unavailable(f"{what} is not installed (make test says how)")


def _exactly(stored: bytes) -> bytes:
    return stored


#: node-pop3 looks for the end of a reply in each piece that arrives: a text must come in one.
_NODE_OCTETS_MAX = 8192


def _as_it_came(stored: bytes) -> bytes | None:
    """node-pop3 leaves dots doubled, and takes the CRLF before the final dot as part of the end.

    An octet NUL right after the status line it takes for nothing.
    """
    if len(stored) > _NODE_OCTETS_MAX or stored.startswith(b"\0"):
        return None
    return re.sub(rb"(?:\A|(?<=\r\n))\.", b"..", stored).removesuffix(b"\r\n")


LIBRARIES = (
    Library(
        "Perl Net::POP3", _EVERY, _perl, _exactly,
        ways(LoginKind.LOGIN, LoginKind.CRAM_MD5) + ways(LoginKind.EXTERNAL, channels=INSIDE_TLS),
    ),
    Library(
        "Ruby net/pop",
        # It knows neither STLS nor AUTH.
        ways(LoginKind.USER, LoginKind.APOP, channels=_WITHOUT_STLS),
        _ruby,
        _exactly,
    ),
    # It knows no STLS; what it does not know of AUTH and APOP it can send all the same.
    Library(
        "node-pop3", ways(*COMMON, channels=_WITHOUT_STLS), _node, _as_it_came,
        ways(LoginKind.EXTERNAL, channels=(Channel.TLS,)),
    ),
    Library("Jakarta Mail", _EVERY, _java, _exactly, ways(LoginKind.XOAUTH2)),
)
