"""The clients that are measured, each told to leave mail on the server and to keep it durably in a Maildir, the fastest way it has."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from harness import paths
from harness.clients import restante
from harness.clients.endpoint import Login
from harness.peers import require
from harness.processes import run
from rig.mail import PASSWORD

#: The number of somebody without rights.
_NOBODY = 65534

OURS, PIPELINED, UNPIPELINED = "restante", "mpop", "mpop-unpipelined"


@dataclass(frozen=True)
class Task:
    """One account of a server of 127.0.0.1, and an empty directory to work in."""

    port: int
    user: str
    messages: int
    directory: Path

    @property
    def maildir(self) -> Path:
        return self.directory / "Maildir"


class Client:
    """How a client is called, and told what to do."""

    label: str
    program: str
    #: Its words for its version.
    version_words = ("--version",)
    #: Whether what hangs or fails ends the run, or is only told.
    may_hang = False

    def version(self) -> str:
        """Raises Unavailable if it is not there."""
        require(self.program)
        said = run([self.program, *self.version_words]).stdout.decode(errors="replace")
        return re.search(r"\d+(\.\d+)+", said)[0]

    def words(self, task: Task) -> list:
        """Writes its configuration; the command that retrieves all."""
        raise NotImplementedError


class Fetchmail(Client):
    """fetchmail writes no Maildir itself: one process a message does, which syncs what it writes.

    It could deliver over LMTP too, but not into a Maildir without another server. `fetchsizelimit 0` spares it a LIST a message.
    """

    label = program = "fetchmail"

    def words(self, task: Task) -> list:
        configuration = _secret(task.directory / "fetchmailrc", (
            f"poll 127.0.0.1 protocol pop3 port {task.port} uidl no dns timeout 60\n"
            f"  auth password user '{task.user}' password '{PASSWORD}' sslproto ''\n"
            f"  keep fetchsizelimit 0 no rewrite pass8bits\n"
            # The number of the process is a name that nobody else has. Renaming it would be a second process a message.
            f"  mda 'exec dd of={task.maildir}/new/$$ bs=64k conv=fsync status=none'\n"
        ))
        return ["fetchmail", "-f", configuration, "--pidfile", task.directory / "pid", "-i", task.directory / "ids", "--nosyslog"]


class Getmail(Client):
    """getmail 6.18 may sleep until its time is up: it misses that the process has ended which it starts for each message."""

    label, program = "getmail6", "getmail"
    may_hang = True

    def words(self, task: Task) -> list:
        configuration = _secret(task.directory / "getmailrc", (
            f"[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = {task.port}\n"
            f"username = {task.user}\npassword = {PASSWORD}\n"
            f"[destination]\ntype = Maildir\npath = {task.maildir}/\n"
            "[options]\nread_all = false\ndelete = false\ndelivered_to = false\nreceived = false\nverbose = 0\n"
        ))
        words = ["getmail", "--getmaildir", task.directory, "--rcfile", configuration]
        if os.geteuid() != 0:
            return words
        # It delivers nothing as root.
        run(["chown", "-R", f"{_NOBODY}:{_NOBODY}", task.directory], check=True)
        return ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", *words]


class Mpop(Client):
    """mpop, which pipelines."""

    label, program = PIPELINED, "mpop"
    _pipelining = "on"

    def words(self, task: Task) -> list:
        configuration = _secret(task.directory / "mpoprc", (
            f"account default\nhost 127.0.0.1\nport {task.port}\nuser {task.user}\npassword {PASSWORD}\n"
            f"auth user\ntls off\ntls_starttls off\ntimeout 60\nreceived_header off\nkeep on\npipelining {self._pipelining}\n"
            f"uidls_file {task.directory}/uidls\ndelivery maildir {task.maildir}\n"
        ))
        return ["mpop", "-q", "-C", configuration]


class UnpipelinedMpop(Mpop):
    """mpop without pipelining: what a server that does not announce it makes of it."""

    label = UNPIPELINED
    _pipelining = "off"


class Curl(Client):
    """curl: one connection, one command at a time, one sync of the file system at the end. It keeps no note of what it has."""

    label = program = "curl"

    def words(self, task: Task) -> list:
        options = _secret(task.directory / "curlrc", (
            f'url = "pop3://127.0.0.1:{task.port}/[1-{task.messages}]"\nuser = "{task.user}:{PASSWORD}"\n'
            f'output = "{task.maildir}/new/#1"\nsilent\nshow-error\n'
        ))
        return ["sh", "-c", 'curl -q -K "$1" && sync -f "$2"', "sh", options, task.maildir / "new"]


class Restante(Client):
    """`restante fetch`."""

    label = OURS

    def version(self) -> str:
        restante.require()
        return run([paths.PROGRAM, "--version"]).stdout.decode().split()[-1]

    def words(self, task: Task) -> list:
        login = Login(task.user, PASSWORD)
        file = restante.configure("127.0.0.1", task.port, login, task.directory, keep=True)
        # As the others are told to: SCRAM would cost what the server asks for.
        file.write_text(file.read_text() + 'mechanism = "pass"\n')
        return [paths.PROGRAM, "-c", file, "fetch", "a"]


ALL = [Restante, Mpop, UnpipelinedMpop, Fetchmail, Getmail, Curl]


def environment(task: Task) -> dict[str, str]:
    """What a client finds: nothing of whoever runs this."""
    home = str(task.directory)
    return {"PATH": "/usr/bin:/bin", "HOME": home, "FETCHMAILHOME": home, "XDG_CONFIG_HOME": home, "XDG_STATE_HOME": home, "LC_ALL": "C.UTF-8"}


def _secret(file: Path, text: str) -> Path:
    file.touch(mode=0o600)
    file.write_text(text)
    return file
