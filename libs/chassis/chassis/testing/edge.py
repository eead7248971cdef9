"""A gRPC server in the test's own process, with an authority that signs tokens for any caller the test needs.

with running([service], {"things": url}) as edge:
    stub = ThingServiceStub(edge.channel)
    stub.GetThing(request, metadata=edge.metadata_for(grants={"thing.read": Reach.ALL}))
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import grpc
from crm.identity.v1 import policy_service_pb2, role_pb2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis import cli
from chassis.callers import Grant, Reach
from chassis.clients import plain_channel
from chassis.field_rules import FieldRules
from chassis.server import RunningServer, build_server
from chassis.service import Runtime, Service
from chassis.settings import Settings
from chassis.tokens import SigningKeys

_EFFECT = "FIELD_EFFECT_"

Metadata = tuple[tuple[str, str], ...]
Grants: TypeAlias = Mapping[str, Reach | Grant | Sequence[Grant]]
"""Permission → what it reaches. CUSTOM needs a Grant with the paths."""


class LocalAuthority:
    """Signs tokens and grants whatever the test asks for."""

    def __init__(self) -> None:
        self.keys = SigningKeys([Ed25519PrivateKey.generate()])
        self._foreign = SigningKeys([Ed25519PrivateKey.generate()])
        self._policy = policy_service_pb2.Policy(version=1)
        self._held: set[str] = set()
        self._lock = threading.Lock()

    def key_set(self) -> str:
        """See `chassis.policy.Authority`."""
        return self.keys.key_set()

    def policy(self, known_version: int) -> policy_service_pb2.Policy:
        """See `chassis.policy.Authority`."""
        with self._lock:
            if known_version == self._policy.version:
                return policy_service_pb2.Policy(version=known_version, unchanged=True)
            copy = policy_service_pb2.Policy()
            copy.CopyFrom(self._policy)
            return copy

    def token(
        self,
        user_id: UUID | None = None,
        department_path: str = "",
        grants: Grants | None = None,
        field_rules: FieldRules | None = None,
        **claims: Any,
    ) -> str:
        """A token for a user who holds these grants, with these rules. Further claims override those it would have."""
        return self.keys.sign(self.claims(user_id, department_path, grants, field_rules, **claims))

    def client_token(self, client_id: UUID, grants: Grants | None = None, **claims: Any) -> str:
        """A token for a machine with these grants."""
        subject = f"clients/{client_id}"
        with self._lock:
            for item in self._policy.clients:
                if item.client == subject:
                    self._policy.clients.remove(item)
                    break
            self._policy.clients.add(client=subject, grants=self._grants(grants or {}))
            self._policy.version += 1
        return self.keys.sign({**self.claims(client_id, **claims), "sub": subject, "pv": self._policy.version})

    def expired_token(self, grants: Grants | None = None) -> str:
        """A token that was good until just now."""
        now = time.time()
        return self.token(grants=grants, iat=now - 601, exp=now - 1)

    def foreign_token(self, grants: Grants | None = None) -> str:
        """A token that is good in all but its key, which claims the id of ours."""
        kid = self.keys.key_ids[0]
        return self._foreign.sign(self.claims(grants=grants), headers={"kid": kid})

    def revoke(self, subject: str) -> None:
        """Refuse the tokens a subject was given so far."""
        with self._lock:
            revocation = self._policy.revocations.add(subject=subject)
            revocation.not_before.FromDatetime(datetime.now(UTC))
            self._policy.version += 1

    def claims(
        self,
        user_id: UUID | None = None,
        department_path: str = "",
        grants: Grants | None = None,
        field_rules: FieldRules | None = None,
        **claims: Any,
    ) -> dict[str, Any]:
        """The claims of a user's token."""
        now = time.time()
        role = self._role(grants or {}, field_rules or {})
        return {
            "sub": f"users/{user_id or uuid4()}",
            "iat": now,
            "exp": now + 600,
            "jti": str(uuid4()),
            "sid": str(uuid4()),
            "path": department_path,
            "roles": [role],
            "pv": self._policy.version,
            **claims,
        }

    def _role(self, grants: Grants, field_rules: FieldRules) -> str:
        with self._lock:
            wanted = self._grants(grants)
            kept = [
                role_pb2.FieldRule(entity=entity, field=field, effect=role_pb2.FieldEffect.Value(_EFFECT + effect.name))
                for entity, rules in field_rules.items()
                for field, effect in rules.items()
            ]
            name = f"roles/{uuid5(NAMESPACE_OID, repr([item.SerializeToString() for item in (*wanted, *kept)]))}"
            if name not in self._held:
                self._held.add(name)
                self._policy.roles.add(role=name, grants=wanted, field_rules=kept)
                self._policy.version += 1
            return name

    def _grants(self, grants: Grants) -> list[role_pb2.Grant]:
        made = []
        for permission, given in grants.items():
            listed = (Grant(permission, given),) if isinstance(given, Reach) else given
            for grant in (listed,) if isinstance(listed, Grant) else listed:
                departments = [f"departments/{uuid5(NAMESPACE_OID, path)}" for path in grant.department_paths]
                self._policy.department_paths.update(zip(departments, grant.department_paths, strict=True))
                made.append(
                    role_pb2.Grant(
                        permission=permission,
                        scope=role_pb2.DataScope.Value(f"DATA_SCOPE_{grant.reach}"),
                        departments=departments,
                    )
                )
        return made


class Edge:
    """A running server and the means to call it as anyone."""

    def __init__(
        self, server: RunningServer, channel: grpc.Channel, authority: LocalAuthority, runtimes: dict[str, Runtime]
    ) -> None:
        self.server = server
        self.channel = channel
        self.authority = authority
        self.runtimes = runtimes
        """By service."""

    @property
    def target(self) -> str:
        """Where it listens, `host:port`."""
        return f"127.0.0.1:{self.server.port}"

    def metadata_for(
        self,
        user_id: UUID | None = None,
        department_path: str = "",
        grants: Grants | None = None,
        field_rules: FieldRules | None = None,
    ) -> Metadata:
        """What a user's client sends along who holds these grants. Keep it to make several calls as one user."""
        return bearer(self.authority.token(user_id, department_path, grants, field_rules))


def bearer(token: str) -> Metadata:
    """A token as metadata of a call."""
    return (("authorization", f"Bearer {token}"),)


@contextmanager
def running(
    services: Sequence[Service],
    databases: Mapping[str, str],
    *,
    environment: Mapping[str, str] | None = None,
    authority: LocalAuthority | None = None,
) -> Iterator[Edge]:
    """A server of some services on a free port, with a database URL for each by name."""
    urls = {f"DATABASE_URL_{name.upper()}": url for name, url in databases.items()}
    settings = Settings.read({"GRPC_LISTEN": "127.0.0.1:0", **urls, **(environment or {})})
    hosted = [
        (service, cli.make_runtime(settings, service, statement_seconds=cli.STATEMENT_SECONDS)) for service in services
    ]
    local = authority or LocalAuthority()
    server = build_server(settings, hosted, authority=local)
    server.start()
    channel = plain_channel(f"127.0.0.1:{server.port}")
    try:
        yield Edge(server, channel, local, {service.name: runtime for service, runtime in hosted})
    finally:
        channel.close()
        server.stop(grace=1)
