"""The ledger of `restante fetch`, read a second time: every line whole, every message delivered once, and a session that has ended."""

from collections import Counter
from pathlib import Path

from harness.oracle import Violation


def judge(file: Path, count: int) -> None:
    """After a session that came to its end."""
    octets = file.read_bytes()
    if not octets.endswith(b"\n"):
        raise Violation(f"the ledger ends with {octets[-60:]!r}")
    bodies = []
    for line in octets.splitlines():
        checksum, _, body = line.partition(b" ")
        if int(checksum, 16) != _crc32c(body):
            raise Violation(f"a damaged line in the ledger: {line[:120]!r}")
        bodies.append(body.split(b" "))
    words = [body[0] for body in bodies]
    if words[0] != b"ledger" or b"ledger" in words[1:]:
        raise Violation(f"the ledger begins with {words[:2]}")
    # Behind it stands what a later session has found to be gone, and nothing else.
    last = [word for word in words if word != b"absent"][-1]
    if last != b"end":
        raise Violation(f"the ledger does not end with an end, but {b' '.join(bodies[-1])!r}")
    delivered = Counter(body[-1] for body in bodies if body[0] == b"delivered")
    if len(delivered) != count:
        raise Violation(f"{len(delivered)} of {count} are in the ledger")
    if doubled := [key for key, times in delivered.items() if times > 1]:
        raise Violation(f"the ledger has {doubled[0].decode()} as delivered twice")


def _table() -> list[int]:
    table = []
    for octet in range(256):
        for _ in range(8):
            octet = octet >> 1 ^ (0x82F63B78 if octet & 1 else 0)
        table.append(octet)
    return table


_TABLE = _table()


def _crc32c(octets: bytes) -> int:
    value = 0xFFFFFFFF
    for octet in octets:
        value = value >> 8 ^ _TABLE[(value ^ octet) & 0xFF]
    return value ^ 0xFFFFFFFF
