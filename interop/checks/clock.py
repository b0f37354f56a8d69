"""The wall clock jumps by days while the server runs, with libfaketime: no lock is lost, no unique-id comes
twice, the order stays that of the deliveries, and nobody is locked out.
"""

import poplib
import time

from harness import delivery, paths
from harness.clients import poplib_client
from harness.clients.endpoint import Channel, Login
from harness.peers import unpack
from harness.program import Program
from harness.report import Report

#: Where the clock stands, one after the other, from the true time.
_JUMPS = ("+1d", "-1d", "+2d", "-400d", "+0", "+3d", "-1d")


def all_checks(report: Report) -> None:
    report.check("the clock jumps by days", _jumps)


class _Clock:
    """The time that programs see which are started with `environment`. Durations are not changed by it."""

    def __init__(self, file):
        library = next(unpack("libfaketime").rglob("libfaketimeMT.so.1"))
        self._file = file
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.jump("+0")

    def jump(self, offset: str) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(offset)
        new.replace(self._file)


class _Story:
    """A maildrop, what was delivered to it, and the unique-ids that were seen, both in order."""

    def __init__(self, program: Program, login: Login, clock: _Clock):
        self.program, self.login, self.clock = program, login, clock
        self.subjects: list[bytes] = []
        self.unique_ids: list[bytes] = []
        self.gone: set[bytes] = set()

    def deliver(self) -> None:
        """One message by LMTP, one by `restante deliver`."""
        for way in ("lmtp", "pipe"):
            subject = b"%d by %s" % (len(self.gone) + len(self.subjects), way.encode())
            text = b"Subject: " + subject + b"\r\n\r\nbody\r\n"
            if way == "lmtp":
                with delivery.lmtp(self.program.lmtp_port) as client:
                    replies = client.deliver("a@example.org", [f"{self.login.user}@dobbs.org"], text)
                if [code for code, _ in replies] != [250]:
                    raise AssertionError(f"LMTP: {replies}")
            else:
                self.program.deliver(f"{self.login.user}@dobbs.org", text)
            self.subjects.append(subject)

    def session(self) -> poplib.POP3:
        """Logs in and compares everything with what is known."""
        client = poplib_client.session(self.program.endpoint, Channel.PLAIN, self.login)
        found = [line.split(b" ")[1] for line in client.uidl()[1]]
        known = len(self.unique_ids)
        if found[:known] != self.unique_ids or len(found) != len(self.subjects):
            raise AssertionError(f"{len(self.subjects)} messages, the first {self.unique_ids}; now {found}")
        if len(set(found)) < len(found) or self.gone & set(found):
            raise AssertionError(f"a unique-id came twice: {found}")
        for number in range(known + 1, len(found) + 1):
            lines = client.retr(number)[1]
            if b"Subject: " + self.subjects[number - 1] not in lines:
                raise AssertionError(f"message {number} is not {self.subjects[number - 1]!r}: {lines}")
        self.unique_ids = found
        return client

    def first_is_deleted(self) -> None:
        self.gone.add(self.unique_ids.pop(0))
        del self.subjects[0]

    def is_busy(self) -> None:
        """Another login is refused."""
        try:
            poplib_client.session(self.program.endpoint, Channel.PLAIN, self.login)
        except poplib.error_proto as error:
            if b"[IN-USE]" in error.args[0]:
                return
            raise
        raise AssertionError("two sessions at once")


def _jumps() -> str:
    directory = paths.scratch("clock")
    clock = _Clock(directory / "clock")
    program = Program(directory, settings='[maildrop]\nlock_wait = "200ms"\n\n[auth]\nscram = false\n')
    program.environment = clock.environment
    login = program.add_user("mrose")
    program.start()
    story = _Story(program, login, clock)
    deliveries = 0
    for offset in _JUMPS:
        story.deliver()
        session = story.session()
        clock.jump(offset)
        # The session, its lock and what it has marked are as they were.
        session.noop()
        story.is_busy()
        session.dele(1)
        story.deliver()
        deliveries += 4
        story.is_busy()
        session.quit()
        story.first_is_deleted()
        story.session().quit()
        if offset in _JUMPS[:2]:
            # A wrong password holds nobody up for a day.
            _refused(program, login)
            began = time.monotonic()
            clock.jump("-2d")
            story.session().quit()
            if time.monotonic() - began > 20:
                raise AssertionError(f"{offset}: locked out for {time.monotonic() - began:.0f} s")
    if _date_of_log(program) < 2:
        raise AssertionError("the server saw no clock that jumps")
    program.stop()
    clock.jump("-30d")
    program.start()
    story.session().quit()
    story.deliver()
    story.session().quit()
    program.stop()
    done = program.command("maildrop", "verify")
    if done.returncode != 0:
        raise AssertionError(f"maildrop verify: {done.stdout + done.stderr!r}")
    return f"{len(_JUMPS)} jumps, {deliveries} deliveries"


def _refused(program: Program, login: Login) -> None:
    try:
        poplib_client.session(program.endpoint, Channel.PLAIN, Login(login.user, "wrong"))
    except poplib.error_proto:
        return
    raise AssertionError("a wrong password was taken")


def _date_of_log(program: Program) -> int:
    """How many different days the log knows: whether the clock did jump for the server."""
    days = {line[:10] for line in program.log().splitlines() if line[:2] == "20"}
    return len(days)
