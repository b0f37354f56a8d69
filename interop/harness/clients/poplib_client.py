"""Python's poplib. It hands out lines without their ends and changes nothing else."""

import poplib
import ssl
from pathlib import Path

from .endpoint import Channel, Endpoint, Login, LoginKind, Way, ways

NAME = "Python poplib"

MECHANISMS = ways(LoginKind.USER, LoginKind.APOP)

# poplib refuses lines of more than 2048 octets, which real mail has (Python issue 16041).
poplib._MAXLINE = 1 << 22


def session(
    server: Endpoint, channel: Channel, login: Login, patience: float = 60, kind: LoginKind = LoginKind.USER
) -> poplib.POP3:
    """A session in the TRANSACTION state."""
    context = ssl.create_default_context(cafile=server.authority)
    if channel is Channel.TLS:
        client = poplib.POP3_SSL(server.host, server.pop3s_port, timeout=patience, context=context)
    else:
        client = poplib.POP3(server.host, server.pop3_port, timeout=patience)
    try:
        if channel is Channel.STLS:
            client.stls(context)
        # Or headers that are not ASCII would come as their surrogates (RFC 6856), and not as they were sent.
        client.utf8()
        if kind is LoginKind.APOP:
            client.apop(login.user, login.password)
        else:
            client.user(login.user)
            client.pass_(login.password)
    except BaseException:
        client.close()
        raise
    return client


def text(client: poplib.POP3, number: int) -> bytes:
    """The text of one message, octet for octet."""
    lines = client.retr(number)[1]
    return b"".join(line + b"\r\n" for line in lines)


def retrieve(server: Endpoint, channel: Channel, login: Login, count: int, directory: Path) -> list[bytes]:
    """All messages in the order of the scan listing."""
    client = session(server, channel, login)
    try:
        texts = [text(client, number) for number in range(1, count + 1)]
        client.quit()
        return texts
    finally:
        client.close()


def poll(server: Endpoint, way: Way, login: Login, directory: Path, keep: bool = True) -> list[bytes]:
    """All messages in the order of the scan listing; with `keep=False` they are deleted too."""
    client = session(server, way.channel, login, kind=way.kind)
    try:
        count = client.stat()[0]
        texts = [text(client, number) for number in range(1, count + 1)]
        for number in range(1, count + 1):
            if not keep:
                client.dele(number)
        client.quit()
        return texts
    finally:
        client.close()


def expected(stored: bytes) -> bytes:
    """What poplib makes of a stored message."""
    return stored


def unique_ids(client: poplib.POP3) -> list[str]:
    """The unique-ids in the order of the scan listing."""
    return [line.split()[1].decode("ascii") for line in client.uidl()[1]]


def octets(client: poplib.POP3) -> list[int]:
    """The sizes in the order of the scan listing."""
    return [int(line.split()[1]) for line in client.list()[1]]
