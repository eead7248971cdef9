"""Who belongs to a pool, and which rules hold in it today."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from chassis.callers import Caller
from chassis.db import ServiceSession
from chassis.errors import Denied, NotFound
from chassis.sharing import grantees_of
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from customers.days import today
from customers.holding import Holder
from customers.model.pools import Pool, PoolMember, PoolRole, PoolRuleVersion
from customers.pools.rules import PlanPolicy, PoolRules

MANAGE = "pool.manage"


@dataclass(frozen=True)
class OpenPool:
    """A pool that the caller deals with, and its rules of today."""

    pool: Pool
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
    pools = session.scalars(select(Pool).where(Pool.id.in_(ids))).all()
    rules, roles = rules_today(session, ids), roles_of(session, session.caller)
    return {pool.id: OpenPool(pool, *rules[pool.id], roles.get(pool.id)) for pool in pools}


def pool_of_member(session: ServiceSession, pool_id: UUID) -> OpenPool:
    """A pool that the caller belongs to or manages. Raises NotFound if there is none, Denied for others."""
    found = open_pools(session, [pool_id]).get(pool_id)
    if found is None:
        raise NotFound("POOL_NOT_FOUND", "there is no such pool")
    if found.role is None and not session.caller.granted(MANAGE):
        raise Denied(
            "NOT_A_MEMBER", "you do not belong to this pool; ask one of its administrators", pool=found.pool.name
        )
    return found


def pool_to_enter(session: ServiceSession, pool_id: UUID, *, field: str = "pool") -> OpenPool:
    """A pool that takes customers. Raises NotFound or Denied."""
    found = open_pools(session, [pool_id]).get(pool_id)
    if found is None:
        raise NotFound("POOL_NOT_FOUND", "there is no such pool", field=field)
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


def ensure_enabled(pool: Pool) -> None:
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
    return {
        one.pool_id: (PoolRules.from_json(one.rules), f"pools/{one.pool_id}/rules/{one.number}")
        for one in session.scalars(statement)
    }
