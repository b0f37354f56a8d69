#!/usr/bin/python3
"""Tests of the tests: the rule for text by examples, and that the oracle sees every kind of wrong."""

import io
import random
import socket
import sys
import tempfile
import threading
import time
import unittest
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))

import counts
from checks import counting
from harness import drop, postfix, strace, wire
from harness.clients import fetchmail, getmail, library, mutt
from harness.drop import Mail
from harness.oracle import Oracle, Violation
from harness.strace import Fault
from injection.operation import Operation, Outcome, Start
from load.message import message, number_of
from retrieval import delay, floor, verify
from rig import table, targets


class Budgets(unittest.TestCase):
    def test_one_more_call_is_too_many(self):
        for path, budget in counting.BUDGETS.items():
            counting.judge(path, Counter(budget))
            for call in ("fstat", "read"):
                dearer = Counter(budget) + Counter({call: 1})
                with self.assertRaisesRegex(AssertionError, f"{path} .*{call}: budget"):
                    counting.judge(path, dearer)

    def test_what_depends_on_timing_is_shown_only(self):
        self.assertIn("not compared: futex 9", counting.judge("RETR of 4 KiB", Counter(preadv2=1, sendto=1, recvfrom=1, futex=9)))

    def test_a_budget_that_is_too_wide_is_named(self):
        self.assertIn("lower the budget: sendto 1 to 0.5", counting.judge("RETR of 4 KiB", Counter(preadv2=1, sendto=0.5, recvfrom=1)))


class Retrieved(unittest.TestCase):
    """A client that is measured has kept what the server has."""

    TEXTS = [b"X-Corpus: name=a number=%d\nSubject: a\n\n.dot\n" % number for number in range(3)]

    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.server, self.client = (self.maildir(Path(place.name, name)) for name in ("server", "client"))
        for number, text in enumerate(self.TEXTS):
            (self.server / f"cur/{number}:2,S").write_bytes(text)
            (self.client / f"new/{number}").write_bytes(b"Received: by a\r\n\tof b\r\n" + text.replace(b"\n", b"\r\n"))
        self.texts = verify.Texts(self.server)

    def maildir(self, place: Path) -> Path:
        for part in ("new", "cur", "tmp"):
            (place / part).mkdir(parents=True)
        return place

    def test_line_ends_and_fields_before_it_are_the_clients(self):
        self.texts.verify(self.client)

    def test_anything_else_is_found_out(self):
        for name, text, reason in (
            ("new/1", b"", "was not there"),
            ("new/1", self.TEXTS[1][:-1], "was not there"),
            ("new/1", b"no field\n" + self.TEXTS[1], "no header field"),
            ("new/1", self.TEXTS[0], "there twice"),
            ("new/1", None, "1 of 3 messages are missing"),
            ("new/3", self.TEXTS[1], "there twice"),
            ("tmp/1", self.TEXTS[1], "left in tmp"),
        ):
            file = self.client / name
            before = file.read_bytes() if file.exists() else None
            file.unlink(missing_ok=True) if text is None else file.write_bytes(text)
            with self.assertRaisesRegex(verify.Wrong, reason):
                self.texts.verify(self.client)
            file.unlink(missing_ok=True) if before is None else file.write_bytes(before)


class Link(unittest.TestCase):
    """What stands between a client that is measured and its server."""

    def test_the_floor_counts_every_end_wherever_it_is_cut(self):
        said = b"+OK\r\na\r\n..\r\n.\r\n+OK\r\n.\r\n" * 50 + b"+OK bye\r\n"
        for octets in (5, 6, 7, 11, 4096):
            here, there = socket.socketpair()
            with here, there:
                there.sendall(said)
                there.close()
                self.assertEqual(floor._drain(here, bytearray(octets)), 100, octets)

    def test_a_delay_is_a_delay_and_nothing_else(self):
        octets = random.Random(8).randbytes(3_000_000)
        client, near = socket.socketpair()
        far, server = socket.socketpair()
        with client, near, far, server:
            delay._Way(near, far, 0.05)
            began = time.monotonic()
            sender = threading.Thread(target=lambda: (client.sendall(octets), client.shutdown(socket.SHUT_WR)))
            sender.start()
            came = server.recv(65536)
            self.assertGreaterEqual(time.monotonic() - began, 0.05)
            while piece := server.recv(65536):
                came += piece
            sender.join()
            self.assertEqual(came, octets)


class Targets(unittest.TestCase):
    """What `make bench-peers` says of a run."""

    class _Limits:
        def median(self, *parts: str) -> tuple[float, str]:
            return (0.3, "s a GB") if "TLS" in parts[0] else (0.2, "s a GB")

    def _line(self, case: str, *outcomes: dict) -> str:
        lines = targets.markdown(list(outcomes), self._Limits()).splitlines()
        return next((line for line in lines if line.startswith(f"| {case}")), "")

    def test_half_of_the_cost_is_twice_as_good(self):
        theirs = _outcome("dovecot-tuned", "list-huge", {"server CPU a session": 300})
        ours = [_outcome("restante", "list-huge", {"server CPU a session": cpu}) for cpu in (10, 11, 1000)]
        self.assertEqual(self._line("list", theirs, *ours), "| list-huge | CPU, µs | 300 | 11.0 | 27.3× | 25× | met |")
        self.assertIn("| 0.300× | 25× | **short** |", self._line("list", theirs, ours[2]))

    def test_more_sessions_are_better(self):
        outcomes = [_outcome(label, "poll", {"sessions": many}, "higher") for label, many in (("dovecot-tuned", 500), ("restante", 5000))]
        self.assertEqual(self._line("poll", *outcomes), "| poll | sessions, µs | 500 | 5,000 | 10.0× | – |  |")

    def test_a_ceiling_holds_whatever_the_others_need(self):
        theirs = _outcome("dovecot-tuned", "idle", {"server memory a session": 550})
        ours = [_outcome("restante", "idle", {"server memory a session": memory}) for memory in (6, 6.01)]
        self.assertEqual(self._line("idle", theirs, ours[0]), "| idle | memory, µs | 550 | 6.00 | 91.7× | at most 6.00 | met |")
        self.assertIn("| at most 6.00 | **short** |", self._line("idle", theirs, ours[1]))

    def test_a_figure_may_be_held_against_another_case(self):
        outcomes = [
            _outcome("dovecot-tuned", "poll-tls", {"server CPU a session": 2000}),
            _outcome("dovecot-tuned", "poll-tls-resumed", {"server CPU a session": 700}),
            _outcome("restante", "poll-tls-resumed", {"server CPU a session": 190}),
        ]
        self.assertIn("| 10.5× | 10× | met |", self._line("poll-tls-resumed (dovecot-tuned: poll-tls)", *outcomes))
        self.assertIn("| 3.68× | 4× | **short** |", self._line("poll-tls-resumed |", *outcomes))

    def test_shares_of_what_the_machine_asks_for(self):
        outcomes = [_outcome("restante", case, {"server CPU for a GB": 0.3}) for case in ("retr-large", "retr-large-tls")]
        self.assertIn("| limit 0.200 | 0.300 | 67% | 75% | **short** |", self._line("retr-large |", *outcomes))
        self.assertIn("| limit 0.300 | 0.300 | 100% | 80% | met |", self._line("retr-large-tls |", *outcomes))
        less = _outcome("restante", "retr-large", {"server CPU for a GB": 0.15})
        self.assertIn("| 133% | 75% | **no verdict**", self._line("retr-large |", less))

    def test_what_was_not_measured_has_no_line(self):
        self.assertEqual(self._line("list", _outcome("restante", "list-huge", {"server CPU a session": 10})), "")

    def test_the_long_table_has_medians_and_ratios(self):
        outcomes = [
            *(_outcome("dovecot-tuned", "poll", {"server CPU a session": cpu}) for cpu in (100, 300, 200)),
            _outcome("restante", "poll", {"server CPU a session": 20, "sessions due": 9}),
        ]
        text = table.markdown(outcomes, ["dovecot-tuned", "restante", "popa3d"])
        self.assertIn("| poll | CPU, µs | 200 | 20.0 (10.0×) | – |", text)
        self.assertIn("|  | due, µs | – | 9.00 | – |", text)


def _outcome(label: str, case: str, figures: dict[str, float], better: str = "lower") -> dict:
    return {
        "label": label, "case": case, "workload": "poll", "timings": [],
        "figures": [{"name": name, "value": value, "unit": "µs", "better": better} for name, value in figures.items()],
    }


class Counts(unittest.TestCase):
    def test_profile(self):
        profile = (
            "events: Ir\nfn=counts::measured\n0 5\ncfn=malloc\ncalls=3 0 \n0 90\n"
            "cfn=counts::poll\ncalls=1 0 \n0 7\nfn=malloc\n0 9\ncfn=malloc'2\ncalls=9 0 \n0 1\n"
            "fn=counts::poll\n0 2\ncfn=realloc\ncalls=2 0 \n0 4\ntotals: 123\n"
        )
        self.assertEqual(counts.parse(profile), {"instructions": 123, "allocations": 5})
        with self.assertRaises(ValueError):
            counts.parse("totals: 0\n")

    def test_what_is_dearer_and_what_is_cheaper(self):
        record = {"instructions": 1000, "allocations": 100}
        counts.judge(record, {"instructions": 1029, "allocations": 105})
        for count in ({"instructions": 1031, "allocations": 100}, {"instructions": 1000, "allocations": 106}):
            with self.assertRaises(AssertionError):
                counts.judge(record, count)
        self.assertIn("lower the budget", counts.judge(record, {"instructions": 900, "allocations": 100}))


class Rule(unittest.TestCase):
    def test_line_ends(self):
        for text, stored in {
            b"": b"",
            b"a": b"a\r\n",
            b"a\nb\n": b"a\r\nb\r\n",
            b"a\r\n": b"a\r\n",
            b"a\r": b"a\r\r\n",
            b"a\r\r\nb": b"a\r\r\nb\r\n",
            b"\n\n": b"\r\n\r\n",
            b"\0\r\n": b"\0\r\n",
        }.items():
            self.assertEqual(wire.stored(text), stored)

    def test_dots(self):
        for text in (b"", b".\r\n", b"a\r\n.b\r\n", b"a\n.b\r\n", b"..\r\n.\r\n"):
            self.assertEqual(wire.unstuffed(wire.stuffed(text)), text)
        self.assertEqual(wire.stuffed(b".a\n.b\r\n.c"), b"..a\n.b\r\n..c\r\n")

    def test_trace_headers(self):
        text = (
            b"Return-Path: <a@b.example>\r\nDelivered-To: bob@dobbs.org\r\n"
            b"Received: from x by y with LMTP\r\n\tfor <bob@dobbs.org>; now\r\nSubject: x\r\n"
        )
        self.assertEqual(wire.without_trace(text, "lmtp"), (b"Subject: x\r\n", (b"a@b.example", b"bob@dobbs.org")))
        with self.assertRaises(AssertionError):
            wire.without_trace(b"Subject: x\r\n", "lmtp")

    def test_what_peers_change(self):
        self.assertEqual(postfix.expected(b"Subject: x\n\n.\r\na\rb"), b"Subject: x\r\n\r\na b\r\n")
        self.assertEqual(postfix.expected(b"no header"), b"\r\nno header\r\n")
        self.assertEqual(fetchmail.expected(b"From x\r\nSubject: y\r\n"), b"Subject: y\r\n\r\n")
        self.assertIsNone(fetchmail.expected(b"x" * 9000))

    def test_what_pollers_change(self):
        node = library.LIBRARIES[2]
        self.assertEqual(node.NAME, "node-pop3")
        self.assertEqual(node.expected(b".a\r\n..\r\nb.\n.c\r\n"), b"..a\r\n...\r\nb.\n.c")
        self.assertIsNone(node.expected(b"\0a\r\n"))
        self.assertIsNone(node.expected(b"x" * 9000))
        self.assertEqual(mutt.expected(b"a\r\r\nb\r\n"), b"a\r\nb\n")
        self.assertIsNone(mutt.expected(b"a\0b\r\n"))
        self.assertEqual(
            getmail.expected(b"Return-Path: <a@b.example>\r\nSubject: x\r\n\r\n.\r\n"), b"Subject: x\n\n.\n"
        )
        self.assertIsNone(getmail.expected(b"x" * 3000))


class Judgement(unittest.TestCase):
    def setUp(self):
        self.oracle = Oracle(["bob"], io.StringIO())
        for message in (1, 2, 3):
            self.oracle.announce("bob", message)
            self.oracle.acknowledge("bob", message)
        self.oracle.settle("bob", [("a", 1), ("b", 2), ("c", 3)])

    def test_lost(self):
        with self.assertRaisesRegex(Violation, "lost"):
            self.oracle.settle("bob", [("a", 1), ("c", 3)])

    def test_lost_before_it_was_ever_seen(self):
        self.oracle.announce("bob", 4)
        self.oracle.acknowledge("bob", 4)
        with self.assertRaisesRegex(Violation, "lost"):
            self.oracle.settle("bob", [("a", 1), ("b", 2), ("c", 3)])

    def test_came_back(self):
        self.oracle.quit_sent("bob", frozenset([2]))
        self.oracle.quit_answered("bob", frozenset([2]))
        self.oracle.settle("bob", [("a", 1), ("c", 3)])
        with self.assertRaisesRegex(Violation, "deleted"):
            self.oracle.settle("bob", [("a", 1), ("b", 2), ("c", 3)])

    def test_half_a_commit(self):
        self.oracle.quit_sent("bob", frozenset([1, 2]))
        with self.assertRaisesRegex(Violation, "half"):
            self.oracle.settle("bob", [("b", 2), ("c", 3)])

    def test_doubt_is_settled_once(self):
        self.oracle.quit_sent("bob", frozenset([1, 2]))
        self.oracle.settle("bob", [("c", 3)])
        with self.assertRaisesRegex(Violation, "deleted"):
            self.oracle.settle("bob", [("a", 1), ("b", 2), ("c", 3)])

    def test_an_unanswered_delivery_may_be_there_or_not(self):
        self.oracle.announce("bob", 4)
        self.oracle.announce("bob", 5)
        self.oracle.settle("bob", [("a", 1), ("b", 2), ("c", 3), ("d", 4)])
        with self.assertRaisesRegex(Violation, "never arrived"):
            self.oracle.settle("bob", [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)])

    def test_what_was_shown_stays(self):
        self.oracle.announce("bob", 4)
        self.oracle.settle("bob", [("a", 1), ("b", 2), ("c", 3), ("d", 4)])
        with self.assertRaisesRegex(Violation, "lost"):
            self.oracle.settle("bob", [("a", 1), ("b", 2), ("c", 3)])

    def test_unique_id_changed(self):
        with self.assertRaisesRegex(Violation, "is now z"):
            self.oracle.settle("bob", [("z", 1), ("b", 2), ("c", 3)])

    def test_unique_id_used_again(self):
        self.oracle.announce("bob", 4)
        with self.assertRaisesRegex(Violation, "was message 1"):
            self.oracle.settle("bob", [("a", 4), ("b", 2), ("c", 3)])

    def test_twice(self):
        with self.assertRaises(Violation):
            self.oracle.settle("bob", [("a", 1), ("a", 1), ("b", 2), ("c", 3)])

    def test_order(self):
        with self.assertRaisesRegex(Violation, "moved"):
            self.oracle.settle("bob", [("b", 2), ("a", 1), ("c", 3)])

    def test_foreign(self):
        with self.assertRaisesRegex(Violation, "never delivered"):
            self.oracle.settle("bob", [("a", 1), ("b", 2), ("c", 3), ("d", 99)])


def _mail(name: str, text: bytes = b"text\r\n") -> Mail:
    return Mail(name, len(text), text)


class Injection(unittest.TestCase):
    BEFORE = [_mail("a"), _mail("b")]
    NEW = _mail("c", b"new\r\n")

    def judge(
        self, operation: Operation, found: list[Mail], outcome: Outcome, may_stay: bool = False, start: Start = Start()
    ) -> str | None:
        return operation.judge(start, self.BEFORE, found, outcome, may_stay)

    def test_delivery(self):
        operation = Operation("deliver", None, None, added=(b"new\n",))
        done, undone, refused = [*self.BEFORE, self.NEW], self.BEFORE, Outcome.REFUSED
        self.assertIsNone(self.judge(operation, done, Outcome.DONE))
        self.assertIn("promised", self.judge(operation, undone, Outcome.DONE))
        self.assertIn("refused", self.judge(operation, done, refused))
        self.assertIsNone(self.judge(operation, undone, refused))
        self.assertIsNone(self.judge(operation, done, refused, may_stay=True))
        for found in (done, undone):
            self.assertIsNone(self.judge(operation, found, Outcome.KILLED))
        for torn in (_mail("c", b"ne\r\n"), _mail("a", b"new\r\n")):
            self.assertIsNotNone(self.judge(operation, [*self.BEFORE, torn], Outcome.KILLED))
        self.assertIsNotNone(self.judge(operation, [self.BEFORE[1], self.NEW], Outcome.KILLED))
        self.assertIn("was a", self.judge(operation, [_mail("x"), _mail("b"), self.NEW], Outcome.DONE))

    def test_deletion(self):
        operation = Operation("commit", None, None, deleted=frozenset({0, 1}))
        self.assertIsNone(self.judge(operation, [], Outcome.DONE))
        self.assertIsNotNone(self.judge(operation, self.BEFORE, Outcome.DONE))
        self.assertIsNotNone(self.judge(operation, self.BEFORE[:1], Outcome.KILLED))
        self.assertIsNotNone(self.judge(operation, [], Outcome.REFUSED))

    def test_what_comes_back(self):
        back = Operation("restore", None, None)
        start = Start(after=(self.NEW, *self.BEFORE))
        for outcome in Outcome:
            undone = self.judge(back, self.BEFORE, outcome, start=start)
            self.assertEqual(undone is None, outcome is not Outcome.DONE)
            self.assertIsNotNone(self.judge(back, [self.NEW], outcome, start=start))
        self.assertIsNone(self.judge(back, [self.NEW, *self.BEFORE], Outcome.DONE, start=start))
        self.assertIsNotNone(self.judge(back, [self.NEW, *self.BEFORE], Outcome.REFUSED, start=start))
        either = Operation("restore", None, None, done_or_not=True)
        self.assertIsNone(self.judge(either, [self.NEW, *self.BEFORE], Outcome.REFUSED, start=start))
        self.assertIsNotNone(self.judge(either, [*self.BEFORE, self.NEW], Outcome.REFUSED, start=start))

    def test_stepwise(self):
        operation = Operation("import", None, None, added=(b"new\n", b"other\n"), stepwise=True)
        self.assertIsNone(self.judge(operation, [*self.BEFORE, self.NEW], Outcome.REFUSED))
        other = _mail("c", b"other\r\n")
        self.assertIsNotNone(self.judge(operation, [*self.BEFORE, other], Outcome.REFUSED))

    def test_what_no_command_may_do(self):
        for output, status in ((b"thread main panicked at", 0), (b"", 101), (b"", -6), (b"", 134)):
            with self.assertRaises(Violation):
                drop.sane(output, status)
        drop.sane(b"", 75)
        drop.sane(b"", -9)

    def test_recording(self):
        output = (
            "7  openat2(5</data>, \"d/0\", {flags=O_RDWR}, 24) = 9\n"
            "7  openat(AT_FDCWD, \"/lib/libc.so.6\", O_RDONLY) = 3\n"
            "7  fcntl(9</data/d/0>, F_GETFD) = 1\n"
            "8  pwritev(9</data/d/0>, [{iov_len=8}], 1, 0 <unfinished ...>\n"
            "8  <... pwritev resumed>) = 8\n"
            "7  fcntl(9</data/d/0>, F_OFD_SETLK, {l_type=F_WRLCK}) = 0\n"
            "7  pwritev(9</data/d/0>, [{iov_len=8}], 1, 8) = 8\n"
            "7  fdatasync(9</data/d/0>) = 0\n"
        )
        calls = strace.record(output, [Path("/data")])
        aimed = [(call.name, call.nth, call.thread) for call in calls if call.aimed]
        self.assertEqual(
            aimed,
            [("openat2", 1, 0), ("pwritev", 1, 1), ("fcntl", 2, 0), ("pwritev", 1, 0), ("fdatasync", 1, 0)],
        )
        sync = len(calls) - 1
        self.assertTrue(calls[sync].can(Fault.ENOSPC))
        self.assertFalse(calls[0].can(Fault.ENOSPC))
        self.assertEqual([call.writes for call in calls if call.aimed], [False, True, False, True, True])
        words = strace.injecting(Path("trace"), Fault.DEAD, sync, calls)
        self.assertIn("inject=?fdatasync:error=EIO:when=1+", words)
        # The write before it works, one that would come after it does not.
        self.assertIn("inject=?pwritev:error=EIO:when=2+", words)
        self.assertIn("inject=?openat:error=EIO:when=2+", words)
        # Another time a thread more shares the work: the same call, not the same number.
        shared = strace.record(output.replace("7  fdatasync", "9  fsync(2</dev/null>) = 0\n9  fdatasync"), [Path("/data")])
        there = strace.again(shared, calls, sync)
        self.assertEqual((there, shared[there].name, shared[there].thread), (sync + 1, "fdatasync", 2))
        self.assertIsNone(strace.again(calls[:-1], calls, sync))

    def test_messages_of_the_load(self):
        for number in range(50):
            self.assertEqual(number_of(1, message(1, number)), number)
        with self.assertRaises(Violation):
            number_of(1, message(1, 7) + b"x\r\n")
        with self.assertRaises(Violation):
            number_of(1, b"Subject: x\r\n")


if __name__ == "__main__":
    unittest.main()
