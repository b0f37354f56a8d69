"""What operations start from: accounts, maildrops, a Maildir, and the messages in them."""

from harness import wire
from harness.program import Program

from .operation import ACCOUNT

SMALL = b"Subject: small\n\n.\n..\ntext\n" * 3 + b"end\r\n"
#: As large as a file can be made through a limit without limiting `accounts.db-shm` (32 KiB), too.
MIDDLE = b"Subject: middle\r\n\r\n" + b"".join(b"%07d.\r\n" % n for n in range(4000))
#: Does not fit into memory as the store sees it: it goes through an unnamed file.
LARGE = b"Subject: large\r\n\r\n" + b"".join(b"%070d\r\n" % n for n in range(4300))
#: Beyond this an emptied file is replaced before it grows on.
HUGE = b"Subject: huge\r\n\r\n" + b"".join(b"%070d\r\n" % n for n in range(16_000))
#: Two of these dead, and little else alive, are worth writing the file anew.
BULK = b"Subject: bulk\r\n\r\n" + b"".join(b"%070d\r\n" % n for n in range(40_000))

IMPORTED = tuple(b"Subject: imported %d\r\n\r\n" % n + b"text\r\n" * n for n in (1, 2, 3))


def holding(*texts: bytes):
    """A maildrop with these messages."""

    def body(program: Program) -> None:
        program.add_user(ACCOUNT)
        for text in texts:
            program.deliver(ACCOUNT, text)

    return body


def torn(program: Program) -> None:
    """A delivery died halfway: a record's first half is at the end of the file."""
    holding(SMALL, MIDDLE)(program)
    file = only_file(program)
    octets = file.read_bytes()
    file.write_bytes(octets[: -len(wire.stored(MIDDLE)) // 2])


def only_file(program: Program):
    """The file of the one maildrop."""
    (file,) = (program.directory / "data" / "d").glob("*/*/*.rsm")
    return file


def to_import(program: Program) -> None:
    holding(SMALL)(program)
    # Beside the templates, and not a part of them: what cannot be read of it is another matter.
    maildir = program.directory.parent / "maildir"
    for name in ("new", "cur", "tmp"):
        (maildir / name).mkdir(parents=True)
    for number, text in enumerate(IMPORTED):
        (maildir / "new" / f"170000000{number}.M1P1.dobbs").write_bytes(text)
