"""What each path costs in system calls, under strace: a guard that needs no quiet machine.

A path is warmed, and then repeated between two marks in the trace; its calls are divided by the repetitions. Each call
has a budget (`BUDGETS`), beyond which the check fails. One that costs much less than its budget is named, so that the
budget is lowered: a guard that is too wide guards nothing. `docs/performance.md` has the same table, and is held to it.
"""

import re
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from harness import delivery, paths
from harness.clients.endpoint import Channel, Login
from harness.peers import require
from harness.processes import wait_for
from harness.program import Program
from harness.report import Report, Skip, can_trace

#: Calls for one unit of each path; a call that is not named here has no budget at all.
BUDGETS: dict[str, dict[str, float]] = {
    "a poll": {
        "sendto": 5, "fcntl": 3, "recvfrom": 4, "epoll_ctl": 2, "close": 2, "in vain": 2, "accept4": 1, "getsockname": 1,
        "getrandom": 1, "openat2": 1, "fstat": 1, "preadv2": 1, "newfstatat": 1, "write": 1,
        "shutdown": 1,
    },
    "a poll inside TLS": {
        "writev": 6, "recvfrom": 7, "fcntl": 3, "epoll_ctl": 2, "close": 2, "in vain": 1, "accept4": 1, "getsockname": 1,
        "getrandom": 1, "openat2": 1, "fstat": 1, "preadv2": 1, "newfstatat": 1, "write": 1,
        "shutdown": 1,
    },
    "RETR of 4 KiB": {"preadv2": 1, "recvfrom": 1, "sendto": 1},
    "RETR of 4 KiB, 32 ahead": {"preadv2": 1, "sendto": 0.125, "recvfrom": 0.03},
    "1 MiB of a RETR of 10 MiB": {"preadv2": 15.8, "sendto": 2.1, "recvfrom": 0.1},
    "LIST of 10,000": {"sendto": 3, "recvfrom": 1},
    "UIDL of 10,000": {"sendto": 8, "recvfrom": 1},
    "RETR and DELE of 4 KiB, ahead": {"preadv2": 1, "sendto": 0.17, "recvfrom": 0.08},
    "QUIT with 100 deletions, and tidying": {
        "fcntl": 12, "fstat": 11, "close": 9, "openat2": 7, "newfstatat": 4, "pread64": 3, "pwritev": 2, "unlinkat": 2, "fsync": 2,
        "fdatasync": 1, "renameat": 1, "ftruncate": 1, "getrandom": 1, "epoll_ctl": 1, "recvfrom": 1, "sendto": 1,
        "in vain": 1, "write": 1,
    },
    "a delivery of 4 KiB by LMTP": {
        "fcntl": 4, "fstat": 3, "recvfrom": 2, "sendto": 2, "openat2": 1, "newfstatat": 1, "pread64": 1, "pwritev": 1,
        "fdatasync": 1, "close": 1,
    },
    "each more recipient of it": {
        "fcntl": 4, "fstat": 3, "openat2": 1, "newfstatat": 1, "pread64": 1, "pwritev": 1, "fdatasync": 1, "close": 1,
    },
}

#: What threads and the allocator ask for depends on when they run, and only a debug build asks for F_GETFD before it closes
#: what it has; it is shown, and not compared.
_TIMING = frozenset(
    "F_GETFD futex epoll_wait epoll_pwait epoll_pwait2 sched_yield restart_syscall wake-up madvise munmap mmap mprotect brk mremap "
    "clone clone3 exit rseq set_robust_list sigaltstack sched_getaffinity gettid prctl rt_sigprocmask arch_prctl".split()
)
#: So many calls a unit beyond the budget are still chance. More are where a socket was thought to be ready and was not ("in
#: vain"), where it says how much of a large message it takes at once, and where a new thread seeds its tables (getrandom).
_CHANCE, _CHANCE_OF_OTHERS = 0.02, 1.0
#: Less than such a part of a budget is worth a lower one.
_LOWER = 0.8

_CALL = re.compile(r"^\d+ +(\w+)\((.*)", re.MULTILINE)
#: Two threads at once, and the end of a call is on a line of its own.
_IN_VAIN = re.compile(r"^\d+ +(?:<\.\.\. )?(\w+).* = -1 EAGAIN", re.MULTILINE)
_SILENCE_SECONDS, _STEP_SECONDS, _PATIENCE_SECONDS = 0.1, 0.01, 60

_SMALL, _LARGE = 4 << 10, 10 << 20
_AHEAD, _MANY, _DRAINED = 32, 10_000, 100


def all_checks(report: Report) -> None:
    """A check for each path, of one server with one thread for its connections."""
    counts: dict[str, Counter] = {}
    if not report.check("system calls are counted", lambda: _count(counts)):
        return
    for path, seen in counts.items():
        report.check(f"calls of {path}", lambda: judge(path, seen))
    report.check("the table in docs/performance.md", _documented)


def _count(counts: dict[str, Counter]) -> None:
    require("strace")
    if not can_trace():
        raise Skip("this machine forbids to trace other processes")
    meter = _Meter(paths.scratch("counting"))
    try:
        for measure in (_polls, _small, _large, _many, _drain, _deliveries):
            counts.update(measure(meter))
    finally:
        meter.program.stop()


class _Meter:
    """The program under strace, and marks in the trace."""

    def __init__(self, directory: Path):
        self.directory, self.trace = directory, directory / "trace"
        self.program = Program(directory)
        self.program.environment["TOKIO_WORKER_THREADS"] = "1"
        self.program.start(under=["strace", "-f", "-y", "-qq", "-s", "0", "-o", self.trace])
        self._sessions = 0

    def account(self, name: str, texts: list[bytes]) -> Login:
        """A new account, and its messages."""
        login = self.program.add_user(name)
        self.deliver(name, texts)
        return login

    def deliver(self, name: str, texts: list[bytes]) -> None:
        with delivery.lmtp(self.program.lmtp_port) as client:
            for text in texts:
                client.deliver("alice@example.org", [name], text)

    def calls(self, act: Callable[[], object]) -> Counter:
        """What the server asks the system for while something is done, until it has nothing more to do."""
        start = self._silent()
        act()
        end = self._silent()
        with self.trace.open(errors="replace") as trace:
            trace.seek(start)
            text = trace.read(end - start)
        calls = Counter(_named(*found) for found in _CALL.findall(text))
        for call in _IN_VAIN.findall(text):
            if call not in _TIMING:
                calls[call] -= 1
                calls["in vain"] += 1
        return +calls

    def _silent(self) -> int:
        """Where the trace ends, when nothing has been added to it for a while."""
        end, size, silent = time.monotonic() + _PATIENCE_SECONDS, -1, 0.0
        while silent < _SILENCE_SECONDS:
            if time.monotonic() > end:
                raise TimeoutError("the server is never silent")
            now = self.trace.stat().st_size
            silent = silent + _STEP_SECONDS if now == size and self._sleeps() else 0.0
            size = now
            time.sleep(_STEP_SECONDS)
        return size


    def _sleeps(self) -> bool:
        """Whether all threads of the server wait for somebody: one that waits for the disk is not done."""
        with self.trace.open() as trace:
            pid = trace.readline().split()[0]
        states = (stat.read_text().rpartition(")")[2].split()[0] for stat in Path("/proc", pid, "task").glob("*/stat"))
        return all(state == "S" for state in states)


def _named(call: str, rest: str) -> str:
    if call == "write" and "[eventfd]" in rest:
        return "wake-up"
    return "F_GETFD" if call == "fcntl" and "F_GETFD" in rest else call


class _Client:
    """As little of a client as there can be: what it sends in one piece arrives in one piece."""

    def __init__(self, meter: _Meter, login: Login, channel: Channel = Channel.PLAIN):
        endpoint = meter.program.endpoint
        self._socket = socket.create_connection((endpoint.host, endpoint.port(channel)), timeout=60)
        if channel is Channel.TLS:
            # A context of its own, so that no session is resumed.
            context = ssl.create_default_context(cafile=endpoint.authority)
            self._socket = context.wrap_socket(self._socket, server_hostname=endpoint.host)
        self._file = self._socket.makefile("rb")
        self._line()
        self.ask(f"USER {login.user}")
        self.ask(f"PASS {login.password}")

    def ask(self, *commands: str) -> None:
        """Sends commands at once, and reads a status line for each."""
        self._send(commands)
        for _ in commands:
            self._line()

    def fetch(self, *commands: str) -> int:
        """The same for multi-line replies; how many lines they had."""
        self._send(commands)
        lines = 0
        for _ in commands:
            self._line()
            while self._file.readline() != b".\r\n":
                lines += 1
        return lines

    def quit(self) -> None:
        """Until the server has closed."""
        self.ask("QUIT")
        self._file.read()
        self._file.close()
        self._socket.close()

    def _send(self, commands: tuple[str, ...]) -> None:
        self._socket.sendall("".join(f"{command}\r\n" for command in commands).encode())

    def _line(self) -> None:
        line = self._file.readline()
        if not line.startswith(b"+OK"):
            raise AssertionError(f"the server says {line!r}")


def _text(number: int, octets: int = _SMALL) -> bytes:
    head = b"Subject: %06d\r\n\r\n" % number
    line = b"y" * 76 + b"\r\n"
    return head + line * ((octets - len(head)) // len(line))


def _per(calls: Counter, units: int) -> Counter:
    return Counter({name: count / units for name, count in calls.items()})


def _polls(meter: _Meter) -> dict[str, Counter]:
    login = meter.account("poller", [_text(number) for number in range(10)])
    rounds = 120

    def poll(channel: Channel, times: int) -> None:
        for _ in range(times):
            client = _Client(meter, login, channel)
            client.ask("STAT")
            client.quit()

    counts = {}
    for name, channel in (("a poll", Channel.PLAIN), ("a poll inside TLS", Channel.TLS)):
        poll(channel, 3)
        counts[name] = _per(meter.calls(lambda: poll(channel, rounds)), rounds)
    return counts


def _small(meter: _Meter) -> dict[str, Counter]:
    login = meter.account("small", [_text(number) for number in range(_AHEAD)])
    client, rounds = _Client(meter, login), 10
    commands = [f"RETR {number + 1}" for number in range(_AHEAD)]

    def one_by_one(times: int) -> None:
        for command in times * commands:
            client.fetch(command)

    def ahead(times: int) -> None:
        for _ in range(times):
            client.fetch(*commands)

    ahead(2)
    counts = {
        "RETR of 4 KiB": _per(meter.calls(lambda: one_by_one(rounds)), rounds * _AHEAD),
        f"RETR of 4 KiB, {_AHEAD} ahead": _per(meter.calls(lambda: ahead(rounds)), rounds * _AHEAD),
    }
    client.quit()
    return counts


def _large(meter: _Meter) -> dict[str, Counter]:
    login = meter.account("large", [_text(0, _LARGE)])
    client, rounds = _Client(meter, login), 4

    def retrieve(times: int) -> None:
        for _ in range(times):
            client.fetch("RETR 1")

    retrieve(1)
    counts = _per(meter.calls(lambda: retrieve(rounds)), rounds * (_LARGE >> 20))
    client.quit()
    return {"1 MiB of a RETR of 10 MiB": counts}


def _many(meter: _Meter) -> dict[str, Counter]:
    login = meter.program.add_user("many")
    source = meter.directory / "many"
    source.mkdir()
    for number in range(_MANY):
        (source / f"{number:06}.eml").write_bytes(_text(number, 100))
    done = meter.program.command("maildrop", "import", "--unique-ids", "new", "many", source, patience=300)
    if done.returncode != 0:
        raise RuntimeError(f"import: {done.stderr[-300:]!r}")
    client, rounds, counts = _Client(meter, login), 4, {}

    def ask(command: str, times: int) -> None:
        for _ in range(times):
            if (lines := client.fetch(command)) != _MANY:
                raise AssertionError(f"{command} has {lines} lines")

    for command in ("LIST", "UIDL"):
        ask(command, 2)
        counts[f"{command} of 10,000"] = _per(meter.calls(lambda: ask(command, rounds)), rounds)
    client.quit()
    return counts


def _drain(meter: _Meter) -> dict[str, Counter]:
    texts = [_text(number) for number in range(_DRAINED)]
    login, rounds = meter.account("drain", texts), 2
    retrievals, commits = Counter(), Counter()
    for turn in range(rounds + 1):
        if turn > 0:
            meter.deliver("drain", texts)
        client = _Client(meter, login)
        retrieved = meter.calls(lambda: _retrieve_and_mark(client))
        committed = meter.calls(client.quit)
        # The first commit of a process makes names durable that it has not seen before.
        if turn > 0:
            retrievals += retrieved
            commits += committed
    return {
        "RETR and DELE of 4 KiB, ahead": _per(retrievals, rounds * _DRAINED),
        "QUIT with 100 deletions, and tidying": _per(commits, rounds),
    }


def _deliveries(meter: _Meter) -> dict[str, Counter]:
    """Each command batch and each text in one piece, as a client with PIPELINING sends them."""
    names = ["first", "second"]
    for name in names:
        meter.account(name, [_text(0)])
    rounds, text = 100, _text(1) + b".\r\n"
    with socket.create_connection(("127.0.0.1", meter.program.lmtp_port), timeout=60) as client, client.makefile("rb") as lines:

        def ask(octets: bytes, codes: list[bytes]) -> None:
            client.sendall(octets)
            for code in codes:
                while (line := lines.readline())[3:4] == b"-":
                    pass
                if not line.startswith(code):
                    raise AssertionError(f"the server says {line!r} where it should say {code!r}")

        def deliver(to: list[str], times: int) -> None:
            commands = ["MAIL FROM:<alice@example.org>", *(f"RCPT TO:<{name}>" for name in to), "DATA"]
            batch = "".join(f"{command}\r\n" for command in commands).encode()
            for _ in range(times):
                ask(batch, [b"250"] * (1 + len(to)) + [b"354"])
                ask(text, [b"250"] * len(to))

        lines.readline()
        ask(b"LHLO client.dobbs.org\r\n", [b"250"])
        deliver(names, 3)
        one = _per(meter.calls(lambda: deliver(names[:1], rounds)), rounds)
        two = _per(meter.calls(lambda: deliver(names, rounds)), rounds)
    more = +Counter({call: two[call] - one[call] for call in two | one})
    return {"a delivery of 4 KiB by LMTP": one, "each more recipient of it": more}


def _retrieve_and_mark(client: _Client) -> None:
    numbers = range(1, _DRAINED + 1)
    for at in range(0, _DRAINED, _AHEAD):
        client.fetch(*(f"RETR {number}" for number in numbers[at : at + _AHEAD]))
    for at in range(0, _DRAINED, _AHEAD):
        client.ask(*(f"DELE {number}" for number in numbers[at : at + _AHEAD]))


def judge(path: str, seen: Counter) -> str:
    """Holds the calls of a path against its budget; what it costs."""
    budget = BUDGETS.get(path, {})
    compared = {call: count for call, count in seen.items() if call not in _TIMING}
    over = [
        f"{call}: budget {budget.get(call, 0):g}, counted {count:.3g}"
        for call, count in sorted(compared.items())
        if count > budget.get(call, 0) + _chance(path, call)
    ]
    shown = _shown(compared)
    if over:
        raise AssertionError(f"{path} has become dearer: {'; '.join(over)} (all calls: {shown})")
    under = [
        f"{call} {allowed:g} to {compared.get(call, 0):.3g}"
        for call, allowed in budget.items()
        if call != "in vain" and compared.get(call, 0) < allowed * _LOWER
    ]
    lower = f"lower the budget: {', '.join(under)}; " if under else ""
    beside = _shown({call: count for call, count in seen.items() if call in _TIMING})
    return f"{lower}{shown}; not compared: {beside}"


def _chance(path: str, call: str) -> float:
    # A block that was taken in part is read again.
    sends_much = "MiB" in path and call in ("sendto", "preadv2")
    return _CHANCE_OF_OTHERS if sends_much or call in ("in vain", "getrandom") else _CHANCE


def _shown(counts: dict[str, float]) -> str:
    return ", ".join(f"{call} {count:.3g}" for call, count in sorted(counts.items(), key=lambda each: -each[1]))


def _documented() -> None:
    """The table of the document is the one above."""
    text = (paths.REPOSITORY / "docs" / "performance.md").read_text()
    missing = [row for row in map(_row, BUDGETS) if row not in text]
    if missing:
        raise AssertionError("missing there: " + " / ".join(missing))


def _row(path: str) -> str:
    budget = BUDGETS[path]
    return f"| {path} | {sum(budget.values()):.3g} | {', '.join(f'{call} {count:g}' for call, count in budget.items())} |"
