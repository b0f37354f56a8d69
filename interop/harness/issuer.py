"""An issuer of access tokens (RFC 9068), with a key of openssl's."""

import base64
import json
import re
import time
from pathlib import Path

from .processes import run


class Issuer:
    """One key, its public half as a key set, and tokens that it signs (RS256)."""

    def __init__(self, directory: Path):
        self.name, self.audience, self.scope = "https://login.dobbs.org", "pop.dobbs.org", "mail"
        self.key_set = directory / "jwks.json"
        self._key = directory / "issuer.key"
        run(["openssl", "genrsa", "-out", self._key, "2048"], check=True)
        modulus = run(["openssl", "rsa", "-in", self._key, "-noout", "-modulus"], check=True).stdout
        number = bytes.fromhex(re.fullmatch(rb"Modulus=([0-9A-F]+)\n", modulus)[1].decode())
        key = {"kty": "RSA", "kid": "a", "use": "sig", "alg": "RS256", "n": _base64url(number), "e": "AQAB"}
        self.key_set.write_text(json.dumps({"keys": [key]}))

    def settings(self) -> str:
        """The table `[auth.oauth]` that believes it."""
        return (
            f'[auth.oauth]\njwks = "{self.key_set}"\nissuer = "{self.name}"\naudience = "{self.audience}"\n'
            f'scope = "{self.scope}"\n'
        )

    def token(self, user: str, seconds: int = 3600) -> str:
        """A token for this account; one of negative seconds has expired."""
        now = int(time.time())
        claims = {
            "iss": self.name, "aud": self.audience, "scope": self.scope, "sub": user, "iat": now - 7200,
            "exp": now + seconds,
        }
        parts = [{"typ": "at+jwt", "alg": "RS256", "kid": "a"}, claims]
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in parts)
        signature = run(["openssl", "dgst", "-sha256", "-sign", self._key], input=signed.encode(), check=True).stdout
        return f"{signed}.{_base64url(signature)}"


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")
