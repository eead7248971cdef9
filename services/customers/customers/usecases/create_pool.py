"""Create a pool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from chassis import audit, rules
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.names import parse_name
from sqlalchemy import func, select

from customers.days import today
from customers.model import KnownDepartment, KnownUser
from customers.model.pools import Pool, PoolMember, PoolRole, PoolRuleVersion
from customers.pools import conditions
from customers.pools.rules import PoolRules
from customers.pools.uniqueness import flush_unique
from customers.tiers.vocabulary import known_codes, require_codes

MAX_NAME = 100
MAX_MEMBERS = 1000

_RULES: Mapping[str, rules.Rule] = {"display_name": partial(rules.required_text, maximum=MAX_NAME)}


@dataclass(frozen=True)
class PoolDraft:
    """A pool as somebody states it, by the fields of its message."""

    values: Mapping[str, Any] = field(default_factory=dict)
    rules: PoolRules | None = None


def create_pool(session: ServiceSession, draft: PoolDraft) -> Pool:
    """Create a pool. Its rules hold at once."""
    values = {"display_name": "", **draft.values}
    pool = Pool(
        disabled=False,
        department_ids=[],
        condition={},
        hidden_fields=[],
        precedence=0,
        version=1,
        create_time=session.now,
        update_time=session.now,
    )
    apply(session, pool, values)
    if not pool.precedence:
        pool.precedence = (session.scalar(select(func.max(Pool.precedence))) or 0) + 10
    session.add(pool)
    flush_unique(session)
    chosen = draft.rules or PoolRules()
    require_levels(session, chosen)
    session.add(
        PoolRuleVersion(
            pool_id=pool.id,
            number=1,
            effective_date=today(session),
            rules=chosen.to_json(),
            creator=session.caller.subject,
            create_time=session.now,
        )
    )
    session.flush()
    audit.record(session, "pool.create", pool.name, None, pool.snapshot() | {"rules": chosen.to_json()})
    return pool


def require_levels(session: ServiceSession, chosen: PoolRules) -> None:
    """Raise Invalid INVALID_LEVEL for rules that tell levels apart which there are not."""
    if chosen.recycle is not None:
        require_codes(chosen.recycle.days_by_level, known_codes(session), field="rules.recycle.days_by_level")


def apply(session: ServiceSession, pool: Pool, values: Mapping[str, Any]) -> None:
    """Give a pool the values stated. Raises Invalid."""
    if "display_name" in values:
        stored, faults = rules.apply(_RULES, {"display_name": values["display_name"]}, str)
        rules.refuse(faults)
        pool.display_name = stored["display_name"]
    if "disabled" in values:
        pool.disabled = values["disabled"]
    if "precedence" in values:
        pool.precedence = _precedence(values["precedence"])
    if "departments" in values:
        pool.department_ids = _departments(session, values["departments"])
    if "condition" in values:
        conditions.met(session, values["condition"])
        pool.condition = values["condition"]
    if "hidden_fields" in values:
        pool.hidden_fields = conditions.hideable(session, values["hidden_fields"])
    given = {role: values.get(key) for role, key in _ROLES.items()}
    if any(names is not None for names in given.values()):
        _settle(session, pool, given)


_ROLES = {PoolRole.MEMBER: "members", PoolRole.ADMINISTRATOR: "administrators"}


def _precedence(value: int) -> int:
    if not 0 <= value <= 1_000_000:
        raise Invalid("OUT_OF_RANGE", "the precedence is from 0 to 1,000,000", field="precedence")
    return value


def _departments(session: ServiceSession, names: Sequence[str]) -> list[UUID]:
    ids = list(dict.fromkeys(parse_name("departments", name, field="departments") for name in names))
    known = set(session.scalars(select(KnownDepartment.id).where(KnownDepartment.id.in_(ids))))
    if missing := [one for one in ids if one not in known]:
        raise Invalid("UNKNOWN_DEPARTMENT", f"there is no department departments/{missing[0]}", field="departments")
    return ids


def _settle(session: ServiceSession, pool: Pool, given: Mapping[PoolRole, Sequence[str] | None]) -> None:
    wanted = []
    for role, names in given.items():
        kept = pool.grantees(role) if names is None else _grantees(session, names, _ROLES[role])
        wanted += [(grantee, role) for grantee in kept]
    if len(wanted) > MAX_MEMBERS:
        raise Invalid("TOO_MANY", f"a pool has at most {MAX_MEMBERS} members: name departments", field="members")
    present = {(one.grantee, one.role): one for one in pool.belonging}
    pool.belonging = [
        present.get((grantee, str(role))) or PoolMember(grantee=grantee, role=str(role)) for grantee, role in wanted
    ]


def _grantees(session: ServiceSession, names: Sequence[str], path: str) -> list[str]:
    entities: dict[str, Any] = {"users": KnownUser, "departments": KnownDepartment}
    unique = list(dict.fromkeys(names))
    for collection, entity in entities.items():
        ids = [parse_name(collection, name, field=path) for name in unique if name.startswith(f"{collection}/")]
        known = set(session.scalars(select(entity.id).where(entity.id.in_(ids))))
        if missing := [one for one in ids if one not in known]:
            raise Invalid("UNKNOWN_MEMBER", f"there is no {collection}/{missing[0]}", field=path)
    if strange := [name for name in unique if name.partition("/")[0] not in entities]:
        message = f"{strange[0][:100]!r} is neither users/{{uuid}} nor departments/{{uuid}}"
        raise Invalid("INVALID_NAME", message, field=path)
    return unique
