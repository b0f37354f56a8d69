"""What is aimed at, and whether one run has shown it: the table before the long one.

A target is how many times better Restante is than tuned Dovecot in the same run, or which share of what it uses
the machine would need in any case (`Limits`, and a server that only answers).
"""

from dataclasses import dataclass
from statistics import median

from . import table
from .limits import Limits
from .table import BASELINE, Row, digits

OURS, ON_MAILDIRS = "restante", "restante-maildir"

#: By so much a figure of a limit may be too large by chance.
_NOISE = 0.9


@dataclass(frozen=True)
class Target:
    """A figure of a case, and how many times better than the baseline's it shall be."""

    case: str
    figure: str
    at_least: float | None = None
    #: The other's case, if it is another one.
    against: str | None = None
    #: Which server it is compared with.
    server: str = BASELINE
    #: Which of ours is.
    ours: str = OURS


@dataclass(frozen=True)
class Ceiling:
    """A figure of a case, in its unit, that Restante shall not exceed whatever the others need."""

    case: str
    figure: str
    at_most: float


@dataclass(frozen=True)
class Share:
    """CPU for a GB of a case, and how much of it the limit with these words in its name shall be."""

    case: str
    limit: tuple[str, ...]
    at_least: float


#: The figure of each case that counts. Without a number: nothing is aimed at, and it is shown.
TARGETS = [
    Ceiling("idle", "memory", 6),
    Ceiling("idle-tls", "memory", 20),
    Target("poll-empty", "CPU"),
    Target("poll", "CPU", 12),
    # As far as anybody gets: a server that only answers.
    Target("poll", "CPU", server="bare"),
    Target("poll", "sessions"),
    Target("poll-at-80", "session, p99", 5),
    Target("poll-at-80", "session, p99", server="bare"),
    Target("poll-tls", "CPU", 6),
    Target("poll-tls-resumed", "CPU", 10, against="poll-tls"),
    Target("poll-tls-resumed", "CPU", 4),
    Target("retr-small", "CPU", 3.5),
    Target("retr-small-pipe", "CPU", 6),
    Target("retr-typical", "CPU for a GB", 5),
    Target("retr-typical-tls", "CPU for a GB", 6),
    Target("retr-large", "CPU for a GB", 4.5),
    Target("retr-large-tls", "CPU for a GB", 7),
    Share("retr-large", ("pread, CRC-32C, write", "512 KiB"), 0.75),
    Share("retr-large-tls", ("pread, CRC-32C, TLS", "512 KiB"), 0.80),
    Target("list-huge", "first login and STAT", 20),
    Target("list-huge", "first login and STAT, CPU"),
    Target("list-huge", "CPU", 25),
    Target("drain", "CPU", 4),
    Target("drain-pipe", "CPU", 10, against="drain"),
    Target("drain-pipe", "CPU"),
    *(
        Target(f"lmtp-{size}-{connections}", figure, 5)
        for size in ("4k", "75k")
        for connections in (1, 8, 32)
        for figure in ("messages", "CPU")
    ),
    # A message of 100 MiB to a hundred.
    Ceiling("lmtp-memory", "memory above idle", 16),
    # On the same files.
    Target("list-huge", "first login and STAT", 3, ours=ON_MAILDIRS),
    Target("list-huge", "CPU", 10, ours=ON_MAILDIRS),
    Target("retr-typical", "CPU for a GB", 4, ours=ON_MAILDIRS),
    Target("drain", "CPU", ours=ON_MAILDIRS),
    Target("lmtp-4k-8", "CPU", ours=ON_MAILDIRS),
    Target("lmtp-75k-8", "CPU", ours=ON_MAILDIRS),
]


def markdown(outcomes: list[dict], limits: Limits | None) -> str:
    """The table of targets, of those that were measured; empty if none was."""
    rows = {(row.case, row.name): row for row in table.rows(outcomes)}
    lines = []
    for target in TARGETS:
        match target:
            case Target():
                line = _of_target(target, rows)
            case Ceiling():
                line = _of_ceiling(target, rows)
            case Share():
                line = _of_share(target, rows, limits)
        if line:
            lines.append(line)
    head = [f"| case | figure | {BASELINE} | {OURS} | ratio | target | |", "|---|---|---:|---:|---:|---:|---|"]
    return "\n".join([*head, *lines]) if lines else ""


def _of_target(target: Target, rows: dict[tuple[str, str], Row]) -> str | None:
    ours = rows.get((target.case, target.figure))
    theirs = rows.get((target.against or target.case, target.figure))
    if ours is None or theirs is None or target.ours not in ours.values or target.server not in theirs.values:
        return None
    mine, base = median(ours.values[target.ours]), median(theirs.values[target.server])
    if not mine or not base:
        return None
    ratio = mine / base if ours.higher else base / mine
    is_usual = target.server == BASELINE and not target.against
    case = target.case if is_usual else f"{target.case} ({target.server}: {target.against or target.case})"
    case = case if target.ours == OURS else f"{case}, on Maildirs"
    aim = "–" if target.at_least is None else f"{target.at_least}×"
    figure = f"{ours.name}, {ours.unit}"
    return _line(case, figure, digits(base), digits(mine), f"{digits(ratio)}×", aim, ratio, target.at_least)


def _of_ceiling(ceiling: Ceiling, rows: dict[tuple[str, str], Row]) -> str | None:
    row = rows.get((ceiling.case, ceiling.figure))
    if row is None or OURS not in row.values or BASELINE not in row.values:
        return None
    mine, base = median(row.values[OURS]), median(row.values[BASELINE])
    aim = f"at most {digits(ceiling.at_most)}"
    figure, shown = f"{row.name}, {row.unit}", f"{digits(base / mine)}×" if mine else "–"
    verdict = "met" if mine <= ceiling.at_most else "**short**"
    return f"| {ceiling.case} | {figure} | {digits(base)} | {digits(mine)} | {shown} | {aim} | {verdict} |"


def _of_share(share: Share, rows: dict[tuple[str, str], Row], limits: Limits | None) -> str | None:
    row = rows.get((share.case, "CPU for a GB"))
    limit = limits.median(*share.limit) if limits else None
    if row is None or OURS not in row.values or limit is None:
        return None
    mine = median(row.values[OURS])
    ratio = limit[0] / mine
    figure = f"{row.name}, {row.unit}; beside the limit ({', '.join(share.limit)})"
    return _line(
        share.case, figure, f"limit {digits(limit[0])}", digits(mine), f"{ratio:.0%}", f"{share.at_least:.0%}", ratio,
        share.at_least,
    )


def _line(case, figure, base, mine, shown, aim, ratio: float, at_least: float | None) -> str:
    verdict = "" if at_least is None else "met" if ratio >= at_least else "**short**"
    # Who needs less than the limit has shown that it is none.
    if at_least is not None and at_least < 1 < _NOISE * ratio:
        verdict = "**no verdict**: the limit was dearer"
    return f"| {case} | {figure} | {base} | {mine} | {shown} | {aim} | {verdict} |"
