"""Medians and ratios, as the table in docs/performance.md has them."""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median

BASELINE = "dovecot-tuned"

#: Figures that a row is made of, by the beginning of their name, and how a row calls them.
_FIGURES = [
    ("server memory a ", "memory"),
    ("page tables a ", "page tables"),
    ("memory above idle", "memory above idle"),
    ("first login and STAT", "first login and STAT"),
    ("server CPU in the first login and STAT", "first login and STAT, CPU"),
    ("first session", "first session"),
    ("server CPU in the first session", "first session, CPU"),
    ("server CPU a ", "CPU"),
    ("server CPU for a GB", "CPU for a GB"),
    ("handshakes resumed", "handshakes resumed"),
    ("sessions due", "due"),
    ("sessions never begun", "never begun"),
    ("sessions", "sessions"),
    ("messages", "messages"),
]

#: Of these it is said what they were; nobody is better for them.
_TOLD = {"due", "handshakes resumed"}

#: Parts of a session that have a row of their own.
_PARTS = {"login and STAT", "LIST", "UIDL", "TOP", "QUIT"}


@dataclass
class Row:
    """One figure of one case, of each server that has it."""

    case: str
    name: str
    unit: str
    higher: bool
    values: dict[str, list[float]]


def read(record: Path) -> list[dict]:
    """The outcomes in a file, one on each line."""
    return [json.loads(line) for line in record.read_text().splitlines() if line]


def rows(outcomes: list[dict]) -> list[Row]:
    """All rows, in the order in which the cases were measured."""
    found: dict[tuple[str, str], Row] = {}

    def add(outcome: dict, name: str, value: float, unit: str, higher: bool) -> None:
        row = found.setdefault((outcome["case"], name), Row(outcome["case"], name, unit, higher, {}))
        row.values.setdefault(outcome["label"], []).append(value)

    for outcome in outcomes:
        for figure in outcome["figures"]:
            name = next((name for start, name in _FIGURES if figure["name"].startswith(start)), None)
            if name in _TOLD or name and figure["better"] != "neither":
                add(outcome, name, figure["value"], figure["unit"], figure["better"] == "higher")
        for number, timing in enumerate(outcome["timings"]):
            if number == 0 and outcome["workload"] != "drain":
                add(outcome, f"{timing['name']}, p50", timing["p50_ms"], "ms", False)
                add(outcome, f"{timing['name']}, p99", timing["p99_ms"], "ms", False)
            elif timing["name"] in _PARTS:
                add(outcome, f"{timing['name']}, p50", timing["p50_ms"], "ms", False)
    order = {case: number for number, case in enumerate(dict.fromkeys(row.case for row in found.values()))}
    return sorted(found.values(), key=lambda row: order[row.case])


def markdown(outcomes: list[dict], labels: list[str]) -> str:
    """The table: medians, with how many times better than the baseline each is."""
    lines = ["| case | figure | " + " | ".join(labels) + " |", "|---|---|" + "---:|" * len(labels)]
    before = None
    for row in rows(outcomes):
        cells = [_cell(row, label) for label in labels]
        case = row.case if row.case != before else ""
        before = row.case
        figure = f"{row.name}, {row.unit}" if row.unit else row.name
        lines.append(f"| {case} | {figure} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(row: Row, label: str) -> str:
    if label not in row.values:
        return "–"
    value = median(row.values[label])
    if label == BASELINE or BASELINE not in row.values or row.name in _TOLD:
        return digits(value)
    base = median(row.values[BASELINE])
    if not value or not base:
        return digits(value)
    ratio = value / base if row.higher else base / value
    return f"{digits(value)} ({digits(ratio)}×)"


def digits(value: float) -> str:
    """Three digits that count."""
    if value == 0:
        return "0"
    for limit, places in ((1, 3), (10, 2), (100, 1)):
        if abs(value) < limit:
            return f"{value:.{places}f}"
    return f"{value:,.0f}"
