"""The documented rule for message text, written down a second time.

This is what `docs/format.md` and RFC 1939 ask of the program, in as few words as possible, so that the
program is compared with the rule and not with itself:

- each LF without CR before it becomes CRLF; a bare CR and NUL stay;
- a missing last CRLF is added; an empty message stays empty;
- LMTP puts Return-Path, Delivered-To and Received before the text, SMTP Authentication-Results before Received, `deliver -f` the first two,
  `deliver` without `-f` nothing.
"""

import re

_BARE_LF = re.compile(rb"(?<!\r)\n")

_RETURN_PATH = rb"Return-Path: <([^>\r\n]*)>\r\n"
_DELIVERED_TO = rb"Delivered-To: ([^\r\n]+)\r\n"
_RECEIVED = rb"Received: [^\r\n]+\r\n(?:[ \t][^\r\n]+\r\n)*"
_RESULTS = rb"Authentication-Results: [^\r\n]+\r\n(?:[ \t][^\r\n]+\r\n)*"

#: What stands before the text, by the way in which it was delivered.
TRACE = {
    "pipe": re.compile(rb""),
    "pipe-sender": re.compile(_RETURN_PATH + _DELIVERED_TO),
    "lmtp": re.compile(_RETURN_PATH + _DELIVERED_TO + _RECEIVED),
    "smtp": re.compile(_RETURN_PATH + _DELIVERED_TO + _RESULTS + _RECEIVED),
}


def stored(text: bytes) -> bytes:
    """Message text as it must come back from RETR, without trace headers."""
    text = _BARE_LF.sub(b"\r\n", text)
    return text if not text or text.endswith(b"\r\n") else text + b"\r\n"


def payload(text: bytes) -> bytes:
    """Message text as an LMTP client can say it: it must end with CRLF, unless it is empty."""
    return text if not text or text.endswith(b"\r\n") else text + b"\r\n"


def stuffed(text: bytes) -> bytes:
    """`payload` with dots doubled where a line begins: at the start and after CRLF (RFC 5321 §4.5.2)."""
    text = payload(text).replace(b"\r\n.", b"\r\n..")
    return b"." + text if text.startswith(b".") else text


def unstuffed(text: bytes) -> bytes:
    """The reverse of `stuffed`."""
    text = text.replace(b"\r\n.", b"\r\n")
    return text[1:] if text.startswith(b".") else text


def without_trace(retrieved: bytes, way: str) -> tuple[bytes, tuple]:
    """The text after its trace headers, and what these say: (sender, recipient), empty for `pipe`."""
    found = TRACE[way].match(retrieved)
    if found is None:
        raise AssertionError(f"trace headers are not those of {way}: {retrieved[:200]!r}")
    return retrieved[found.end() :], found.groups()
