"""A certificate authority for tests, and the files of processes that it vouches for."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFE = timedelta(days=30)


class TestAuthority:
    """Signs certificates."""

    __test__ = False

    def __init__(self, name: str = "Test CA") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        own = _builder(self._name, self._name, self._key.public_key())
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.pem = own.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def write(self, folder: Path, names: Sequence[str] = ("127.0.0.1", "localhost")) -> dict[str, str]:
        """Write a new certificate for these names, as a renewal does, and return the settings that name the files."""
        folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _builder(_name(names[0]), self._name, key.public_key())
        certificate = certificate.add_extension(
            x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False
        ).add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        files = {
            "tls.crt": certificate.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM),
            "tls.key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "ca.crt": self.pem,
        }
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return settings_for(folder)


def settings_for(folder: Path) -> dict[str, str]:
    """The settings that name the files in a folder."""
    return {
        "TLS_CERTIFICATE_FILE": str(folder / "tls.crt"),
        "TLS_KEY_FILE": str(folder / "tls.key"),
        "TLS_CA_FILE": str(folder / "ca.crt"),
    }


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return x509.CertificateBuilder(
        issuer, subject, key, x509.random_serial_number(), now - timedelta(hours=1), now + _LIFE
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
