"""Configurations of other programs, as the docs show them: what is tried is what is read there."""

import re
from functools import cache

from .paths import REPOSITORY
from .program import Program

_BLOCK = re.compile(r"^```[a-z0-9]*\n# ([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

#: Who runs the program in the harness: somebody whom every system has.
OWNER = "mail"


@cache
def blocks(page: str) -> dict[str, str]:
    """The fenced blocks of a page that begin with a comment, by what it says."""
    return dict(_BLOCK.findall((REPOSITORY / page).read_text()))


def block(title: str, program: Program) -> str:
    """The block of `docs/transfer-agents.md` whose first line is `# title`, for the places of this program.

    The page speaks of a usual installation; here the command, the port and the user are others, and nothing else is.
    """
    text = blocks("docs/transfer-agents.md")[title]
    for usual, here in (
        ("/usr/local/bin/restante ", f"{program.binary} -c {program.configuration} "),
        ("127.0.0.1:24", f"127.0.0.1:{program.lmtp_port}"),
        ("port = 24", f"port = {program.lmtp_port}"),
        ("example.org", "dobbs.org"),
        ("user = restante", f"user = {OWNER}"),
        ("user=restante", f"user={OWNER}"),
        ('"restante"', f'"{OWNER}"'),
    ):
        text = text.replace(usual, here)
    return text
