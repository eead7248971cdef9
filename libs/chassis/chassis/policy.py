"""Who may do what, fetched by version from the service that owns it and kept in memory."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from crm.identity.v1 import role_pb2
from crm.identity.v1.policy_service_pb2 import Policy
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chassis.callers import Grant, Reach
from chassis.errors import Unavailable
from chassis.field_rules import FieldEffect, FieldRules, merged
from chassis.tokens import read_key_set

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
KEYS_SECONDS = 60.0
"""Keys are fetched again this often, and when a token names an unknown one."""
FORCED_SECONDS = 0.2
"""The shortest time between two fetches that unknown keys bring about, or any calls while the authority is down."""
PATIENCE_SECONDS = 3.0
"""The longest that a call waits for a fetch."""


class Authority(Protocol):
    """Whoever signs access tokens and knows the policy."""

    def key_set(self) -> str:
        """The public keys that tokens are signed with: a JSON Web Key Set (RFC 7517)."""
        ...

    def policy(self, known_version: int) -> Policy:
        """The policy, or nothing but the version if it is `known_version`."""
        ...


Grants = Mapping[str, tuple[Grant, ...]]
"""Grants by permission."""


@dataclass(frozen=True)
class PolicySnapshot:
    """The policy at one version."""

    version: int
    roles: Mapping[str, tuple[Grant, ...]] = field(default_factory=dict)
    clients: Mapping[str, tuple[Grant, ...]] = field(default_factory=dict)
    calls_per_minute: Mapping[str, int] = field(default_factory=dict)
    """How many calls each client may make; clients without a limit are left out."""
    revocations: Mapping[str, float] = field(default_factory=dict)
    """`users/…`, `clients/…` or `sessions/…` → seconds since 1970: tokens issued before are refused."""
    field_rules: Mapping[str, FieldRules] = field(default_factory=dict)
    """What each role keeps from its holders; roles without such rules are left out."""

    @classmethod
    def of(cls, policy: Policy) -> "PolicySnapshot":
        """Read a policy as it is sent."""
        paths = policy.department_paths
        return cls(
            version=policy.version,
            roles={item.role: grants_from(item.grants, paths) for item in policy.roles},
            clients={item.client: grants_from(item.grants, paths) for item in policy.clients},
            calls_per_minute={item.client: item.calls_per_minute for item in policy.clients if item.calls_per_minute},
            revocations={
                item.subject: item.not_before.seconds + item.not_before.nanos / 1e9 for item in policy.revocations
            },
            field_rules={item.role: _field_rules(item.field_rules) for item in policy.roles if item.field_rules},
        )

    def withdrawn_before(self, subject: str, session_id: str) -> float:
        """Tokens of this subject and login that were issued before this time, in seconds since 1970, are refused."""
        return max(self.revocations.get(subject, 0.0), self.revocations.get(f"sessions/{session_id}", 0.0))

    def grants_of(self, subject: str, roles: Iterable[str]) -> Grants:
        """What a user with these roles, or a client, may do."""
        by_permission: dict[str, tuple[Grant, ...]] = {}
        held = [self.clients.get(subject, ())] if subject.startswith("clients/") else []
        held += [self.roles.get(role, ()) for role in roles]
        for grants in held:
            for grant in grants:
                by_permission[grant.permission] = (*by_permission.get(grant.permission, ()), grant)
        return by_permission

    def field_rules_of(self, roles: Iterable[str]) -> FieldRules:
        """What is kept from a user with these roles. Machines have no roles, and nothing is kept from them."""
        held = [role for role in roles if role in self.roles]
        if not any(role in self.field_rules for role in held):
            return {}
        permissions = [{grant.permission for grant in self.roles[role]} for role in held]
        return merged(
            [(granted, self.field_rules.get(role, {})) for role, granted in zip(held, permissions, strict=True)]
        )


def grants_from(grants: Iterable[role_pb2.Grant], paths: Mapping[str, str]) -> tuple[Grant, ...]:
    """Grants as they are sent, with the paths of the departments that custom scopes name."""
    read = []
    for grant in grants:
        reach = role_pb2.DataScope.Name(grant.scope).removeprefix("DATA_SCOPE_")
        if reach in Reach.__members__:
            departments = tuple(sorted(paths[name] for name in grant.departments if paths.get(name)))
            read.append(Grant(grant.permission, Reach(reach), departments))
    return tuple(read)


def _field_rules(rules: Iterable[role_pb2.FieldRule]) -> FieldRules:
    read: dict[str, dict[str, FieldEffect]] = {}
    for rule in rules:
        # An effect that only a later release knows keeps all it can.
        read.setdefault(rule.entity, {})[rule.field] = FieldEffect(min(rule.effect, FieldEffect.HIDE))
    return read


class PolicyCache:
    """The newest policy and keys known here. If the authority does not answer, the last ones hold."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._snapshot: PolicySnapshot | None = None
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._keys_at = self._forced_at = float("-inf")
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._poll, name="policy", daemon=True)

    def start(self) -> None:
        """Fetch the policy, if the authority answers, and begin to follow it in the background."""
        with self._lock:
            self._refresh(with_keys=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop following it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE_SECONDS)

    def problem(self) -> str:
        """What keeps calls from being decided, or the empty string. For readiness."""
        return "" if self._snapshot else "no policy yet"

    def lifeless(self) -> str:
        """What is wrong if the policy is not followed any more, or the empty string. For liveness."""
        return "" if self._thread.is_alive() or self._stopping.is_set() else "the policy is not followed any more"

    def snapshot(self, version: int = 0) -> PolicySnapshot:
        """The policy, of this version or a newer one if the authority answers in time.

        Raises Unavailable POLICY_UNAVAILABLE if there is none at all.
        """
        known = self._snapshot
        if known is None or known.version < version:
            self._force(lambda: self._snapshot is not None and self._snapshot.version >= version)
            known = self._snapshot
        if known is None:
            raise Unavailable("POLICY_UNAVAILABLE", "who may do what is not known yet; try again shortly")
        return known

    def key(self, kid: str) -> Ed25519PublicKey | None:
        """The public key of an id, or None if the authority has no such key."""
        if kid not in self._keys:
            self._force(lambda: kid in self._keys, with_keys=True)
            if not self._keys:
                raise Unavailable(
                    "POLICY_UNAVAILABLE", "the keys of access tokens are not known yet; try again shortly"
                )
        return self._keys.get(kid)

    def knows_key(self, kid: str) -> bool:
        """Whether the authority had such a key when it was last asked."""
        return kid in self._keys

    def _force(self, satisfied: Callable[[], bool], *, with_keys: bool = False) -> None:
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            return
        try:
            # Anybody can name a key that does not exist; a newer version stands in a token that was verified.
            bounded = with_keys or self._failing
            if satisfied() or (bounded and time.monotonic() - self._forced_at < FORCED_SECONDS):
                return
            self._refresh(with_keys=with_keys)
            self._forced_at = time.monotonic()
        finally:
            self._lock.release()

    def _poll(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            with self._lock:
                self._refresh(with_keys=time.monotonic() - self._keys_at > KEYS_SECONDS)

    def _refresh(self, *, with_keys: bool) -> None:
        try:
            if with_keys or not self._keys:
                self._keys = read_key_set(self._authority.key_set())
                self._keys_at = time.monotonic()
            policy = self._authority.policy(self._snapshot.version if self._snapshot else 0)
            if self._snapshot is None or not policy.unchanged:
                self._snapshot = PolicySnapshot.of(policy)
        except Exception as error:
            if not self._failing:
                logger.warning("the policy cannot be fetched", extra={"error": type(error).__name__}, exc_info=error)
            self._failing = True
        else:
            if self._failing:
                logger.info("the policy is fetched again")
            self._failing = False
