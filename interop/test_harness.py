#!/usr/bin/python3
"""Tests of the tests: the rule for text by examples, and that the oracle sees every kind of wrong."""

import io
import unittest

from harness import postfix, wire
from harness.clients import fetchmail
from harness.oracle import Oracle, Violation


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


if __name__ == "__main__":
    unittest.main()
