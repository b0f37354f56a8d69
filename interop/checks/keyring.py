"""The keyring of a session: a real gnome-keyring keeps passwords, for the crate and for `restante fetch`."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from harness import paths
from harness.processes import Process, run, wait_for
from harness.report import Report

_CARGO = shlex.split(os.environ.get("CARGO", "cargo"))

#: The daemon reads the password of its keyring from standard input, and goes into the background.
_SESSION = "printf tanstaaf | gnome-keyring-daemon --unlock --components=secrets >/dev/null && exec \"$@\""


def all_checks(report: Report) -> None:
    for program in ("dbus-run-session", "gnome-keyring-daemon"):
        if shutil.which(program) is None:
            report.skip("a password in the keyring", f"there is no {program}")
            report.skip("setup puts the password into the keyring", f"there is no {program}")
            return
    report.check("a password in the keyring", _kept)
    report.check("setup puts the password into the keyring", _set_up)


def _kept() -> str:
    home = paths.scratch("keyring")
    runtime = _runtime(home)
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


def _runtime(home: Path) -> Path:
    """Where a session has its sockets."""
    runtime = home / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    return runtime


def _set_up() -> str:
    """Each command has a session of its own, so what one has kept the next one finds on the disk, opened by the same password."""
    home = paths.scratch("keyring-setup")
    runtime = _runtime(home)
    names = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "STATE_DIRECTORY", "DISPLAY", "WAYLAND_DISPLAY")
    env = {name: value for name, value in os.environ.items() if name not in names}
    env |= {"HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "XDG_RUNTIME_DIR": str(runtime)}

    def ends(code: int, *words: str, said: bytes = b"", session: bool = True) -> str:
        command = [paths.PROGRAM, "fetch", *words]
        if session:
            # The daemon takes standard input, so what the program is told comes by a file.
            told = home / "told"
            told.write_bytes(said)
            command = ["sh", "-c", f'exec "$@" <{shlex.quote(str(told))}', "sh", *command]
            command = ["dbus-run-session", "--", "sh", "-c", _SESSION, "sh", *command]
        done = run(command, env=env | ({} if session else _NO_SESSION), stdin=subprocess.DEVNULL, patience=120)
        (home / "told").unlink(missing_ok=True)
        text = (done.stdout + done.stderr).decode(errors="replace")
        if done.returncode != code:
            raise AssertionError(f"{words} ended with {done.returncode}, not {code}: {text[-1500:]}")
        return text

    output = home / "demo"
    with output.open("wb") as file:
        demo = Process([paths.PROGRAM, "demo", "--free-ports"], stdin=subprocess.DEVNULL, stdout=file)
    try:
        wait_for("the demo", lambda: not demo.alive() or b"Ctrl-C ends it" in output.read_bytes(), 60)
        port = re.search(r"bob@localhost:(\d+) --pin", output.read_text()).group(1)
        address = f"bob@localhost:{port}"
        ends(0, "setup", address, "--pin", "--keyring", "--stdin", "--yes", said=b"redqueen\n")
        configuration = (home / ".config/restante/fetch.toml").read_text()
        if "auth = { keyring = true }" not in configuration:
            raise AssertionError(f"the account does not take it from there: {configuration}")
        found = [path for path in home.rglob("*") if path != output and path.is_file() and b"redqueen" in path.read_bytes()]
        if found:
            raise AssertionError(f"the password stands in {found}")
        ends(0)
        messages = len(list((home / "Mail/bob/new").iterdir()))
        if messages != 2:
            raise AssertionError(f"{messages} messages came")
        # A session without a keyring, and a keyring without the password.
        _tells(ends(77, session=False), "keyring")
        ends(0, "secret", "delete", "bob")
        _tells(ends(77), "restante fetch secret set bob stores it")
        ends(0, "secret", "set", "bob", "--stdin", said=b"redqueen\n")
        ends(0)
        # A destination has a password of its own; nothing is new, so nobody is asked whether it is right.
        smtp = 'deliver = { smtp = "localhost:1", recipient = "bob@localhost", user = "bob", auth = { keyring = true } }'
        (home / ".config/restante/fetch.toml").write_text(re.sub(r"(?m)^deliver = .*$", smtp, configuration))
        _tells(ends(77), "restante fetch secret set bob-smtp stores it")
        ends(0, "secret", "set", "bob-smtp", "--stdin", said=b"tweedledee\n")
        ends(0)
        ends(0, "secret", "delete", "bob")
        _tells(ends(77), "restante fetch secret set bob stores it")
    finally:
        demo.stop()
    return "found by fetch in the next session, missed once deleted, in no other file"


#: Where nobody listens.
_NO_SESSION = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent"}


def _tells(text: str, words: str) -> None:
    if words not in text:
        raise AssertionError(f"it does not say {words!r}: {text[-800:]}")
