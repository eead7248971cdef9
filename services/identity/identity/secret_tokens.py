"""Opaque secrets that this service makes up: 256 random bits, of which only a digest is kept."""

import hashlib
import hmac


def digest(secret: str) -> bytes:
    """What to keep of a secret. A plain SHA-256 is enough where guessing is hopeless."""
    return hashlib.sha256(secret.encode()).digest()


def matches(kept: bytes, secret: str) -> bool:
    """Whether the secret is the one kept."""
    return hmac.compare_digest(kept, digest(secret))
