#!/usr/bin/python3
"""The kill rig: kill -9 at random under load, 300 rounds, and nothing that was promised is broken.

Each round the server runs under 32 deliverers (LMTP and `restante deliver`) and 8 readers that retrieve and delete;
at a random moment, or just when an end of data or a QUIT goes out, it is killed with SIGKILL (and so, at times, is
a `restante deliver`). It is started again, and oracles in other processes judge every maildrop.

    kill.py [--rounds N] [--seconds S] [--seed SEED]

The seed decides messages, choices and moments, so a seed that failed is worth running again; what the
machine's scheduler does in between is not repeated. Logs of all acknowledgements stay in `target/interop/kill`.
"""

import argparse
import multiprocessing
import random
import signal
import sys
import time
from collections import Counter

from harness import paths
from harness.program import Program
from load.worker import Share, Signals, work

#: Python runs one thread at a time, so the load has as many processes as this machine has processors to give.
_PROCESSES = 2
_DROPS, _LMTP_DELIVERERS, _PIPE_DELIVERERS, _READERS = 16, 30, 2, 8

#: Every so many rounds all texts are compared, and not a share of those that were seen before.
_ALL_TEXTS_EVERY = 25
_SHARE = 0.05

#: Longest time from the start of the program to its readiness.
_START_SECONDS_MAX = 1.0

_PROGRESS_SECONDS = 60


class Rig:
    """All of one run."""

    def __init__(self, seed: int):
        directory = paths.scratch("kill")
        self.seed = seed
        self.program = Program(directory, settings='[maildrop]\nlock_wait = "200ms"\n\n[auth]\nscram = false\n')
        self.signals = Signals()
        self.violations: list[str] = []
        #: Somebody wants the run to end and to tell what it saw.
        self.enough = False
        self.starts: list[float] = []
        self.figures = [Counter()] * _PROCESSES
        self._workers = []
        for place in range(_PROCESSES):
            drops = tuple(f"drop{number}" for number in range(place, _DROPS, _PROCESSES))
            for name in drops:
                self.program.add_user(name, apop=True)
            counts = (count // _PROCESSES for count in (_LMTP_DELIVERERS, _PIPE_DELIVERERS, _READERS))
            ours, theirs = multiprocessing.Pipe()
            arguments = (self.program, seed, Share(place, _PROCESSES, drops, *counts))
            log = directory / f"acknowledgements-{place}.log"
            process = multiprocessing.Process(target=work, args=(*arguments, log, self.signals, theirs), daemon=True)
            process.start()
            theirs.close()
            self._workers.append(ours)

    def run(self, rounds: int, seconds: float) -> int:
        """Plays rounds until enough are done or the time is over; returns how many were."""
        self._start()
        began = told = time.monotonic()
        for number in range(rounds):
            now = time.monotonic()
            if self.enough or now - began > seconds:
                return number
            if now - told > _PROGRESS_SECONDS:
                told = now
                print(f"  {number} of {rounds} rounds in {now - began:.0f} s", flush=True)
            self._load_and_kill(random.Random(f"{self.seed} round {number}"), number)
            self._start()
            self._order("judge", 2 if number % _ALL_TEXTS_EVERY == 0 else _SHARE)
            self._answers(60)
            if self.violations:
                return number + 1
        return rounds

    def finish(self) -> None:
        """All texts once more; ends the server, and lets the program check its own files."""
        self._order("judge", 2)
        self._answers(120)
        self.program.stop()
        done = self.program.command("maildrop", "verify", patience=600)
        if done.returncode != 0:
            self.violations.append(f"maildrop verify: {(done.stdout + done.stderr).decode(errors='replace')}")
        if "panicked" in self.program.log():
            self.violations.append("a panic in the server's log")

    def _start(self) -> None:
        began, waited = time.monotonic(), _waited("self")
        self.program.start()
        seconds = time.monotonic() - began
        # What the machine's other work took from the server and from us is not the server's time.
        waited = _waited(self.program.server.pid) + _waited("self") - waited
        self.starts.append(max(seconds - waited, 0))
        if self.starts[-1] > _START_SECONDS_MAX:
            took = f"{self.starts[-1]:.2f} s, and waited {waited:.2f} s for a processor"
            self.violations.append(f"the server took {took} until it was ready")

    def _load_and_kill(self, dice: random.Random, number: int) -> None:
        self.signals.stop.clear()
        self.signals.strike.clear()
        # Half of the kills come when something is just being promised.
        moments = dice.randint(1, 150) if dice.random() < 0.5 else 0
        chosen = dice.randrange(_PROCESSES)
        patience, delay = dice.triangular(0.05, 0.5, 0.05), dice.choice((0, 0, 0.0002, 0.001, 0.003))
        for place, worker in enumerate(self._workers):
            worker.send(("load", number, moments if place == chosen else 0))
        if self.signals.strike.wait(patience if moments == 0 else 0.5):
            time.sleep(delay)
        if not self.program.server.alive():
            self.violations.append(f"the server ended by itself:\n{self.program.log()[-3000:]}")
        self.program.server.kill()
        self.signals.stop.set()
        self._answers(60)

    def _order(self, *order) -> None:
        for worker in self._workers:
            worker.send(order)

    def _answers(self, patience: float) -> None:
        for place, worker in enumerate(self._workers):
            if not worker.poll(patience):
                raise TimeoutError(f"a process of the load did not answer for {patience:.0f} s")
            violations, self.figures[place] = worker.recv()
            self.violations += [each for each in violations if each not in self.violations]


def _waited(process) -> float:
    """Seconds for which a process was ready to run and had no processor."""
    with open(f"/proc/{process}/schedstat") as file:
        return int(file.read().split()[1]) / 1e9


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--rounds", type=int, default=300)
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = arguments.parse_args()
    print(f"  seed {options.seed} (again: interop/kill.py --seed {options.seed})", flush=True)
    # A Ctrl-C is for this process alone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    rig = Rig(options.seed)
    signal.signal(signal.SIGINT, lambda *_: setattr(rig, "enough", True))
    began = time.monotonic()
    rounds = rig.run(options.rounds, options.seconds)
    if not rig.violations:
        rig.finish()
    told, starts = sum(rig.figures, Counter()), [start * 1000 for start in rig.starts]
    print(
        f"  {rounds} rounds in {time.monotonic() - began:.0f} s: {rounds} kills of the server, "
        f"{told['kills of deliver']} of deliver; {told['delivered']} deliveries and {told['deleted']} deletions "
        f"acknowledged in {told['sessions']} sessions ({told['in use']} times [IN-USE]); {told['texts']} texts compared"
    )
    print(
        f"  sessions killed at QUIT: {told['committed']} committed whole, {told['undone']} not at all; "
        f"start to ready: median {_percentile(starts, 0.5):.0f} ms, "
        f"99 of 100 {_percentile(starts, 0.99):.0f} ms, most {max(starts):.0f} ms"
    )
    for violation in rig.violations[:20]:
        print(f"  FAILED {violation}")
    if rounds < options.rounds and not rig.violations:
        print(f"  FAILED only {rounds} of {options.rounds} rounds in {time.monotonic() - began:.0f} s")
        rig.violations.append("time")
    failed = len(rig.violations)
    print(f"{rounds - min(failed, rounds)} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
