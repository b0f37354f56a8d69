"""What passes by itself costs no mail: agents try again, and each message is there once in the end.

A quota that is full, a disk that is full, a server that is not there, and one that is killed while mail comes in.
"""

import contextlib
import random
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import corpus, paths, volume
from harness.agent import Agent
from harness.processes import wait_for
from harness.program import Program
from harness.report import Report

from . import transfer

#: Messages on each route, for each trouble.
_COUNT = 12
#: How many of them a full maildrop still takes.
_QUOTA = 4
#: Messages on each route while the server is killed, and how often.
_UNDER_KILLS, _KILLS = 300, 5

_SETTINGS = """
[maildrop]
allow_volatile = true
reserve = "1 MiB"
lock_wait = "1s"
"""

#: What agents log of a reply by which the program takes a message: its unique-id.
_TAKEN = re.compile(r"delivered to <[^>]*> as ([!-~]+?)[)\"]")


def all_checks(report: Report) -> None:
    """Every agent under every trouble, all at the same time; those that log replies also under kill -9."""
    with ThreadPoolExecutor() as beside:
        ends = {name: beside.submit(_troubles, name, start) for name, start in transfer.AGENTS.items()}
        for name, end in ends.items():
            report.check(f"{name} tries again: full maildrops, a full disk, no server", end.result)
    for name, route in (("Postfix", "postfix-tcp"), ("Exim", "exim-tcp")):
        report.check(
            f"{name}, the server is killed {_KILLS} times: nothing is lost, and twice is only what nobody heard of",
            lambda: _killed(name, transfer.AGENTS[name], route),
        )


def _troubles(name: str, start) -> str:
    directory = paths.scratch(f"refusals-{name}")
    disk = volume.tmpfs(directory / "disk", mib=64, inodes=4000)
    program = Program(disk.place / "program", _SETTINGS, user="mail")
    program.start()
    agent = start(directory / "agent", program)
    try:
        for route in agent.ways:
            program.add_user(route)
        texts = corpus.letters(3 * _COUNT, agent.keeps)
        parts = [dict(list(texts.items())[at::3]) for at in range(3)]
        _full_maildrops(program, agent, parts[0])
        _full_disk(disk, agent, parts[1])
        _no_server(program, agent, parts[2])
        for route in agent.ways:
            transfer.verify(program, agent, route, texts)
    finally:
        agent.stop()
        program.stop()
        disk.unmount()
    return f"{len(texts)} on each of {len(agent.ways)} routes"


def _full_maildrops(program: Program, agent: Agent, texts: dict[str, bytes]) -> None:
    _set_quota(program, agent, str(_QUOTA))
    transfer.submit(agent, list(agent.ways), texts)
    waiting = len(agent.ways) * (_COUNT - _QUOTA)
    _waits(agent, waiting, waiting)
    _set_quota(program, agent, "none")
    agent.drain(patience=60)


def _set_quota(program: Program, agent: Agent, messages: str) -> None:
    for route in agent.ways:
        done = program.command("user", "set", route, "--quota-messages", messages)
        if done.returncode != 0:
            raise RuntimeError(f"user set: {done.stderr.decode(errors='replace')}")


def _full_disk(disk: volume.Volume, agent: Agent, texts: dict[str, bytes]) -> None:
    disk.leave(0)
    transfer.submit(agent, list(agent.ways), texts)
    # Where the last block of a file has room, a small message still fits.
    _waits(agent, len(agent.ways), len(agent.ways) * _COUNT)
    disk.leave(40 * 1024)
    agent.drain(patience=60)


def _no_server(program: Program, agent: Agent, texts: dict[str, bytes]) -> None:
    program.stop()
    transfer.submit(agent, list(agent.ways), texts)
    # What is delivered by a command needs no server.
    waiting = sum(way == "lmtp" for way in agent.ways.values()) * _COUNT
    _waits(agent, waiting, waiting)
    program.start()
    agent.drain(patience=60)


def _waits(agent: Agent, least: int, most: int) -> None:
    """So many messages are left in the agent's queue, also after it has tried again."""
    wait_for(f"{agent.name} with at most {most} messages that wait", lambda: agent.queued() <= most)
    agent.hurry()
    time.sleep(1.5)
    if not least <= agent.queued() <= most:
        raise AssertionError(f"{agent.queued()} messages wait, not {least} to {most}: {agent.log()[-2000:]}")


def _amid_deliveries(program: Program) -> None:
    """Waits until mail comes in again, or there is none left to come."""
    before = program.log_file.stat().st_size
    with contextlib.suppress(TimeoutError):
        wait_for("a delivery", lambda: program.log_file.stat().st_size > before, patience=2)
    time.sleep(random.uniform(0, 0.1))


def _killed(name: str, start, route: str) -> str:
    directory = paths.scratch(f"killed-{name}")
    program = Program(directory / "program", user="mail")
    program.start()
    agent = start(directory / "agent", program)
    try:
        program.add_user(route)
        texts = corpus.letters(_UNDER_KILLS, agent.keeps)
        with ThreadPoolExecutor(1) as beside:
            submitted = beside.submit(transfer.submit, agent, [route], texts)
            for _ in range(_KILLS):
                _amid_deliveries(program)
                program.server.kill()
                program.start()
            submitted.result()
        agent.drain(patience=60)
        copies = transfer.retrieved(program, agent, route, texts)
    finally:
        agent.stop()
        program.stop()
    heard = set(_TAKEN.findall(agent.log()))
    there = {unique_id for _, unique_id in copies}
    if lost := heard - there:
        raise AssertionError(f"{len(lost)} messages are not there whose 250 {name} has heard")
    told = [sender for sender, unique_id in copies if unique_id in heard]
    if sorted(told) != sorted(texts):
        raise AssertionError(f"{name} has heard of {len(told)} copies of {len(texts)} messages")
    return f"{len(texts)} messages, {len(copies) - len(texts)} twice"
