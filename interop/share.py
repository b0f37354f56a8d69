#!/usr/bin/python3
"""`make share`: a Maildir that Dovecot and the program serve at the same time, for longer than in `make test`.

    share.py [--seconds N]
"""

import argparse
import sys

from checks import sharing
from harness.report import Report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    report = Report("sharing")
    sharing.all_checks(report, parser.parse_args().seconds)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
