"""A few hundred messages: real ones from the test data of mail programs, and generated hard ones.

The real ones come from Debian packages that are unpacked, not installed: Python's own e-mail tests, a
collection of bounces of many mail systems, and the tests of a mailing-list manager. All of them are used
as they lie there, octet for octet.
"""

import functools
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from . import wire
from .peers import unpack

#: package → where its messages are.
_SOURCES = {
    "libpython3.11-testsuite": "usr/lib/python3.11/test/test_email/data/msg_*.txt",
    "python3-flufl.bounce": "usr/lib/python3/dist-packages/flufl/bounce/tests/data/*.txt",
    "mailman3": "usr/lib/python3/dist-packages/mailman/**/*.eml",
}

_MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Message:
    """One message: where it comes from, and its octets before delivery."""

    name: str
    text: bytes


@functools.cache
def messages() -> tuple[Message, ...]:
    """All of them, always in the same order."""
    return (*_real(), *_generated())


@functools.cache
def small() -> tuple[Message, ...]:
    """Those of at most 64 KiB, for ways and clients that pay dearly for each octet."""
    return tuple(message for message in messages() if len(message.text) <= 65536)


_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:((?:[^\r]|\r\n[ \t])*)\r\n")
#: Fields that belong to the envelope: agents write or drop them at will (RFC 5321 §4.4, and Bcc of RFC 5322 §3.6.3).
_ENVELOPE = {b"return-path", b"bcc", b"delivery-date", b"envelope-to", b"delivered-to"}
_ADDRESSES = {b"from", b"to", b"cc", b"sender", b"reply-to"}


def is_sound(text: bytes) -> bool:
    """Whether it is a message of RFC 5322 but for 8-bit octets, complete, so that no agent has a reason to change it."""
    header, blank, _ = text.partition(b"\r\n\r\n")
    fields = [(field[1].lower(), field[2]) for field in _FIELD.finditer(header + b"\r\n")]
    names = {name for name, _ in fields}
    return (
        bool(blank)
        and sum(len(name) + len(value) for name, value in fields) + 3 * len(fields) == len(header) + 2
        and names >= {b"from", b"date", b"message-id"}
        and not names & _ENVELOPE
        # Agents put their own domain behind an address without one, and do not double a dot that begins a name.
        and all(re.search(rb"[^ <,]@[^ >,]", value) for name, value in fields if name in _ADDRESSES)
        and not any(name.startswith(b".") for name in names)
        and not re.search(rb"\0|\r(?!\n)|(?<!\r)\n|[^\n]{1000}", text)
    )


def letters(count: int, keeps: Callable[[bytes], bool] = lambda text: True) -> dict[str, bytes]:
    """So many sound messages, by an envelope sender for each: every other one is real, the others are of all sizes up to 128 KiB.

    `keeps` says of a real one whether whoever carries it leaves it alone.
    """
    real = [text for text in (wire.stored(message.text) for message in small()) if is_sound(text) and keeps(text)]
    dice = random.Random(2033)
    bulk = _bulk(256 * 1024)
    texts = {}
    for number in range(count):
        text = real[number // 2 % len(real)]
        if number % 2:
            start, lines = 78 * dice.randrange(1600), int(2 ** dice.uniform(0, 10.7))
            text = _LETTER % (number, number) + bulk[start : start + 78 * lines]
        # One is from the null sender, as bounces are.
        texts[f"message-{number}@example.com" if number else ""] = text
    return texts


_LETTER = (
    b"From: Alice <alice@example.com>\r\nTo: bob@dobbs.org\r\nSubject: letter %d\r\n"
    b"Date: Mon, 23 Nov 2026 08:00:00 +0000\r\nMessage-ID: <%d@example.com>\r\n\r\n.a dot\r\n\r\n"
)


def _real():
    for package, pattern in _SOURCES.items():
        for path in sorted(unpack(package).glob(pattern)):
            yield Message(f"{package}/{path.name}", path.read_bytes())


def _generated():
    header = b"From: mrose@dobbs.org\r\nTo: bob@dobbs.org\r\nSubject: %s\r\n\r\n"
    for name, text in _hard().items():
        yield Message(f"generated/{name}", text)
    for name, body in _hard_bodies().items():
        yield Message(f"generated/{name}", header % name.encode() + body)
    # Octets of every kind with every kind of line end, from a fixed seed.
    dice = random.Random(1939)
    pieces = [b"\r", b"\n", b"\r\n", b".", b"..", b"\0", b"\xff", b"a", b" ", b"From ", b"text", b"\r\n.\r\n"]
    for number in range(60):
        body = b"".join(dice.choices(pieces, k=dice.randrange(1, 400)))
        yield Message(f"generated/dice {number}", header % b"dice" + body)
    # Sizes around the limits of buffers and blocks.
    for power in (9, 10, 12, 13, 14, 15, 16, 17):
        for octets in (2**power - 1, 2**power, 2**power + 1):
            text = (header % b"size" + (b"x" * 70 + b"\r\n") * (octets // 72 + 1))[: octets - 2] + b"\r\n"
            yield Message(f"generated/{octets} octets", text)


def _hard() -> dict[str, bytes]:
    """Messages without the usual shape."""
    return {
        "empty": b"",
        "one octet": b"x",
        "one line end": b"\r\n",
        "one bare LF": b"\n",
        "one bare CR": b"\r",
        "a lone dot": b".",
        "a lone dot on a line": b".\r\n",
        "two dots": b"..\r\n",
        "first line begins with a dot": b".From: mrose@dobbs.org\r\n\r\nbody\r\n",
        "header only, no blank line": b"From: mrose@dobbs.org\r\nSubject: header only\r\n",
        "header only, blank line": b"From: mrose@dobbs.org\r\nSubject: header only\r\n\r\n",
        "header only, no final newline": b"From: mrose@dobbs.org\r\nSubject: header only",
        "body only": b"\r\nThere is no header.\r\n",
        "blank lines only": b"\r\n" * 50,
        "a From line of mbox first": b"From mrose Mon Nov 23 08:00:00 2026\r\nSubject: mbox\r\n\r\nFrom here\r\n",
    }


def _hard_bodies() -> dict[str, bytes]:
    """Bodies that go wrong where text is not taken octet by octet."""
    every_octet = bytes(range(256))
    return {
        "no final newline": b"the last line has no end",
        "bare LF ends": b"one\ntwo\n.three\n..four\n.\nfive\n",
        "bare CR": b"one\rtwo\r.three\r\rfour\r\n\r\r\nfive\r",
        "CR CR LF": b"one\r\r\ntwo\r\r\r\n.\r\r\n",
        "LF dot LF is not the end": b"one\n.\ntwo\n.\r\nthree\r\n.\nfour\r\n",
        "CR dot CR is not the end": b"one\r.\rtwo\r\n.\rthree\r.\r\nfour\r\n",
        "dots": b".\r\n..\r\n...\r\n.x\r\n..x\r\n x.\r\n.\r\n.\r\n",
        "ends with a dot": b"one\r\n.",
        "commands": b"QUIT\r\nDATA\r\nRSET\r\n.\r\nMAIL FROM:<>\r\n+OK\r\n-ERR\r\n",
        "From lines": b"From here on\r\n>From there\r\n\r\nFrom mrose Mon Nov 23 08:00:00 2026\r\n",
        "8-bit": "Grüße, καλημέρα, 日本語\r\n".encode() + b"\xe4\xf6\xfc latin\r\n\x80\xff\r\n",
        "NUL": b"\0\r\na\0b\r\n\0\0\0\r\n.\0\r\n",
        "every octet": every_octet + b"\r\n" + every_octet[::-1] + b"\r\n" + every_octet,
        "trailing blanks": b"one \r\ntwo\t\r\n \r\n\t\r\nthree  ",
        "blank lines at the end": b"one\r\n\r\n\r\n\r\n",
        "a line of 998": b"y" * 998 + b"\r\n",
        "a line of 999": b"y" * 999 + b"\r\n",
        "a line of 1 MiB": b"z" * _MEBIBYTE + b"\r\n.\r\nafter it\r\n",
        "100000 short lines": b".\r\n\r\nx\r\n\n" * 25_000,
        "25 MiB": _bulk(25 * _MEBIBYTE),
    }


def _bulk(octets: int) -> bytes:
    """Lines of base64 look: 76 octets each, all different."""
    dice = random.Random(1725)
    line = bytes(dice.choices(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", k=4096))
    return b"".join(
        b"%08d" % number + line[number % 4000 : number % 4000 + 68] + b"\r\n"
        for number in range(octets // 78)
    )
