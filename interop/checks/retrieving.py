"""Every client over every channel it can: what it gets is what was delivered, octet for octet."""

import itertools
import re

from harness.clients import curl, fetchmail, mpop, poplib_client
from harness.clients.endpoint import Channel
from harness.paths import scratch
from harness.program import Program
from harness.report import Report

from .drop import Drop, equal

_CLIENTS = (curl, mpop, fetchmail, poplib_client)
_UNIQUE_ID = re.compile(r"[!-~]{1,70}")


def all_clients(report: Report, program: Program, drops: list[Drop]) -> None:
    """The first maildrop by every client and channel; each other one by every client, channels in turn."""
    pairs = [(drops[0], client, channel) for client in _CLIENTS for channel in Channel] if drops else []
    channels = itertools.cycle(Channel)
    for drop in drops[1:]:
        pairs += [(drop, client, next(channels)) for client in _CLIENTS]
        next(channels)
    for drop, client, channel in pairs:
        name = f"{client.NAME}, {channel.value}, {drop.login.user}"
        report.check(name, lambda: _retrieve(program, drop, client, channel))
    if any(fetchmail.expected(text) is None for drop in drops for text in drop.stored):
        report.skip("fetchmail, a line of 1 MiB", "fetchmail tears it; the other clients compare it")
    for drop in drops:
        report.check(f"sizes, unique-ids and TOP, {drop.login.user}", lambda: _measures(program, drop))


def _retrieve(program: Program, drop: Drop, client, channel: Channel) -> str:
    directory = scratch("client")
    got = client.retrieve(program.endpoint, channel, drop.login, len(drop.stored), directory)
    if len(got) != len(drop.stored):
        raise AssertionError(f"{len(got)} messages of {len(drop.stored)}")
    compared = 0
    for message, stored, text in zip(drop.messages, drop.stored, got, strict=True):
        wanted = client.expected(stored)
        if wanted is not None:
            equal(message.name, wanted, text)
            compared += 1
    return f"{compared} messages compared"


def _measures(program: Program, drop: Drop) -> str:
    """STAT, LIST, UIDL and TOP agree with what RETR gives."""
    client = poplib_client.session(program.endpoint, Channel.TLS, drop.login)
    sizes = [len(text) for text in drop.stored]
    if poplib_client.octets(client) != sizes:
        raise AssertionError("LIST does not give the octets that RETR gives")
    if client.stat() != (len(sizes), sum(sizes)):
        raise AssertionError(f"STAT gives {client.stat()}, not {(len(sizes), sum(sizes))}")
    ids = poplib_client.unique_ids(client)
    if len(set(ids)) != len(sizes) or not all(map(_UNIQUE_ID.fullmatch, ids)):
        raise AssertionError("unique-ids are not unique, or not 1 to 70 octets from ! to ~ (RFC 1939 §7)")
    for number, (message, text) in enumerate(zip(drop.messages, drop.stored, strict=True), 1):
        for lines in (0, 1, 10):
            top = b"".join(line + b"\r\n" for line in client.top(number, lines)[1])
            equal(f"TOP {number} {lines} of {message.name}", _top(text, lines), top)
    client.quit()
    listed = curl.listing(program.endpoint, Channel.TLS, drop.login)
    if list(listed.values()) != sizes:
        raise AssertionError("curl's listing differs")
    return f"{len(sizes)} messages, {3 * len(sizes)} TOPs"


def _top(text: bytes, count: int) -> bytes:
    """The header, the blank line, and the first lines of the body (RFC 1939 §7)."""
    lines = text.split(b"\r\n")[:-1]
    end = lines.index(b"") + 1 + count if b"" in lines else len(lines)
    return b"".join(line + b"\r\n" for line in lines[:end])
