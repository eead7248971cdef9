"""Access tokens as this service issues them.

Token times are real times, never those of the test clock: they guard against thieves, who do not move it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
from chassis.errors import Invalid
from chassis.names import make_name, new_id
from chassis.settings import Settings
from chassis.tokens import ACCESS_TOKEN_SECONDS, MUST_CHANGE_PASSWORD, SECOND_FACTOR_MISSING, SigningKeys

from identity.model import Client
from identity.policy import LONGEST_ACCESS_TOKEN
from identity.usecases.open_session import Admission


@dataclass(frozen=True)
class AccessToken:
    """A signed token and when it stops working."""

    text: str
    expire_time: datetime


class TokenIssuer:
    """Signs access tokens."""

    def __init__(self, keys: SigningKeys, life: timedelta) -> None:
        self._keys = keys
        self._life = life

    @classmethod
    def from_settings(cls, settings: Settings) -> "TokenIssuer":
        """The issuer of this installation. Raises Invalid, naming the variable, if a setting cannot be used."""
        return cls(read_signing_keys(settings), _life(settings))

    def for_user(self, admission: Admission) -> AccessToken:
        """A token for a user who was admitted."""
        user = admission.user
        claims: dict[str, Any] = {
            "sid": str(admission.session_id),
            "dept": make_name("departments", user.department_id),
            "path": user.department_path,
            "roles": [role.name for role in user.roles],
        }
        if admission.limited:
            claims[SECOND_FACTOR_MISSING] = True
        if admission.must_change_password:
            claims[MUST_CHANGE_PASSWORD] = True
        if user.partner_id is not None:
            claims["partner"] = make_name("partners", user.partner_id)
        return self._sign(user.name, admission.issued_at, admission.policy_version, claims)

    def for_client(self, client: Client, issued_at: datetime, policy_version: int) -> AccessToken:
        """A token for a machine."""
        return self._sign(client.name, issued_at, policy_version, {})

    def _sign(self, subject: str, issued_at: datetime, policy_version: int, claims: Mapping[str, Any]) -> AccessToken:
        expire_time = issued_at + self._life
        times = {"iat": issued_at.timestamp(), "exp": expire_time.timestamp()}
        text = self._keys.sign({"sub": subject, "jti": str(new_id()), "pv": policy_version, **times, **claims})
        return AccessToken(text, expire_time)


def read_signing_keys(settings: Settings) -> SigningKeys:
    """The keys in `TOKEN_SIGNING_KEY`; the first signs."""
    return SigningKeys.from_pem(settings.environment.get("TOKEN_SIGNING_KEY", ""))


def session_of(token: str) -> UUID | None:
    """The session that a verified access token belongs to."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return UUID(claims["sid"]) if claims.get("sid") else None


def _life(settings: Settings) -> timedelta:
    given = settings.environment.get("ACCESS_TOKEN_SECONDS", str(ACCESS_TOKEN_SECONDS))
    longest = int(LONGEST_ACCESS_TOKEN.total_seconds())
    if not given.isdecimal() or not 1 <= int(given) <= longest:
        raise Invalid("INVALID_SETTING", f"the seconds must be 1 to {longest}", field="ACCESS_TOKEN_SECONDS")
    return timedelta(seconds=int(given))
