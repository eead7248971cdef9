"""Change a policy of the company: what it goes by in some matter, of which it keeps one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from chassis import audit, locks
from chassis.db import ServiceSession
from chassis.etags import check_etag

P = TypeVar("P", bound=Any)


@dataclass(frozen=True)
class PolicyKind(Generic[P]):
    """A kind of policies: an entity with a `version` and an `update_time`."""

    name: str
    """The resource name of the policy."""
    permission: str
    """What whoever changes it must hold for everything."""
    action: str
    """What the audit log calls a change."""
    row: Callable[..., P]
    """Reads the policy of a session, locked if `lock` is given; the one to begin with if there is none yet."""
    check: Callable[[P], None]
    """Raises Invalid for a policy that cannot be."""
    snapshot: Callable[[P], dict[str, Any]]
    """What the audit log keeps of it."""


def update_policy(session: ServiceSession, kind: PolicyKind[P], changes: Mapping[str, Any], etag: str) -> P:
    """Change some columns of a policy. Raises Denied SCOPE_TOO_NARROW, Stale, and Invalid as its kind does."""
    session.caller.require_everything(kind.permission)
    locks.hold(session, kind.name)
    policy = kind.row(session, lock=True)
    check_etag(etag, policy.version)
    before = kind.snapshot(policy)
    for column, value in changes.items():
        setattr(policy, column, value)
    kind.check(policy)
    if kind.snapshot(policy) == before:
        return policy
    policy.version += 1
    policy.update_time = session.now
    session.add(policy)
    session.flush()
    audit.record(session, kind.action, kind.name, before, kind.snapshot(policy))
    return policy
