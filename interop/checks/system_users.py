"""Maildrops that belong to users of this machine: the server, which is somebody else, reaches them by its helper.

The users are some that every system has; their homes and the spool lie in the directory of the run.
"""

import grp
import os
import poplib
import pwd
import shutil
import signal
import smtplib
import stat
from pathlib import Path

from harness import paths
from harness.processes import run, wait_for
from harness.program import Program
from harness.report import Report, Skip

#: Whom mail belongs to, and whom the server becomes.
_USERS, _SERVER = ("daemon", "games"), "nobody"
_PASSWORD = "down the rabbit-hole"
_SECRET = "what only root may read"

_SETTINGS = """
[maildrop]
store = "{store}"
system_users = true
first_uid = 1

[{store}]
path = "{path}"
{more}

[auth]
scram = false
"""


def all_checks(report: Report) -> None:
    """Maildirs in homes, mboxes in a spool, and what becomes of the server without its helper."""
    report.check("Maildirs of system users", _maildirs)
    report.check("mboxes of system users", _mboxes)
    report.check("a server without its helper ends", _ends_with_the_helper)
    report.check("a spool in which everybody may replace everything is refused", _open_spool)


def _machine(name: str, store: str, path: str, more: str = "") -> tuple[Program, Path]:
    """A program, and the directory below which maildrops are."""
    if os.geteuid() != 0:
        raise Skip("only root can take the rights of users")
    directory = paths.scratch(f"system-users-{name}")
    place, root = directory / "restante", directory / "root"
    place.mkdir()
    root.mkdir()
    program = Program(place, _SETTINGS.format(store=store, path=f"{root}/{path}", more=more), _SERVER)
    for user in _USERS:
        program.add_user(user, _PASSWORD)
    return program, root


def _maildirs() -> str:
    program, root = _machine("maildir", "maildir", "{local}/Maildir")
    for user in _USERS:
        (root / user).mkdir(mode=0o700)
        shutil.chown(root / user, user)
    program.start()
    try:
        for user in _USERS:
            _lmtp(program, user, f"Subject: by LMTP\r\n\r\nfor {user}\r\n")
            program.deliver(user, f"Subject: by hand\n\nfor {user}\n".encode())
            texts = _retrieve(program, user, delete=1)
            if len(texts) != 2 or any(f"for {user}" not in text for text in texts):
                raise AssertionError(f"{user} finds {texts}")
            _belongs_to(root / user, user)
            if len(_retrieve(program, user)) != 1:
                raise AssertionError("what is deleted is there")
        seen = _planted(program, root)
        rights = _rights(program)
    finally:
        status = program.stop()
    if status != 0:
        raise AssertionError(f"exit status {status}: {program.log()[-2000:]}")
    wait_for("the helper's end", lambda: not _helpers(program.server.pid, rights[1]))
    told = program.log()
    if "does not belong to daemon" not in told or "panicked" in told:
        raise AssertionError(f"the log does not say what was refused: {told[-2000:]}")
    return f"{seen} planted and none read; {rights[0]}"


def _planted(program: Program, root: Path) -> int:
    """What a user puts among his messages to read what is not his."""
    new, secret = root / "daemon/Maildir/new", root / "secret"
    secret.write_text(f"Subject: {_SECRET}\n\n{_SECRET}\n")
    readable = root / "readable"
    readable.write_text(f"Subject: {_SECRET}\n\n{_SECRET}\n")
    secret.chmod(0o600)
    readable.chmod(0o644)
    (new / "1.symlink").symlink_to(secret)
    (new / "2.symlink").symlink_to(readable)
    os.link(secret, new / "3.hardlink")
    os.link(readable, new / "4.hardlink")
    os.mkfifo(new / "5.fifo")
    os.symlink("/", new / "6.directory")
    for name in ("5.fifo", "6.directory"):
        os.chown(new / name, pwd.getpwnam("daemon").pw_uid, -1, follow_symlinks=False)
    for text in _retrieve(program, "daemon", may_refuse=True):
        if _SECRET in text:
            raise AssertionError(f"read: {text}")
    # Nobody else has noticed.
    if len(_retrieve(program, "games")) != 1:
        raise AssertionError("games has lost mail")
    count = len(list(new.iterdir()))
    for planted in new.glob("[1-6].*"):
        planted.unlink()
    if len(_retrieve(program, "daemon")) != 1:
        raise AssertionError("daemon has lost mail")
    return count


def _mboxes() -> str:
    program, spool = _machine("mbox", "mbox", "{local}", 'group = "mail"')
    os.chown(spool, 0, grp.getgrnam("mail").gr_gid)
    spool.chmod(0o2775)
    # As another program has left it, which the group may read.
    box = spool / "daemon"
    box.write_text("From x@example.org Sat Nov 28 00:00:00 2026\nSubject: old\n\nfor daemon\n\n")
    box.chmod(0o660)
    shutil.chown(box, "daemon", "mail")
    program.start()
    try:
        for user in _USERS:
            _lmtp(program, user, f"Subject: by LMTP\r\n\r\nfor {user}\r\n")
            program.deliver(user, f"Subject: by hand\n\nfor {user}\n".encode())
            expected = 3 if user == "daemon" else 2
            texts = _retrieve(program, user, delete=1)
            if len(texts) != expected or any(f"for {user}" not in text for text in texts):
                raise AssertionError(f"{user} finds {texts}")
            if len(_retrieve(program, user)) != expected - 1:
                raise AssertionError("what is deleted is there")
        for path in spool.iterdir():
            _belongs_to(path, path.name.strip(".").partition(".")[0])
        # An mbox that is another user's, under the name of one.
        box.unlink()
        os.link(spool / "games", box)
        if _retrieve(program, "daemon", may_refuse=True):
            raise AssertionError("daemon reads the mail of games")
        names = sorted(path.name for path in spool.iterdir())
    finally:
        program.stop()
    return f"in the spool: {', '.join(names)}"


def _ends_with_the_helper() -> str:
    program, root = _machine("lost", "maildir", "{local}/Maildir")
    program.start()
    # It listens before there is one.
    wait_for("the helper", lambda: len(_helpers(program.server.pid)) == 1)
    (helper,) = _helpers(program.server.pid)
    os.kill(helper, signal.SIGKILL)
    wait_for("the server's end", lambda: not program.server.alive())
    status = program.stop()
    told = program.log().splitlines()[-1]
    if status != 69 or "helper" not in told:
        raise AssertionError(f"exit status {status}: {told}")
    return told


def _open_spool() -> str:
    program, spool = _machine("open", "mbox", "{local}")
    spool.chmod(0o777)
    done = program.command("serve")
    told = done.stderr.decode()
    if done.returncode != 78 or "1777" not in told:
        raise AssertionError(f"exit status {done.returncode}: {told}")
    # And whoever is not root is told that he must be.
    spool.chmod(0o1777)
    words = ["setpriv", f"--reuid={_SERVER}", "--clear-groups", paths.PROGRAM, "-c", program.configuration, "deliver", "daemon"]
    done = run(words, input=b"Subject: x\n\n")
    if done.returncode != 75 or b"root" not in done.stderr:
        raise AssertionError(f"exit status {done.returncode}: {done.stderr.decode()}")
    return told.strip()


def _rights(program: Program) -> tuple[str, int]:
    """What the two processes may do; the second is the helper's id."""
    server = _status(program.server.pid)
    (helper,) = _helpers(program.server.pid)
    of_helper = _status(helper)
    uid = str(pwd.getpwnam(_SERVER).pw_uid)
    if server["Uid"].split() != [uid] * 4 or int(server["CapPrm"], 16) != 0:
        raise AssertionError(f"the server has rights: {server}")
    # CAP_SETGID and CAP_SETUID.
    expected = {"CapPrm": 0xC0, "CapEff": 0xC0, "CapInh": 0, "CapAmb": 0}
    found = {name: int(of_helper[name], 16) for name in expected}
    if found != expected or of_helper["NoNewPrivs"] != "1":
        raise AssertionError(f"the helper has rights: {of_helper}")
    return f"capabilities of the server {server['CapPrm']}, of its helper {of_helper['CapPrm']}", helper


def _status(process: int) -> dict[str, str]:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _helpers(server: int, helper: int | None = None) -> list[int]:
    """Processes that this one has started, or this process if it is one."""
    if helper is not None:
        return [helper] if Path(f"/proc/{helper}").exists() else []
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return [int(child) for child in children if _status(int(child))["Name"] == "restante-helper"]


def _belongs_to(path: Path, user: str) -> None:
    """All that is there is the user's, and nobody else may read it."""
    uid = pwd.getpwnam(user).pw_uid
    for each in (path, *path.rglob("*")):
        found = each.lstat()
        if found.st_uid != uid or stat.S_IMODE(found.st_mode) & 0o007:
            raise AssertionError(f"{each}: of {found.st_uid}, mode {found.st_mode:o}")


def _lmtp(program: Program, user: str, text: str) -> None:
    with smtplib.LMTP("127.0.0.1", program.lmtp_port) as client:
        client.sendmail("sender@example.org", [f"{user}@dobbs.org"], text)


def _retrieve(program: Program, user: str, delete: int = 0, may_refuse: bool = False) -> list[str]:
    """The texts of all messages; the first so many are deleted."""
    client = poplib.POP3("127.0.0.1", program.pop3_port, timeout=20)
    client.user(user)
    texts = []
    try:
        client.pass_(_PASSWORD)
        for number in range(1, client.stat()[0] + 1):
            try:
                texts.append("\n".join(line.decode() for line in client.retr(number)[1]))
            except poplib.error_proto:
                if not may_refuse:
                    raise
        for number in range(1, delete + 1):
            client.dele(number)
    except poplib.error_proto:
        if not may_refuse:
            raise
    client.quit()
    return texts
