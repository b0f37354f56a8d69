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


@dataclass(frozen=True)
class Way:
    """A login over a channel."""

    kind: LoginKind
    channel: Channel

    def __str__(self) -> str:
        return f"{self.kind.value}, {self.channel.value}"


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
    """A user and the password in clear."""

    user: str
    password: str
