"""From rows to messages and from messages to what the use cases take. Pure."""

from datetime import UTC
from typing import Any

from chassis.names import make_name
from crm.customers.v1 import pool_pb2, recycle_pb2

from customers.recycling.clocks import Clocks
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
