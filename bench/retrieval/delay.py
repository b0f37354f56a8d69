#!/usr/bin/python3
"""A link with a delay: what goes in at one end comes out at the other, octet for octet, so much later.

    delay.py LISTEN_PORT TARGET_PORT MILLISECONDS        each way

Nothing is lost, and nothing limits its speed but the octets that may be on their way at once. It is a process of its own, so that
who measures does not share an interpreter with it. A connection takes the time that it takes on such a link too: the
kernel answers a client at once, so the server is reached a round trip later, when the client would have begun to speak.
"""

import socket
import sys
import threading
import time
from collections import deque

#: Octets on their way in one direction. In 20 ms that is more than 1 GB/s.
_UNDERWAY_OCTETS_MAX = 32 << 20
_READ_OCTETS = 1 << 18


class _Way:
    """One direction of a connection: one thread reads, another writes what is due."""

    def __init__(self, source: socket.socket, target: socket.socket, seconds: float):
        self._source, self._target, self._seconds = source, target, seconds
        self._underway: deque[tuple[float, bytes]] = deque()
        self._octets = 0
        self._changed = threading.Condition()
        for body in (self._read, self._write):
            threading.Thread(target=body, daemon=True).start()

    def _read(self) -> None:
        octets = b"?"
        while octets:
            try:
                octets = self._source.recv(_READ_OCTETS)
            except OSError:
                octets = b""
            with self._changed:
                # The end of the stream is a piece without octets.
                self._underway.append((time.monotonic() + self._seconds, octets))
                self._octets += len(octets)
                self._changed.notify()
                self._changed.wait_for(lambda: self._octets < _UNDERWAY_OCTETS_MAX)

    def _write(self) -> None:
        octets = b"?"
        while octets:
            with self._changed:
                self._changed.wait_for(lambda: self._underway)
                due, octets = self._underway[0]
            if (left := due - time.monotonic()) > 0:
                time.sleep(left)
            try:
                if octets:
                    self._target.sendall(octets)
                else:
                    self._target.shutdown(socket.SHUT_WR)
            except OSError:
                # Who has gone reads nothing more; the other one learns it by the end of its own stream.
                _end(self._source)
            with self._changed:
                self._underway.popleft()
                self._octets -= len(octets)
                self._changed.notify()


def _end(stream: socket.socket) -> None:
    try:
        stream.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def _serve(client: socket.socket, port: int, seconds: float) -> None:
    # The request to connect is one way to the server, its answer the way back, and the answer to that the third.
    time.sleep(3 * seconds)
    try:
        server = socket.create_connection(("127.0.0.1", port))
    except OSError:
        client.close()
        return
    for end in (client, server):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _Way(client, server, seconds)
    _Way(server, client, seconds)


def main() -> int:
    own, port, milliseconds = map(int, sys.argv[1:])
    with socket.create_server(("127.0.0.1", own)) as listener:
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, port, milliseconds / 1000), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
