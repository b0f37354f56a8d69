"""DNS servers on loopback: one that knows nobody and says so at once, and one that knows some zones."""

import socket
import struct
import threading


class _Server:
    """Answers over UDP until it is stopped; what, its kinds say."""

    def __init__(self, address: tuple[str, int]):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                query, client = self._socket.recvfrom(4096)
            except OSError:
                return
            if answer := self._answer(query):
                self._socket.sendto(answer, client)

    def _answer(self, query: bytes) -> bytes | None:
        """The answer to a query; None: there is none."""
        raise NotImplementedError

    def stop(self) -> None:
        """Ends it."""
        self._socket.close()


class NameServer(_Server):
    """Knows nobody."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0))

    def _answer(self, query: bytes) -> bytes:
        # The question comes back as it is, without additional records; an answer, recursive, NXDOMAIN (RFC 1035 §4.1.1).
        end = query.index(b"\0", 12) + 5
        header = query[:2] + b"\x81\x83" + b"\0\1" + b"\0" * 6
        return header + query[12:end]


#: Types of records (RFC 1035 §3.2.2, RFC 2782).
_A, _SRV = 1, 33


class Zones(_Server):
    """Answers with authority (RFC 1035 §4): hosts with an IPv4 address, services, and silence about one domain."""

    def __init__(self, address: tuple[str, int], hosts: dict[str, str], services: dict[str, list], silent: str):
        self._records: dict[str, list[tuple[int, bytes]]] = {}
        for name, host in hosts.items():
            self._records.setdefault(name, []).append((_A, socket.inet_aton(host)))
        for name, targets in services.items():
            data = [struct.pack(">HHH", *target[:3]) + _name(target[3]) for target in targets]
            self._records.setdefault(name, []).extend((_SRV, it) for it in data)
        self._silent = silent
        super().__init__(address)

    def _answer(self, query: bytes) -> bytes | None:
        name, end = _read_name(query, 12)
        if name == self._silent or name.endswith("." + self._silent):
            return None
        kind = struct.unpack_from(">H", query, end)[0]
        known = self._records.get(name)
        data = [it for of, it in known or [] if of == kind]
        # An answer with authority, recursive too; NXDOMAIN only where the name has no record of any type.
        flags = 0x8580 | (3 if known is None else 0)
        header = query[:2] + struct.pack(">HHHHH", flags, 1, len(data), 0, 0)
        # Each name is the one of the question, at octet 12.
        records = [struct.pack(">HHHIH", 0xC00C, kind, 1, 60, len(it)) + it for it in data]
        return header + query[12:end + 4] + b"".join(records)


def _name(text: str) -> bytes:
    labels = [label.encode() for label in text.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _read_name(query: bytes, at: int) -> tuple[str, int]:
    """The name of a question in lower case, and where it ends; questions have no pointers."""
    labels = []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]])
        at += 1 + query[at]
    return b".".join(labels).decode().lower(), at + 1
