"""What was measured, row by row, and the tables of docs/scaling.md that it becomes."""

import json
from pathlib import Path

from rig.table import digits

_TITLES = {
    "idle": "sessions held",
    "size": "messages",
    "population": "maildrops",
    "new": "maildrops",
    "login": "login",
    "serial": "one at a time",
    "where": "part of a poll",
    "model": "machine",
    "cores": "connections, cores",
    "deliver": "connections, maildrops, cores",
    "disk": "threads",
}


class Rows:
    """Figures by table and row; a file keeps them, so that a part can be measured again by itself."""

    def __init__(self, file: Path):
        self._file = file
        kept = json.loads(file.read_text()) if file.exists() else {}
        self._tables: dict[str, dict[str, dict]] = kept.get("tables", {})
        self._about: list[str] = kept.get("about", [])

    def add(self, table: str, row: str, figures: dict) -> None:
        self._tables.setdefault(table, {})[row] = figures
        self._file.write_text(json.dumps({"about": self._about, "tables": self._tables}, indent=1, ensure_ascii=False))
        print(f"{table}: {row}: {figures}", flush=True)

    def about(self, what: str) -> None:
        """What is measured, and when, for whoever reads the file."""
        self._about.append(what)

    def names(self) -> list[str]:
        return list(self._tables)

    def of(self, table: str) -> dict[str, dict]:
        return self._tables.get(table, {})

    def markdown(self, table: str) -> str:
        """The rows of a table; a figure that is missing somewhere is a dash there."""
        rows = self.of(table)
        names = list(dict.fromkeys(name for figures in rows.values() for name, value in figures.items() if _is_one(value)))
        if len(names) > len(rows) * 3:
            return _upright(_TITLES[table], rows, names)
        lines = [f"| {_TITLES[table]} | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
        for row, figures in rows.items():
            cells = [_cell(figures, name) for name in names]
            lines.append(f"| {row} | " + " | ".join(cells) + " |")
        return "\n".join(lines)


def _upright(title: str, rows: dict[str, dict], names: list[str]) -> str:
    """Figures as lines, where there are many and only a few rows."""
    lines = [f"| {title} | " + " | ".join(rows) + " |", "|---|" + "---:|" * len(rows)]
    for name in names:
        lines.append(f"| {name} | " + " | ".join(_cell(figures, name) for figures in rows.values()) + " |")
    return "\n".join(lines)


def _cell(figures: dict, name: str) -> str:
    return digits(figures[name]) if name in figures else "–"


def _is_one(value: object) -> bool:
    return not isinstance(value, dict)
