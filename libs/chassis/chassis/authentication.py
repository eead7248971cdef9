"""From an access token to the caller: verified locally, with no call to another service per request."""

import threading
import time
from collections import OrderedDict

from chassis.callers import Caller
from chassis.errors import Unauthenticated
from chassis.policy import PolicyCache, PolicySnapshot
from chassis.rates import Rates
from chassis.tokens import Claims, invalid_token, key_id, verify

CAPACITY = 10_000
"""Verified tokens remembered; the oldest go first. To verify a signature costs much, to look it up nothing."""


class _Verified:
    __slots__ = ("claims", "decided", "key_id")

    def __init__(self, claims: Claims, key_id: str) -> None:
        self.claims = claims
        self.key_id = key_id
        self.decided: tuple[PolicySnapshot, Caller] | None = None


class Authenticator:
    """Tells who is calling."""

    def __init__(self, policy: PolicyCache) -> None:
        self._policy = policy
        self.rates = Rates()
        """How many calls those who may make a limited number have made here."""
        self._verified: OrderedDict[str, _Verified] = OrderedDict()
        self._lock = threading.Lock()

    def caller(self, token: str) -> Caller:
        """The caller that a token was given to, with what the policy grants now.

        Raises Unauthenticated: MISSING_TOKEN, INVALID_TOKEN, TOKEN_EXPIRED or TOKEN_REVOKED; Unavailable if no
        policy is known.
        """
        if not token:
            raise Unauthenticated("MISSING_TOKEN", "this needs an access token: sign in and send it as a bearer token")
        verified = self._verified.get(token)
        if verified is None or not self._policy.knows_key(verified.key_id):
            self._forget(token)
            verified = self._verify(token)
        claims = verified.claims
        if claims.expires_at <= time.time():
            self._forget(token)
            raise Unauthenticated("TOKEN_EXPIRED", "the access token has expired; refresh it or sign in again")
        snapshot = self._policy.snapshot(claims.policy_version)
        decided = verified.decided
        if decided is not None and decided[0] is snapshot:
            return decided[1]
        caller = self._decide(token, claims, snapshot)
        verified.decided = (snapshot, caller)
        return caller

    def _decide(self, token: str, claims: Claims, snapshot: PolicySnapshot) -> Caller:
        revoked = max(snapshot.revocations.get(name, 0.0) for name in (claims.subject, f"sessions/{claims.session_id}"))
        if claims.issued_at < revoked:
            self._forget(token)
            raise Unauthenticated("TOKEN_REVOKED", "the access token was withdrawn; sign in again")
        return Caller(
            subject=claims.subject,
            user_id=claims.subject_id if claims.is_user else None,
            department_path=claims.department_path,
            grants={}
            if claims.second_factor_missing or claims.must_change_password
            else snapshot.grants_of(claims.subject, claims.roles),
            token=token,
            second_factor_missing=claims.second_factor_missing,
            must_change_password=claims.must_change_password,
            field_rules=snapshot.field_rules_of(claims.roles),
            calls_per_minute=snapshot.calls_per_minute.get(claims.subject, 0),
            partner_id=claims.partner_id,
        )

    def _verify(self, token: str) -> _Verified:
        kid = key_id(token)
        key = self._policy.key(kid)
        if key is None:
            raise invalid_token("the access token is signed with a key that is not ours")
        verified = _Verified(verify(token, key), kid)
        with self._lock:
            self._verified[token] = verified
            if len(self._verified) > CAPACITY:
                self._verified.popitem(last=False)
        return verified

    def _forget(self, token: str) -> None:
        with self._lock:
            self._verified.pop(token, None)
