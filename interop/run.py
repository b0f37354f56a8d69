#!/usr/bin/python3
"""The interop run: real messages, real clients, a real Postfix, against the real program.

`make interop` calls it. It needs the program to be built (`RESTANTE_PROFILE` says which build), starts
everything on free ports of 127.0.0.1, ends all that it started, and writes only below `target/`.
"""

import sys
import time

from checks import (
    answers, certificates, channels, clock, counting, deleting, delivering, demo, frontends, mechanisms, moving, moving_live, names,
    passwords, polling, retrieving, sharing, system_users,
)
from harness import paths
from harness.program import Program
from harness.report import Report


# Accounts are made in no time, and a busy maildrop is waited for no longer than the run can bear.
_SETTINGS = """
[maildrop]
lock_wait = "1s"

[auth]
scram_iterations = 4096
"""


def main() -> int:
    report = Report("interop")
    began = time.monotonic()
    program = Program(paths.scratch("run"), settings=_SETTINGS)
    program.start()
    drops = delivering.all_ways(report, program)
    retrieving.all_clients(report, program, drops)
    deleting.all_checks(report, program)
    polling.all_checks(report, program)
    channels.all_checks(report, program)
    certificates.all_checks(report)
    answers.all_checks(report)
    mechanisms.all_checks(report)
    frontends.all_checks(report)
    demo.all_checks(report)
    names.all_checks(report)
    moving.all_checks(report)
    moving_live.all_checks(report)
    sharing.all_checks(report)
    system_users.all_checks(report)
    passwords.all_checks(report)
    clock.all_checks(report)
    counting.all_checks(report)
    report.check("SIGTERM ends the server", lambda: _ends(program))
    report.check("no secret and no panic in the log", lambda: _log_is_clean(program))
    print(f"  {time.monotonic() - began:.0f} s in all")
    return report.end()


def _ends(program: Program) -> None:
    status = program.stop()
    if status != 0:
        raise AssertionError(f"exit status {status}")


def _log_is_clean(program: Program) -> str:
    log = program.log()
    for word in ("redqueen", "tanstaaf", "panicked"):
        if word in log:
            line = next(line for line in log.splitlines() if word in line)
            raise AssertionError(f"{word!r} in the log: {line[:300]}")
    return f"{len(log.splitlines())} lines"


if __name__ == "__main__":
    sys.exit(main())
