"""An authority that signs the certificates of users, and takes them back, by the commands that docs/operating.md tells."""

from pathlib import Path

from .processes import run

_EXTENSIONS = """\
subjectAltName=email:{name}@dobbs.org
extendedKeyUsage=clientAuth
keyUsage=digitalSignature
"""

_LISTS = """\
[ca]
default_ca = users
[users]
database = index.txt
crlnumber = crlnumber
default_md = sha256
default_crl_days = 30
crl_extensions = crl
[crl]
authorityKeyIdentifier = keyid
"""

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """A certificate of its own, and a list of those that it has taken back."""

    def __init__(self, directory: Path):
        self._directory = directory
        self.certificate, self.revocations = directory / "ca.pem", directory / "crl.pem"
        self._openssl(
            "req", "-x509", *_KEY, "-days", "3650", "-subj", "/CN=Mail users of dobbs.org",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", "ca.key", "-out", "ca.pem",
        )
        (directory / "index.txt").touch()
        (directory / "crlnumber").write_text("01\n")
        (directory / "ca.conf").write_text(_LISTS)

    def sign(self, name: str) -> Path:
        """A certificate of this common name, and of the address NAME@dobbs.org; in one file with its key."""
        key, signed = self._directory / f"{name}.key", self._directory / f"{name}.pem"
        self._openssl("req", *_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", f"{name}.csr")
        self._openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "365", "-out", signed, "-extfile", "-", input=_EXTENSIONS.format(name=name).encode(),
        )
        with signed.open("ab") as both:
            both.write(key.read_bytes())
        return signed

    def revoke(self, *certificates: Path) -> None:
        """Makes the list anew, with these on it."""
        authority = ("ca", "-config", "ca.conf", "-cert", "ca.pem", "-keyfile", "ca.key")
        for certificate in certificates:
            self._openssl(*authority, "-revoke", certificate)
        self._openssl(*authority, "-gencrl", "-out", "crl.pem")

    def settings(self, account: str) -> str:
        """What a listener says that believes it; `account` is the part that names the account."""
        return (
            f'client_ca = "{self.certificate}"\nclient_crl = "{self.revocations}"\nclient_account = "{account}"\n'
        )

    def _openssl(self, *words, **options) -> None:
        run(["openssl", *words], cwd=self._directory, check=True, **options)
