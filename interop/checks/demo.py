"""The demo: the session of the README word for word, and every line that it suggests works when pasted."""

import os
import re
import shlex
import subprocess

from harness.paths import PROGRAM, REPOSITORY, scratch
from harness.peers import Unavailable, require
from harness.processes import Process, has_namespaces, run, wait_for
from harness.report import Report

_README = REPOSITORY / "README.md"

_SESSION = """\
S: +OK POP3 server ready <TIMESTAMP@mailgate.dobbs.org>
C: USER bob
S: +OK bob
C: PASS redqueen
S: +OK bob's maildrop has 2 messages (320 octets)
C: STAT
S: +OK 2 320
C: LIST
S: +OK 2 messages (320 octets)
S: 1 120
S: 2 200
S: .
C: RETR 1
S: +OK 120 octets
TEXT
S: .
C: DELE 1
S: +OK message 1 deleted
C: RETR 2
S: +OK 200 octets
TEXT
S: .
C: DELE 2
S: +OK message 2 deleted
C: QUIT
S: +OK dewey POP3 server signing off (maildrop empty)
"""

#: What each suggested command must print, by how it begins.
_SUGGESTIONS = {
    "curl -u bob:redqueen pop3://": b"",
    "curl -u bob:redqueen --cacert": b"",
    "openssl": b"+OK",
    "mpop": b"",
    "fetch setup": b"2 messages (320 octets)",
    "deliver bob": b"",
    "telnet": b"250 ",
    "maildrop list": b"",
}


def all_checks(report: Report) -> None:
    """Runs what the README begins with, starts the demo once, and tries everything that it says."""
    report.check("the README's first command", _first_command)
    directory = scratch("demo")
    output = directory / "output"
    with output.open("wb") as file:
        demo = Process(
            [PROGRAM, "demo", "--free-ports"], cwd=directory, stdin=subprocess.DEVNULL, stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        commands: list[str] = []

        def session():
            wait_for("the demo", lambda: not demo.alive() or b"maildrop list bob" in output.read_bytes(), 60)
            said = output.read_text()
            if not demo.alive():
                raise AssertionError(f"the demo has ended: {said[-2000:]}")
            _same_session(said)
            commands.extend(line.strip() for line in said.splitlines() if _is_command(line))

        if report.check("demo plays the session word for word", session):
            report.check("demo makes suggestions", lambda: _some(commands))
            for command in commands:
                report.check(f"as suggested: {_short(command)}", lambda: _pasted(command, directory))
    finally:
        demo.stop()


def _first_command() -> str:
    """The command as it stands there, but for the build of the tests, and the program only says its version."""
    words = next(
        (shlex.split(line, comments=True) for line in _README.read_text().splitlines() if line.startswith("cargo run ")),
        [],
    )
    if words[-2:] != ["--", "demo"] or "--release" not in words:
        raise AssertionError(f"the README does not begin with the demo: {words}")
    words[0:1] = shlex.split(os.environ.get("CARGO", "cargo"))
    words[-1] = "--version"
    words.remove("--release")
    # Hardly ever more than a look at what is built already.
    done = run(words, cwd=REPOSITORY, stdin=subprocess.DEVNULL, patience=600)
    said = done.stdout.decode(errors="replace").strip()
    if done.returncode != 0 or not re.fullmatch(r"restante \S+", said):
        raise AssertionError(f"status {done.returncode}: {said} {done.stderr.decode(errors='replace')[-800:]}")
    return said


def _same_session(said: str) -> None:
    """Holds the printed session against the RFC's, apart from the timestamp and the texts of the messages."""
    lines = [line.strip() for line in said.splitlines() if re.match(r"\s*[SC]: ", line)]
    lines = [re.sub(r"<[!-~]+@mailgate", "<TIMESTAMP@mailgate", line) for line in lines]
    text = "\n".join(lines) + "\n"
    pattern = re.escape(_SESSION).replace("TEXT\\\n", r"(?:S: ?.*\n)+?")
    if not re.match(pattern, text):
        raise AssertionError(f"the session is not the one of RFC 1939 §10:\n{text}")


def _is_command(line: str) -> bool:
    return re.match(r"\s+(curl|echo|printf|openssl|mpop|\S*restante) ", line) is not None


def _some(commands: list[str]) -> str:
    for word in ("curl", "openssl", "mpop"):
        if not any(word in command for command in commands):
            raise AssertionError(f"no {word} among {commands}")
    return f"{len(commands)} commands"


def _short(command: str) -> str:
    return command if len(command) <= 70 else command[:67] + "…"


# mpop, for one, replaces files by renaming, and would do so with a device that is named as its state file.
_DEVICES_READ_ONLY = 'mount --bind /dev /dev && mount -o remount,bind,ro /dev && exec sh -c "$0"'


def _pasted(command: str, directory) -> None:
    for program in ("curl", "openssl", "mpop"):
        if program in command:
            require(program)
    words = ["sh", "-c", command]
    if os.geteuid() == 0 and not has_namespaces():
        raise Unavailable("by root only in a namespace, and none can be made here")
    if os.geteuid() == 0:
        # What is suggested to a reader who is root must not harm his machine; nor may the test of it.
        words = ["unshare", "--mount", "sh", "-c", _DEVICES_READ_ONLY, command]
    # What is written into the reader's home directory goes into another one.
    home = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")} | {"HOME": str(directory)}
    done = run(words, cwd=directory, stdin=subprocess.DEVNULL, patience=30, env=home)
    output = done.stdout + done.stderr
    if done.returncode != 0 or b"-ERR" in output:
        raise AssertionError(f"status {done.returncode}: {output.decode(errors='replace')[-800:]}")
    for part, wanted in _SUGGESTIONS.items():
        if part in command and wanted not in output:
            raise AssertionError(f"no {wanted!r} in {output!r}")
