"""Values that nobody can read who holds no more than the database, a dump or a backup of it.

A value is sealed with AES-256-GCM (NIST SP 800-38D) under a data key that only the processes know. The place it is
kept at goes into the seal, so that a sealed value which is moved to another row or column does not open there.

    provider.client_secret = session.data_keys.seal(secret, Place("identity_provider", "client_secret", provider.id))

Several keys may stand in `DATA_KEYS`: the first seals, all open. To change the key, put a new one in front, let what
`is_current` and `outdated` say is old be sealed anew, and then take the old key out.

Sealed values can be neither compared nor searched. For equality, keep a blind index of the value beside it.
"""

import base64
import binascii
import hmac
import re
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Self
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import ColumnElement, LargeBinary, func, type_coerce
from sqlalchemy.types import TypeDecorator

from chassis.columns import AnyColumn
from chassis.errors import Invalid

SETTING = "DATA_KEYS"
KEY_BYTES = 32
_FORMAT = b"\x01"
_NONCE_BYTES = 12
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")


class SealBroken(Exception):
    """A sealed value does not open: it was altered or moved, or its key is not among ours.

    No caller can do anything about it, so it is no DomainError.
    """


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value is kept."""

    table: str
    column: str
    """May name a part of the column: `values.identity_number`."""
    row: UUID

    def associated_data(self) -> bytes:
        """The place as bytes that no other place has."""
        return orjson.dumps([self.table, self.column, str(self.row)])


@dataclass(frozen=True, slots=True)
class Sealed:
    """A value that only the holder of the data keys can read."""

    data: bytes = field(repr=False)
    """A byte for the format, the length of the key's id and the id, the nonce, the ciphertext with its tag."""

    @property
    def key_id(self) -> str:
        """The id of the key that it is sealed with. Raises SealBroken."""
        return self.split()[0]

    def split(self) -> tuple[str, bytes, bytes, bytes]:
        """The id of the key, the header, the nonce and the ciphertext. Raises SealBroken."""
        end = 2 + self.data[1] if len(self.data) > 1 else 0
        if not self.data.startswith(_FORMAT) or len(self.data) <= end + _NONCE_BYTES:
            raise SealBroken("this is no sealed value")
        header, rest = self.data[:end], self.data[end:]
        return header[2:].decode("ascii", "replace"), header, rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]


class Encrypted(TypeDecorator[Sealed]):
    """A column of sealed values. It takes nothing else, so that no readable value gets in by mistake."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Sealed | None, dialect: Any) -> bytes | None:
        if value is not None and not isinstance(value, Sealed):
            raise TypeError(f"an encrypted column takes sealed values, not {type(value).__name__}")
        return value.data if value is not None else None

    def process_result_value(self, value: bytes | None, dialect: Any) -> Sealed | None:
        return Sealed(bytes(value)) if value is not None else None


class DataKeys:
    """The keys that values are sealed with. The first seals, all open."""

    def __init__(self, keys: dict[str, bytes] | None = None) -> None:
        """`keys`: id → 32 random bytes. Without any, the first use raises Invalid MISSING_SETTING."""
        # One key must serve one purpose only, so each purpose has a key of its own derived from it (RFC 5869).
        self._sealing = {key_id: AESGCM(_derive(key, b"seal")) for key_id, key in (keys or {}).items()}
        self._indexing = [_derive(key, b"blind index") for key in (keys or {}).values()]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `id:base64,id2:base64`; nothing for an empty text. Raises Invalid INVALID_SETTING."""
        keys: dict[str, bytes] = {}
        for item in filter(None, (part.strip() for part in text.split(","))):
            key_id, _, encoded = item.partition(":")
            key = _decode(encoded)
            if not _KEY_ID.fullmatch(key_id) or key is None or key_id in keys:
                raise Invalid(
                    "INVALID_SETTING",
                    f"{SETTING} lists keys as id:key, divided by commas; ids are unique and of letters and digits, "
                    f"keys are {KEY_BYTES} bytes in base64",
                    field=SETTING,
                )
            keys[key_id] = key
        return cls(keys)

    @property
    def present(self) -> bool:
        """Whether there is any key."""
        return bool(self._sealing)

    @property
    def current(self) -> str:
        """The id of the key that seals. Raises Invalid MISSING_SETTING if there is none."""
        for key_id in self._sealing:
            return key_id
        raise Invalid("MISSING_SETTING", f"set the environment variable {SETTING}", field=SETTING)

    def seal(self, value: str, place: Place) -> Sealed:
        """A value made unreadable, to be kept at a place and nowhere else. The length of the value still shows."""
        key_id = self.current
        header = _header(key_id)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        text = self._sealing[key_id].encrypt(nonce, value.encode(), header + place.associated_data())
        return Sealed(header + nonce + text)

    def open(self, sealed: Sealed, place: Place) -> str:
        """The value that was sealed for this place. Raises SealBroken."""
        key_id, header, nonce, text = sealed.split()
        key = self._sealing.get(key_id)
        if key is None:
            raise SealBroken(f"{place.table}.{place.column} is sealed with a key that {SETTING} does not hold")
        try:
            return key.decrypt(nonce, text, header + place.associated_data()).decode()
        except InvalidTag:
            raise SealBroken(f"{place.table}.{place.column} of {place.row} was altered or moved") from None

    def is_current(self, sealed: Sealed) -> bool:
        """False if the value should be sealed anew because another key seals now."""
        return sealed.key_id == self.current

    def outdated(self, column: AnyColumn) -> ColumnElement[bool]:
        """Whether the value in an encrypted column should be sealed anew, as a condition."""
        header = _header(self.current)
        return func.substr(type_coerce(column, LargeBinary), 1, len(header)) != header

    def blind_index(self, value: str, purpose: str) -> bytes:
        """A digest to find equal values by: HMAC-SHA256 under a key of its own. Normalise the value first.

        `purpose` keeps indexes apart, so that equal values in two columns do not show: name the table and column.
        """
        return self.blind_indexes(value, purpose)[0]

    def blind_indexes(self, value: str, purpose: str) -> list[bytes]:
        """The digest under each key, the current first: what to look for while a key is being changed."""
        self.current  # noqa: B018 - without keys there is nothing to index by, and this says so
        message = orjson.dumps([purpose, value])
        return [hmac.digest(key, message, sha256) for key in self._indexing]


def _header(key_id: str) -> bytes:
    return _FORMAT + bytes([len(key_id)]) + key_id.encode()


def new_key() -> str:
    """A fresh random key as `DATA_KEYS` takes it, without an id."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _decode(encoded: str) -> bytes | None:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"crm data key: " + purpose).derive(key)
