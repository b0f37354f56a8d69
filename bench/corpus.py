"""Accounts and mail for bench/run.sh: the same octets at every run.

Writes below the given directory: `accounts` (lines for `restante user import`), `password`,
`message`, and directories of .eml files: small (1,000 x 4 KiB), large (20 x 10 MiB), huge
(100,000 x 1 KiB), poll (200 x 4 KiB).
"""

import base64
import pathlib
import random
import sys

IDLE_ACCOUNTS = 1000
PASSWORD = "redqueen"


def message(number: int, octets: int, source: random.Random) -> bytes:
    """A message of about so many octets, base 64 as attachments are."""
    header = (
        f"From: sender{number % 97}@example.org\n"
        f"To: owner@example.org\n"
        f"Subject: message {number}\n"
        f"Message-ID: <{number}@example.org>\n\n"
    ).encode()
    lines = base64.encodebytes(source.randbytes(max(0, octets - len(header)) * 3 // 4))
    return header + lines


def fill(directory: pathlib.Path, messages: int, octets: int) -> None:
    """A directory of .eml files."""
    source = random.Random(octets)
    directory.mkdir()
    for number in range(messages):
        (directory / f"{number:06}.eml").write_bytes(message(number, octets, source))


def main() -> None:
    """All of it."""
    work = pathlib.Path(sys.argv[1])
    names = ["small", "large", "huge", "poll"] + [f"idle{n}" for n in range(IDLE_ACCOUNTS)]
    (work / "accounts").write_text("".join(f"{name}:{{PLAIN}}{PASSWORD}\n" for name in names))
    (work / "password").write_text(PASSWORD + "\n")
    (work / "message").write_bytes(message(0, 4096, random.Random(0)))
    fill(work / "small", 1000, 4096)
    fill(work / "large", 20, 10 << 20)
    fill(work / "huge", 100_000, 1024)
    fill(work / "poll", 200, 4096)


if __name__ == "__main__":
    main()
