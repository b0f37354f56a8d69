"""What came of all runs, and the medians of it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

#: Not a client: what server and link take by themselves.
FLOOR = "floor"


@dataclass(frozen=True)
class Outcome:
    """One run of one client, which kept all that it should."""

    round: int
    case: str
    server: str
    client: str
    messages: int
    seconds: float
    #: Of the client and its children, for each message; not of the floor, which is no client.
    cpu_us: float | None = None
    rss_mib: float | None = None


class Outcomes:
    """All of them; each goes to a file at once, as a line of JSON."""

    def __init__(self, record: Path):
        self._record = record
        self._all: list[Outcome] = []
        #: Why a client has no figure of a case: it hung, or cannot do it.
        self.failures: dict[tuple[str, str, str], str] = {}

    def add(self, outcome: Outcome) -> None:
        self._all.append(outcome)
        with self._record.open("a") as record:
            print(json.dumps(asdict(outcome)), file=record)

    def of(self, case: str, server: str, client: str) -> list[Outcome]:
        """Those of one client in one case."""
        wanted = (case, server, client)
        return [outcome for outcome in self._all if (outcome.case, outcome.server, outcome.client) == wanted]

    def median(self, figure: str, case: str, server: str, client: str) -> float | None:
        """The median of a field over all rounds."""
        values = [getattr(outcome, figure) for outcome in self.of(case, server, client)]
        return None if not values or None in values else median(values)

    def best(self, figure: str, case: str, server: str, clients: tuple[str, ...]) -> float | None:
        """The least of the medians of several clients."""
        medians = [self.median(figure, case, server, client) for client in clients]
        return min((value for value in medians if value is not None), default=None)
