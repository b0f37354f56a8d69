#!/usr/bin/python3
"""`make moving`: mail moves in from each old server under its clients; `RESTANTE_MOVING=1000` says how many messages."""

import sys

from checks import moving_live
from harness.report import Report


def main() -> int:
    # The name of the part of `make test` that has them too, by which `skips.toml` knows them.
    report = Report("interop")
    moving_live.all_checks(report)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
