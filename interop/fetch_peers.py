#!/usr/bin/python3
"""`restante fetch` beside Dovecot, Courier, Cyrus, popa3d, GNU Mailutils and solid-pop3d; `checks/fetch_peers.py` says what is checked."""

import sys

from checks import fetch_peers
from harness.report import Report


def main() -> int:
    report = Report("fetch peers")
    fetch_peers.all_checks(report)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
