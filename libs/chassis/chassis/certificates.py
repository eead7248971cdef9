"""A process's own certificate, its key and the CA that it trusts, as files that somebody renews.

Neither gRPC nor anything else that opens sockets is imported here.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from chassis.errors import Invalid

logger = logging.getLogger(__name__)


class Certificate(NamedTuple):
    """What one reading of the files gave: PEM."""

    chain: bytes
    key: bytes
    authority: bytes


@dataclass(frozen=True)
class CertificateFiles:
    """Where the files are. A secret that is mounted as `tls.crt`, `tls.key` and `ca.crt` is such a set."""

    chain: Path
    """The certificate, with those between it and the CA behind it."""
    key: Path
    authority: Path
    """The CAs that are trusted. While one replaces another, both."""

    def read(self) -> Certificate:
        """The files as they are. Raises Invalid INVALID_SETTING, naming the variable, for what cannot be used."""
        found = Certificate(
            _read(self.chain, "TLS_CERTIFICATE_FILE"),
            _read(self.key, "TLS_KEY_FILE"),
            _read(self.authority, "TLS_CA_FILE"),
        )
        _check(found)
        return found

    def stamp(self) -> tuple[object, ...]:
        """Something that differs when the files were written or replaced. Empty while one of them is away."""
        try:
            return tuple(
                (state.st_mtime_ns, state.st_ino, state.st_size)
                for state in (path.stat() for path in (self.chain, self.key, self.authority))
            )
        except OSError:
            return ()


class Renewal:
    """Follows the files: says what is new since it last said so."""

    def __init__(self, files: CertificateFiles) -> None:
        """Raises Invalid INVALID_SETTING if the files cannot be used."""
        self._files = files
        self._stamp = files.stamp()
        self.current = files.read()

    def renewed(self) -> Certificate | None:
        """The files' content if it changed, else None. What cannot be used is not taken: the old one holds, and the
        files are looked at again."""
        stamp = self._files.stamp()
        if not stamp or stamp == self._stamp:
            return None
        try:
            found = self._files.read()
        except Invalid as problem:
            logger.warning("the renewed certificate cannot be used yet", extra={"problem": problem.message})
            return None
        if self._files.stamp() != stamp:
            return None  # replaced while it was read: the next look finds it whole
        self._stamp = stamp
        if found == self.current:
            return None
        self.current = found
        logger.info("a renewed certificate is taken up", extra={"expires": expiry(found).isoformat()})
        return found


def expiry(certificate: Certificate) -> datetime:
    """When a certificate ends, in UTC."""
    return x509.load_pem_x509_certificate(certificate.chain).not_valid_after_utc


def _read(path: Path, variable: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Invalid("INVALID_SETTING", f"{path} cannot be read: {error.strerror}", field=variable) from None


def _check(found: Certificate) -> None:
    try:
        of_chain = x509.load_pem_x509_certificate(found.chain).public_key()
        x509.load_pem_x509_certificates(found.authority)
        of_key = load_pem_private_key(found.key, password=None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Invalid("INVALID_SETTING", f"no PEM as TLS needs it: {error}", field="TLS_CERTIFICATE_FILE") from None
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if of_chain.public_bytes(*form) != of_key.public_bytes(*form):
        raise Invalid("INVALID_SETTING", "the key is not that of the certificate", field="TLS_KEY_FILE")
