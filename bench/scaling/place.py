"""Data directories, one for each number of maildrops, kept from run to run; and servers on them."""

import getpass
import json
import resource
import time
from pathlib import Path

from harness import paths
from harness.processes import Process, free_port, listens, run, wait_for
from rig.mail import PASSWORD
from rig.servers import certificate

#: Everything is below here; `rm -r` it to begin anew.
ROOT = paths.TARGET / "scaling"

#: The password, hashed so that a check costs next to nothing (argon2id, 8 KiB, 1 pass): what a hash of our own costs is
#: known, and 100,000 of them would be most of an hour. Each account gets a hash of our own in the background after
#: its first login, as any that came from elsewhere.
CHEAP = "{ARGON2ID}$argon2id$v=19$m=8,t=1,p=1$c2NhbGluZ3NjYWxpbmcxNg$+F9wcxKmcTg/H8eQo18t3AX5ywGaqAx1XMPU7ppSsGE"

#: Accounts with ten messages each in every data directory, for polls.
POLLED, POLLED_MESSAGES = 512, 10

#: Of the server, and of whoever asks it.
SERVER, CLIENT = "0", "1"

_CONFIG = """\
hostname = "localhost"
data = "{data}"
user = "{user}"
[[listener]]
protocol = "pop3"
address = "127.0.0.1:{port}"
plaintext_login = "loopback"
[[listener]]
protocol = "pop3s"
address = "127.0.0.1:{tls_port}"
[[listener]]
protocol = "lmtp"
address = "127.0.0.1:{lmtp_port}"
[tls]
certificate = "{certificate}"
key = "{key}"
[limits]
session_count_max = {sessions}
lmtp_session_count_max = 64
sessions_per_address_max = 0
idle_timeout = "1h"
[auth]
scram = false
"""


class Place:
    """A data directory; made by a server of its own where it is not there yet."""

    def __init__(self, name: str):
        ROOT.mkdir(parents=True, exist_ok=True)
        self.name, self.data = name, ROOT / name
        self._facts = ROOT / f"{name}.json"
        (ROOT / "password").write_text(PASSWORD + "\n")
        if not (ROOT / "certificate.pem").exists():
            certificate(ROOT)

    def facts(self) -> dict | None:
        """How it was made; none as long as it is not complete."""
        return json.loads(self._facts.read_text()) if self._facts.exists() else None

    def made(self, facts: dict) -> None:
        """It is complete."""
        self._facts.write_text(json.dumps(facts))

    def users(self, kind: str, names: list[str]) -> Path:
        """A file with names of accounts, one on each line."""
        file = ROOT / f"{self.name}.{kind}"
        file.write_text("".join(f"{name}\n" for name in names))
        return file

    def config(self, number: int = 0, sessions: int = 9800) -> tuple[Path, dict[str, int]]:
        """A configuration for the so many-th server on it, and its ports."""
        ports = {name: free_port() for name in ("port", "tls_port", "lmtp_port")}
        file = ROOT / f"{self.name}.{number}.toml"
        pair = {"certificate": ROOT / "certificate.pem", "key": ROOT / "key.pem"}
        file.write_text(_CONFIG.format(data=self.data, user=getpass.getuser(), sessions=sessions, **pair, **ports))
        return file, ports

    def accounts(self, names: list[str]) -> float:
        """Makes accounts with the cheap hash; how many seconds that took."""
        start = time.monotonic()
        lines = "".join(f"{name}:{CHEAP}\n" for name in names).encode()
        run([paths.PROGRAM, "-c", self.config()[0], "user", "import", "-"], input=lines, patience=900, check=True)
        return time.monotonic() - start


class Server:
    """`restante serve` on a data directory, pinned to cores."""

    def __init__(self, place: Place, number: int = 0, cores: str = SERVER, sessions: int = 9800):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        config, ports = place.config(number, sessions)
        self.port, self.tls_port, self.lmtp_port = ports["port"], ports["tls_port"], ports["lmtp_port"]
        with (ROOT / f"{place.name}.{number}.log").open("wb") as log:
            start = time.monotonic()
            words = ["taskset", "-c", cores, paths.PROGRAM, "-c", config, "serve"]
            self._process = Process(words, stdout=log, stderr=log)
        # `taskset` becomes the server: its process is the same.
        self.pid = self._process.pid
        wait_for("server", lambda: not self._process.alive() or listens(self.port), patience=120)
        #: Seconds until it accepted a connection.
        self.ready = time.monotonic() - start
        if not self._process.alive():
            raise RuntimeError(Path(log.name).read_text()[-2000:])

    def bench(self, workload: str, *options: object, client: str = CLIENT, tls: bool = False) -> dict:
        """What `restante bench` says of it, as JSON."""
        words = ["taskset", "-c", client, paths.PROGRAM, "bench", workload, "--json", "--pid", self.pid]
        port = self.lmtp_port if workload == "deliver" else self.tls_port if tls else self.port
        words += ["--server", f"127.0.0.1:{port}", *options]
        if workload != "deliver":
            words += ["--password-file", ROOT / "password"]
        ended = run(words, patience=900)
        if ended.returncode != 0:
            raise RuntimeError(f"{workload}: {ended.stderr.decode(errors='replace')[-500:]}")
        return json.loads(ended.stdout)

    def stop(self) -> None:
        self._process.stop(patience=60)


def figure(outcome: dict, beginning: str) -> float:
    """The first figure whose name begins so."""
    return next(one["value"] for one in outcome["figures"] if one["name"].startswith(beginning))


def timing(outcome: dict, name: str, percentile: str) -> float:
    """A percentile of what is timed under this name, in milliseconds."""
    return next(one[f"{percentile}_ms"] for one in outcome["timings"] if one["name"] == name)
