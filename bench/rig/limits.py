"""What the machine can do at best, measured among the servers: once in each round."""

import json
import os
import shlex
from statistics import median

from harness import paths
from harness.processes import run

from .table import digits

#: The case behind which the limits are measured: they are what large messages are held against.
AFTER = "retr-large-tls"

_BENCH = ["bench", "--quiet", "--locked", "-p", "restante-tests", "--bench", "limits"]


class Limits:
    """Figures of all rounds."""

    def __init__(self):
        self.values: dict[str, list[float]] = {}
        self._units: dict[str, str] = {}
        # Nothing is compiled while others are measured.
        self._cargo("--no-run")

    def measure(self, suite: str | None) -> None:
        """Measures all of them once, TLS with the cipher suite that clients and servers have used."""
        asked = ["--suite", suite] if suite else []
        for line in self._cargo("--", "--json", *asked).splitlines():
            limit = json.loads(line)
            self.values.setdefault(limit["name"], []).append(limit["value"])
            self._units[limit["name"]] = limit["unit"]

    def median(self, *parts: str) -> tuple[float, str] | None:
        """The median of the limit with all these words in its name, and its unit."""
        for name, values in self.values.items():
            if all(part in name for part in parts):
                return median(values), self._units[name]
        return None

    def markdown(self) -> str:
        lines = ["| limit | CPU |", "|---|---:|"]
        lines += [f"| {name} | {digits(median(all))} {self._units[name]} |" for name, all in self.values.items()]
        return "\n".join(lines)

    @staticmethod
    def _cargo(*words: str) -> str:
        cargo = shlex.split(os.environ.get("CARGO", "cargo"))
        # What the compiler says is for the reader.
        done = run([*cargo, *_BENCH, *words], patience=1800, check=True, cwd=paths.REPOSITORY, stderr=None)
        return done.stdout.decode()
