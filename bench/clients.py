#!/usr/bin/python3
"""`make bench-client`: clients retrieve the same mail from the same servers, in turn: `restante fetch`, mpop, fetchmail, getmail, curl.

    clients.py [--rounds N] [--only CLIENT,…] [--cases CASE,…] [--servers LABEL,…] [--patience SECONDS] [--place DIR] [--write]
    clients.py --smoke

Everything is left on the server and kept durably in a Maildir, on loopback and over a link with a delay. Each Maildir is compared
with what the server has, and the first that is wrong ends the run. Beside them is the floor: what the server and the link take when
all is asked for at once and nothing is kept. What took longer than half a minute is not run again, and what is not done in time
(--patience on the far link, a third of that on loopback) is said not to finish.

A sync takes longer while others write to the disk: `--place /dev/shm` keeps the Maildirs in memory, which shows the clients alone.
`--write` puts the tables into docs/performance.md; all outcomes are in target/interop/bench-client. `--smoke`: few messages, one
round, to see that all of it works.
"""

import argparse
import itertools
import os
import shutil
import sys
import time
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop"))

# All are built for speed.
os.environ.setdefault("RESTANTE_PROFILE", "release")

from harness import paths  # noqa: E402
from harness.peers import Unavailable  # noqa: E402
from harness.processes import run as run_plainly, wait_for  # noqa: E402
from retrieval import clients, table  # noqa: E402
from retrieval.cases import FAR, Case, cases  # noqa: E402
from retrieval.link import Links  # noqa: E402
from retrieval.outcomes import FLOOR, Outcome, Outcomes  # noqa: E402
from retrieval.run import DidNotFinish, Usage, run  # noqa: E402
from retrieval.verify import Texts, Wrong  # noqa: E402
from rig import mail, servers  # noqa: E402
from rig.server import Refused  # noqa: E402

_DOCUMENT = paths.REPOSITORY / "docs/performance.md"
_FLOOR = Path(__file__).with_name("retrieval") / "floor.py"
#: Servers that are asked unless others are named.
_SERVERS = "dovecot-tuned,restante"
#: Files that are made to see how long that takes, and what each may take: it is 10 to 20 where none were removed.
_PROBE_FILES, _FILE_MICROSECONDS_MAX = 1000, 60
_INODES_PATIENCE_MINUTES = 6
#: What takes longer is bound by round trips, which are the same in each round.
_SLOW_SECONDS = 30


class Bench:
    """Servers that run, clients that are there, and what came of them."""

    def __init__(self, asked: argparse.Namespace, chosen: list[Case]):
        self.cases, self._patience = chosen, asked.patience
        self._scratch = paths.scratch("bench-client")
        self._place = Path(asked.place or self._scratch).resolve() / f"restante-bench-client-{os.getpid()}"
        self._load, self._runs = os.getloadavg()[0], itertools.count(1)
        self.outcomes = Outcomes(self._scratch / "outcomes.json")
        self.clients = _available(asked.only)
        _wait_for_inodes(self._place)
        kinds = {case.kind.name: case.kind for case in chosen}
        print("preparing mail …", file=sys.stderr)
        everything = mail.Mail(paths.PROGRAM, self._scratch / "mail", list(kinds.values()))
        self._texts = {name: Texts(everything.maildir(f"{name}1")) for name in kinds}
        certificate, key = servers.certificate(self._scratch)
        servers.Restante.program = paths.PROGRAM
        self.servers, self._links = [], {}
        for kind in servers.ALL:
            if kind.label not in asked.servers.split(","):
                continue
            print(f"starting {kind.label} …", file=sys.stderr)
            try:
                server = kind(self._scratch / kind.label, everything, certificate, key)
            except Unavailable as reason:
                print(f"SKIPPED {kind.label}: {reason}", file=sys.stderr)
                continue
            # Nobody pays for the first login, nor for what a server notes about a maildrop that it has not seen.
            server.log_in_once(everything.users)
            self.servers.append(server)
            self._links[server.label] = Links(server.port)

    def round(self, number: int) -> None:
        """Every client in every case on every server; each round begins with another client."""
        at = (number - 1) % max(1, len(self.clients))
        turn = [None, *self.clients[at:], *self.clients[:at]]
        for case, server, client in itertools.product(self.cases, self.servers, turn):
            if number > 1 and (case.once or self._is_slow(case, server, client)):
                continue
            self._measure(number, case, server, client)

    def _is_slow(self, case: Case, server, client: clients.Client | None) -> bool:
        at = (case.name, server.label, client.label if client else FLOOR)
        before = self.outcomes.median("seconds", *at)
        return at in self.outcomes.failures or before is not None and before > _SLOW_SECONDS

    def _measure(self, number: int, case: Case, server, client: clients.Client | None) -> None:
        label = client.label if client else FLOOR
        what = f"round {number}: {case.name}, {server.label}, {label}"
        port, user = self._links[server.label].port(case.link), f"{case.kind.name}1"
        if client is None:
            words = [sys.executable, _FLOOR, port, user, mail.PASSWORD, case.kind.messages]
            # Once before, for what the server remembers from then on.
            said = [run_plainly(words, check=True).stdout for _ in range(2 if number == 1 else 1)]
            seconds, figures = float(said[-1]), {}
        else:
            # Removed at the end only: ext4 takes no inode that was freed within the last minutes, and looks at each of them in every
            # creation of a file, which would cost ten times what the client does.
            task = clients.Task(port, user, case.kind.messages, self._place / str(next(self._runs)))
            try:
                usage = self._retrieved(server, client, task, case)
            except DidNotFinish as reason:
                self.outcomes.failures[case.name, server.label, label] = f"did not finish ({reason})"
                print(f"{what}: did not finish, {reason}", file=sys.stderr)
                return
            except (RuntimeError, Wrong) as reason:
                if not client.may_hang:
                    raise type(reason)(f"{what}: {reason}") from None
                self.outcomes.failures[case.name, server.label, label] = "failed"
                print(f"{what}: failed, {str(reason).strip().splitlines()[-1]}", file=sys.stderr)
                return
            seconds = usage.seconds
            figures = {"cpu_us": usage.cpu_seconds / case.kind.messages * 1e6, "rss_mib": usage.rss_kib / 1024}
        self.outcomes.add(Outcome(number, case.name, server.label, label, case.kind.messages, seconds, **figures))
        told = "".join(f", {name} {value:.1f}" for name, value in figures.items())
        print(f"{what}: {seconds:.3f} s{told}", file=sys.stderr)

    def _retrieved(self, server, client: clients.Client, task: clients.Task, case: Case) -> Usage:
        for part in ("new", "cur", "tmp"):
            (task.maildir / part).mkdir(parents=True)
        # The client before may have been ended in the midst of it.
        wait_for("the maildrop", lambda: _is_free(server, task.user))
        # What hangs shall not take as long where nothing is far away.
        patience = self._patience if case.link is FAR else self._patience / 3
        usage = run(client.words(task), clients.environment(task), task.directory, patience)
        self._texts[case.kind.name].verify(task.maildir)
        return usage

    def stop(self) -> None:
        for server in self.servers:
            self._links[server.label].stop()
            server.stop()
        shutil.rmtree(self._place, ignore_errors=True)

    def report(self, rounds: int) -> str:
        """What was measured, where and of what."""
        labels = [server.label for server in self.servers]
        versions = [f"{server.label} {server.version}" for server in self.servers]
        versions += [f"{client.label} {client.version()}" for client in self.clients]
        runs = "one run" if rounds == 1 else f"medians of {rounds} runs, and one run of what took longer than {_SLOW_SECONDS} s"
        load = f"load {self._load:.1f} before, Maildirs on {_file_system(self._place.parent)}"
        parts = [f"{date.today()}, {_machine()}, {load}; {runs}. Servers and clients: {', '.join(dict.fromkeys(versions))}."]
        if aimed := table.targets(self.outcomes, self.cases, labels):
            parts += [aimed, "All figures:"]
        parts.append(table.markdown(self.outcomes, self.cases, labels, [client.label for client in self.clients], rounds))
        return "\n\n".join(parts)


def main() -> int:
    asked = _arguments()
    # The link and the clients are the same for all sizes.
    chosen = cases(10, 5, None)[:2] if asked.smoke else cases(2000, 200, "100MiB")
    if asked.cases:
        chosen = [case for case in chosen if case.name in asked.cases.split(",")]
    bench = Bench(asked, chosen)
    if not bench.servers:
        print("no server to ask", file=sys.stderr)
        return 69
    try:
        for number in range(1, asked.rounds + 1):
            bench.round(number)
    except (RuntimeError, Wrong) as reason:
        print(reason, file=sys.stderr)
        return 65
    finally:
        bench.stop()
    text = bench.report(asked.rounds)
    print(text)
    if asked.write:
        _write(text)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", default="")
    parser.add_argument("--cases", default="")
    parser.add_argument("--servers", default=_SERVERS)
    parser.add_argument("--patience", type=float)
    parser.add_argument("--place", default="")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    asked = parser.parse_args()
    asked.rounds = asked.rounds or (1 if asked.smoke else 3)
    # As long as getmail needs over the far link, and not as long as it sleeps when it hangs.
    asked.patience = asked.patience or (9 if asked.smoke else 170)
    return asked


def _available(only: str) -> list[clients.Client]:
    """Those that were asked for and are there."""
    found = []
    for kind in clients.ALL:
        if only and kind.label not in only.split(","):
            continue
        try:
            kind().version()
        except Unavailable as reason:
            print(f"SKIPPED {kind.label}: {reason}", file=sys.stderr)
            continue
        found.append(kind())
    return found


def _is_free(server, user: str) -> bool:
    """Whether nobody else is in a session of this maildrop."""
    try:
        server.log_in_once([user])
    except Refused:
        return False
    return True


def _wait_for_inodes(place: Path) -> None:
    """Waits until files are made as fast as they can be, or says that they are not. See `_measure`."""
    for minute in range(_INODES_PATIENCE_MINUTES + 1):
        directory = place / f"probe-{minute}"
        directory.mkdir(parents=True)
        began = time.process_time()
        for number in range(_PROBE_FILES):
            os.close(os.open(directory / f"{number}", os.O_CREAT | os.O_WRONLY, 0o600))
        each = (time.process_time() - began) / _PROBE_FILES * 1e6
        if each < _FILE_MICROSECONDS_MAX:
            return
        print(f"a file takes {each:.0f} µs to make: many were removed lately; waiting, {_INODES_PATIENCE_MINUTES - minute} min at most", file=sys.stderr)
        time.sleep(60 if minute < _INODES_PATIENCE_MINUTES else 0)
    print("files stay slow to make: what is measured is the file system for the most part", file=sys.stderr)


def _machine() -> str:
    processors = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in processors if line.startswith("model name")), "unknown processor")
    return f"{model}, {os.cpu_count()} cores, Linux {os.uname().release}"


def _file_system(directory: Path) -> str:
    """Of which kind it is that holds a directory."""
    return run_plainly(["stat", "-f", "-c", "%T", directory], check=True).stdout.decode().strip()


def _write(text: str) -> None:
    """Replaces the generated part of the document."""
    begin, end = "<!-- bench-client: begin -->", "<!-- bench-client: end -->"
    document = _DOCUMENT.read_text()
    if begin not in document or end not in document:
        raise SystemExit(f"{_DOCUMENT} has no place for the tables: put {begin} and {end} where they shall stand")
    before, rest = document.split(begin)
    _, after = rest.split(end)
    _DOCUMENT.write_text(f"{before}{begin}\n{text}\n{end}{after}")


if __name__ == "__main__":
    sys.exit(main())
