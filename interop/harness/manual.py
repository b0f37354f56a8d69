"""Configurations of other programs, as `docs/transfer-agents.md` shows them: what is tried is what is read there."""

import re
from functools import cache

from .paths import REPOSITORY
from .program import Program

_PAGE = REPOSITORY / "docs/transfer-agents.md"
_BLOCK = re.compile(r"^```[a-z0-9]*\n# ([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

#: Who runs the program in the harness: somebody whom every system has.
OWNER = "mail"


@cache
def _blocks() -> dict[str, str]:
    return dict(_BLOCK.findall(_PAGE.read_text()))


def block(title: str, program: Program) -> str:
    """The fenced block whose first line is `# title`, for the places of this program.

    The page speaks of a usual installation; here the command, the port and the user are others, and nothing else is.
    """
    text = _blocks()[title]
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
