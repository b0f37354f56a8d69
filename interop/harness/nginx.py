"""A real nginx as a mail proxy on loopback: it asks a small HTTP server of ours where each login goes."""

import http.server
import threading
from pathlib import Path

from . import peers
from .processes import Process, free_port, listens, run, wait_for

_CONFIGURATION = """\
load_module {modules}/ngx_mail_module.so;
daemon off;
master_process off;
pid {directory}/pid;
error_log {directory}/error.log info;
events {{ }}
mail {{
  auth_http 127.0.0.1:{auth}/;
  proxy_pass_error_message on;
  proxy_protocol on;
  pop3_auth plain apop;
  pop3_capabilities TOP UIDL USER;
  ssl_certificate {certificate};
  ssl_certificate_key {key};
  server {{ listen 127.0.0.1:{port}; protocol pop3; starttls on; }}
  server {{ listen 127.0.0.1:{tls_port} ssl; protocol pop3; }}
}}
"""


class Nginx:
    """A running nginx in front of one port of 127.0.0.1; it logs in there with what its client said."""

    def __init__(self, directory: Path, certificate: Path, key: Path, backend: int):
        program = peers.unpack("nginx") / "usr/sbin/nginx"
        modules = peers.unpack("libnginx-mod-mail") / "usr/lib/nginx/modules"
        directory.mkdir(parents=True, exist_ok=True)
        self.port, self.tls_port = free_port(), free_port()
        self._auth = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _answers(backend))
        threading.Thread(target=self._auth.serve_forever, daemon=True).start()
        configuration = directory / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                modules=modules, directory=directory, auth=self._auth.server_address[1], certificate=certificate,
                key=key, port=self.port, tls_port=self.tls_port,
            )
        )
        self.version = run([program, "-v"]).stderr.decode().strip().rpartition("/")[2]
        self._log_file = directory / "nginx.log"
        with self._log_file.open("wb") as log:
            self._process = Process(
                [program, "-p", directory, "-e", directory / "error.log", "-c", configuration], stdout=log, stderr=log
            )
        wait_for("nginx", lambda: not self._process.alive() or listens(self.port) and listens(self.tls_port))
        if not self._process.alive():
            raise RuntimeError(f"nginx did not start:\n{(directory / 'error.log').read_text()[-2000:]}")

    def stop(self) -> None:
        """Ends it, and who answered it."""
        self._process.kill()
        self._auth.shutdown()


def _answers(backend: int) -> type[http.server.BaseHTTPRequestHandler]:
    """Says yes to everybody: whether the login is right is the backend's to say."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Auth-Status", "OK")
            self.send_header("Auth-Server", "127.0.0.1")
            self.send_header("Auth-Port", str(backend))
            self.end_headers()

        def log_message(self, *words) -> None:
            pass

    return Answers
