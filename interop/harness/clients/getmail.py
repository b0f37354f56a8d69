"""getmail6: hands each message to a delivery agent, here one that writes a file, and remembers by unique-id what it has.

It reads a message with Python's email package and writes it anew: Return-Path is replaced by one of its own, and
texts that are no proper messages come out as that package sees them. `expected` lets the same package do the same.
It knows neither STLS nor AUTH PLAIN.
"""

import email.parser
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from ..peers import require
from ..processes import Process
from .endpoint import Channel, Endpoint, Login, LoginKind, Way, ways

NAME = "getmail"

_CHANNELS = (Channel.PLAIN, Channel.TLS)

WAYS = ways(LoginKind.USER, LoginKind.APOP, channels=_CHANNELS)

MECHANISMS = WAYS

REMEMBERS = ORDERED = True

#: Every third message of the corpus: it starts some processes for each.
STEP = 3

# It reads lines with Python's poplib as it is, which gives up at longer ones.
_LINE_OCTETS_MAX = 2046
#: Seconds for a poll, and until it is told again that its agent has ended.
_PATIENCE, _NUDGE = 300, 3
_RETURN_PATH = re.compile(rb"\AReturn-Path: <[^\n]*>\n")


def poll(server: Endpoint, way: Way, login: Login, directory: Path, keep: bool = True) -> list[bytes]:
    """What was not there at the last poll with this directory, in the order of the scan listing."""
    require(NAME)
    inbox = directory / "inbox"
    inbox.mkdir(exist_ok=True)
    for old in inbox.iterdir():
        old.unlink()
    agent = directory / "agent"
    # A message after the other, so the clock puts them in order.
    agent.write_text(f"#!/bin/sh\nexec cat > {inbox}/$(date +%s%N)\n")
    agent.chmod(0o755)
    kind = "SimplePOP3SSLRetriever" if way.channel is Channel.TLS else "SimplePOP3Retriever"
    configuration = directory / "getmailrc"
    configuration.touch(mode=0o600)
    configuration.write_text(
        f"[retriever]\ntype = {kind}\nserver = {server.host}\nport = {server.port(way.channel)}\n"
        f"username = {login.user}\npassword = {login.password}\nuse_apop = {way.kind is LoginKind.APOP}\n"
        + (f"ca_certs = {server.authority}\n" if way.channel is Channel.TLS else "")
        # As root it gives mail to nobody else unless it is told so.
        + f"[destination]\ntype = MDA_external\npath = {agent}\nunixfrom = false\nallow_root_commands = true\n"
        f"[options]\nread_all = false\ndelete = {not keep}\ndelivered_to = false\nreceived = false\n"
    )
    code, said = run(["getmail", "--getmaildir", directory, "--rcfile", configuration], directory)
    if code != 0 or "rror" in said:
        raise RuntimeError(f"getmail: {said[-800:]}")
    return [_RETURN_PATH.sub(b"", path.read_bytes(), count=1) for path in sorted(inbox.iterdir())]


def run(words: list, home: Path) -> tuple[int, str]:
    """Runs it to its end. Its exit status, and what it said.

    getmail 6.18 sleeps until a signal tells it that its agent has ended, and sleeps on if the signal comes right before
    that. So it is told again now and then.
    """
    environment = os.environ | {"HOME": str(home), "LC_ALL": "C.UTF-8"}
    process = Process(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    end = time.monotonic() + _PATIENCE
    try:
        while True:
            try:
                said, _ = process.child.communicate(timeout=_NUDGE)
                return process.child.returncode, said.decode(errors="replace").strip()
            except subprocess.TimeoutExpired:
                if time.monotonic() > end:
                    raise
                process.child.send_signal(signal.SIGCHLD)
    finally:
        process.kill()


def expected(stored: bytes) -> bytes | None:
    """What getmail makes of a stored message; None if it cannot keep it whole."""
    if any(len(line) > _LINE_OCTETS_MAX for line in stored.split(b"\n")):
        return None
    message = email.parser.BytesParser().parsebytes(stored.replace(b"\r\n", b"\n"))
    del message["Return-Path"]
    return message.as_bytes(policy=message.policy.clone(linesep="\n"))
