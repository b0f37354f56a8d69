"""A server of ours that takes mail by LMTP or SMTP and remembers it, whatever becomes of who has sent it."""

import socketserver
import threading


class Sink:
    """Listens on a port of 127.0.0.1. A text is taken when its last line has come, before that is acknowledged."""

    def __init__(self, lmtp: bool):
        #: The texts that were taken, as they came, without the stuffing.
        self.texts: list[bytes] = []
        texts = self.texts

        class Connection(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                try:
                    _serve(self, lmtp, texts)
                except OSError:
                    pass  # Who spoke was killed.

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = allow_reuse_address = True
            request_queue_size = 50

        self._server = Server(("127.0.0.1", 0), Connection)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Listens no longer."""
        self._server.shutdown()
        self._server.server_close()


def _serve(connection, lmtp: bool, texts: list[bytes]) -> None:
    def say(text: str) -> None:
        connection.wfile.write(text.encode() + b"\r\n")

    recipients = 0
    say("220 sink.dobbs.org")
    while line := connection.rfile.readline():
        word = line[:4].upper()
        if word in (b"EHLO", b"LHLO"):
            say("250-sink.dobbs.org\r\n250-PIPELINING\r\n250 8BITMIME")
        elif word == b"DATA":
            say("354 go on")
            text = _text(connection.rfile)
            if text is None:
                return
            texts.append(text)
            for _ in range(recipients if lmtp else 1):
                say("250 2.0.0 taken")
        elif word == b"QUIT":
            say("221 bye")
            return
        else:
            recipients = {b"MAIL": 0, b"RSET": 0}.get(word, recipients + (word == b"RCPT"))
            say("250 2.0.0 ok")


def _text(file) -> bytes | None:
    lines = []
    while line := file.readline():
        if line == b".\r\n":
            return b"".join(lines)
        lines.append(line[1:] if line.startswith(b".") else line)
    return None
