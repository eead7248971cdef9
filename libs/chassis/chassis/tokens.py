"""Access tokens: JWTs signed with Ed25519 (RFC 8037), judged by the real time and never by the test clock."""

import base64
import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from chassis.errors import Invalid, Unauthenticated

ISSUER = AUDIENCE = "crm"
ALGORITHM = "EdDSA"
ACCESS_TOKEN_SECONDS = 600
SECOND_FACTOR_MISSING = "sfm"
"""The claim of a token that grants nothing until its bearer has set up a second factor."""
MUST_CHANGE_PASSWORD = "mcp"  # noqa: S105 - the name of a claim
"""The claim of a token that grants nothing until its bearer has changed the password."""
SKEW_SECONDS = 5
"""How far the clock of the signer may be ahead of ours."""
_LONGEST = 16_384
_PEM = re.compile(r"-----BEGIN PRIVATE KEY-----.+?-----END PRIVATE KEY-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says of its bearer, once its signature is verified."""

    subject: str
    """`users/{uuid}` or `clients/{uuid}`."""
    subject_id: UUID
    issued_at: float
    """Seconds since 1970, with fractions."""
    expires_at: float
    department_path: str = ""
    roles: tuple[str, ...] = ()
    policy_version: int = 0
    session_id: str = ""
    second_factor_missing: bool = False
    """True if the bearer must set up a second factor before anything is granted."""
    must_change_password: bool = False
    """True if the bearer must change the password before anything is granted."""
    partner_id: UUID | None = None
    """The organisation outside the company that a user works for."""

    @property
    def is_user(self) -> bool:
        """True for a person, False for a machine."""
        return self.subject.startswith("users/")


def invalid_token(message: str) -> Unauthenticated:
    """The error for a token that cannot be trusted."""
    return Unauthenticated("INVALID_TOKEN", message)


def key_id(token: str) -> str:
    """The id of the key that a token claims to be signed with. Raises Unauthenticated INVALID_TOKEN."""
    if len(token) > _LONGEST:
        raise invalid_token("the access token is too long to be one")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise invalid_token("the access token is no JWT") from None
    kid = header.get("kid")
    if header.get("alg") != ALGORITHM or not isinstance(kid, str) or not kid:
        raise invalid_token("the access token is not signed the way ours are")
    return kid


def verify(token: str, key: Ed25519PublicKey, *, now: float | None = None) -> Claims:
    """The claims of a token signed with a key.

    Raises Unauthenticated: TOKEN_EXPIRED for a good one whose time is up, INVALID_TOKEN for all else.
    """
    try:
        payload = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={
                "require": ["exp", "iat", "sub", "jti"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except jwt.PyJWTError:
        raise invalid_token("the access token is not ours") from None
    claims = _claims(payload)
    now = time.time() if now is None else now
    if claims.expires_at <= now:
        raise Unauthenticated("TOKEN_EXPIRED", "the access token has expired; refresh it or sign in again")
    if max(claims.issued_at, _number(payload, "nbf", 0)) > now + SKEW_SECONDS:
        raise invalid_token("the access token is not valid yet")
    return claims


def read_key_set(jwks_json: str) -> dict[str, Ed25519PublicKey]:
    """The keys of a JSON Web Key Set by their ids. Keys of other kinds are left out."""
    keys: dict[str, Ed25519PublicKey] = {}
    for item in orjson.loads(jwks_json).get("keys", ()):
        if item.get("kty") == "OKP" and item.get("crv") == "Ed25519" and item.get("kid"):
            x = item["x"]
            keys[item["kid"]] = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(x + "=" * (-len(x) % 4)))
    return keys


class SigningKeys:
    """The private keys of the authority: the first signs, all verify, so that keys can be changed without a gap."""

    def __init__(self, keys: list[Ed25519PrivateKey]) -> None:
        if not keys:
            raise Invalid("INVALID_SETTING", "there is no key to sign tokens with", field="TOKEN_SIGNING_KEY")
        self._signing = keys[0]
        self._public = {_thumbprint(key.public_key()): key.public_key() for key in keys}
        self._kid = self.key_ids[0]

    @classmethod
    def from_pem(cls, text: str) -> "SigningKeys":
        """Read one or more PKCS #8 private keys. Raises Invalid INVALID_SETTING if they are no Ed25519 keys."""
        keys = []
        for block in _PEM.findall(text.replace("\\n", "\n")):
            try:
                key = load_pem_private_key(block.encode(), password=None)
            except ValueError:
                key = None
            if not isinstance(key, Ed25519PrivateKey):
                raise Invalid(
                    "INVALID_SETTING", "TOKEN_SIGNING_KEY must hold Ed25519 private keys", field="TOKEN_SIGNING_KEY"
                )
            keys.append(key)
        return cls(keys)

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of the keys, that of the signing one first."""
        return tuple(self._public)

    def key_set(self) -> str:
        """The public keys, as a JSON Web Key Set."""
        keys = [
            {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": ALGORITHM, "kid": kid, "x": _x(public)}
            for kid, public in self._public.items()
        ]
        return orjson.dumps({"keys": keys}).decode()

    def sign(self, claims: Mapping[str, Any], *, headers: Mapping[str, Any] | None = None) -> str:
        """A token with these claims; `iss` and `aud` are added."""
        return jwt.encode(
            {"iss": ISSUER, "aud": AUDIENCE, **claims},
            self._signing,
            algorithm=ALGORITHM,
            headers={"kid": self._kid, **(headers or {})},
        )


def _claims(payload: Mapping[str, Any]) -> Claims:
    kind, _, key = str(payload["sub"]).partition("/")
    roles = payload.get("roles", [])
    if kind not in ("users", "clients") or not isinstance(roles, list):
        raise invalid_token("the access token names no user or client")
    try:
        subject_id = UUID(key)
        partner = payload.get("partner")
        partner_id = UUID(str(partner).removeprefix("partners/")) if partner is not None else None
        version = int(payload.get("pv", 0))
    except (ValueError, TypeError):
        raise invalid_token("the access token names no user or client") from None
    return Claims(
        subject=f"{kind}/{subject_id}",
        subject_id=subject_id,
        issued_at=_number(payload, "iat"),
        expires_at=_number(payload, "exp"),
        department_path=str(payload.get("path", "")),
        roles=tuple(str(role) for role in roles),
        policy_version=version,
        session_id=str(payload.get("sid", "")),
        second_factor_missing=bool(payload.get(SECOND_FACTOR_MISSING, False)),
        must_change_password=bool(payload.get(MUST_CHANGE_PASSWORD, False)),
        partner_id=partner_id,
    )


def _number(payload: Mapping[str, Any], claim: str, default: float | None = None) -> float:
    value = payload.get(claim, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid_token(f"the access token's {claim} is no time")
    return float(value)


def _x(key: Ed25519PublicKey) -> str:
    return base64.urlsafe_b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).rstrip(b"=").decode()


def _thumbprint(key: Ed25519PublicKey) -> str:
    """RFC 7638: the members in this order, without white space."""
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{_x(key)}"}}'
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()
