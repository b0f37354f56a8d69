"""What a maildrop holds, as the program's own tools show it, and what it may hold after an operation.

The tools start anew each time, so they see what is in the files and nothing that a process remembers.
"""

import json
from dataclasses import dataclass

from . import wire
from .oracle import Violation
from .program import Program


@dataclass(frozen=True)
class Mail:
    """One message as it is shown."""

    unique_id: str
    octets: int
    text: bytes


def look(program: Program, account: str) -> list[Mail]:
    """Every message of a maildrop; raises Violation if a tool ends without success."""
    listing = tool(program, "maildrop", "list", account, "--json").decode().splitlines()
    found = []
    for entry in map(json.loads, listing):
        text = tool(program, "maildrop", "show", account, str(entry["message"]))
        if len(text) != entry["octets"]:
            raise Violation(f"{entry['unique_id']} has {len(text)} octets, but the list says {entry['octets']}")
        found.append(Mail(entry["unique_id"], entry["octets"], text))
    return found


def verify(program: Program) -> None:
    """Every octet of every maildrop against its checksum."""
    tool(program, "maildrop", "verify")


def tool(program: Program, *words) -> bytes:
    """What a command of the program prints; raises Violation if it ends without success."""
    done = program.command(*words)
    sane(done.stdout + done.stderr, done.returncode)
    if done.returncode != 0:
        raise Violation(f"{' '.join(map(str, words))}: {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def sane(output: bytes, status: int) -> None:
    """That a command did not panic, abort or crash; SIGKILL is what the rigs do themselves."""
    if b"panicked" in output or status in (101, 134) or (status < 0 and status != -9):
        raise Violation(f"status {status}: {output.decode(errors='replace').strip()[-1000:]}")


def same(found: list[Mail], expected: list[Mail]) -> str | None:
    """How a listing differs from the expected one; none if it does not."""
    if found == expected:
        return None
    for place, (one, other) in enumerate(zip(found, expected, strict=False), 1):
        if one.unique_id != other.unique_id:
            return f"message {place} is {one.unique_id} and was {other.unique_id}"
        if one != other:
            return f"{one.unique_id} has other octets than it had"
    return f"{len(found)} messages, {len(expected)} expected"


def arrived(found: list[Mail], before: list[Mail], texts: list[bytes]) -> str | None:
    """How a listing differs from the earlier one with new messages of these texts at its end."""
    if (difference := same(found[: len(before)], before)) is not None:
        return difference
    new = found[len(before) :]
    if len(new) != len(texts):
        return f"{len(new)} new messages, {len(texts)} expected"
    if len({mail.unique_id for mail in found}) != len(found):
        return "a unique-id is there twice"
    for mail, text in zip(new, texts, strict=True):
        body = mail.text
        if body != wire.stored(text) and body.startswith(b"Return-Path: "):
            body = wire.without_trace(body, "lmtp")[0]
        if body != wire.stored(text):
            return f"{mail.unique_id} has other octets than were delivered"
    return None
