"""getmail6: hands each message to a delivery agent, here one that writes a file, and remembers by unique-id what it has.

It reads a message with Python's email package and writes it anew: Return-Path is replaced by one of its own, and
texts that are no proper messages come out as that package sees them. `expected` lets the same package do the same.
It knows neither STLS nor AUTH PLAIN.
"""

import email.parser
import os
import re
import subprocess
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
#: Seconds for a poll.
_PATIENCE = 300
#: getmail 6.18 asks to be told of the end of a process after it has begun it, and waits for three minutes where that has ended
#: before. Here it waits for the process itself. Newer ones do so anyway.
_MENDED = """
import os, runpy, shutil, sys
from getmailcore import baseclasses
base = baseclasses.ForkingBase
if hasattr(base, "_prepare_child"):
    base._prepare_child = lambda self: None
    base._wait_for_child = lambda self, child: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.argv[0] = shutil.which("getmail")
runpy.run_path(sys.argv[0], run_name="__main__")
"""
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
    code, said = run(["--getmaildir", directory, "--rcfile", configuration], directory)
    if code != 0 or "rror" in said:
        raise RuntimeError(f"getmail: {said[-800:]}")
    return [_RETURN_PATH.sub(b"", path.read_bytes(), count=1) for path in sorted(inbox.iterdir())]


def command(arguments: list) -> list:
    """What runs it with these arguments."""
    return ["/usr/bin/python3", "-c", _MENDED, *arguments]


def run(arguments: list, home: Path) -> tuple[int, str]:
    """Runs it to its end with these arguments. Its exit status, and what it said."""
    environment = os.environ | {"HOME": str(home), "LC_ALL": "C.UTF-8"}
    process = Process(command(arguments), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        said, _ = process.child.communicate(timeout=_PATIENCE)
        return process.child.returncode, said.decode(errors="replace").strip()
    finally:
        process.kill()


def expected(stored: bytes) -> bytes | None:
    """What getmail makes of a stored message; None if it cannot keep it whole."""
    if any(len(line) > _LINE_OCTETS_MAX for line in stored.split(b"\n")):
        return None
    message = email.parser.BytesParser().parsebytes(stored.replace(b"\r\n", b"\n"))
    del message["Return-Path"]
    return message.as_bytes(policy=message.policy.clone(linesep="\n"))
