"""The secrets of one copy of the suite: made up once, kept in its folder."""

import secrets
from dataclasses import asdict, dataclass, field
from typing import Self

from chassis.encryption import new_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from local_suite.layout import SERVICES, RunFolder


@dataclass(frozen=True, repr=False)
class Credentials:
    """Everything secret that the processes share."""

    admin_password: str
    """Of the user `admin`, when the suite is first started."""
    people_password: str
    """Of everybody in the sample company."""
    amqp_password: str
    token_signing_key: str
    """PEM, Ed25519."""
    gateway_secret: str
    """By which the gateway proves to the services who its clients are."""
    data_keys: str
    """What values are sealed with, see `chassis.encryption`."""
    databases: dict[str, str] = field(default_factory=dict)
    """Service → the password of its database role."""
    clients: dict[str, str] = field(default_factory=dict)
    """Service → the secret that it signs in to identity with."""

    @classmethod
    def of(cls, folder: RunFolder) -> Self:
        """The secrets of a copy. What is missing, for a new copy or a new service, is made up and kept."""
        kept = folder.read("secrets")
        made = cls(
            admin_password=kept.get("admin_password") or secrets.token_urlsafe(12),
            people_password=kept.get("people_password") or secrets.token_urlsafe(12),
            amqp_password=kept.get("amqp_password") or secrets.token_urlsafe(24),
            token_signing_key=kept.get("token_signing_key") or _signing_key(),
            gateway_secret=kept.get("gateway_secret") or secrets.token_urlsafe(24),
            data_keys=kept.get("data_keys") or f"local:{new_key()}",
            databases=_complete(kept.get("databases", {})),
            clients=_complete(kept.get("clients", {})),
        )
        if asdict(made) != kept:
            folder.write("secrets", asdict(made))
        return made


def _complete(kept: dict[str, str]) -> dict[str, str]:
    return {**kept, **{name: secrets.token_urlsafe(24) for name in SERVICES if name not in kept}}


def _signing_key() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
