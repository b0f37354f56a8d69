"""A relay of ours that gives each connection an address of its own, by the PROXY protocol.

Who guesses wrong waits longer each time, by the address that he comes from: clients that are made to guess wrong on
purpose must not all come from the same one.
"""

import itertools
import socket
import socketserver
import threading


class Relay:
    """Listens on a port of 127.0.0.1 and passes everything on to a listener that believes it."""

    _clients = itertools.count(1)

    def __init__(self, backend: int):
        #: What clients said, in clear or not.
        self.said = said = bytearray()

        class Connection(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                _serve(self.request, backend, next(Relay._clients), said)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()


def _serve(client: socket.socket, backend: int, number: int, said: bytearray) -> None:
    # 10.0.0.0/8 has room for all of them; nobody answers to these addresses.
    address = f"10.0.{number >> 8}.{number & 255}"
    with socket.create_connection(("127.0.0.1", backend)) as server:
        server.sendall(f"PROXY TCP4 {address} 127.0.0.1 1024 {backend}\r\n".encode())
        threading.Thread(target=_copy, args=(server, client, bytearray()), daemon=True).start()
        _copy(client, server, said)


def _copy(source: socket.socket, target: socket.socket, record: bytearray) -> None:
    try:
        while octets := source.recv(65536):
            record.extend(octets)
            target.sendall(octets)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # One side has gone; the other is told by the end of its stream.
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
