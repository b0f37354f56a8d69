"""The systemd unit of the docs: it is sound, and the rights that it leaves are enough to serve, deliver and reload."""

import os
import re
import shutil

from harness import delivery, manual, paths
from harness.clients import poplib_client
from harness.clients.endpoint import Channel
from harness.peers import Unavailable
from harness.processes import run, wait_for
from harness.program import Program
from harness.report import Report

_TITLE = "/etc/systemd/system/restante.service"


def all_checks(report: Report) -> None:
    """The unit itself; a server with its capabilities."""
    unit = manual.blocks("docs/operating.md")[_TITLE]
    report.check("the unit of the docs is sound", lambda: _verified(unit))
    report.check("the rights of the unit are enough", lambda: _enough(unit))


def _verified(unit: str) -> None:
    if shutil.which("systemd-analyze") is None:
        raise Unavailable("systemd-analyze is not installed")
    file = paths.scratch("service") / "restante.service"
    file.write_text(unit.replace("/usr/local/bin/restante", str(paths.PROGRAM)))
    done = run(["systemd-analyze", "verify", "--man=no", file])
    if said := [line for line in done.stderr.decode().splitlines() if "restante" in line] or done.returncode != 0:
        raise AssertionError(f"systemd-analyze verify: {done.returncode} {said} {done.stderr!r}")


def _enough(unit: str) -> str:
    if os.geteuid() != 0:
        raise Unavailable("only root has rights to lose")
    capabilities = re.search(r"^CapabilityBoundingSet=(.*)$", unit, re.MULTILINE)[1].split()
    bounding = ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in capabilities)])
    # Somebody who is not root, and whose socket has a group of its own.
    program = Program(paths.scratch("service-rights"), user="mail")
    text = program.configuration.read_text()
    program.configuration.write_text(text.replace('mode = "0666"', 'group = "daemon"'))
    login = program.add_user("bob")
    # As the docs have it installed: root without his rights over other people's files cannot read theirs.
    key = program.directory / "key.pem"
    shutil.chown(key, "root", "mail")
    key.chmod(0o640)
    # RuntimeDirectory is root's.
    shutil.chown(program.directory, "root")
    program.start(["setpriv", "--no-new-privs", f"--bounding-set={bounding}", "--inh-caps=-all"])
    with delivery.lmtp(program.lmtp_socket) as client:
        replies = client.deliver("alice@example.com", ["bob@dobbs.org"], b"Subject: x\r\n\r\n")
    if [code for code, _ in replies] != [250]:
        raise AssertionError(f"replies: {replies}")
    # As systemd runs it: with the unit's rights, unless a + says otherwise.
    all_rights, words = re.search(r"^ExecReload=(\+?)(.*)$", unit, re.MULTILINE).groups()
    words = words.replace("$MAINPID", str(program.server.pid)).split()
    done = run(words if all_rights else ["setpriv", f"--bounding-set={bounding}", *words])
    if done.returncode != 0:
        raise AssertionError(f"reload: {done.stderr!r}")
    wait_for("a reload", lambda: "configuration and certificate reloaded" in program.log())
    count, _ = poplib_client.session(program.endpoint, Channel.TLS, login).stat()
    group = program.lmtp_socket.group()
    if (count, group) != (1, "daemon") or program.stop() != 0:
        raise AssertionError(f"{count} messages, the socket's group is {group}; {program.log()[-2000:]}")
    return bounding
