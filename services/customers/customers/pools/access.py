"""Who belongs to a pool, and which rules hold in it today."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from chassis.callers import Caller
from chassis.db import ServiceSession
from chassis.errors import Denied, NotFound
from chassis.names import make_name
from chassis.prepared import Prepared, Sent
from chassis.sharing import grantees_of
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import distinct_on

from customers.days import today
from customers.holders import Holder
from customers.model.pools import PoolMember, PoolRole, PoolRuleVersion
from customers.pools.rules import PlanPolicy, PoolRules

MANAGE = "pool.manage"


@dataclass(frozen=True)
class PoolFacts:
    """A pool as it is read, see `Pool`."""

    id: UUID
    display_name: str
    disabled: bool
    precedence: int
    department_ids: list[UUID]
    condition: Mapping[str, Any]
    hidden_fields: list[str]
    version: int
    create_time: datetime
    update_time: datetime
    members: list[str]
    administrators: list[str]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("pools", self.id)


@dataclass(frozen=True)
class OpenPool:
    """A pool that the caller deals with, and its rules of today."""

    pool: PoolFacts
    rules: PoolRules
    rule_name: str
    """`pools/{uuid}/rules/{number}`."""
    role: PoolRole | None
    """What the caller is in it."""

    @property
    def administered(self) -> bool:
        """Whether the caller administers it."""
        return self.role is PoolRole.ADMINISTRATOR


def roles_of(session: ServiceSession, caller: Caller) -> Mapping[UUID, PoolRole]:
    """The pools that a caller belongs to, with the higher role of each."""
    statement = select(PoolMember.pool_id, PoolMember.role).where(PoolMember.grantee.in_(grantees_of(caller)))
    roles: dict[UUID, PoolRole] = {}
    for pool_id, role in session.execute(statement.order_by(PoolMember.role.desc())):
        roles[pool_id] = PoolRole(role)
    return roles


def open_pools(session: ServiceSession, ids: Collection[UUID]) -> Mapping[UUID, OpenPool]:
    """Those of the pools that exist, with what the caller is in them."""
    if not ids:
        return {}
    session.flush()
    rows = _OPEN.all(session, ids=list(ids), grantees=grantees_of(session.caller), day=today(session))
    return {row.id: _opened(row) for row in rows}


def send_pool(session: ServiceSession, pool_id: UUID, day: date) -> Sent:
    """Ask for a pool as it is on a day, for `belonging`, within a pipeline."""
    return _OPEN.send(session, ids=[pool_id], grantees=grantees_of(session.caller), day=day)


# The higher role comes first by name. The planner is not shown how many pools are asked for: it would otherwise find a
# plan for that number better than one for any number, and make it anew each time, which takes longer than to run it.
_OPEN = Prepared(
    text(
        """
    SELECT DISTINCT ON (pool.id) pool.id, pool.display_name, pool.disabled, pool.precedence, pool.department_ids,
      pool.condition, pool.hidden_fields, pool.version, pool.create_time, pool.update_time,
      ARRAY(SELECT grantee FROM pool_member WHERE pool_id = pool.id AND role = 'MEMBER' ORDER BY grantee) AS members,
      ARRAY(SELECT grantee FROM pool_member WHERE pool_id = pool.id AND role = 'ADMINISTRATOR' ORDER BY grantee)
        AS administrators,
      pool_rule_version.number, pool_rule_version.rules,
      (SELECT min(role) FROM pool_member WHERE pool_id = pool.id AND grantee = ANY(CAST(:grantees AS text[]))) AS mine
    FROM pool JOIN pool_rule_version ON pool_rule_version.pool_id = pool.id
    WHERE pool.id = ANY(CAST((SELECT CAST(:ids AS uuid[])) AS uuid[])) AND pool_rule_version.effective_date <= :day
    ORDER BY pool.id, pool_rule_version.number DESC
        """
    )
)


def _opened(row: Any) -> OpenPool:
    *facts, number, rules, mine = row
    name = f"pools/{row.id}/rules/{number}"
    return OpenPool(PoolFacts(*facts), PoolRules.from_json(rules), name, PoolRole(mine) if mine else None)


def no_pool(field: str = "") -> NotFound:
    """The refusal of a pool that does not exist."""
    return NotFound("POOL_NOT_FOUND", "there is no such pool", field=field)


def pool_of_member(session: ServiceSession, pool_id: UUID) -> OpenPool:
    """A pool that the caller belongs to or manages. Raises NotFound if there is none, Denied for others."""
    return _for_member(session, open_pools(session, [pool_id]).get(pool_id))


def belonging(session: ServiceSession, row: Any | None) -> OpenPool:
    """The same, of the pool that `send_pool` has asked for."""
    return _for_member(session, _opened(row) if row is not None else None)


def _for_member(session: ServiceSession, found: OpenPool | None) -> OpenPool:
    if found is None:
        raise no_pool()
    if found.role is None and not session.caller.granted(MANAGE):
        raise Denied(
            "NOT_A_MEMBER", "you do not belong to this pool; ask one of its administrators", pool=found.pool.name
        )
    return found


def pool_to_enter(session: ServiceSession, pool_id: UUID, *, field: str = "pool") -> OpenPool:
    """A pool that takes customers. Raises NotFound or Denied."""
    found = open_pools(session, [pool_id]).get(pool_id)
    if found is None:
        raise no_pool(field)
    ensure_enabled(found.pool)
    return found


def require_member(found: OpenPool) -> None:
    """Raise Denied for who only manages the pool."""
    if found.role is None:
        raise Denied(
            "NOT_A_MEMBER", "you do not belong to this pool; ask one of its administrators", pool=found.pool.name
        )


def require_administrator(found: OpenPool) -> None:
    """Raise Denied for who does not administer the pool."""
    if not found.administered:
        raise Denied("NOT_AN_ADMINISTRATOR", "this is for the administrators of the pool", pool=found.pool.name)


def as_holder(found: OpenPool) -> Holder:
    """The pool as the holder of customers."""
    closes = found.rules.plans is PlanPolicy.CLOSE
    return Holder(pool_id=found.pool.id, label=found.pool.display_name, closes_plans=closes)


def ensure_enabled(pool: PoolFacts) -> None:
    """Raise Denied if customers neither come nor go."""
    if pool.disabled:
        raise Denied("POOL_DISABLED", "this pool is disabled: choose another one", pool=pool.name)


def rules_today(session: ServiceSession, ids: Collection[UUID]) -> Mapping[UUID, tuple[PoolRules, str]]:
    """The rules that hold today in each pool, with their names."""
    return rules_on(session, ids, today(session))


def rules_on(session: ServiceSession, ids: Collection[UUID], day: date) -> Mapping[UUID, tuple[PoolRules, str]]:
    """The rules that hold in each pool on a day, as far as they are known now, with their names."""
    statement = (
        select(PoolRuleVersion)
        .ext(distinct_on(PoolRuleVersion.pool_id))
        .where(PoolRuleVersion.pool_id.in_(ids), PoolRuleVersion.effective_date <= day)
        .order_by(PoolRuleVersion.pool_id, PoolRuleVersion.number.desc())
    )
    return {one.pool_id: _judged(one) for one in session.scalars(statement)}


def _judged(version: PoolRuleVersion) -> tuple[PoolRules, str]:
    return PoolRules.from_json(version.rules), f"pools/{version.pool_id}/rules/{version.number}"
