#!/usr/bin/python3
"""The kill rig: kill -9 at random under load, 200 rounds, and nothing that was promised is broken.

Each round the server runs under concurrent deliveries (LMTP and `restante deliver`) and POP3 sessions that
retrieve and delete; at a random moment, or just when an end of data or a QUIT goes out, it is killed with
SIGKILL (and so, at times, is a `restante deliver`). It is started again, and the oracle judges every maildrop.

    kill.py [--rounds N] [--seconds S] [--seed SEED]

The seed decides messages, choices and moments, so a seed that failed is worth running again; what the
machine's scheduler does in between is not repeated. A log of all acknowledgements stays in `target/interop/kill`.
"""

import argparse
import functools
import poplib
import random
import re
import smtplib
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from harness import delivery, paths, wire
from harness.clients import poplib_client
from harness.clients.endpoint import Channel, Login
from harness.oracle import Oracle, Violation
from harness.processes import Process
from harness.program import Program

_DROPS = ("alice", "bob", "carol", "dave")
_LMTP_DELIVERERS, _PIPE_DELIVERERS, _SESSIONS = 3, 1, 3

#: Above this a session deletes most of what it finds, so that maildrops stay small.
_MESSAGES_MAX = 30

#: What a connection shows when the other side is killed.
_GONE = (OSError, EOFError, smtplib.SMTPServerDisconnected)

_MARK = re.compile(rb"X-Rig: (\d+)\r\n")


@functools.lru_cache(maxsize=1000)
def message(seed: int, number: int) -> bytes:
    """The text of a message: the same for the same seed and number; its first line says which it is."""
    dice = random.Random(f"{seed} message {number}")
    octets = dice.choice((0, 100, 1000, 1000, 4000, 4000, 30_000, 70_000, 70_000, 400_000))
    pieces = dice.randbytes(dice.randint(0, octets) // 2).hex().encode()
    lines = [pieces[at : at + 72] for at in range(0, len(pieces), 72)]
    if dice.random() < 0.3:
        lines[:0] = [b".", b"..", b"\0\xff\r", b""]
    return b"X-Rig: %d\r\n\r\n" % number + b"".join(line + b"\r\n" for line in lines)


class Rig:
    """All of one run."""

    def __init__(self, seed: int):
        directory = paths.scratch("kill")
        self.seed = seed
        # Fast logins: what is tested is not how passwords are hashed.
        self.program = Program(
            directory, settings='[maildrop]\nlock_wait = "200ms"\n\n[auth]\nscram = false\n'
        )
        self.log = (directory / "acknowledgements.log").open("w", buffering=1)
        self.oracle = Oracle(list(_DROPS), self.log)
        self.violations: list[str] = []
        self.sessions = self.refusals = self.kills_of_deliver = self.retrieved = 0
        self.starts: list[float] = []
        self.verify_seconds = 0.0
        self._number = 0
        self._counting = threading.Lock()
        self._stop = threading.Event()
        self._strike = threading.Event()
        self._moments = 0

    def run(self, rounds: int, seconds: float) -> int:
        """Plays rounds until enough are done or the time is over; returns how many were."""
        logins = [self.program.add_user(name) for name in _DROPS]
        self._start()
        began = time.monotonic()
        for number in range(rounds):
            if time.monotonic() - began > seconds:
                return number
            print("round", number, file=self.log)
            self._load_and_kill(random.Random(f"{self.seed} round {number}"), number, logins)
            self._start()
            self._judge(logins)
            if self.violations:
                return number + 1
        return rounds

    def finish(self) -> None:
        """Ends the server and lets the program check its own files."""
        self.program.stop()
        done = self.program.command("maildrop", "verify")
        if done.returncode != 0:
            self._violated(f"maildrop verify: {(done.stdout + done.stderr).decode(errors='replace')}")
        if "panicked" in self.program.log():
            self._violated("a panic in the server's log")

    def _start(self) -> None:
        began = time.monotonic()
        self.program.start()
        self.starts.append(time.monotonic() - began)

    def _load_and_kill(self, dice: random.Random, number: int, logins: list[Login]) -> None:
        self._stop.clear()
        self._strike.clear()
        # Half of the kills come when something is just being promised.
        self._moments = dice.randint(1, 40) if dice.random() < 0.5 else 0
        patience, delay = dice.uniform(0.03, 0.3), dice.choice((0, 0, 0.0002, 0.001, 0.003))
        jobs = [self._deliver_by_lmtp] * _LMTP_DELIVERERS + [self._deliver_by_pipe] * _PIPE_DELIVERERS
        jobs += [self._session] * _SESSIONS
        threads = [
            threading.Thread(
                target=self._work, args=(job, random.Random(f"{self.seed} {number} {place}"), logins), daemon=True
            )
            for place, job in enumerate(jobs)
        ]
        for thread in threads:
            thread.start()
        if self._strike.wait(patience if self._moments == 0 else 0.3):
            time.sleep(delay)
        self.program.server.kill()
        self._stop.set()
        for thread in threads:
            thread.join(30)
            if thread.is_alive():
                self._violated("a client still waits 30 s after the server was killed")

    def _work(self, job, dice: random.Random, logins: list[Login]) -> None:
        while not self._stop.is_set():
            try:
                job(dice, logins)
            except Violation as violation:
                self._violated(str(violation))
                return
            except _GONE:
                if not self._stop.wait(0.002) and self.program.server.alive():
                    continue
                return
            except Exception as error:  # noqa: BLE001 — anything else is a fault to be shown
                self._violated(f"{job.__name__}: {type(error).__name__}: {error}")
                return

    def _moment(self) -> None:
        """Called just before a promise is asked for; at the chosen one the server is killed."""
        with self._counting:
            self._moments -= 1
            if self._moments == 0:
                self._strike.set()

    def _next_message(self) -> tuple[int, bytes]:
        with self._counting:
            self._number += 1
            number = self._number
        return number, message(self.seed, number)

    def _deliver_by_lmtp(self, dice: random.Random, logins: list[Login]) -> None:
        place = self.program.lmtp_socket if dice.random() < 0.5 else self.program.lmtp_port
        client = delivery.lmtp(place, patience=20)
        try:
            for _ in range(dice.randint(1, 20)):
                if self._stop.is_set():
                    return
                number, text = self._next_message()
                recipients = dice.sample(_DROPS, k=1 if dice.random() < 0.8 else 2)
                for drop in recipients:
                    self.oracle.announce(drop, number)
                self._moment()
                replies = client.deliver("rig@example.org", recipients, text)
                for drop, (code, reply) in zip(recipients, replies, strict=True):
                    if code != 250:
                        raise AssertionError(f"a delivery to {drop} was refused: {code} {reply!r}")
                    self.oracle.acknowledge(drop, number)
        finally:
            client.close()

    def _deliver_by_pipe(self, dice: random.Random, logins: list[Login]) -> None:
        number, text = self._next_message()
        drop = dice.choice(_DROPS)
        self.oracle.announce(drop, number)
        process = Process(
            [paths.PROGRAM, "-c", self.program.configuration, "deliver", drop],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        doomed = dice.random() < 0.2
        if doomed:
            threading.Timer(dice.uniform(0, 0.03), process.kill).start()
        try:
            output, _ = process.child.communicate(text, timeout=30)
        except BrokenPipeError:
            output = b""
        status = process.kill()
        if status == 0:
            self.oracle.acknowledge(drop, number)
        elif status == -9 and doomed:
            self.kills_of_deliver += 1
        else:
            raise AssertionError(f"deliver: status {status}: {output.decode(errors='replace')}")

    def _session(self, dice: random.Random, logins: list[Login]) -> None:
        login = dice.choice(logins)
        expected = self.oracle.expected(login.user)
        client = self._opened(login)
        if client is None:
            return
        try:
            listing = self._listing(client, login.user, dice, share=0.1)
            self.oracle.listing(login.user, expected, listing)
            share = dice.choice((0.1, 0.3, 1.0)) if len(listing) < _MESSAGES_MAX else 0.9
            chosen = [at for at in range(len(listing)) if dice.random() < share]
            for at in chosen:
                client.dele(at + 1)
            if (ending := dice.random()) < 0.1:
                return  # the connection is lost: nothing may be deleted
            if ending < 0.2:
                client.rset()
                chosen = []
            batch = frozenset(listing[at][1] for at in chosen)
            self.oracle.quit_sent(login.user, batch)
            self._moment()
            client.quit()
            self.oracle.quit_answered(login.user, batch)
            self.sessions += 1
        except poplib.error_proto as refusal:
            # poplib says the end of the stream this way too.
            if "EOF" in str(refusal):
                raise EOFError from refusal
            raise AssertionError(f"a session of {login.user} was refused: {refusal}") from refusal
        finally:
            client.close()

    def _opened(self, login: Login) -> poplib.POP3 | None:
        try:
            return poplib_client.session(self.program.endpoint, Channel.PLAIN, login, patience=20)
        except poplib.error_proto as refusal:
            if "[IN-USE]" in str(refusal):
                self.refusals += 1
                return None
            if "EOF" in str(refusal):
                raise EOFError from refusal
            raise AssertionError(f"a login of {login.user} was refused: {refusal}") from refusal

    def _listing(self, client: poplib.POP3, drop: str, dice: random.Random, share: float) -> list[tuple[str, int]]:
        """The scan listing as unique-ids and messages. Texts are compared: all new ones, and a share of the known."""
        listing = []
        sizes = poplib_client.octets(client)
        for number, unique_id in enumerate(poplib_client.unique_ids(client), 1):
            known = self.oracle.known(drop, unique_id)
            if known is None or dice.random() < share:
                text = poplib_client.text(client, number)
                found = self._compare(drop, unique_id, text, sizes[number - 1])
                self.retrieved += 1
                if known is not None and found != known:
                    raise Violation(f"{drop}: unique-id {unique_id} was message {known} and is now {found}")
                known = found
            listing.append((unique_id, known))
        return listing

    def _compare(self, drop: str, unique_id: str, text: bytes, octets: int) -> int:
        if len(text) != octets:
            raise Violation(f"{drop}: {unique_id} has {len(text)} octets, but LIST says {octets}")
        body = text if text.startswith(b"X-Rig: ") else wire.without_trace(text, "lmtp")[0]
        mark = _MARK.match(body)
        if mark is None:
            raise Violation(f"{drop}: {unique_id} is not a message that was delivered: {body[:100]!r}")
        if body != message(self.seed, int(mark[1])):
            raise Violation(f"{drop}: message {int(mark[1])} ({unique_id}) has other octets than were delivered")
        return int(mark[1])

    def _judge(self, logins: list[Login]) -> None:
        """After a restart, with nothing else going on: every maildrop, every message, every octet."""
        began = time.monotonic()

        def one(login: Login) -> None:
            try:
                client = self._opened(login)
                if client is None:
                    raise Violation(f"{login.user}: [IN-USE] after a restart")
                self.oracle.settle(login.user, self._listing(client, login.user, random.Random(0), share=2))
                client.quit()
            except Exception as error:  # noqa: BLE001 — every fault is shown
                self._violated(f"after the restart: {error if isinstance(error, Violation) else repr(error)}")

        with ThreadPoolExecutor(len(logins)) as pool:
            list(pool.map(one, logins))
        self.verify_seconds += time.monotonic() - began

    def _violated(self, text: str) -> None:
        self.violations.append(text)
        print("VIOLATION", text, file=self.log)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--rounds", type=int, default=200)
    arguments.add_argument("--seconds", type=float, default=300)
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = arguments.parse_args()
    print(f"  seed {options.seed} (again: interop/kill.py --seed {options.seed})", flush=True)
    rig = Rig(options.seed)
    began = time.monotonic()
    rounds = rig.run(options.rounds, options.seconds)
    rig.finish()
    oracle, starts = rig.oracle, rig.starts
    print(
        f"  {rounds} rounds in {time.monotonic() - began:.0f} s: {rounds} kills of the server, "
        f"{rig.kills_of_deliver} of deliver; {oracle.delivered} deliveries and {oracle.deleted} deletions "
        f"acknowledged in {rig.sessions} sessions ({rig.refusals} times [IN-USE]); {rig.retrieved} texts compared"
    )
    print(
        f"  sessions killed at QUIT: {oracle.settled_done} committed whole, {oracle.settled_undone} not at all; "
        f"start to ready: median {statistics.median(starts) * 1000:.0f} ms, most {max(starts) * 1000:.0f} ms"
    )
    for violation in rig.violations[:20]:
        print(f"  FAILED {violation}")
    if rounds < options.rounds and not rig.violations:
        print(f"  FAILED only {rounds} of {options.rounds} rounds fitted into {options.seconds:.0f} s")
        rig.violations.append("time")
    failed = len(rig.violations)
    print(f"{rounds - min(failed, rounds)} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
