"""A maildrop as the run knows it: who owns it, how its messages came, and what each must be."""

from dataclasses import dataclass, field

from harness import wire
from harness.clients import poplib_client
from harness.clients.endpoint import Channel, Endpoint, Login
from harness.corpus import Message


@dataclass
class Drop:
    """One account's maildrop; `messages` are in the order of the scan listing."""

    login: Login
    #: Which trace headers its messages begin with: a key of `wire.TRACE`.
    way: str
    #: What was delivered, with text as it was given to the program.
    messages: list[Message] = field(default_factory=list)
    #: What a client must get, octet for octet: trace headers and text. Filled by `learn`.
    stored: list[bytes] = field(default_factory=list)

    def learn(self, server: Endpoint) -> None:
        """Retrieves everything once and holds it against the originals under the documented rule.

        Trace headers hold a time, so they are checked for their form and then taken as they are;
        from here on every client must get exactly these octets.
        """
        retrieved = poplib_client.retrieve(server, Channel.PLAIN, self.login, len(self.messages), None)
        for message, text in zip(self.messages, retrieved, strict=True):
            body, trace = wire.without_trace(text, self.way)
            equal(message.name, wire.stored(message.text), body)
            if trace and trace[1].decode() != f"{self.login.user}@dobbs.org":
                raise AssertionError(f"{message.name}: Delivered-To is {trace[1]!r}")
        self.stored = retrieved


def equal(name: str, wanted: bytes, got: bytes) -> None:
    """Raises, showing where two texts part, unless they are the same octets."""
    if wanted == got:
        return
    at = next((at for at, (a, b) in enumerate(zip(wanted, got)) if a != b), min(len(wanted), len(got)))
    raise AssertionError(
        f"{name}: {len(wanted)} octets wanted, {len(got)} got; from octet {at}: "
        f"wanted {wanted[at : at + 40]!r}, got {got[at : at + 40]!r}"
    )
