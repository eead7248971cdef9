"""Change a pool or its rules."""

from datetime import timedelta
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.etags import check_etag
from sqlalchemy import select

from customers.days import today
from customers.model.pools import Pool, PoolRuleVersion
from customers.pools.rules import PoolRules
from customers.pools.uniqueness import flush_unique
from customers.usecases.create_pool import PoolDraft, apply, require_levels

FIELDS = frozenset(
    {
        "display_name", "disabled", "precedence", "departments", "condition", "members", "administrators",
        "hidden_fields", "rules",
    }
)  # fmt: skip


def update_pool(session: ServiceSession, pool_id: UUID, draft: PoolDraft, etag: str) -> Pool:
    """Change a pool. Changed rules hold from tomorrow on: nobody's customers fall back by a rule made today."""
    pool = lock_pool(session, pool_id)
    check_etag(etag, pool.version)
    before = pool.snapshot()
    apply(session, pool, draft.values)
    after = pool.snapshot()
    rules = _change_rules(session, pool, draft.rules) if draft.rules is not None else None
    if after == before and rules is None:
        return pool
    pool.version += 1
    pool.update_time = session.now
    flush_unique(session)
    changed = {key for key in after if after[key] != before[key]}
    old, new = {key: before[key] for key in changed}, {key: after[key] for key in changed}
    if rules is not None:
        old["rules"], new["rules"] = rules
    audit.record(session, "pool.update", pool.name, old, new)
    return pool


def lock_pool(session: ServiceSession, pool_id: UUID) -> Pool:
    """A pool, locked for a change. Raises NotFound."""
    pool = session.scalars(select(Pool).where(Pool.id == pool_id).with_for_update(of=Pool)).one_or_none()
    if pool is None:
        raise NotFound("POOL_NOT_FOUND", "there is no such pool")
    return pool


def _change_rules(session: ServiceSession, pool: Pool, rules: PoolRules) -> tuple[dict[str, object], ...] | None:
    """Make the next version of the rules. It also comes before one that has not begun to hold."""
    newest = session.scalars(
        select(PoolRuleVersion)
        .where(PoolRuleVersion.pool_id == pool.id)
        .order_by(PoolRuleVersion.number.desc())
        .limit(1)
    ).one()
    wanted = rules.to_json()
    if PoolRules.from_json(newest.rules) == rules:
        return None
    require_levels(session, rules)
    effective = today(session) + timedelta(days=1)
    session.add(
        PoolRuleVersion(
            pool_id=pool.id,
            number=newest.number + 1,
            effective_date=effective,
            rules=wanted,
            creator=session.caller.subject,
            create_time=session.now,
        )
    )
    session.flush()
    return newest.rules, wanted | {"effective_date": effective.isoformat()}
