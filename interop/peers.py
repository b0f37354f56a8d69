#!/usr/bin/python3
"""`make peers`: the program, Dovecot and Courier are asked the same, and their answers printed side by side.

    peers.py [WORD…]      only questions whose name has one of these words
    peers.py --markdown   as docs/peers.md has it
"""

import sys

from comparison.scripts import SCRIPTS, Answer, Script
from comparison.servers import all_of_them
from harness import paths


def main() -> int:
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    scripts = [script for script in SCRIPTS if not words or any(word in script.name for word in words)]
    servers = all_of_them(paths.scratch("peers"))
    rows = [(script, [script.play(port) for _, port, _ in servers]) for script in scripts]
    names = [name for name, _, _ in servers]
    (_markdown if "--markdown" in sys.argv else _table)(names, rows)
    for _, _, server in servers:
        server.stop()
    ours = [script.name for script, answers in rows if answers[0][1]]
    return 1 if ours else 0


def _table(names: list[str], rows: list[tuple[Script, list[Answer]]]) -> None:
    for script, answers in rows:
        print(f"{script.name} ({script.clause})")
        for name, (seen, wrong) in zip(names, answers):
            print(f"    {name.split()[0]:<10} {seen}" + (f"   <- differs: {wrong}" if wrong else ""))
    for at, name in enumerate(names):
        print(f"{name}: {sum(1 for _, answers in rows if answers[at][1])} of {len(rows)} differ from the RFCs")


def _markdown(names: list[str], rows: list[tuple[Script, list[Answer]]]) -> None:
    print("| what | clause | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 2) + "|")
    for script, answers in rows:
        cells = [_cell(seen) + (f" **{wrong}**" if wrong else "") for seen, wrong in answers]
        print(f"| {script.name} | {script.clause} | " + " | ".join(cells) + " |")


def _cell(seen: str) -> str:
    return "`" + seen.replace("|", "\\|").replace("`", "'") + "`"


if __name__ == "__main__":
    sys.exit(main())
