"""The generated part of docs/scaling.md."""

from harness import paths

from .table import Rows

_DOCUMENT = paths.REPOSITORY / "docs/scaling.md"


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- bench-scale {name}: begin -->", f"<!-- bench-scale {name}: end -->"


def text(rows: Rows) -> str:
    """All tables."""
    return "\n\n".join(f"{name}\n\n{rows.markdown(name)}" for name in rows.names())


def write(rows: Rows) -> None:
    """Puts each table between its marks; a table that has none is left out."""
    document = _DOCUMENT.read_text()
    for name in rows.names():
        begin, end = _marks(name)
        if begin in document:
            before, rest = document.split(begin)
            _, after = rest.split(end)
            document = f"{before}{begin}\n{rows.markdown(name)}\n{end}{after}"
    _DOCUMENT.write_text(document)
