"""The ways in: `restante deliver`, LMTP by smtplib, LMTP by swaks, and SMTP to a mail transfer agent."""

import smtplib
from pathlib import Path

from . import wire
from .peers import require
from .processes import run


class _Exact:
    """smtplib's DATA, but octet for octet.

    smtplib itself doubles dots after a bare LF too and says an empty message as one blank line.
    """

    def data(self, msg: bytes):
        self.putcmd("data")
        code, reply = self.getreply()
        if code != 354:
            return code, reply
        self.send(wire.stuffed(msg) + b".\r\n")
        return self.getreply()


class Lmtp(_Exact, smtplib.LMTP):
    """An LMTP session; `host` may be the path of a Unix socket."""

    def deliver(self, sender: str, recipients: list[str], text: bytes) -> list[tuple[int, bytes]]:
        """Delivers one message; one reply for each recipient that was accepted at RCPT."""
        self._expect(250, "mail", f"FROM:<{sender}> BODY=8BITMIME SIZE={len(wire.payload(text))}")
        accepted = []
        for recipient in recipients:
            self.putcmd("rcpt", f"TO:<{recipient}>")
            reply = self.getreply()
            accepted.append(reply)
        count = sum(code == 250 for code, _ in accepted)
        if count == 0:
            return accepted
        first = self.data(text)
        rest = [self.getreply() for _ in range(count - 1)]
        replies = iter([first, *rest])
        return [next(replies) if reply[0] == 250 else reply for reply in accepted]

    def _expect(self, code: int, command: str, arguments: str) -> None:
        self.putcmd(command, arguments)
        got, reply = self.getreply()
        if got != code:
            raise smtplib.SMTPResponseException(got, reply)


def lmtp(place: int | Path, patience: float = 60) -> Lmtp:
    """A session on a port of 127.0.0.1 or on a Unix socket, after LHLO."""
    host, port = (str(place), 0) if isinstance(place, Path) else ("127.0.0.1", place)
    client = Lmtp(host, port, local_hostname="client.dobbs.org", timeout=patience)
    code, reply = client.lhlo() if hasattr(client, "lhlo") else client.ehlo()
    if code != 250:
        raise smtplib.SMTPResponseException(code, reply)
    return client


class Smtp(_Exact, smtplib.SMTP):
    """An SMTP session with a mail transfer agent."""

    def submit(self, sender: str, recipient: str, text: bytes) -> None:
        """Hands one message over; raises if it is not accepted."""
        for command, arguments, wanted in (
            ("mail", f"FROM:<{sender}> BODY=8BITMIME", 250),
            ("rcpt", f"TO:<{recipient}>", 250),
        ):
            self.putcmd(command, arguments)
            code, reply = self.getreply()
            if code != wanted:
                raise smtplib.SMTPResponseException(code, reply)
        code, reply = self.data(text)
        if code != 250:
            raise smtplib.SMTPDataError(code, reply)


def swaks(place: int | Path, sender: str, recipient: str, text: bytes, scratch: Path, *options: str | Path) -> str:
    """Delivers one message by swaks over LMTP, as its options say; its transcript, which it raises with if it is not accepted."""
    require("swaks")
    file = scratch / "swaks"
    # With --no-data-fixup swaks sends the file as it is, so the end of data must be in it.
    file.write_bytes(wire.stuffed(text) + b".\r\n")
    where = ["--socket", place] if isinstance(place, Path) else ["--server", f"127.0.0.1:{place}"]
    done = run(
        ["swaks", "--protocol", "LMTP", *where, "--helo", "client.dobbs.org", "--from", sender or "<>"]
        + ["--to", recipient, "--no-data-fixup", "--data", f"@{file}", *(options or ["--hide-informational"])]
    )
    if done.returncode != 0:
        raise RuntimeError(f"swaks: {(done.stdout + done.stderr).decode(errors='replace')[-2000:]}")
    return done.stdout.decode(errors="replace")
