"""One process of the load: its threads deliver to its maildrops and read them, and its oracle judges what they see."""

import multiprocessing
import poplib
import random
import smtplib
import subprocess
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harness import delivery, paths
from harness.clients import poplib_client
from harness.clients.endpoint import Login
from harness.oracle import Oracle, Violation
from harness.processes import Process
from harness.program import Program

from .message import message, number_of

#: Above this a session deletes most of what it finds, so that maildrops stay small.
_MESSAGES_MAX = 30
#: So many are left when a round has been judged.
_MESSAGES_KEPT = 10

#: What a connection shows when the other side is killed.
_GONE = (OSError, EOFError, smtplib.SMTPServerDisconnected)


@dataclass(frozen=True)
class Share:
    """What one of several processes does."""

    place: int
    of: int
    drops: tuple[str, ...]
    lmtp_deliverers: int
    pipe_deliverers: int
    readers: int


class Signals:
    """What all processes see: the load is to end; something is just being promised."""

    def __init__(self):
        self.stop = multiprocessing.Event()
        self.strike = multiprocessing.Event()


def work(program: Program, seed: int, share: Share, log: Path, signals: Signals, orders) -> None:
    """Follows the rig's orders until it hangs up; after each, the violations so far and the figures go back."""
    with log.open("w", buffering=1) as file:
        worker = Worker(program, seed, share, file, signals)
        while True:
            try:
                order, *arguments = orders.recv()
            except EOFError:
                return
            getattr(worker, order)(*arguments)
            orders.send((worker.violations, worker.figures()))


class Worker:
    """Threads, an oracle and figures."""

    def __init__(self, program: Program, seed: int, share: Share, log, signals: Signals):
        self.program, self.seed, self.share, self.log = program, seed, share, log
        self.logins = [Login(name, "redqueen") for name in share.drops]
        self.oracle = Oracle(list(share.drops), log)
        self.violations: list[str] = []
        self.counts = Counter()
        self._signals = signals
        self._number = share.place
        self._counting = threading.Lock()
        self._moments = 0

    def figures(self) -> Counter:
        """Everything that was counted."""
        oracle = self.oracle
        return self.counts + Counter(
            delivered=oracle.delivered, deleted=oracle.deleted,
            committed=oracle.settled_done, undone=oracle.settled_undone,
        )

    def load(self, number: int, moments: int) -> None:
        """Delivers and reads until the server was killed. At the `moments`-th promise the rig is told."""
        print("round", number, file=self.log)
        self._moments = moments
        jobs = [self._deliver_by_lmtp] * self.share.lmtp_deliverers
        jobs += [self._deliver_by_pipe] * self.share.pipe_deliverers + [self._session] * self.share.readers
        threads = [
            threading.Thread(
                target=self._work,
                args=(job, random.Random(f"{self.seed} {number} {self.share.place} {place}")),
                daemon=True,
            )
            for place, job in enumerate(jobs)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(40)
            if thread.is_alive():
                self._violated("a client still waits long after the server was killed")

    def judge(self, share: float) -> None:
        """After a restart, with nothing else going on: every maildrop; texts that are new, and a share of the known."""

        def one(login: Login) -> None:
            try:
                client = self._opened(login)
                if client is None:
                    raise Violation(f"{login.user}: [IN-USE] after a restart")
                dice = random.Random(f"{self.seed} {login.user} {self.counts['judged']}")
                listing = self._listing(client, login.user, dice, share)
                self.oracle.settle(login.user, listing)
                # The readers alone do not keep up with so many deliverers.
                chosen = dice.sample(range(len(listing)), k=max(len(listing) - _MESSAGES_KEPT, 0))
                for at in chosen:
                    client.dele(at + 1)
                batch = frozenset(listing[at][1] for at in chosen)
                self.oracle.quit_sent(login.user, batch)
                client.quit()
                self.oracle.quit_answered(login.user, batch)
            except Exception as error:  # noqa: BLE001 — every fault is shown
                self._violated(f"after the restart: {error if isinstance(error, Violation) else repr(error)}")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(one, self.logins))
        self.counts["judged"] += 1

    def _work(self, job, dice: random.Random) -> None:
        while not self._signals.stop.is_set():
            try:
                job(dice)
            except Violation as violation:
                self._violated(str(violation))
                return
            except _GONE:
                if self._signals.stop.wait(0.002):
                    return
            except Exception as error:  # noqa: BLE001 — anything else is a fault to be shown
                self._violated(f"{job.__name__}: {type(error).__name__}: {error}")
                return

    def _moment(self) -> None:
        """Called just before a promise is asked for; at the chosen one the server is killed."""
        with self._counting:
            self._moments -= 1
            if self._moments == 0:
                self._signals.strike.set()

    def _next_message(self) -> tuple[int, bytes]:
        with self._counting:
            self._number += self.share.of
            number = self._number
        return number, message(self.seed, number)

    def _deliver_by_lmtp(self, dice: random.Random) -> None:
        place = self.program.lmtp_socket if dice.random() < 0.5 else self.program.lmtp_port
        client = delivery.lmtp(place, patience=20)
        try:
            for _ in range(dice.randint(1, 20)):
                if self._signals.stop.is_set():
                    return
                number, text = self._next_message()
                recipients = dice.sample(self.share.drops, k=1 if dice.random() < 0.8 else 2)
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

    def _deliver_by_pipe(self, dice: random.Random) -> None:
        number, text = self._next_message()
        drop = dice.choice(self.share.drops)
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
            self.counts["kills of deliver"] += 1
        else:
            raise AssertionError(f"deliver: status {status}: {output.decode(errors='replace')}")

    def _session(self, dice: random.Random) -> None:
        login = dice.choice(self.logins)
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
            self.counts["sessions"] += 1
        except poplib.error_proto as refusal:
            # poplib says the end of the stream this way too.
            if "EOF" in str(refusal):
                raise EOFError from refusal
            raise AssertionError(f"a session of {login.user} was refused: {refusal}") from refusal
        finally:
            client.close()

    def _opened(self, login: Login) -> poplib.POP3 | None:
        # A login by APOP costs one digest. A password would cost an argon2id hash after each start, and what is
        # tested is not how passwords are hashed.
        client = None
        try:
            client = poplib.POP3("127.0.0.1", self.program.pop3_port, timeout=20)
            client.apop(login.user, login.password)
            return client
        except poplib.error_proto as refusal:
            if client is not None:
                client.close()
            if "[IN-USE]" in str(refusal):
                self.counts["in use"] += 1
                return None
            if "EOF" in str(refusal):
                raise EOFError from refusal
            raise AssertionError(f"a login of {login.user} was refused: {refusal}") from refusal
        except OSError:
            if client is not None:
                client.close()
            raise

    def _listing(self, client: poplib.POP3, drop: str, dice: random.Random, share: float) -> list[tuple[str, int]]:
        """The scan listing as unique-ids and messages. Texts are compared: all new ones, and a share of the known."""
        listing = []
        sizes = poplib_client.octets(client)
        for number, unique_id in enumerate(poplib_client.unique_ids(client), 1):
            known = self.oracle.known(drop, unique_id)
            if known is None or dice.random() < share:
                text = poplib_client.text(client, number)
                if len(text) != sizes[number - 1]:
                    raise Violation(f"{drop}: {unique_id} has {len(text)} octets, LIST says {sizes[number - 1]}")
                found = number_of(self.seed, text)
                self.counts["texts"] += 1
                if known is not None and found != known:
                    raise Violation(f"{drop}: unique-id {unique_id} was message {known} and is now {found}")
                known = found
            listing.append((unique_id, known))
        return listing

    def _violated(self, text: str) -> None:
        with self._counting:
            self.violations.append(text)
        print("VIOLATION", text, file=self.log)
