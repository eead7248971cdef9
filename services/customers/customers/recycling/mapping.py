"""From rows to messages and from messages to what the use cases take. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date
from typing import Any

from chassis.errors import Invalid
from chassis.names import make_name, parse_name
from crm.customers.v1 import pool_pb2, recycle_pb2

from customers.pools.mapping import recycle_from_proto
from customers.recycling.clocks import Clocks, Drafts
from customers.recycling.history import APPROXIMATIONS
from customers.usecases.set_customer_standing import Standing


def clock_to_proto(clocks: Clocks, row: Any) -> recycle_pb2.RecycleClock:
    """The clock of a customer."""
    message = recycle_pb2.RecycleClock(
        customer=make_name("customers", row.id),
        owner=make_name("users", row.owner_id),
        level=row.level or "",
        extension_days=row.extension_days,
        protections=[pool_pb2.Protection.Value(f"PROTECTION_{one}") for one in row.protections],
    )
    found = clocks.pool_at(row.place)
    if found is None:
        return message
    message.pool = found.pool.name
    if found.recycle is None:
        return message
    message.rule = found.rule_name
    message.trigger = pool_pb2.RecycleTrigger.Value(f"RECYCLE_TRIGGER_{found.recycle.trigger}")
    message.start_time.FromDatetime(row.start_time)
    message.days = row.days
    if row.due_date is not None:
        message.due_date = row.due_date.isoformat()
        message.days_left = (row.due_date - clocks.day).days
        message.reason = row.reason
    return message


def run_to_proto(run: Any) -> recycle_pb2.RecycleRun:
    """The run of a day."""
    return recycle_pb2.RecycleRun(
        name=f"recycleRuns/{run.day.isoformat()}",
        state=recycle_pb2.RecycleRunState.Value(f"RECYCLE_RUN_STATE_{run.state}"),
        recycled=run.recycled,
        create_time=run.create_time,
        end_time=run.end_time,
    )


def standing_from_proto(message: recycle_pb2.CustomerStanding) -> Standing:
    """What a system states. Raises Invalid."""
    opportunity = message.last_opportunity_time
    return Standing(
        source=message.source,
        version=message.version,
        open_opportunities=message.open_opportunities,
        overdue_receivables=message.overdue_receivables,
        open_tickets=message.open_tickets,
        last_opportunity_time=opportunity.ToDatetime(UTC) if message.HasField("last_opportunity_time") else None,
    )


def standing_to_proto(kept: Any) -> recycle_pb2.CustomerStanding:
    """What is kept of what a system states."""
    return recycle_pb2.CustomerStanding(
        customer=make_name("customers", kept.customer_id),
        source=kept.source,
        version=kept.version,
        open_opportunities=kept.open_opportunities,
        overdue_receivables=kept.overdue_receivables,
        open_tickets=kept.open_tickets,
        last_opportunity_time=kept.last_opportunity_time,
    )


def drafts_from_proto(messages: Iterable[recycle_pb2.RecycleDraft]) -> Drafts:
    """Rules to try. Raises Invalid, also for two rules of one pool."""
    drafts = {}
    for at, message in enumerate(messages):
        pool_id = parse_name("pools", message.pool, field=f"drafts[{at}].pool")
        if pool_id in drafts:
            raise Invalid("DUPLICATE_DRAFT", "state one rule for each pool", field=f"drafts[{at}].pool")
        drafts[pool_id] = recycle_from_proto(message.recycle) if message.HasField("recycle") else None
    return drafts


def counts_to_proto(day: date, counts: Mapping[str, Sequence[tuple[Any, int]]]) -> recycle_pb2.RecyclingCounts:
    """How many customers a run would take."""
    return recycle_pb2.RecyclingCounts(
        date=day.isoformat(),
        total=sum(number for _, number in counts["rule"]),
        by_rule=[recycle_pb2.RecyclingCount(key=key, count=number) for key, number in counts["rule"]],
        by_level=[recycle_pb2.RecyclingCount(key=key or "", count=number) for key, number in counts["level"]],
        by_owner=[
            recycle_pb2.RecyclingCount(key=make_name("users", key), count=number) for key, number in counts["owner"]
        ],
    )


def difference_to_proto(in_force: Clocks, tried: Clocks, row: Any) -> recycle_pb2.RecyclingDifference:
    """A customer that drafts would treat otherwise."""
    pool = (tried if row.gained else in_force).pool_at(row.place)
    return recycle_pb2.RecyclingDifference(
        customer=make_name("customers", row.id),
        owner=make_name("users", row.owner_id),
        level=row.level or "",
        gained=row.gained,
        pool=pool.pool.name if pool else "",
        reason=row.reason,
    )


def history_to_proto(days: Iterable[tuple[date, int, int]]) -> recycle_pb2.RecyclingHistory:
    """How many customers rules would have taken."""
    return recycle_pb2.RecyclingHistory(
        days=[
            recycle_pb2.RecyclingDay(date=day.isoformat(), would_have=would_have, taken=taken)
            for day, would_have, taken in days
        ],
        approximations=APPROXIMATIONS,
    )


def extension_to_proto(row: Any) -> recycle_pb2.RecycleExtension:
    """A request to keep a customer longer."""
    return recycle_pb2.RecycleExtension(
        name=row.name,
        customer=make_name("customers", row.customer_id),
        owner=make_name("users", row.owner_id),
        days=row.days,
        reason=row.reason,
        state=recycle_pb2.RecycleExtensionState.Value(f"RECYCLE_EXTENSION_STATE_{row.state}"),
        decider=row.decider,
        note=row.note,
        create_time=row.create_time,
        decide_time=row.decide_time,
    )


def extension_state(number: Any) -> str:
    """The state that a list is asked for; empty for any. Raises Invalid."""
    if number not in recycle_pb2.RecycleExtensionState.values():
        raise Invalid("INVALID_VALUE", "there is no such state", field="state")
    prefix = "RECYCLE_EXTENSION_STATE_"
    return recycle_pb2.RecycleExtensionState.Name(number).removeprefix(prefix) if number else ""
