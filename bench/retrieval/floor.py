#!/usr/bin/python3
"""The floor: what a server and a link take by themselves, when all is asked for at once and everything is dropped.

    floor.py PORT USER PASSWORD MESSAGES        prints the seconds from the connection to its end

No client that keeps mail can be faster than this. The seconds are taken inside, since the interpreter's own start is no
part of a server or a link.
"""

import socket
import sys
import time

_END = b"\r\n.\r\n"
_BUFFER_OCTETS = 1 << 20


def main() -> int:
    port, user, password, messages = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    commands = "".join(f"RETR {number}\r\n" for number in range(1, messages + 1)) + "QUIT\r\n"
    buffer = bytearray(_BUFFER_OCTETS)
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as server:
        server.settimeout(60)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for command in (None, f"USER {user}", f"PASS {password}"):
            if command:
                server.sendall(f"{command}\r\n".encode())
            _reply(server)
        server.sendall(commands.encode())
        ended = _drain(server, buffer)
    seconds = time.monotonic() - began
    if ended != messages:
        print(f"{ended} of {messages} messages came to an end", file=sys.stderr)
        return 1
    print(seconds)
    return 0


def _reply(server: socket.socket) -> None:
    line = b""
    while not line.endswith(b"\r\n"):
        octets = server.recv(512)
        if not octets:
            break
        line += octets
    if not line.startswith(b"+OK"):
        raise SystemExit(f"the server said {line!r}")


def _drain(server: socket.socket, buffer: bytearray) -> int:
    """Reads until the server closes; how many texts came to an end. The texts are stuffed, so nothing else looks like one."""
    ended, kept = 0, 0
    with memoryview(buffer) as view:
        while count := server.recv_into(view[kept:]):
            ended += buffer.count(_END, 0, kept + count)
            # What may be the beginning of an end.
            tail = bytes(view[max(0, kept + count - len(_END) + 1) : kept + count])
            kept = len(tail)
            view[:kept] = tail
    return ended


if __name__ == "__main__":
    sys.exit(main())
