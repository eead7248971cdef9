"""How the sender of a submission proves itself."""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from chassis.clock import system_clock
from chassis.encryption import DataKeys, Place
from chassis.errors import Unauthenticated

from leads.model import CaptureKind

TOLERANCE = timedelta(minutes=5)
"""How far the clock of who signs may be off, and for how long a signature that was overheard can be used again: what is
sent again is known by its `external_id`."""

_PREFIX = "sha256="
_MAX_DIGITS = 11
"""Of a time in seconds: more are milliseconds, or a year that no calendar has."""


@dataclass(frozen=True)
class Proof:
    """What a sender shows."""

    origin: str = ""
    key: str = ""
    signature: str = ""
    timestamp: str = ""


def digest(key: str) -> bytes:
    """What is kept of a key. It is random and long, so that a plain digest cannot be turned back."""
    return sha256(key.encode()).digest()


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The signature of a webhook."""
    return _PREFIX + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, sha256).hexdigest()


def require_proof(source: Any, proof: Proof, body: bytes, keys: DataKeys) -> None:
    """Raise Unauthenticated unless the sender may send this to a source, which is a row of it."""
    if source.kind == CaptureKind.WEBHOOK:
        _require_signature(source, proof, body, keys)
    elif proof.key:
        digests = [source.key_digest, *([source.former_key_digest] if _overlaps(source) else [])]
        if not any(hmac.compare_digest(digest(proof.key), known) for known in digests if known):
            raise Unauthenticated("BAD_CAPTURE_KEY", "this is not the key of the form; use the newest one")
    elif not allows(source, proof.origin):
        raise Unauthenticated(
            "ORIGIN_NOT_ALLOWED", "the form takes nothing from this website without its key; add the website to it"
        )


def allows(source: Any, origin: str) -> bool:
    """Whether a website may send a form."""
    return bool(origin) and source.kind == CaptureKind.FORM and origin.casefold() in source.allowed_origins


def _require_signature(source: Any, proof: Proof, body: bytes, keys: DataKeys) -> None:
    if not proof.timestamp.isdecimal() or len(proof.timestamp) > _MAX_DIGITS:
        raise Unauthenticated("BAD_TIMESTAMP", "state when you signed, in seconds since 1970")
    if abs(system_clock() - datetime.fromtimestamp(int(proof.timestamp), UTC)) > TOLERANCE:
        raise Unauthenticated("BAD_TIMESTAMP", "it was signed more than five minutes ago or ahead; set your clock")
    columns = ["secret", *(["former_secret"] if _overlaps(source) else [])]
    for column in columns:
        sealed = getattr(source, column)
        secret = keys.open(sealed, Place("capture_source", column, source.id)) if sealed is not None else ""
        expected = sign(secret, proof.timestamp, body)
        if secret and hmac.compare_digest(expected.encode(), proof.signature.encode()):
            return
    raise Unauthenticated("BAD_SIGNATURE", "the signature is not that of this body under the webhook's secret")


def _overlaps(source: Any) -> bool:
    expires = source.former_secret_expire_time
    return expires is not None and expires > system_clock()
