"""swaks delivers over LMTP with each extension that it knows: PIPELINING, STARTTLS, XCLIENT, and PROXY before it.

It knows neither CHUNKING nor SMTPUTF8.
"""

from pathlib import Path

from harness import corpus, delivery, paths, wire
from harness.clients import poplib_client
from harness.clients.endpoint import Channel
from harness.processes import free_port, listens, wait_for
from harness.program import Program
from harness.report import Report

from .drop import equal

_LISTENER = """
[[listener]]
protocol = "lmtp"
address = "127.0.0.1:{port}"
{setting} = ["127.0.0.1/32"]
"""
#: Where the front end says that its client is.
_CLIENT = "192.0.2.77"
_COUNT = 5


def all_checks(report: Report) -> None:
    """Each extension with a few messages, which must say the right thing of where they come from."""
    front, proxied = free_port(), free_port()
    settings = _LISTENER.format(port=front, setting="xclient") + _LISTENER.format(port=proxied, setting="proxy_protocol")
    program = Program(paths.scratch("extensions"), settings)
    program.start()
    wait_for("the other listeners", lambda: listens(front) and listens(proxied))
    authority = program.endpoint.authority
    proxy = ["--proxy-source", _CLIENT, "--proxy-source-port", "4711", "--proxy-dest", "127.0.0.1", "--proxy-dest-port", "24"]
    version_1 = ["--proxy-version", "1", "--proxy-family", "TCP4", *proxy]
    version_2 = ["--proxy-version", "2", "--proxy-family", "AF_INET", "--proxy-protocol", "STREAM", "--proxy-command", "PROXY", *proxy]
    # Port, options, what the transcript must show, what Received must.
    for name, port, options, said, received in (
        ("PIPELINING", program.lmtp_port, ["--pipeline"], " -> DATA\n<-  250 2.1.0", "[127.0.0.1]"),
        ("STARTTLS", program.lmtp_port, ["--tls", "--tls-verify", "--tls-ca-path", authority], "=== TLS started with cipher TLSv1.3", "with LMTPS"),
        ("XCLIENT", front, ["--xclient-addr", _CLIENT], f"XCLIENT ADDR={_CLIENT}", f"[{_CLIENT}]"),
        ("PROXY, version 1", proxied, version_1, "PROXY TCP4", f"[{_CLIENT}]"),
        ("PROXY, version 2", proxied, version_2, "DQoNCgANClFVSVQK", f"[{_CLIENT}]"),
    ):
        report.check(f"swaks, {name}", lambda: _delivered(program, name, port, options, said, received))
    program.stop()


def _delivered(program: Program, name: str, port: int, options: list[str | Path], said: str, received: str) -> str:
    login = program.add_user(name.replace(", version ", "-").lower())
    texts = corpus.letters(_COUNT)
    for sender, text in texts.items():
        transcript = delivery.swaks(port, sender, f"{login.user}@dobbs.org", text, program.directory, *options)
        if said not in transcript:
            raise AssertionError(f"swaks did not say {said!r}: {transcript[:1500]}")
    for copy in poplib_client.retrieve(program.endpoint, Channel.PLAIN, login, _COUNT, None):
        text, (sender, _) = wire.without_trace(copy, "lmtp")
        equal(f"{name}, {sender}", texts[sender.decode()], text)
        if received not in (trace := copy[: len(copy) - len(text)].decode("ascii")):
            raise AssertionError(f"{received!r} is not in {trace!r}")
    return f"{_COUNT} messages"
