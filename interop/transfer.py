#!/usr/bin/python3
"""Real mail transfer agents before the real program: Postfix, Exim, OpenSMTPD and Sendmail, unpacked and never installed;
and what else the docs say of mail that comes in.

`RESTANTE_TRANSFER` says how many messages each gets for each route (1,000). Everything is started on free ports of
127.0.0.1, ended, and written below `target/`.
"""

import sys
import time

from checks import exits, extensions, fetching, receiving, refusals, service, transfer
from harness.report import Report


def main() -> int:
    report = Report("transfer")
    began = time.monotonic()
    transfer.all_checks(report)
    refusals.all_checks(report)
    exits.all_checks(report)
    fetching.all_checks(report)
    extensions.all_checks(report)
    receiving.all_checks(report)
    service.all_checks(report)
    print(f"  {time.monotonic() - began:.0f} s in all")
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
