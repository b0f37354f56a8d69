"""Where things are: the repository, and `target/`, the only place where anything is written."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")).resolve()

#: Programs and data of others, unpacked here and never installed.
PEERS = TARGET / "peers"

#: The program's build that is tested: `debug` starts no slower and is built by the tests anyway.
PROFILE = os.environ.get("RESTANTE_PROFILE", "debug")
PROGRAM = TARGET / PROFILE / "restante"


def scratch(name: str) -> Path:
    """An empty directory below `target/`, for one run."""
    import shutil

    directory = TARGET / "interop" / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory
