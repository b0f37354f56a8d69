"""The keyring of a session: passwords are kept in a real gnome-keyring, found, replaced and deleted."""

import os
import shlex
import shutil

from harness import paths
from harness.processes import run
from harness.report import Report

_CARGO = shlex.split(os.environ.get("CARGO", "cargo"))

#: The daemon reads the password of its keyring from standard input, and goes into the background.
_SESSION = "printf tanstaaf | gnome-keyring-daemon --unlock --components=secrets >/dev/null && exec \"$@\""


def all_checks(report: Report) -> None:
    for program in ("dbus-run-session", "gnome-keyring-daemon"):
        if shutil.which(program) is None:
            report.skip("a password in the keyring", f"there is no {program}")
            return
    report.check("a password in the keyring", _kept)


def _kept() -> str:
    home = paths.scratch("keyring")
    runtime = home / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    # As `make test` has built them: other features would be another build.
    test = [*_CARGO, "test", "--locked", "--workspace", "--lib", "--quiet", "--", "--ignored", "secret::keyring"]
    done = run(
        ["dbus-run-session", "--", "sh", "-c", _SESSION, "sh", *test],
        env={**os.environ, "XDG_DATA_HOME": str(home), "XDG_RUNTIME_DIR": str(runtime)},
        cwd=paths.REPOSITORY,
        patience=600,
    )
    said = (done.stdout + done.stderr).decode(errors="replace")
    if done.returncode != 0 or "1 passed" not in said:
        raise AssertionError(said[-1500:])
    return "stored, found, replaced, deleted"
