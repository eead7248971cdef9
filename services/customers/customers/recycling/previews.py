"""What a run would take, by the rules in force or by drafts, and what drafts would change."""

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import Invalid, NotFound
from chassis.organisation import organisation
from chassis.paging import Page, SortKey
from sqlalchemy import ColumnElement, Select, false, func, or_, select, true, tuple_

from customers.days import today
from customers.model import Customer, Pool
from customers.pools.flow import require_overview
from customers.recycling.clocks import Clocks, Drafts
from customers.recycling.queries import WHOSE
from customers.recycling.running import RUN_AT
from customers.tiers.vocabulary import known_codes, require_codes

MOST_DAYS_AHEAD = 366


def next_run(session: ServiceSession) -> date:
    """The day of the next run."""
    now = session.now.astimezone(organisation(session).zone)
    return today(session) + timedelta(days=now.time() >= RUN_AT)


def preview(
    session: ServiceSession, day: date, pool_id: UUID | None, drafts: Drafts, *, page_size: int, page_token: str
) -> tuple[Clocks, Page[Any]]:
    """A page of the customers that the run of a day would take, with their clocks."""
    size = paging.page_size(page_size)
    clocks, statement = _due(session, day, pool_id, drafts)
    mark = paging.fingerprint("recycling", day.isoformat(), str(pool_id), repr(sorted(drafts.items(), key=str)))
    key = SortKey(Customer.__table__.c.id, nullable=False)
    return clocks, paging.fetch_page(session, statement, [key], size, page_token, mark)


def count(session: ServiceSession, day: date, pool_id: UUID | None, drafts: Drafts) -> dict[str, list[tuple[Any, int]]]:
    """How many customers the run of a day would take: pairs of key and number by `rule`, `level` and `owner`."""
    clocks, statement = _due(session, day, pool_id, drafts)
    due = statement.subquery("due").c
    parts = {"rule": due.place, "level": due.level, "owner": due.owner_id}
    groups = select(func.grouping(*parts.values()), *parts.values(), func.count())
    grouped = groups.group_by(func.grouping_sets(*[tuple_(one) for one in parts.values()]))
    found: dict[str, list[tuple[Any, int]]] = {name: [] for name in parts}
    for which, *keys, number in session.execute(grouped):
        place = {0b011: 0, 0b101: 1, 0b110: 2}[which]  # a bit is set for what was not grouped by
        found[list(parts)[place]].append((keys[place], number))
    rules = [(rule_key(clocks, place), number) for place, number in found["rule"]]
    return {name: sorted(pairs, key=str) for name, pairs in {**found, "rule": rules}.items()}


def rule_key(clocks: Clocks, place: int) -> str:
    """The name of the rule of a pool; that of a draft has the pool in it, too."""
    pool = clocks.pools[place - 1]
    return pool.rule_name if pool.rule_name.startswith(pool.pool.name) else f"{pool.pool.name}/{pool.rule_name}"


def compare(
    session: ServiceSession, day: date, drafts: Drafts, *, page_size: int, page_token: str
) -> tuple[Clocks, Clocks, Page[Any], tuple[int, int]]:
    """A page of the customers that the run of a day would take by drafts only (gained) or by the rules in force only
    (lost), and how many of each there are."""
    size = paging.page_size(page_size)
    if not drafts:
        raise Invalid("REQUIRED", "state at least one rule to try", field="drafts")
    clocks, in_force = _due(session, day, None, {})
    tried_clocks, tried = _due(session, day, None, drafts)
    old, new = in_force.subquery("in_force"), tried.subquery("tried")
    both = [func.coalesce(new.c[name], old.c[name]).label(name) for name in _SHOWN]
    joined = select(*both, old.c.id.is_(None).label("gained")).select_from(
        new.join(old, new.c.id == old.c.id, full=True)
    )
    differing = joined.where(or_(old.c.id.is_(None), new.c.id.is_(None))).subquery("differing")
    gained, lost = session.execute(
        select(func.count().filter(differing.c.gained), func.count().filter(~differing.c.gained))
    ).one()
    mark = paging.fingerprint("recycling differences", day.isoformat(), repr(sorted(drafts.items(), key=str)))
    key = SortKey(differing.c.id, nullable=False)
    page = paging.fetch_page(session, select(*differing.c), [key], size, page_token, mark)
    return clocks, tried_clocks, page, (gained, lost)


_SHOWN = ("id", "owner_id", "level", "place", "reason")


def _due(session: ServiceSession, day: date, pool_id: UUID | None, drafts: Drafts) -> tuple[Clocks, Select[Any]]:
    require_overview(session.caller)
    if not today(session) <= day <= today(session) + timedelta(days=MOST_DAYS_AHEAD):
        message = f"a run can be foreseen for today and the {MOST_DAYS_AHEAD} days after it"
        raise Invalid("OUT_OF_RANGE", message, field="date")
    require_pools(session, {**dict.fromkeys(drafts, "drafts"), **({pool_id: "pool"} if pool_id else {})})
    require_levels(session, drafts)
    clocks = Clocks(session, day, drafts)
    statement = clocks.select(*WHOSE, *clocks.columns()).where(clocks.due_by(day), _into(clocks, pool_id))
    return clocks, statement


def _into(clocks: Clocks, pool_id: UUID | None) -> ColumnElement[bool]:
    if pool_id is None:
        return true()
    places = [place for place, one in enumerate(clocks.pools, 1) if one.pool.id == pool_id]
    return clocks.place == places[0] if places else false()


def require_pools(session: ServiceSession, fields: dict[UUID, str] | Collection[UUID]) -> None:
    """Raise NotFound for an id that is none of a pool's, naming the field that holds it."""
    known = set(session.scalars(select(Pool.id).where(Pool.id.in_(list(fields)))))
    for pool_id in fields:
        if pool_id not in known:
            field = fields[pool_id] if isinstance(fields, dict) else "drafts"
            raise NotFound("POOL_NOT_FOUND", "there is no such pool", field=field)


def require_levels(session: ServiceSession, drafts: Drafts) -> None:
    """Raise Invalid INVALID_LEVEL for a rule that names a level which is none: it could not come into force."""
    levels = {level for rule in drafts.values() if rule for level in rule.days_by_level}
    if levels:
        require_codes(sorted(levels), known_codes(session), field="drafts")
