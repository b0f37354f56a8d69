"""The program under test: its configuration, its accounts, a server that runs, `deliver`.

Everything of one instance lies in one directory below `target/`, listens on free ports of 127.0.0.1 and
has a certificate for `localhost` from an authority of its own, so that clients can verify it.
"""

import os
import shutil
import subprocess
from pathlib import Path

from . import paths
from .clients.endpoint import Endpoint, Login
from .processes import Process, free_port, listens, run, wait_for

_CONFIGURATION = """\
hostname = "mailgate.dobbs.org"
name = "dewey"
data = "{directory}/data"
domains = ["dobbs.org"]
{user}
[[listener]]
protocol = "pop3"
address = "127.0.0.1:{pop3}"
plaintext_login = "loopback"

[[listener]]
protocol = "pop3s"
address = "127.0.0.1:{pop3s}"

[[listener]]
protocol = "lmtp"
address = "127.0.0.1:{lmtp}"

[[listener]]
protocol = "lmtp"
address = "unix:{directory}/lmtp"
# Agents are users of their own.
mode = "0666"

[tls]
certificate = "{directory}/certificate.pem"
key = "{directory}/key.pem"

[limits]
sessions_per_address_max = 0
drain_timeout = "2s"
{settings}
"""


class Program:
    """One instance of the program with a data directory of its own. Started as root, it becomes `user`."""

    def __init__(self, directory: Path, settings: str = "", user: str = "root"):
        if not paths.PROGRAM.exists():
            raise FileNotFoundError(f"{paths.PROGRAM} is missing: cargo build -p restante")
        self.directory = directory
        #: What others call to deliver.
        self.binary = paths.PROGRAM
        directory.mkdir(exist_ok=True)
        self.pop3_port, self.pop3s_port, self.lmtp_port = free_port(), free_port(), free_port()
        self.lmtp_socket = directory / "lmtp"
        self.configuration = directory / "restante.toml"
        _certificate(directory)
        self.configuration.write_text(
            _CONFIGURATION.format(
                directory=directory,
                pop3=self.pop3_port,
                pop3s=self.pop3s_port,
                lmtp=self.lmtp_port,
                # Serving as root must be asked for.
                user=f'user = "{user}"\n' if os.geteuid() == 0 else "",
                settings=settings,
            )
        )
        if os.geteuid() == 0 and user != "root":
            for path in (directory, *directory.iterdir()):
                shutil.chown(path, user)
        self.endpoint = Endpoint(self.pop3_port, self.pop3s_port, directory / "authority.pem")
        self.log_file = directory / "log"
        self.server: Process | None = None
        #: What the program finds in its environment beside our own.
        self.environment: dict[str, str] = {}

    def command(self, *words, patience: float = 60, **options) -> subprocess.CompletedProcess:
        """Runs one command of the program to its end."""
        options.setdefault("env", os.environ | self.environment)
        return run([paths.PROGRAM, "-c", self.configuration, *words], patience, **options)

    def start(self, under: list = ()) -> None:
        """Starts the server, `under` another program if need be, and waits until every listener answers."""
        with self.log_file.open("ab") as log:
            self.server = Process(
                [*under, paths.PROGRAM, "-c", self.configuration, "serve"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | self.environment,
            )
        ports = (self.pop3_port, self.pop3s_port, self.lmtp_port)
        wait_for(
            "the server",
            lambda: not self.server.alive() or all(map(listens, ports)) and self.lmtp_socket.exists(),
        )
        if not self.server.alive():
            raise RuntimeError(f"the server did not start:\n{self.log()[-3000:]}")

    def stop(self) -> int:
        """Ends the server with SIGTERM and returns its exit status."""
        return self.server.stop()

    def log(self) -> str:
        """What the server wrote."""
        return self.log_file.read_text(errors="replace")

    def add_user(self, name: str, password: str = "redqueen", apop: bool = False) -> Login:
        """Makes an account, one that may also log in by APOP if that is asked for."""
        options = ["--apop"] if apop else []
        done = self.command("user", "add", name, "--stdin", *options, input=password.encode() + b"\n")
        if done.returncode != 0:
            raise RuntimeError(f"user add {name}: {done.stderr.decode(errors='replace')}")
        return Login(name, password)

    def deliver(self, recipient: str, text: bytes, sender: str | None = None) -> None:
        """`restante deliver`; raises with its message if it does not say that the message is safe."""
        options = [] if sender is None else ["-f", sender]
        done = self.command("deliver", *options, recipient, input=text)
        if done.returncode != 0:
            raise RuntimeError(f"deliver: {done.returncode}: {done.stderr.decode(errors='replace')}")


def _certificate(directory: Path) -> None:
    """An authority and, signed by it, a certificate for `localhost`."""

    def openssl(*words) -> None:
        run(["openssl", *words], cwd=directory, check=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(
        "req", "-x509", *key, "-keyout", "authority.key", "-out", "authority.pem", "-days", "30",
        "-subj", "/CN=interop authority", "-addext", "basicConstraints=critical,CA:TRUE",
        "-addext", "keyUsage=critical,keyCertSign",
    )
    openssl("req", *key, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost")
    (directory / "extensions").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl(
        "x509", "-req", "-in", "request.pem", "-CA", "authority.pem", "-CAkey", "authority.key",
        "-CAcreateserial", "-out", "certificate.pem", "-days", "20", "-extfile", "extensions",
    )
