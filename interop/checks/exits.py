"""What agents do when `restante deliver` ends in other ways than well, called as the docs say.

A stand-in ends as its message asks for, so that each exit code of the program comes to each agent.
"""

import re

from harness import paths
from harness.agent import Agent
from harness.processes import wait_for
from harness.program import Program
from harness.report import Report

from . import transfer

_STAND_IN = """\
#!/bin/sh
end=$(sed -n 's/^X-End: \\([a-z0-9]*\\).*/\\1/p')
[ "$end" = killed ] && kill -9 $$
exit "$end"
"""
#: Each end, and whether the agent may give the message up for it.
_ENDS = {"65": True, "67": True, "69": True, "73": True, "75": False, "killed": False}
#: Routes by a command.
_ROUTES = {"Postfix": "postfix-pipe", "Exim": "exim-pipe", "OpenSMTPD": "opensmtpd-mda"}

_TEXT = "From: x@example.com\r\nDate: Mon, 23 Nov 2026 08:00:00 +0000\r\nMessage-ID: <{end}@example.com>\r\nX-End: {end}\r\n\r\n"
_FROM = re.compile(r"(\S+?):? (?:from=<|<= )end-(\w+)@")
_GIVEN_UP = re.compile(r"status=bounced|(?:^|\s)\*\* |result=PermFail")
_WAITS = re.compile(r"status=deferred|(?:^|\s)== |result=TempFail")


def all_checks(report: Report) -> None:
    """Every agent that delivers by a command; also with no program where it should be."""
    for name, route in _ROUTES.items():
        report.check(f"{name}, exit codes of restante deliver", lambda: _ends(name, route, _ENDS))
        report.check(f"{name}, mail waits while there is no program", lambda: _ends(name, route, {"0": False}, _STAND_IN.replace("/bin/sh", "/none")))


def _ends(name: str, route: str, ends: dict[str, bool], stand_in: str = _STAND_IN) -> None:
    directory = paths.scratch(f"exits-{name}")
    program = Program(directory / "program", user="mail")
    program.binary = directory / "stand-in"
    program.binary.write_text(stand_in)
    program.binary.chmod(0o755)
    agent = transfer.AGENTS[name](directory / "agent", program)
    try:
        texts = {f"end-{end}@example.com": _TEXT.format(end=end).encode() for end in ends}
        transfer.submit(agent, [route], texts)
        wait_for(f"{name} to have tried each", lambda: _seen(agent).keys() == ends.keys())
        if (seen := _seen(agent)) != ends:
            raise AssertionError(f"given up: {seen}, and should be {ends}; {agent.log()[-3000:]}")
    finally:
        agent.stop()


def _seen(agent: Agent) -> dict[str, bool]:
    """Of each end that the agent has seen, whether it has given the message up."""
    lines = agent.log().splitlines()
    ends = {found[1]: found[2] for line in lines if (found := _FROM.search(line))}
    seen = {}
    for line in lines:
        for queued, end in ends.items():
            # OpenSMTPD has one id for a session, and the sender on the line.
            if queued in line and ("end-" not in line or f"end-{end}@" in line) and (_GIVEN_UP.search(line) or _WAITS.search(line)):
                seen[end] = seen.get(end, False) or bool(_GIVEN_UP.search(line))
    return seen
