"""A DNS server on loopback that knows nobody: every name is answered NXDOMAIN, at once."""

import socket
import threading


class NameServer:
    """Answers over UDP until it is stopped."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                query, client = self._socket.recvfrom(4096)
            except OSError:
                return
            # The question comes back as it is, without additional records; an answer, recursive, NXDOMAIN (RFC 1035 §4.1.1).
            end = query.index(b"\0", 12) + 5
            header = query[:2] + b"\x81\x83" + b"\0\1" + b"\0" * 6
            self._socket.sendto(header + query[12:end], client)

    def stop(self) -> None:
        """Ends it."""
        self._socket.close()
