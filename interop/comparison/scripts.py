"""What each server is asked, and what the RFCs want to hear.

A script returns what it saw, in a few words, and what is wrong with it, if anything. Where the RFCs leave the answer
open, nothing is: then the row shows who takes what.
"""

import base64
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from .talk import MESSAGES, PASSWORD, SPACED_PASSWORD, SPACED_USER, USER, Closed, Talk

#: What was seen, and what is wrong with it.
Answer = tuple[str, str | None]


@dataclass(frozen=True)
class Script:
    """One question."""

    name: str
    #: The clause that answers it; "–" if none does.
    clause: str
    body: Callable[[int], Answer]

    def play(self, port: int) -> Answer:
        """Asks the server at this port of 127.0.0.1."""
        try:
            return self.body(port)
        except Closed:
            return "closed the connection", "the connection was closed"
        except TimeoutError:
            return "no answer", "no answer came"
        except (AssertionError, OSError) as error:
            return str(error)[:70], "could not be asked"


SCRIPTS: list[Script] = []


def _script(name: str, clause: str):
    def register(body: Callable[[int], Answer]) -> Callable[[int], Answer]:
        SCRIPTS.append(Script(name, clause, body))
        return body

    return register


def _ok(reply: bytes) -> bool:
    return reply.startswith(b"+OK")


def _show(reply: bytes) -> str:
    text = reply.decode("ascii", errors="replace")
    return text if len(text) <= 70 else text[:67] + "…"


def _logged_in(port: int) -> Talk:
    """A login that waits for the end of the session before it, which holds the lock for a moment more."""
    for _ in range(50):
        try:
            return Talk(port).login()
        except AssertionError:
            time.sleep(0.1)
    raise AssertionError("the maildrop stays busy")


def _waited(port: int) -> Talk:
    """A connection without login, once nobody else holds the maildrop."""
    _logged_in(port).quit()
    return Talk(port)


def _refuses(*commands: bytes, after_login: bool = True) -> Callable[[int], Answer]:
    """Each of these must be answered by -ERR, and the session must go on."""

    def body(port: int) -> Answer:
        talk = _logged_in(port) if after_login else Talk(port)
        replies = [talk.ask(command) for command in commands]
        taken = [command.decode() for command, reply in zip(commands, replies) if not reply.startswith(b"-ERR")]
        # One that was answered by more than a line leaves lines behind.
        if not taken:
            talk.quit()
        talk.close()
        return _show(replies[0]), f"accepted: {', '.join(taken)}" if taken else None

    return body


def _takes(*commands: bytes) -> Callable[[int], Answer]:
    """Whether each of these is answered by +OK; the RFCs do not ask it."""

    def body(port: int) -> Answer:
        taken = []
        for command in commands:
            talk = _logged_in(port)
            if _ok(reply := talk.ask(command)):
                taken.append(command)
            talk.close()
        return ("accepts all" if len(taken) == len(commands) else f"accepts {len(taken)} of {len(commands)}: {_show(reply)}"), None

    return body


def _capabilities(talk: Talk) -> dict[str, str]:
    lines = talk.lines(b"CAPA")
    if isinstance(lines, bytes):
        return {}
    pairs = [line.decode().partition(" ") for line in lines]
    return {name: arguments for name, _, arguments in pairs}


# AUTHORIZATION


@_script("CAPA before the login has TOP, UIDL and USER", "2449 §6")
def _(port: int) -> Answer:
    found = _capabilities(Talk(port))
    missing = {"TOP", "UIDL", "USER"} - set(found)
    return " ".join(sorted(found)), f"lacks {', '.join(sorted(missing))}" if missing else None


@_script("CAPA after the login has what it had before, but for STLS", "2449 §5, 5034 §3")
def _(port: int) -> Answer:
    talk = _waited(port)
    before = set(_capabilities(talk)) - {"STLS", "IMPLEMENTATION"}
    talk.login()
    after = set(_capabilities(talk))
    lost = sorted(before - after)
    return " ".join(sorted(after)), f"lost {', '.join(lost)}" if lost else None


@_script("USER says nothing of who exists", "1939 §7, 3206 §6")
def _(port: int) -> Answer:
    known, unknown = Talk(port).ask(b"USER " + USER), Talk(port).ask(b"USER nobodyatall")
    return _show(unknown), None if _ok(known) == _ok(unknown) else "tells them apart"


@_script("a wrong password and an unknown user are answered alike, by [AUTH] if AUTH-RESP-CODE is announced", "3206 §5")
def _(port: int) -> Answer:
    replies = []
    for user in (USER, b"nobodyatall"):
        talk = Talk(port)
        announced = "AUTH-RESP-CODE" in _capabilities(talk)
        talk.ask(b"USER " + user)
        replies.append(talk.ask(b"PASS wrong"))
        talk.close()
    wrong = "different replies" if replies[0] != replies[1] else None
    if announced and b"[AUTH]" not in replies[0]:
        wrong = "no [AUTH]"
    return _show(replies[0]), wrong


@_script("a password with spaces, within and at its end", "1939 §7")
def _(port: int) -> Answer:
    talk = Talk(port)
    talk.ask(b"USER " + SPACED_USER)
    reply = talk.ask(b"PASS " + SPACED_PASSWORD)
    talk.close()
    return _show(reply), None if _ok(reply) else "refused"


@_script("PASS without USER", "1939 §7")
def _(port: int) -> Answer:
    reply = Talk(port).ask(b"PASS " + PASSWORD)
    return _show(reply), None if not _ok(reply) else "accepted"


SCRIPTS.append(Script("STAT, NOOP, RETR 1 before the login", "1939 §5", _refuses(b"STAT", b"NOOP", b"RETR 1", after_login=False)))
SCRIPTS.append(Script("an unknown command, an empty line", "1939 §3", _refuses(b"XYZZY", b"", after_login=False)))


@_script("AUTH alone lists mechanisms", "–")
def _(port: int) -> Answer:
    talk = Talk(port)
    status = talk.ask(b"AUTH")
    return (" ".join(line.decode() for line in talk.rest()) if _ok(status) else _show(status)), None


def _plain() -> bytes:
    return base64.b64encode(b"\0" + USER + b"\0" + PASSWORD)


@_script("AUTH PLAIN without initial response: the challenge is a plus, a space and CRLF", "5034 §4")
def _(port: int) -> Answer:
    talk = _waited(port)
    challenge = talk.ask(b"AUTH PLAIN")
    reply = talk.ask(_plain())
    wrong = None if challenge == b"+ " else "not `+ `"
    return f"{challenge!r}"[2:-1] + f" · {_show(reply)}", wrong if _ok(reply) else "refused"


@_script("AUTH PLAIN with an initial response", "5034 §4")
def _(port: int) -> Answer:
    reply = _waited(port).ask(b"AUTH PLAIN " + _plain())
    return _show(reply), None if _ok(reply) else "refused"


@_script("`*` cancels AUTH, and the session goes on", "5034 §4")
def _(port: int) -> Answer:
    talk = _waited(port)
    talk.ask(b"AUTH PLAIN")
    reply = talk.ask(b"*")
    talk.login()
    return _show(reply), None if reply.startswith(b"-ERR") else "not -ERR"


@_script("a response that is not base 64", "5034 §4")
def _(port: int) -> Answer:
    talk = Talk(port)
    talk.ask(b"AUTH PLAIN")
    reply = talk.ask(b"this is not base 64!")
    return _show(reply), None if reply.startswith(b"-ERR") else "not -ERR"


@_script("an initial response of `=`, which is an empty one", "5034 §4")
def _(port: int) -> Answer:
    talk = Talk(port)
    reply = talk.ask(b"AUTH PLAIN =")
    talk.close()
    return _show(reply), None if reply.startswith(b"-ERR") else "not -ERR"


@_script("a blank after the name: `USER bob `", "–")
def _(port: int) -> Answer:
    talk = _waited(port)
    talk.ask(b"USER " + USER + b" ")
    reply = talk.ask(b"PASS " + PASSWORD)
    talk.close()
    return _show(reply), None


@_script("a blank after CAPA, and after QUIT, before the login", "–")
def _(port: int) -> Answer:
    talk = Talk(port)
    status = talk.ask(b"CAPA ")
    if _ok(status):
        talk.rest()
    reply = talk.ask(b"QUIT ")
    return f"{_show(status)} · {_show(reply)}", None


@_script("PASS with 600 octets, as long as a token", "–")
def _(port: int) -> Answer:
    talk = Talk(port)
    talk.ask(b"USER " + USER)
    return _show(talk.ask(b"PASS " + b"p" * 600)), None


@_script("what was sent in one piece with STLS is not answered", "2595 §4, CVE-2011-0411")
def _(port: int) -> Answer:
    talk = Talk(port)
    talk.send(b"STLS\r\nUSER injected\r\nCAPA\r\n")
    reply = talk.line()
    if not talk.silent():
        try:
            return f"{_show(reply)} · {_show(talk.line())}", "answered in clear"
        except Closed:
            return f"{_show(reply)} · closes", None
    try:
        talk.start_tls()
    except OSError:
        return f"{_show(reply)} · closes", None
    return f"{_show(reply)} · goes on", None if talk.silent() else "answered inside TLS"


@_script("STLS is not announced inside TLS, and is refused there", "2595 §4")
def _(port: int) -> Answer:
    talk = Talk(port)
    reply = talk.ask(b"STLS")
    if not _ok(reply):
        raise AssertionError(f"no STLS: {_show(reply)}")
    talk.start_tls()
    announced = "STLS" in _capabilities(talk)
    reply = talk.ask(b"STLS")
    return _show(reply), "announced" if announced else "accepted" if _ok(reply) else None


@_script("UTF8 before the login, if it is announced", "6856 §2.1")
def _(port: int) -> Answer:
    talk = Talk(port)
    announced = "UTF8" in _capabilities(talk)
    reply = talk.ask(b"UTF8")
    return ("announced · " if announced else "not announced · ") + _show(reply), None if _ok(reply) == announced else (
        "not as announced"
    )


SCRIPTS.append(Script("UTF8 after the login", "6856 §2.1", _refuses(b"UTF8")))


@_script("LANG", "6856 §3")
def _(port: int) -> Answer:
    talk = Talk(port)
    announced = "LANG" in _capabilities(talk)
    lines = talk.lines(b"LANG")
    shown = _show(lines) if isinstance(lines, bytes) else "; ".join(line.decode() for line in lines)[:70]
    return shown, None if isinstance(lines, bytes) != announced else "not as announced"


@_script("a command of 255 octets", "2449 §4")
def _(port: int) -> Answer:
    talk = Talk(port)
    reply = talk.ask(b"USER " + b"u" * 248)
    talk.quit()
    return _show(reply), None if _ok(reply) else "refused"


@_script("a line of 100,000 octets, then CAPA", "–")
def _(port: int) -> Answer:
    talk = Talk(port)
    try:
        reply = talk.ask(b"USER " + b"u" * 99_993)
        return f"{_show(reply)} · {'goes on' if _capabilities(talk) else 'refuses'}", None
    except Closed:
        return "closes", None


@_script("a command with NUL", "1939 §3")
def _(port: int) -> Answer:
    talk = Talk(port)
    talk.send(b"USER bo\0b\r\n")
    if talk.silent(3):
        return "no answer", "no answer"
    try:
        return _show(talk.line()), None
    except Closed:
        return "closes", None


# TRANSACTION


@_script("numbers do not shift after DELE; the deleted one is gone from LIST, UIDL and STAT", "1939 §5")
def _(port: int) -> Answer:
    talk = _logged_in(port)
    before = talk.lines(b"LIST")
    talk.ask(b"DELE 1")
    after, ids = talk.lines(b"LIST"), talk.lines(b"UIDL")
    count = int(talk.ask(b"STAT").split()[1])
    talk.close()
    right = after == before[1:] and [line.split()[0] for line in ids] == [b"2", b"3", b"4"] and count == 3
    return " ".join(line.split()[0].decode() for line in after), None if right else "other numbers"


@_script("RETR, LIST, UIDL, TOP and DELE of a deleted message", "1939 §5, §7")
def _(port: int) -> Answer:
    talk = _logged_in(port)
    talk.ask(b"DELE 1")
    commands = (b"RETR 1", b"LIST 1", b"UIDL 1", b"TOP 1 0", b"DELE 1")
    replies = [talk.ask(command) for command in commands]
    talk.close()
    taken = [command.decode() for command, reply in zip(commands, replies) if _ok(reply)]
    return _show(replies[0]), f"accepted: {', '.join(taken)}" if taken else None


@_script("a lost connection deletes nothing", "1939 §6")
def _(port: int) -> Answer:
    talk = _logged_in(port)
    talk.ask(b"DELE 1")
    talk.close()
    reply = _logged_in(port).ask(b"STAT")
    return _show(reply), None if int(reply.split()[1]) == len(MESSAGES) else "deleted"


SCRIPTS.append(Script("message 0", "1939 §4", _refuses(b"RETR 0", b"LIST 0", b"UIDL 0", b"TOP 0 0", b"DELE 0")))
SCRIPTS.append(
    Script(
        "message 5 of 4, 2³²+1, 2⁶⁴+1, -1, 1x, and none", "1939 §5",
        _refuses(
            b"RETR 5", b"RETR 4294967297", b"RETR 18446744073709551617", b"RETR 340282366920938463463374607431768211457",
            b"RETR -1", b"RETR 1x", b"RETR",
        ),
    )
)


@_script("RETR of a text whose first line begins with a dot", "1939 §3")
def _(port: int) -> Answer:
    talk = _logged_in(port)
    lines = talk.lines(b"RETR 1")
    talk.quit()
    return lines[0].decode(), None if lines[0].startswith(b"..") else "the dot is not doubled: a client drops it"


@_script("dots in the body", "1939 §3")
def _(port: int) -> Answer:
    talk = _logged_in(port)
    lines = talk.lines(b"RETR 1")[3:]
    talk.quit()
    right = lines == [b"..one", b"...two", b"..", b"three"]
    return " ".join(line.decode() for line in lines), None if right else "not doubled"


@_script("LIST says how many octets RETR brings, dots not counted", "1939 §11")
def _(port: int) -> Answer:
    talk = _logged_in(port)
    sizes = [int(line.split()[1]) for line in talk.lines(b"LIST")]
    # Message 3 has a header that not every server sends as it is.
    came = [sum(len(line.removeprefix(b".")) + 2 for line in talk.lines(b"RETR %d" % number)) for number in (2, 4)]
    talk.quit()
    listed = [sizes[1], sizes[3]]
    return f"{listed}, {came}", None if listed == came else "they differ"


@_script("TOP 2 0, TOP 2 1: the header, the blank line and lines of the body", "1939 §7")
def _(port: int) -> Answer:
    talk = _logged_in(port)
    none, one = talk.lines(b"TOP 2 0"), talk.lines(b"TOP 2 1")
    talk.quit()
    text = MESSAGES[1].split(b"\r\n")
    return f"{len(none)} and {len(one)} lines", None if (none, one) == (text[:3], text[:4]) else "other lines"


SCRIPTS.append(Script("TOP without a number of lines, and of -1", "1939 §7", _refuses(b"TOP 2", b"TOP 2 -1")))


@_script("UIDL: 1 to 70 octets of ! to ~, all different", "1939 §7")
def _(port: int) -> Answer:
    talk = _logged_in(port)
    ids = [line.split(b" ", 1)[1] for line in talk.lines(b"UIDL")]
    talk.quit()
    right = len(set(ids)) == len(ids) and all(re.fullmatch(rb"[!-~]{1,70}", one) for one in ids)
    return ids[0].decode(), None if right else "not so"


@_script("the same unique-ids in the next session", "1939 §7")
def _(port: int) -> Answer:
    listings = []
    for _ in range(2):
        talk = _logged_in(port)
        listings.append(talk.lines(b"UIDL"))
        talk.quit()
    return "yes" if listings[0] == listings[1] else "no", None if listings[0] == listings[1] else "others"


@_script("RSET takes back DELE", "1939 §5")
def _(port: int) -> Answer:
    talk = _logged_in(port)
    talk.ask(b"DELE 1")
    reply = talk.ask(b"RSET")
    count = int(talk.ask(b"STAT").split()[1])
    talk.quit()
    return _show(reply), None if _ok(reply) and count == len(MESSAGES) else "not all there"


@_script("a header that is not ASCII, without UTF8", "6856 §2.1")
def _(port: int) -> Answer:
    talk = _logged_in(port)
    lines = talk.lines(b"RETR 3")
    talk.quit()
    if isinstance(lines, bytes):
        return _show(lines), None if b"[UTF8]" in lines else "no [UTF8]"
    raw = any(octet > 127 for octet in b"".join(lines))
    return "as it is" if raw else "as a surrogate", "8-bit header to a client that did not ask for it" if raw else None


@_script("a second session at once", "1939 §4")
def _(port: int) -> Answer:
    first = _logged_in(port)
    second = Talk(port)
    second.ask(b"USER " + USER)
    reply = second.ask(b"PASS " + PASSWORD)
    second.close()
    first.close()
    return _show(reply), None if not _ok(reply) else "both are in: the lock is not exclusive"


@_script("USER, PASS and STAT in one piece, if PIPELINING is announced", "2449 §6.6")
def _(port: int) -> Answer:
    announced = "PIPELINING" in _capabilities(talk := _waited(port))
    talk.send(b"USER " + USER + b"\r\nPASS " + PASSWORD + b"\r\nSTAT\r\n")
    replies = [talk.line(), talk.line()]
    if talk.silent(2):
        return "STAT is lost", "lost what came with PASS" if announced else None
    return _show(talk.line()), None


@_script("500 commands in one piece, after the login, if PIPELINING is announced", "2449 §6.6")
def _(port: int) -> Answer:
    talk = _logged_in(port)
    talk.send(b"NOOP\r\nSTAT\r\n" * 250)
    replies = [talk.line() for _ in range(500)]
    talk.quit()
    right = all(map(_ok, replies)) and len(set(replies[1::2])) == 1
    return f"{sum(map(_ok, replies))} replies", None if right else "not all, or not in order"


@_script("a session an octet at a time", "–")
def _(port: int) -> Answer:
    talk = _waited(port)
    for octet in b"USER " + USER + b"\r\nPASS " + PASSWORD + b"\r\nSTAT\r\n":
        talk.send(bytes([octet]))
        if octet == 10:
            reply = talk.line()
    talk.quit()
    return _show(reply), None if _ok(reply) else "refused"


@_script("commands that end with LF alone", "–")
def _(port: int) -> Answer:
    talk = _logged_in(port)
    talk.send(b"STAT\n")
    reply = talk.line()
    talk.quit()
    return _show(reply), None


@_script("stat in lower case", "1939 §3")
def _(port: int) -> Answer:
    talk = _logged_in(port)
    reply = talk.ask(b"stat")
    talk.quit()
    return _show(reply), None if _ok(reply) else "refused"


for name, commands in {
    "a blank after a command: `STAT `, `LIST `, `UIDL `, `NOOP `": (b"STAT ", b"LIST ", b"UIDL ", b"NOOP "),
    "a blank after an argument: `RETR 1 `, `LIST 1 `": (b"RETR 1 ", b"LIST 1 "),
    "two blanks: `RETR  1`": (b"RETR  1",),
    "a blank first: ` STAT`": (b" STAT",),
    "arguments where there are none: `STAT 1`, `NOOP x`": (b"STAT 1", b"NOOP x"),
    "an argument more: `RETR 1 2`, `DELE 1 2`": (b"RETR 1 2", b"DELE 1 2"),
    "`RETR 01`, `RETR +1`": (b"RETR 01", b"RETR +1"),
    "LAST, of RFC 1225": (b"LAST",),
    "USER and AUTH after the login": (b"USER bob", b"AUTH PLAIN"),
}.items():
    SCRIPTS.append(Script(name, "–", _takes(*commands)))


@_script("QUIT before the login, and silence after QUIT", "1939 §4")
def _(port: int) -> Answer:
    talk = Talk(port)
    talk.send(b"QUIT\r\nCAPA\r\n")
    reply = talk.line()
    try:
        talk.line()
    except Closed:
        return _show(reply), None if _ok(reply) else "refused"
    return _show(reply), "CAPA after QUIT was answered"
