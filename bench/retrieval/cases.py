"""What is retrieved, and over which link."""

from dataclasses import dataclass

from rig.mail import Kind

LOOPBACK, FAR = "loopback", "40 ms"
#: Milliseconds each way.
ONE_WAY = 20


@dataclass(frozen=True)
class Case:
    """All messages of one account, over a link."""

    name: str
    kind: Kind
    #: Octets of a message, as the table says them.
    size: str
    link: str
    #: Only what it takes of memory is of interest, so one round is enough.
    once: bool = False


def cases(small: int, typical: int, large: str | None) -> list[Case]:
    """The usual cases with so many messages of each kind; `large` is the size of one message more."""
    kinds = [Kind("small", 1, small, "8KiB"), Kind("typical", 1, typical, "75KiB")]
    found = [
        Case(kind.name if link is LOOPBACK else f"{kind.name}-far", kind, kind.size.replace("KiB", " KiB"), link)
        for kind in kinds
        for link in (LOOPBACK, FAR)
    ]
    if large:
        found.append(Case("large", Kind("large", 1, 1, large), large.replace("MiB", " MiB"), LOOPBACK, once=True))
    return found
