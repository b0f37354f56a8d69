"""Moving in from another client: what it has fetched is not fetched again, and what comes afterwards is.

mpop, fetchmail and getmail poll a real Dovecot with a configuration as people have it, and leave all mail there. Then
`restante fetch import` reads what they wrote. Thunderbird needs a screen, so its files are written here as it writes them.
"""

import os
import poplib
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness import dovecot, overlay, paths
from harness.clients import getmail
from harness.dovecot import Dovecot
from harness.peers import require
from harness.processes import run
from harness.program import Program
from harness.report import Report

_USER, _PASSWORD = "mrose@dobbs.org", "redqueen"
_COUNT = int(os.environ.get("RESTANTE_MOVING", "200"))


@dataclass
class _Place:
    """Somebody's home directory, and the server from which he fetches."""

    home: Path
    authority: Path
    server: Dovecot
    maildir: Path

    @property
    def environment(self) -> dict[str, str]:
        """That of whoever lives there."""
        parts = {"XDG_CONFIG_HOME": ".config", "XDG_STATE_HOME": ".local/state", "XDG_DATA_HOME": ".local/share"}
        return {
            "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "USER": "mrose", "HOME": str(self.home),
            **{name: str(self.home / part) for name, part in parts.items()},
        }

    def write(self, name: str, text: str) -> Path:
        """Writes a file that nobody else may read."""
        file = self.home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(text)
        return file

    def poll(self, *words) -> None:
        """Runs the other client."""
        done = run(list(words), patience=300, env=self.environment)
        if done.returncode != 0:
            raise RuntimeError(f"{words[0]}: {(done.stdout + done.stderr).decode(errors='replace').strip()}")

    def restante(self, *words) -> str:
        """Runs the program as its owner does; what it says."""
        command = [paths.PROGRAM, "-c", self.home / "fetch.toml", "fetch", *words]
        done = run(command, patience=300, env=self.environment, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise AssertionError(f"fetch {words}: {done.returncode}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode()


def all_checks(report: Report) -> None:
    """A check for each client that can be left."""
    for name, had in (("mpop", _mpop), ("fetchmail", _fetchmail), ("getmail", _getmail), ("thunderbird", _thunderbird)):
        report.check(f"what {name} has fetched is not fetched again", lambda name=name, had=had: _moved(name, had))


def _moved(name: str, had: Callable[[_Place], Path]) -> str:
    directory = paths.scratch(f"fetch-moving-{name}")
    # For its certificate only.
    program = Program(directory / "tls")
    maildir = directory / "Maildir"
    for part in ("cur", "new", "tmp"):
        (maildir / part).mkdir(parents=True)
    _bring(maildir, range(_COUNT))
    users = {_USER: dovecot.local(_PASSWORD)}
    server = Dovecot(directory, program.directory / "certificate.pem", program.directory / "key.pem", users)
    home = directory / "home"
    home.mkdir()
    place = _Place(home, program.endpoint.authority, server, maildir)
    try:
        inbox = had(place)
        _equal("messages that the other client has", len(list(inbox.iterdir())), _COUNT)
        said = place.restante("import", name)
        if str(_COUNT) not in said:
            raise AssertionError(f"import says nothing of {_COUNT} messages: {said}")
        if _PASSWORD in (home / "fetch.toml").read_text() + said:
            raise AssertionError("the password is in fetch.toml, or was printed")
        if name == "thunderbird":
            _answer(place)
            inbox = home / "Mail/moved/new"
        before = len(list(inbox.iterdir())) if inbox.exists() else 0
        for planted, expected in ((0, 0), (1, 1), (0, 0)):
            _bring(maildir, range(_COUNT, _COUNT + planted))
            place.restante("--all")
            before += expected
            _equal(f"messages after {planted} more", len(list(inbox.iterdir())) if inbox.exists() else 0, before)
            _equal("messages that were retrieved", _retrieved(server), expected)
        return f"{_COUNT} messages: " + said.strip().splitlines()[-1]
    finally:
        server.stop()


def _bring(maildir: Path, numbers: range) -> None:
    owner = overlay.USERS["vmail"]
    for number in numbers:
        file = maildir / f"new/{1_700_000_000 + number}.M{number}P1.host"
        file.write_text(f"From: a@dobbs.org\nSubject: {number}\nMessage-ID: <{number}@dobbs.org>\n\nThis is {number}.\n")
        os.chown(file, owner, owner)


def _retrieved(server: Dovecot) -> int:
    """How many messages the last session retrieved, as Dovecot counts."""
    end = time.monotonic() + 10
    # It writes when it has seen the end of the connection.
    while server.log().count("Disconnected") <= getattr(server, "sessions_seen", 0) and time.monotonic() < end:
        time.sleep(0.05)
    counted = re.findall(r"Disconnected.*retr=(\d+)/", server.log())
    server.sessions_seen = server.log().count("Disconnected")
    return int(counted[-1])


def _equal(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError(f"{what}: {found}, not {expected}")


def _mpop(place: _Place) -> Path:
    require("mpop")
    for part in ("cur", "new", "tmp"):
        (place.home / "Maildir" / part).mkdir(parents=True)
    place.write(".mpoprc", (
        f"defaults\ntls on\ntls_starttls off\ntls_trust_file {place.authority}\nkeep on\ndelivery maildir ~/Maildir\n\n"
        f"account moved\nhost localhost\nport {place.server.tls_port}\nuser {_USER}\npassword {_PASSWORD}\n"
    ))
    place.poll("mpop", "-q", "moved")
    return place.home / "Maildir/new"


def _fetchmail(place: _Place) -> Path:
    require("fetchmail")
    agent, inbox = _agent(place)
    place.write(".fetchmailrc", (
        f"poll localhost port {place.server.tls_port} proto pop3 uidl\n"
        f"  user \"{_USER}\" there with password \"{_PASSWORD}\" is mrose here\n"
        f"  ssl sslcertck sslcertfile \"{place.authority}\" keep mda \"{agent}\"\n"
    ))
    place.poll("fetchmail", "--nosyslog", "-f", place.home / ".fetchmailrc")
    return inbox


def _getmail(place: _Place) -> Path:
    require("getmail")
    agent, inbox = _agent(place)
    file = place.write(".config/getmail/getmailrc", (
        f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\nport = {place.server.tls_port}\n"
        f"username = {_USER}\npassword = {_PASSWORD}\nca_certs = {place.authority}\n"
        f"[destination]\ntype = MDA_external\npath = {agent}\nallow_root_commands = true\n"
        "[options]\nread_all = false\ndelete = false\n"
    ))
    code, said = getmail.run(["--getmaildir", file.parent], place.home)
    if code != 0 or "rror" in said:
        raise RuntimeError(f"getmail: {said[-800:]}")
    return inbox


def _thunderbird(place: _Place) -> Path:
    """Its files as it writes them: nobody can run it without a screen."""
    client = poplib.POP3("127.0.0.1", place.server.port, timeout=30)
    client.user(_USER)
    client.pass_(_PASSWORD)
    names = [line.split()[1].decode() for line in client.uidl()[1]]
    client.quit()
    profile = ".thunderbird/x.default-release"
    place.write(".thunderbird/profiles.ini", "[Install4F96D1932A9F858E]\nDefault=x.default-release\nLocked=1\n\n[Profile0]\nName=default\n")
    settings = {
        "type": '"pop3"', "hostname": '"localhost"', "userName": f'"{_USER}"', "port": place.server.tls_port, "socketType": 3,
        "name": '"moved"', "leave_on_server": "true", "directory-rel": '"[ProfD]Mail/localhost"',
    }
    prefs = "".join(f'user_pref("mail.server.server1.{name}", {value});\n' for name, value in sorted(settings.items()))
    place.write(f"{profile}/prefs.js", "// Mozilla User Preferences\n\n" + prefs)
    lines = "".join(f"k {name} 1795853292\n" for name in names)
    head = f"# POP3 State File\n# This is a generated file!  Do not edit.\n\n*localhost {_USER}\n"
    place.write(f"{profile}/Mail/localhost/popstate.dat", head + lines)
    # What it has fetched is in its own folder; this stands for it.
    folder = place.home / "folder"
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    return folder


def _answer(place: _Place) -> None:
    """Says what cannot be moved: the password, and whom to trust, which Thunderbird keeps elsewhere."""
    password = place.write("password", _PASSWORD + "\n")
    configuration = place.home / "fetch.toml"
    text = configuration.read_text()
    asked = "auth = { prompt = true }"
    if asked not in text:
        raise AssertionError(f"no {asked} in {text}")
    configuration.write_text(text.replace(asked, f'auth = {{ password_file = "{password}" }}\ntrust = "{place.authority}"'))


def _agent(place: _Place) -> tuple[Path, Path]:
    """A delivery agent that makes a file of each message."""
    inbox = place.home / "inbox"
    inbox.mkdir()
    agent = place.home / "agent"
    agent.write_text(f"#!/bin/sh\nexec cat > {inbox}/$(date +%s%N)-$$\n")
    agent.chmod(0o755)
    return agent, inbox
