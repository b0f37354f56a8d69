"""Messages that say which they are, made from a seed and a number; and which one a text is."""

import functools
import random
import re

from harness import wire
from harness.oracle import Violation

_MARK = re.compile(rb"X-Rig: (\d+)\r\n")


@functools.lru_cache(maxsize=4000)
def message(seed: int, number: int) -> bytes:
    """The text of a message: the same for the same seed and number; its first line says which it is."""
    dice = random.Random(f"{seed} message {number}")
    (octets,) = dice.choices((0, 100, 1000, 4000, 30_000, 70_000, 400_000), (5, 20, 30, 30, 8, 5, 2))
    pieces = dice.randbytes(dice.randint(0, octets) // 2).hex().encode()
    lines = [pieces[at : at + 72] for at in range(0, len(pieces), 72)]
    if dice.random() < 0.3:
        lines[:0] = [b".", b"..", b"\0\xff\r", b""]
    return b"X-Rig: %d\r\n\r\n" % number + b"".join(line + b"\r\n" for line in lines)


def number_of(seed: int, text: bytes) -> int:
    """Which message this is, as it was retrieved; raises Violation if it is none, or has other octets."""
    body = wire.without_trace(text, "lmtp")[0] if text.startswith(b"Return-Path: ") else text
    mark = _MARK.match(body)
    if mark is None:
        raise Violation(f"a message that was never delivered: {body[:100]!r}")
    if body != message(seed, int(mark[1])):
        raise Violation(f"message {int(mark[1])} has other octets than were delivered")
    return int(mark[1])
