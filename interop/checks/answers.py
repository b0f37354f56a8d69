"""The questions of `make peers`, asked of the program alone: it differs nowhere from the RFCs."""

from comparison.scripts import SCRIPTS
from comparison.servers import restante
from harness.paths import scratch
from harness.report import Report


def all_checks(report: Report) -> None:
    """One check for all of them; what other servers answer is in `docs/peers.md`."""
    report.check("answers that the RFCs ask for", _answers)


def _answers() -> str:
    program = restante(scratch("answers"))
    wrong = {}
    for script in SCRIPTS:
        seen, difference = script.play(program.pop3_port)
        if difference is not None:
            wrong[script.name] = f"{difference}: {seen}"
    program.stop()
    if wrong:
        raise AssertionError(str(wrong))
    return f"{len(SCRIPTS)} questions"
