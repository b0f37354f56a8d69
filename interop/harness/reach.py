"""A way into a checkout that other users may not enter.

Servers and helpers of other users read configurations and start programs below `target/`. A checkout in a home directory, or in one
that mktemp has made, is closed to them. So its files are mounted at a place that is open, for one run and for nobody else.
"""

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

from .paths import REPOSITORY
from .processes import has_namespaces

_OPEN = Path("/var/tmp")


def elsewhere(script: Path) -> int | None:
    """Runs the script at such a place, with the same arguments: its exit status. None: it may go on where it is."""
    closed = [it for it in (REPOSITORY, *REPOSITORY.parents) if not it.stat().st_mode & stat.S_IXOTH]
    if not closed or not has_namespaces():
        return None
    # The same at each run, since a build is of one place.
    place = _OPEN / f"restante-checkout-{hashlib.sha256(bytes(REPOSITORY)).hexdigest()[:12]}"
    place.mkdir(mode=0o755, exist_ok=True)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise SystemExit(f"{place} is somebody else's; remove it")
    print(f"{closed[-1]} is closed to other users, and servers run as such: the checks run at {place}", flush=True)
    mounted = 'mount --bind "$1" "$2" && cd "$2" && shift 2 && exec "$@"'
    there = [sys.executable, place / script.resolve().relative_to(REPOSITORY), *sys.argv[1:]]
    try:
        return subprocess.call(["unshare", "--mount", "sh", "-c", mounted, "sh", REPOSITORY, place, *there])
    finally:
        place.rmdir()
        print(f"what was below {place} is below {REPOSITORY}")
