"""Moving in: passwords that Dovecot's `doveadm pw` and this machine's crypt(3) have hashed.

Each hash is made on the spot and imported in the kind of line in which the other server has it. The account then logs in
over POP3 by its password and by no other, and after that has a hash of our own.
"""

import contextlib
import poplib
import socket
import sqlite3
from collections.abc import Callable

from harness import dovecot, overlay, paths, peers
from harness.processes import run, wait_for
from harness.program import Program
from harness.report import Report

_PASSWORD, _WRONG = "down the rabbit-hole", "down the rabbit-holf"

_SETTINGS = """
[auth]
refusal_delay = "500ms"
scram_iterations = 4096
"""

#: As `doveadm pw -s` names them; CRYPT and MD5 are other names of some.
_DOVECOT = ["ARGON2ID", "ARGON2I", "BLF-CRYPT", "SHA512-CRYPT", "SHA256-CRYPT", "PBKDF2", "MD5-CRYPT", "CRYPT", "MD5", "PLAIN"]
#: What Dovecot can make and we do not take.
_REFUSED = ["SSHA512", "SSHA", "SHA256", "PLAIN-MD5", "DES-CRYPT", "CRAM-MD5"]
#: Scheme → what crypt(3) is given as salt, with settings that it would choose itself.
_CRYPT = {
    "yescrypt": "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$", "scrypt": "$7$CU..../....2Hy.oV5Jw7Xk$", "bcrypt": "$2b$05$CCCCCCCCCCCCCCCCCCCCC.",
    "sha512crypt": "$6$saltstring$", "sha256crypt": "$5$rounds=10000$saltstring$", "md5crypt": "$1$saltsalt$",
}


def all_checks(report: Report) -> None:
    """A check for each scheme of each program that makes hashes, and for what is refused."""
    program = Program(paths.scratch("passwords"), _SETTINGS)
    program.start()
    for scheme in _DOVECOT:
        line = "{0}:{1}:1000:1000:Mary Ann:/home/{0}:/bin/sh:userdb_quota_rule=*:storage=1G"
        make = lambda it=scheme: _doveadm(it)  # noqa: E731
        report.check(f"Dovecot's {scheme} moves in", lambda m=make, it=scheme: _moves_in(program, f"dovecot-{it}", line, m))
    for scheme, salt in _CRYPT.items():
        make = lambda it=salt: _crypt(it)  # noqa: E731
        report.check(
            f"{scheme} of a shadow file moves in",
            lambda m=make, it=scheme: _moves_in(program, f"shadow-{it}", "{0}:{1}:19000:0:99999:7:::", m),
        )
    report.check("Dovecot's others are named and cannot move in", lambda: _refused(program))
    program.stop()
    report.check("no password and no hash in the log", lambda: _log_is_clean(program))


def _moves_in(program: Program, name: str, line: str, make: Callable[[], str]) -> str:
    name, hashed = name.lower(), make()
    done = program.command("user", "import", "-", input=line.format(name, hashed).encode() + b"\n")
    if done.returncode != 0:
        raise AssertionError(f"user import: {done.stderr.decode(errors='replace')}")
    before = _stored(program, name)
    if _logs_in(program, name, _WRONG):
        raise AssertionError("a wrong password logs in")
    if _stored(program, name) != before:
        raise AssertionError("a wrong password has changed what is stored")
    if not _logs_in(program, name, _PASSWORD):
        raise AssertionError(f"the password does not log in by {hashed}")
    wait_for("an argon2id hash", lambda: _stored(program, name).startswith("$argon2id$"))
    if not _logs_in(program, name, _PASSWORD):
        raise AssertionError("the password does not log in any more")
    return f"{before[:8]}… is {_stored(program, name)[:30]}… now"


def _refused(program: Program) -> str:
    lines = [f"refused{n}:{_doveadm(scheme)}" for n, scheme in enumerate(_REFUSED)]
    done = program.command("user", "import", "-", input="\n".join(lines).encode())
    told = done.stderr.decode().splitlines()
    if done.returncode != 65 or len(told) != len(lines) + 2:
        raise AssertionError(f"exit status {done.returncode}: {told}")
    for n, scheme in enumerate(_REFUSED):
        if not told[n].startswith(f"-: line {n + 1} (refused{n}): the scheme {{{scheme}}} is not supported"):
            raise AssertionError(told[n])
        if lines[n].rpartition("}")[2] in done.stderr.decode():
            raise AssertionError("a hash was printed")
    if "refused" in program.command("user", "list").stdout.decode():
        raise AssertionError("an account was made all the same")
    return ", ".join(_REFUSED)


def _doveadm(scheme: str) -> str:
    tree = overlay.tree("dovecot", dovecot.PACKAGES)
    words = ["/usr/bin/doveadm", "-c", "/dev/null", "pw", "-s", scheme, "-p", _PASSWORD]
    return overlay.ask(tree, words).decode().strip()


def _crypt(salt: str) -> str:
    peers.require("perl")
    hashed = run(["perl", "-e", "print crypt($ARGV[0], $ARGV[1])", _PASSWORD, salt], check=True).stdout.decode()
    if not hashed.startswith(salt[:3]):
        raise peers.Unavailable(f"crypt(3) of this machine does not know {salt[:3]}")
    return hashed


def _stored(program: Program, name: str) -> str:
    file = f"file:{program.directory}/data/accounts.db?mode=ro"
    with contextlib.closing(sqlite3.connect(file, uri=True)) as database:
        [password] = database.execute("SELECT password FROM account WHERE name = ?", [name]).fetchone()
        return password


class _From(poplib.POP3):
    """A client with an address of the account's own, so that who was refused there makes nobody else wait."""

    _numbers: dict[str, int] = {}

    def __init__(self, name: str, port: int):
        self._number = self._numbers.setdefault(name, len(self._numbers) + 1)
        super().__init__("127.0.0.1", port, timeout=30)

    def _create_socket(self, timeout: float) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout, (f"127.0.1.{self._number}", 0))


def _logs_in(program: Program, name: str, password: str) -> bool:
    client = _From(name, program.pop3_port)
    try:
        client.user(name)
        client.pass_(password)
        client.quit()
    except poplib.error_proto as error:
        if b"[AUTH]" not in error.args[0]:
            raise
        return False
    finally:
        client.close()
    return True


def _log_is_clean(program: Program) -> None:
    for word in (_PASSWORD, _WRONG, "$argon2", "$y$", "$1$", "panicked"):
        if word in program.log():
            line = next(line for line in program.log().splitlines() if word in line)
            raise AssertionError(f"{word!r} in the log: {line[:300]}")
