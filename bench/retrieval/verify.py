"""Whether a Maildir holds what the server had: each message once, and each text the one that was delivered.

Line ends may be LF or CRLF, and header fields that a client puts before a message are allowed. Every text of
`restante bench corpus` begins with the field X-Corpus, so what stands before that is the client's.
"""

import hashlib
import re
from collections import Counter
from pathlib import Path

_FIRST = b"X-Corpus: "
_ADDED = re.compile(rb"(?:[A-Za-z-]+: [^\n]*\n(?:[ \t][^\n]*\n)*)*")


class Wrong(Exception):
    """A client has not kept what it was given."""


class Texts:
    """The texts of an account, as hashes."""

    def __init__(self, maildir: Path):
        self._expected = Counter(_hash(_read(file)) for file in _files(maildir))

    def __len__(self) -> int:
        return self._expected.total()

    def verify(self, maildir: Path) -> None:
        """Raises Wrong unless they are all there, once, and nothing else is."""
        found: Counter[str] = Counter()
        for file in _files(maildir):
            text = _read(file)
            found[_hash(text)] += 1
            if found[_hash(text)] > self._expected[_hash(text)]:
                raise Wrong(f"{file.name}, {len(text)} octets, is a text that was not there or is there twice: {text[:200]!r}")
        if missing := (self._expected - found).total():
            raise Wrong(f"{missing} of {len(self)} messages are missing")
        if left := list((maildir / "tmp").iterdir()):
            raise Wrong(f"{len(left)} files are left in tmp, as {left[0].name}")


def _files(maildir: Path):
    for part in ("new", "cur"):
        yield from (maildir / part).iterdir()


def _read(file: Path) -> bytes:
    """The message without what a client has put before it, with LF."""
    text = file.read_bytes().replace(b"\r\n", b"\n")
    at = max(0, text[:8192].find(_FIRST))
    if not _ADDED.fullmatch(text, 0, at):
        raise Wrong(f"{file.name} begins with what is no header field: {text[:200]!r}")
    return text[at:]


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
