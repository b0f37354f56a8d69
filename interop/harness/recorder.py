"""A relay between Postfix and the program that writes down what Postfix says.

Postfix changes messages within its rights (it adds Received, for one). What the program must keep is what
it was given, so its input is recorded where it comes in, and compared octet for octet with what goes out.
"""

import socket
import socketserver
import threading
from dataclasses import dataclass

from . import wire

_SENDER = b"MAIL FROM:<"


@dataclass(frozen=True)
class Handed:
    """One message as it was given to the program: after un-stuffing, before its rule."""

    sender: str
    text: bytes


class Recorder(socketserver.ThreadingTCPServer):
    """Listens on a free port of 127.0.0.1 and passes everything to another one."""

    daemon_threads = True

    def __init__(self, port: int):
        self.to = port
        self.streams: list[bytearray] = []
        super().__init__(("127.0.0.1", 0), _Relay)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handed(self) -> list[Handed]:
        """All messages so far."""
        return [message for stream in self.streams for message in _messages(bytes(stream))]

    def stop(self) -> None:
        """Listens no more."""
        self.shutdown()
        self.server_close()


class _Relay(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        stream = bytearray()
        self.server.streams.append(stream)
        with socket.create_connection(("127.0.0.1", self.server.to)) as server:
            back = threading.Thread(target=_pump, args=(server, self.request, None), daemon=True)
            back.start()
            _pump(self.request, server, stream)
            back.join()


def _pump(source: socket.socket, sink: socket.socket, record: bytearray | None) -> None:
    try:
        while octets := source.recv(1 << 16):
            if record is not None:
                record += octets
            sink.sendall(octets)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # One side is gone; the other learns it by the end of its stream.
        for side in (source, sink):
            side.close()


def _messages(stream: bytes):
    """The messages of one LMTP session, from what the client said."""
    sender, at = "", 0
    while (end := stream.find(b"\r\n", at)) >= 0:
        line, at = stream[at:end], end + 2
        if line.upper().startswith(_SENDER):
            sender = line[len(_SENDER) :].partition(b">")[0].decode("ascii")
        elif line.upper() == b"DATA":
            # The empty message has its dot right at the start.
            close = at - 2 if stream.startswith(b".\r\n", at) else stream.index(b"\r\n.\r\n", at)
            yield Handed(sender, wire.unstuffed(stream[at : close + 2]))
            at = close + 5
