#!/usr/bin/python3
"""`restante fetch` beside six servers of others, after each of four programs of others, led by a DNS, and with a keyring.

`checks/fetch_peers.py`, `checks/fetch_moving.py`, `checks/fetch_discovery.py` and `checks/keyring.py` say what is checked. `make test` calls it.
"""

import sys

from checks import fetch_discovery, fetch_moving, fetch_peers, keyring
from harness.report import Report


def main() -> int:
    report = Report("fetch")
    fetch_peers.all_checks(report)
    fetch_moving.all_checks(report)
    fetch_discovery.all_checks(report)
    keyring.all_checks(report)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
