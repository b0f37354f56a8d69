"""Names of strangers never become paths: hard and random ones at every way in, under strace.

Each name carries a mark that no path may hold; where Maildirs or mboxes are served in place, none but the path that
the configuration makes of an account's name, and nothing beside it. Beside that, every path that the program names to
the kernel lies below its data directory or its own directory, or is the system's and only read.
"""

import os
import random
import re
import socket
from pathlib import Path

from harness import paths
from harness.peers import require
from harness.processes import run
from harness.program import Program
from harness.report import Report

_MARK = b"zqMARKqz"
#: Names given to a command of its own each, and names given to the server.
_COMMANDS, _RECIPIENTS, _LOGINS = 40, 400, 60
_SEED = 18

_HARD = (
    b"../../../../../tmp/%s", b"/tmp/%s", b"%s/../../x", b"..\\%s", b"%s%%s%%n", b"~%s", b"~/%s", b":%s", b"$HOME/%s",
    b"$(touch /tmp/%s)", b"`touch /tmp/%s`", b"%s.", b"%s.rsm", b"%s/", b".%s", b"-%s", b"--%s", b"%s\n../x", b"%s\r\nRSET",
    b"%s\xff\xfe", b"\xef\xbc\x8e\xef\xbc\x8e/%s", b"%s@../dobbs.org", b"%s@dobbs.org/..", b"%s@dobbs.org.", b"file:///tmp/%s",
    b"d/0/00/%s.rsm", b"%s;id", b"%s|id", b"%s&", b'"%s/../x"', b"%s" + 500 * b"/..", 4096 * b"a" + b"%s",
)
_PIECES = [b"/", b"\\", b"..", b".", b"%", b"~", b":", b"$", b"\n", b" ", b"\xff", b"\xc3\xa9", b"@", b"*", b"?", b"'", b'"', b"a", b"Z", b"0"]

#: What the C library, the certificates and the kernel's own tables need; only ever read.
_SYSTEM = ("/etc/", "/usr/", "/lib/", "/lib64/", "/proc/", "/sys/", "/dev/", "/bin/", "/run/", "/var/lib/", "/root/")
_CHANGES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE|^(unlink|rename|link|symlink|mkdir|mknod|rmdir|chmod|chown|truncate|creat)")
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)")
_PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>(?:\(deleted\))?, )?"((?:[^"\\]|\\.)*)"')


def names(count: int, dice: random.Random) -> list[bytes]:
    """The hard ones, and as many of random pieces as are missing."""
    made = [hard.replace(b"%s", _MARK).replace(b"%%", b"%") for hard in _HARD]
    while len(made) < count:
        pieces = [dice.choice(_PIECES) for _ in range(dice.randint(1, 12))]
        pieces.insert(dice.randint(0, len(pieces)), _MARK)
        made.append(b"".join(pieces))
    return made[:count]


#: Where maildrops lie in place, below the directory of the run: settings, and what a path of an account must look like.
_STORES = {
    "native": ("", None),
    "maildir": ('[maildrop]\nstore = "maildir"\n[maildir]\npath = "{0}/home/{{name}}/Maildir"\n', r"{0}/home/[^/]+(/Maildir(/.*)?)?"),
    "mbox": ('[maildrop]\nstore = "mbox"\n[mbox]\npath = "{0}/home/{{name}}"\n', r"{0}/home/[^/]+"),
}


def all_checks(report: Report) -> None:
    for store in _STORES:
        report.check(f"names of strangers are never paths: {store}", lambda store=store: _never_paths(store))


def _never_paths(store: str) -> str:
    require("strace")
    dice = random.Random(_SEED)
    directory = paths.scratch(f"names-{store}")
    (directory / "home").mkdir()
    settings, own = (text and text.format(directory) for text in _STORES[store])
    program = Program(directory, settings=f"[auth]\nscram = false\n{settings}")
    program.add_user("mrose")
    trace = directory / "trace"
    strace = ["strace", "-f", "-y", "-qq", "-A", "-o", trace, "-e", "trace=%file"]
    program.start(under=strace)
    accepted = _to_lmtp(program, names(_RECIPIENTS, dice)) + _to_pop3(program, names(_LOGINS, dice))
    program.stop()
    added = 0
    for name in names(_COMMANDS, dice):
        if b"\0" in name:
            continue
        for words in (["user", "add", "--stdin", "--"], ["deliver", "--"]):
            command = [*strace, paths.PROGRAM, "-c", program.configuration, *words, os.fsdecode(name)]
            done = run(command, input=b"redqueen\n")
            if done.returncode < 0 or b"panicked" in done.stderr:
                raise AssertionError(f"{words} {name!r}: {done.returncode} {done.stderr[-300:]!r}")
            added += done.returncode == 0
    if added == 0 or accepted == 0:
        raise AssertionError("no name was good, so nothing was tried with a good one")
    seen = _judge(trace, directory, own)
    kept = {path.name for path in (directory / "data").rglob("*")}
    if marked := [name for name in kept if _MARK.decode().lower() in name.lower()]:
        raise AssertionError(f"made a file: {marked}")
    return f"{_RECIPIENTS + _LOGINS + 2 * _COMMANDS} names, {added + accepted} of them good; {seen} paths"


def _to_lmtp(program: Program, wanted: list[bytes]) -> int:
    """Offers each name as a recipient; a server that has enough of a client is called again."""
    accepted, client = 0, None
    for name in [*wanted, b"mrose"]:
        for address in (name, name + b"@dobbs.org"):
            if client is None:
                client = socket.create_connection(("127.0.0.1", program.lmtp_port), timeout=30)
                _reply(client)
                for line in (b"LHLO x\r\n", b"MAIL FROM:<a@b>\r\n"):
                    client.sendall(line)
                    _reply(client)
            # One line: what is behind a line end would be another command.
            client.sendall(b"RCPT TO:<" + address.replace(b"\r", b"").replace(b"\n", b"") + b">\r\n")
            reply = _reply(client)
            accepted += reply.startswith(b"250")
            if not reply or reply.startswith(b"421"):
                client.close()
                client = None
    return accepted


def _to_pop3(program: Program, wanted: list[bytes]) -> int:
    """Offers each name as a user. A refusal takes its time, so all are asked at once."""
    clients = []
    for name in wanted:
        client = socket.create_connection(("127.0.0.1", program.pop3_port), timeout=60)
        user = name.replace(b"\r", b"").replace(b"\n", b"")
        client.sendall(b"USER " + user + b"\r\nPASS redqueen\r\nQUIT\r\n")
        clients.append(client)
    for client in clients:
        try:
            while client.recv(4096):
                pass
        except ConnectionResetError:
            pass
        client.close()
    return 0


def _reply(client: socket.socket) -> bytes:
    """One reply, all lines of it; nothing if the other side has gone."""
    reply = b""
    while not re.search(rb"(?:^|\n)\d{3} [^\n]*\n$", reply):
        try:
            octets = client.recv(4096)
        except ConnectionResetError:
            return b""
        if not octets:
            return b""
        reply += octets
    return reply


def _judge(trace: Path, directory: Path, of_accounts: str | None) -> int:
    """Every path of every call; returns how many different ones there were.

    `of_accounts`: what paths with a name in them must look like; None if there must be none.
    """
    own = (f"{directory}/", f"{paths.PROGRAM}")
    is_place = re.compile(of_accounts or r"(?!)").fullmatch
    seen = set()
    for line in trace.read_text(errors="replace").splitlines():
        call = _CALL.match(line)
        if not call:
            continue
        changes = bool(_CHANGES.search(call[1]) or _CHANGES.search(call[2]))
        found = _PATH.findall(call[2])
        if call[1] == "execve":
            found = found[:1]
        for base, name in found:
            path = os.path.normpath(os.path.join(base or "/", name))
            seen.add(path)
            # Case is folded, so that a name in a path is in lower case.
            if _MARK.decode().lower() in name.lower() and not (is_place(path) and ".." not in name.split("/")):
                raise AssertionError(f"a name became a path: {line[:300]}")
            inside = path == str(directory) or path.startswith(own)
            if changes and not inside and path not in ("/dev/null", "/dev/tty"):
                raise AssertionError(f"changes something outside: {line[:300]}")
            if not inside and not path.startswith(_SYSTEM) and not str(directory).startswith(path):
                raise AssertionError(f"looks outside: {line[:300]}")
    if not any(path.startswith(f"{directory}/data/") for path in seen):
        raise AssertionError("the trace holds no path of the data directory")
    return len(seen)
