"""The tables: what is aimed at and whether this run has shown it, and everything that was measured."""

from rig.table import digits

from .cases import FAR, Case
from .clients import OURS, PIPELINED, UNPIPELINED
from .outcomes import FLOOR, Outcomes

_MPOP = (PIPELINED, UNPIPELINED)

#: Wall time of ours, as a share of mpop's better one and of the floor.
_OF_MPOP = {False: 0.5, True: 0.33}
_OF_FLOOR = {True: 2.0}
_RSS_MIB_MAX = 16


def targets(outcomes: Outcomes, cases: list[Case], servers: list[str]) -> str:
    """Of what was measured; empty if ours was not."""
    lines = []
    for case in cases:
        for server in servers:
            lines += _of_case(outcomes, case, server)
    head = ["| mail | link | server | figure | beside | restante | ratio | target | |", "|---|---|---|---|---:|---:|---:|---:|---|"]
    return "\n".join([*head, *lines]) if lines else ""


def _of_case(outcomes: Outcomes, case: Case, server: str) -> list[str]:
    at, is_far = (case.name, server), case.link is FAR
    start = f"| {case.kind.messages:,} of {case.size} | {case.link} | {server} |"
    found = []

    def line(figure: str, ours: float | None, other: str, theirs: float | None, most: float | None) -> None:
        if ours is None or theirs is None:
            return
        ratio = ours / theirs
        aim, verdict = ("–", "") if most is None else (f"at most {most}×", "met" if ratio <= most else "**short**")
        found.append(f"{start} {figure} | {other} {digits(theirs)} | {digits(ours)} | {digits(ratio)}× | {aim} | {verdict} |")

    if not case.once:
        seconds = outcomes.median("seconds", *at, OURS)
        line("s", seconds, "mpop", outcomes.best("seconds", *at, _MPOP), _OF_MPOP[is_far])
        line("s", seconds, FLOOR, outcomes.median("seconds", *at, FLOOR), _OF_FLOOR.get(is_far))
        cpu = outcomes.median("cpu_us", *at, OURS)
        line("CPU a message, µs", cpu, "mpop", outcomes.best("cpu_us", *at, _MPOP), 1)
    rss = outcomes.median("rss_mib", *at, OURS)
    if rss is not None:
        verdict = "met" if rss <= _RSS_MIB_MAX else "**short**"
        other = outcomes.best("rss_mib", *at, _MPOP)
        beside = "–" if other is None else f"mpop {digits(other)}"
        found.append(f"{start} memory, MiB | {beside} | {digits(rss)} | | at most {_RSS_MIB_MAX} MiB | {verdict} |")
    return found


def markdown(outcomes: Outcomes, cases: list[Case], servers: list[str], clients: list[str], rounds: int) -> str:
    """A row for each client in each case; a client that was too slow for all rounds says so."""
    lines = [
        "| mail | link | server | client | s | messages, /s | beside the floor | CPU a message, µs | memory, MiB |",
        "|---|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for case in cases:
        for server in servers:
            start = [f"{case.kind.messages:,} of {case.size}", case.link, server]
            for client in (FLOOR, *clients):
                if cells := _row(outcomes, case, server, client, rounds):
                    lines.append("| " + " | ".join([*start, client, *cells]) + " |")
                    start = ["", "", ""]
    return "\n".join(lines)


def _row(outcomes: Outcomes, case: Case, server: str, client: str, rounds: int) -> list[str] | None:
    at = (case.name, server)
    if (*at, client) in outcomes.failures:
        return [outcomes.failures[*at, client], "–", "–", "–", "–"]
    seconds = outcomes.median("seconds", *at, client)
    if seconds is None:
        return None
    floor = outcomes.median("seconds", *at, FLOOR)
    beside = "–" if floor is None or client == FLOOR else f"{digits(seconds / floor)}×"
    rest = [outcomes.median(figure, *at, client) for figure in ("cpu_us", "rss_mib")]
    runs = len(outcomes.of(*at, client))
    fewer = "" if case.once or runs == rounds else f" ({runs} run{'s' if runs > 1 else ''})"
    return [
        digits(seconds) + fewer, digits(case.kind.messages / seconds), beside,
        *("–" if value is None else digits(value) for value in rest),
    ]
