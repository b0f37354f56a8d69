#!/usr/bin/python3
"""The filling rig: a disk with exactly k KiB free, for many k, and the mail on it.

A server runs on a small ext4 file system (and on a tmpfs, by octets and by inodes) with its data, its accounts and
its log. At each point exactly k KiB are left free, then mail is delivered in several sizes by LMTP and by
`restante deliver`: each is acknowledged and whole, or refused for now and leaves no trace. Then the disk is filled
to the last block, and a session deletes and QUITs: that must succeed, and the deletions must hold. At times the
server is killed and started again on the full disk.

    fill.py [--points N] [--seed SEED] [--only ext4|tmpfs|inodes] [--at K]
"""

import argparse
import hashlib
import poplib
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from harness import delivery, drop, paths, volume, wire
from harness.clients import poplib_client
from harness.clients.endpoint import Channel, Login
from harness.oracle import Violation
from harness.peers import Unavailable
from harness.processes import wait_for
from harness.program import Program
from harness.report import Report

_MIB = 64
_TMPFS_MIB = 48
_INODES = 400
#: What is set aside, and below what it is filled up before the next point: each deletion may take a MiB.
_RESERVE_MIB, _RESERVE_LEAST_MIB = 8, 4

#: Below this many KiB the points lie close together: that is where single deliveries fit or do not.
_KIB_MAX = 1100
#: Octets of the texts that are delivered at each point; the last goes through an unnamed file.
_SIZES = (100, 3000, 40_000, 300_000)
#: Every so many points the server starts anew on the full disk.
_RESTART_EVERY = 20

#: What says "not now, for want of space".
_REFUSALS = (b"4.3.1 ", b"4.2.2 ")
_TEMPORARY = 75

_READERS = ("bob", "carol")


class Disk:
    """One file system with a server on it, and what must be in its maildrops."""

    def __init__(self, kind: str, place: volume.Volume, seed: int, fresh: int):
        self.kind, self.volume = kind, place
        directory = place.place / "restante"
        directory.mkdir()
        settings = f'[maildrop]\nallow_volatile = true\nreserve = "{_RESERVE_MIB} MiB"\n'
        settings += "\n[auth]\nscram = false\n"
        self.program = Program(directory, settings)
        if kind == "ext4":
            # To be read when something failed. Elsewhere the log lies on the full disk, too.
            self.program.log_file = directory.parents[2] / "ext4.log"
        self.logins = {name: self.program.add_user(name) for name in _READERS}
        #: Unique-id and hash of the text of each message, in order, as they must be shown.
        self.expected: dict[str, list[tuple[str, bytes]]] = {name: [] for name in _READERS}
        self.told = Counter()
        self.seed = seed
        #: Accounts that have no file yet, and whose first delivery comes when there is no room.
        self._fresh = [f"fresh{number}" for number in range(fresh)]
        for name in self._fresh:
            self.program.add_user(name)
            self.expected[name] = []
        self.reserve = directory / "data" / "reserve.bin"
        self.program.start()
        wait_for("the reserve", self._is_whole)

    def point(self, k: int, number: int) -> None:
        """One point: k KiB free (or inodes), deliveries; none free, deletions."""
        dice = random.Random(f"{self.seed} {self.kind} {k} {number}")
        self._room()
        for name in _READERS:
            self._lmtp(name, [text(dice, 200), text(dice, 5000)], must=True)
        self._leave(k)
        sizes = list(_SIZES)
        dice.shuffle(sizes)
        self._lmtp("bob", [text(dice, size) for size in sizes])
        self._pipe("bob", text(dice, dice.choice(_SIZES)))
        self._first(dice)
        self._leave(0)
        self._lmtp("carol", [text(dice, 100)])
        self._first(dice)
        # Without inodes a socket cannot be made, nor what SQLite puts beside the accounts.
        if self.kind != "inodes" and number % _RESTART_EVERY == 0:
            self.program.server.kill()
            self.program.start()
            self.told["starts on the full disk"] += 1
        for name in _READERS:
            # All, so that the file is replaced, or some.
            share = 1.0 if dice.random() < 0.3 else 0.5
            self._delete(name, dice, share)
            self._look(name, dice)

    def _first(self, dice: random.Random) -> None:
        """A delivery to an account that has no file; when it is acknowledged it is the next one's turn."""
        if self._fresh:
            self._lmtp(self._fresh[-1], [text(dice, 1000)])
            if self.expected[self._fresh[-1]]:
                self._fresh.pop()

    def finish(self) -> None:
        """With room again, the tools must find the same, and nothing wrong."""
        self._room()
        self.program.stop()
        for name, expected in self.expected.items():
            found = [(mail.unique_id, digest(mail.text)) for mail in drop.look(self.program, name)]
            known = [(each or unique_id, wanted) for (unique_id, _), (each, wanted) in zip(found, expected, strict=False)]
            if len(found) != len(expected) or found != known:
                raise Violation(f"{name}: the tools show another maildrop than the server did")
        drop.verify(self.program)
        drop.sane(self.program.log_file.read_bytes(), 0)

    def end(self) -> None:
        """Ends the server and unmounts."""
        if self.program.server is not None:
            self.program.server.kill()
        self.volume.unmount()

    def _leave(self, k: int) -> None:
        if self.kind == "inodes":
            self.volume.leave_inodes(k)
        else:
            self.volume.leave(k)

    def _room(self) -> None:
        if self.kind == "inodes":
            self.volume.give_inodes()
            return
        # Half of what is free is the most that the reserve takes back.
        self.volume.leave((2 * _RESERVE_MIB + 2) * 1024)
        if self.reserve.stat().st_size < _RESERVE_LEAST_MIB << 20:
            # At the start and at each sweep, and there is none in the time of this rig: it would take room
            # just when so much is to be free.
            self.program.stop()
            self.program.start()
            wait_for("the reserve to be filled up again", self._is_whole, patience=10)
            self.volume.leave(8 * 1024)

    def _is_whole(self) -> bool:
        if not self.reserve.exists():
            return False
        state = self.reserve.stat()
        return state.st_size == _RESERVE_MIB << 20 and state.st_blocks * 512 >= state.st_size

    def _lmtp(self, name: str, texts: list[bytes], must: bool = False) -> None:
        """Deliveries of one connection. Those that were acknowledged are expected from now on."""
        client = delivery.lmtp(self.program.lmtp_port, patience=30)
        try:
            for each in texts:
                before = self._traces()
                ((code, reply),) = client.deliver("rig@example.org", [name], each)
                if code == 250:
                    self._acknowledged(name, each)
                    continue
                if must or code != 452 or not reply.startswith(_REFUSALS):
                    raise Violation(f"LMTP, {len(each)} octets, {self.volume.free_kib()} KiB free: {code} {reply!r}")
                self._refused(before)
        finally:
            client.close()

    def _pipe(self, name: str, each: bytes) -> None:
        before = self._traces()
        done = self.program.command("deliver", name, input=each)
        drop.sane(done.stdout + done.stderr, done.returncode)
        if done.returncode == 0:
            self._acknowledged(name, each)
        elif done.returncode == _TEMPORARY:
            self._refused(before)
        else:
            raise Violation(f"deliver: {done.returncode}: {done.stderr.decode(errors='replace')}")

    def _acknowledged(self, name: str, each: bytes) -> None:
        self.told["deliveries acknowledged"] += 1
        # Its unique-id is learned at the first look, and is the same ever after.
        self.expected[name].append(("", digest(wire.stored(each))))

    def _refused(self, before: dict[Path, int]) -> None:
        self.told["deliveries refused"] += 1
        after = self._traces()
        if after != before:
            changed = {path.name: size for path, size in after.items() if before.get(path) != size}
            were = {path.name: before.get(path) for path in after if path.name in changed}
            raise Violation(f"a refused delivery left a trace: {changed}, and it was {were}")

    def _traces(self) -> dict[Path, int]:
        """Every file of the maildrops and its octets."""
        data = self.program.directory / "data" / "d"
        return {path: path.stat().st_size for path in data.glob("*/*/*")}

    def _session(self, name: str) -> poplib.POP3:
        return poplib_client.session(self.program.endpoint, Channel.PLAIN, self.logins[name], patience=30)

    def _look(self, name: str, dice: random.Random) -> None:
        client = self._session(name)
        try:
            self._compare(client, name, dice)
            client.quit()
        finally:
            client.close()

    def _delete(self, name: str, dice: random.Random, share: float) -> None:
        client = self._session(name)
        try:
            self._compare(client, name, dice)
            messages = self.expected[name]
            chosen = {at for at in range(len(messages)) if dice.random() < share} or {0}
            for at in chosen:
                client.dele(at + 1)
            try:
                client.quit()
            except poplib.error_proto as refusal:
                free = self.volume.free_kib()
                raise Violation(f"QUIT with {len(chosen)} deletions, {free} KiB free: {refusal}") from refusal
            self.told["deletions acknowledged"] += len(chosen)
            self.expected[name] = [each for at, each in enumerate(messages) if at not in chosen]
        finally:
            client.close()

    def _compare(self, client: poplib.POP3, name: str, dice: random.Random) -> None:
        """The listing against what is expected; texts that are new, and a share of the known ones."""
        names, expected = poplib_client.unique_ids(client), self.expected[name]
        if len(names) != len(expected):
            raise Violation(f"{name}: {len(names)} messages, {len(expected)} expected")
        for at, (unique_id, (known, wanted)) in enumerate(zip(names, expected, strict=True)):
            if known not in ("", unique_id):
                raise Violation(f"{name}: message {at + 1} was {known} and is {unique_id}")
            if known == "" or dice.random() < 0.2:
                found = poplib_client.text(client, at + 1)
                if digest(found) != wanted:
                    raise Violation(f"{name}: {unique_id} has other octets than were delivered")
                self.told["texts compared"] += 1
            expected[at] = (unique_id, wanted)


def text(dice: random.Random, octets: int) -> bytes:
    """A message of about so many octets."""
    pieces = dice.randbytes(octets // 2).hex().encode()
    lines = [pieces[at : at + 72] for at in range(0, len(pieces), 72)]
    return b"Subject: fill\r\n\r\n" + b"".join(line + b"\r\n" for line in lines)


def digest(found: bytes) -> bytes:
    """What tells a text from another, without what LMTP puts before it."""
    body = wire.without_trace(found, "lmtp")[0] if found.startswith(b"Return-Path: ") else found
    return hashlib.sha256(body).digest()


def _points(options, dice: random.Random) -> list[tuple[str, int]]:
    """Kinds and values of k: most on ext4, in no order."""
    if options.at is not None:
        return [(options.only or "ext4", options.at)]
    few = max(options.points // 20, 4)
    every = max(_KIB_MAX // options.points, 1)
    first = dice.randrange(every)
    ks = {"ext4": [*range(8), *range(8 + first, _KIB_MAX, every)][: options.points]}
    ks["tmpfs"] = [4 * dice.randrange(90) for _ in range(few)]
    ks["inodes"] = [number % 16 for number in range(few)]
    chosen = [(kind, k) for kind in ks for k in ks[kind] if options.only in (None, kind)]
    return chosen


def _make(kind: str, scratch: Path) -> volume.Volume:
    if kind == "ext4":
        return volume.ext4(scratch / kind, _MIB)
    return volume.tmpfs(scratch / kind, _TMPFS_MIB, _INODES)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--points", type=int, default=36)
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    arguments.add_argument("--only", choices=("ext4", "tmpfs", "inodes"))
    arguments.add_argument("--at", type=int, help="this k only")
    options = arguments.parse_args()
    print(f"  seed {options.seed} (again: interop/fill.py --points {options.points} --seed {options.seed})", flush=True)
    scratch = paths.scratch("fill")
    points = _points(options, random.Random(options.seed))
    report = Report("fill")
    for kind in dict.fromkeys(kind for kind, _ in points):
        mine, began = [k for each, k in points if each == kind], time.monotonic()
        try:
            disk = Disk(kind, _make(kind, scratch), options.seed, options.points // 5)
        except Unavailable as reason:
            report.skip(kind, str(reason))
            continue
        try:
            for number, k in enumerate(mine):
                disk.point(k, number)
                report.passed += 1
            disk.finish()
        except Exception as error:  # noqa: BLE001 — what comes after it could not be judged
            report.failed += 1
            steps = traceback.extract_tb(error.__traceback__)
            where = " ".join(f"{Path(step.filename).name}:{step.lineno}" for step in steps)
            print(f"  FAILED {kind}, {k} free, point {number}: {type(error).__name__}: {error} ({where})")
            print("\n".join(f"    {line}" for line in disk.program.log().splitlines()[-5:]))
        finally:
            disk.end()
        told = ", ".join(f"{count} {what}" for what, count in sorted(disk.told.items()))
        print(f"  {kind}: {len(mine)} points in {time.monotonic() - began:.0f} s: {told}", flush=True)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
