"""Debian packages, unpacked below `target/peers` and never installed.

A mail server that is installed would conflict with the contributor's own; unpacked it is only files.
"""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from . import paths
from .processes import run


class Unavailable(Exception):
    """A peer cannot be had on this machine; the text is the reason, for the line SKIPPED."""


def require(program: str) -> None:
    """Raises Unavailable unless this client is installed."""
    if shutil.which(program) is None:
        raise Unavailable(f"{program} is not installed (make test says how)")


def unpack(package: str) -> Path:
    """Downloads a package once and unpacks it; returns the directory that holds its files."""
    place = paths.PEERS / package
    done = place / ".unpacked"
    if done.exists():
        return place
    for program in ("apt-get", "dpkg"):
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is missing: {package} can be unpacked on Debian only")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    _update_lists()
    fetched = run(["apt-get", "-q", "download", package], patience=300, cwd=place)
    if fetched.returncode != 0:
        raise Unavailable(f"apt-get download {package}: {_last_line(fetched.stderr)}")
    for archive in place.glob("*.deb"):
        run(["dpkg", "-x", archive, place], check=True)
        # The version is in the name: PACKAGE_VERSION_ARCHITECTURE.deb.
        (place / ".unpacked.version").write_text(archive.name.split("_")[1].replace("%3a", ":"))
        archive.unlink()
    done.touch()
    return place


def version(package: str) -> str:
    """The version of a package that was unpacked."""
    file = paths.PEERS / package / ".unpacked.version"
    return file.read_text() if file.exists() else "unknown version"


def unpack_npm(package: str, version: str) -> Path:
    """Fetches a package of Node's registry once and unpacks it; returns the directory that holds its files.

    Nothing of it is run, and what it depends on is not fetched.
    """
    place = paths.PEERS / f"{package}-{version}"
    done = place / ".unpacked"
    if done.exists():
        return place / "package"
    require("npm")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    packed = run(["npm", "pack", "--ignore-scripts", "--silent", f"{package}@{version}"], patience=120, cwd=place)
    archives = list(place.glob("*.tgz"))
    if packed.returncode != 0 or len(archives) != 1:
        raise Unavailable(f"npm pack {package}@{version}: {_last_line(packed.stderr)}")
    run(["tar", "-xzf", archives[0], "-C", place], check=True)
    archives[0].unlink()
    done.touch()
    return place / "package"


@cache
def _update_lists() -> None:
    """Once, before the first download: a fresh machine has no package lists, or lists that are too old.

    Not only when a download fails: of packages that belong together the first would come from the old lists then and
    the next from the new ones, and programs of one do not find what they need in libraries of the other.
    """
    if os.geteuid() == 0:
        run(["apt-get", "-q", "update"], patience=300)


def missing_with(package: str) -> list[str]:
    """The packages that installing this one would bring to this machine, itself first."""
    plan = run(["apt-get", "install", "-s", "--no-install-recommends", package])
    wanted = [
        line.split()[1] for line in plan.stdout.decode().splitlines() if line.startswith("Inst ")
    ]
    return [package, *(name for name in wanted if name != package)]


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no reason given"


def shared_libraries(program: Path, search: list[Path]) -> list[Path]:
    """The shared libraries that a program loads, looked for in `search` before the system's."""
    listing = subprocess.run(
        ["ldd", str(program)],
        env={"LD_LIBRARY_PATH": ":".join(map(str, search)), "PATH": "/usr/bin:/bin"},
        capture_output=True,
    ).stdout.decode()
    found = []
    for line in listing.splitlines():
        words = line.split()
        if "=>" in words and len(words) > 2 and words[2].startswith("/"):
            found.append(Path(words[2]))
        elif words and words[0].startswith("/"):
            found.append(Path(words[0]))
    return found
