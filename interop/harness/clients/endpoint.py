"""What a client must know of a server: three ways to reach it, and whose certificates to believe."""

import enum
from dataclasses import dataclass
from pathlib import Path


class Channel(enum.Enum):
    """How the octets travel."""

    PLAIN = "plain"
    STLS = "STLS"
    TLS = "implicit TLS"


class LoginKind(enum.Enum):
    """How somebody shows who he is."""

    USER = "USER and PASS"
    APOP = "APOP"
    PLAIN = "AUTH PLAIN"
    LOGIN = "AUTH LOGIN"
    CRAM_MD5 = "AUTH CRAM-MD5"
    SCRAM_SHA_1 = "AUTH SCRAM-SHA-1"
    SCRAM_SHA_256 = "AUTH SCRAM-SHA-256"
    SCRAM_SHA_1_PLUS = "AUTH SCRAM-SHA-1-PLUS"
    SCRAM_SHA_256_PLUS = "AUTH SCRAM-SHA-256-PLUS"
    EXTERNAL = "AUTH EXTERNAL"
    OAUTHBEARER = "AUTH OAUTHBEARER"
    XOAUTH2 = "AUTH XOAUTH2"

    @property
    def mechanism(self) -> str:
        """The word for it in the protocol."""
        return self.value.removeprefix("AUTH ").split()[0]


@dataclass(frozen=True)
class Way:
    """A login over a channel."""

    kind: LoginKind
    channel: Channel

    def __str__(self) -> str:
        return f"{self.kind.value}, {self.channel.value}"


#: Those by which every client that polls is held to every channel; `checks/mechanisms.py` has the others.
COMMON = (LoginKind.USER, LoginKind.APOP, LoginKind.PLAIN)


def ways(*kinds: LoginKind, channels: tuple[Channel, ...] = tuple(Channel)) -> tuple[Way, ...]:
    """Each login over each channel."""
    return tuple(Way(kind, channel) for kind in kinds for channel in channels)


#: A certificate is shown inside TLS.
INSIDE_TLS = (Channel.STLS, Channel.TLS)


@dataclass(frozen=True)
class Endpoint:
    """A POP3 server of this machine; its certificate is for `localhost`."""

    pop3_port: int
    pop3s_port: int
    authority: Path
    host: str = "localhost"

    def port(self, channel: Channel) -> int:
        """The port for this channel: implicit TLS has one of its own."""
        return self.pop3s_port if channel is Channel.TLS else self.pop3_port


@dataclass(frozen=True)
class Login:
    """A user and the password in clear, or a certificate in place of one."""

    user: str
    password: str
    #: The certificate and its key in one file, in PEM.
    certificate: Path | None = None
