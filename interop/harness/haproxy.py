"""A real HAProxy on loopback, which says by the PROXY protocol who its clients are."""

import os
from dataclasses import dataclass
from pathlib import Path

from . import peers
from .processes import Process, free_port, listens, run, wait_for

_PACKAGES = ["haproxy", "liblua5.3-0", "libopentracing1", "libopentracing-c-wrapper0"]


@dataclass
class Route:
    """A port of HAProxy's and where it leads: `how` are the words of its `server` line."""

    backend: int
    how: str
    #: Whether HAProxy ends the client's TLS.
    tls: bool = False
    port: int = 0


class HAProxy:
    """A running HAProxy; it keeps the routes' order, and gives each a port."""

    def __init__(self, directory: Path, certificate: Path, key: Path, routes: list[Route]):
        unpacked = [peers.unpack(package) for package in _PACKAGES]
        program = unpacked[0] / "usr/sbin/haproxy"
        libraries = sorted({str(path.parent) for place in unpacked for path in place.rglob("*.so*")})
        environment = os.environ | {"LD_LIBRARY_PATH": ":".join(libraries)}
        directory.mkdir(parents=True, exist_ok=True)
        pem = directory / "haproxy.pem"
        pem.touch(mode=0o600)
        pem.write_text(certificate.read_text() + key.read_text())
        lines = ["global", "defaults", " mode tcp", " timeout connect 5s", " timeout client 60s", " timeout server 60s"]
        for number, route in enumerate(routes):
            route.port = free_port()
            ends_tls = f" ssl crt {pem}" if route.tls else ""
            lines += [
                f"listen route{number}",
                f" bind 127.0.0.1:{route.port}{ends_tls}",
                f" server restante 127.0.0.1:{route.backend} {route.how}",
            ]
        configuration = directory / "haproxy.cfg"
        configuration.write_text("\n".join(lines) + "\n")
        self.version = run([program, "-v"], env=environment).stdout.decode().split()[2]
        self._log_file = directory / "haproxy.log"
        with self._log_file.open("wb") as log:
            self._process = Process([program, "-db", "-f", configuration], env=environment, stdout=log, stderr=log)
        wait_for("HAProxy", lambda: not self._process.alive() or all(listens(route.port) for route in routes))
        if not self._process.alive():
            raise RuntimeError(f"HAProxy did not start:\n{self._log_file.read_text()[-2000:]}")

    def stop(self) -> None:
        """Ends it."""
        self._process.kill()
