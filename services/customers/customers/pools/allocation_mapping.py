"""From allocations to messages, and from messages to what the use cases take. Pure."""

from typing import Any

from chassis.errors import Invalid
from chassis.etags import etag
from chassis.filters import filter_to_json
from chassis.jobs import JobState
from chassis.names import make_name, parse_name
from crm.common.v1 import job_pb2
from crm.customers.v1 import pool_allocation_pb2 as pb
from crm.customers.v1 import pool_allocation_service_pb2 as service_pb

from customers.mapping import parse_names
from customers.model.allocations import PoolAllocation, PoolAllocationItem, PoolAllocationSetting
from customers.pools.allocation_order import MOST_CUSTOMERS, Order, Strategy, Wanted
from customers.pools.fairness import MILLIONTHS
from customers.pools.schedules import Schedule
from customers.pools.shares import AllocationShare, Evenness
from customers.usecases.allocate_pool_customers import AllocationDraft
from customers.usecases.update_allocation_settings import SettingsDraft


def draft_from_proto(request: service_pb.AllocatePoolCustomersRequest) -> AllocationDraft:
    """An allocation as somebody asks for it. Raises Invalid."""
    strategy = strategy_from_proto(request.strategy, "strategy")
    even = strategy is Strategy.EVEN_RANDOM
    receivers = [
        Wanted(
            parse_name("users", one.user, field=f"receivers[{at}].user"),
            1 if even else one.weight or 1,
            one.absent,
        )
        for at, one in enumerate(request.receivers)
    ]
    order = Order(
        receivers,
        parse_names("customers", request.names, field="names") if request.names else (),
        filter_to_json(request.filter) if request.HasField("filter") else None,
        request.max_customers or MOST_CUSTOMERS,
    )
    pool_id = parse_name("pools", request.pool, field="pool")
    seed = request.seed if request.HasField("seed") else None
    return AllocationDraft(pool_id, order, strategy, seed, request.dry_run, request.note)


def strategy_from_proto(number: int, path: str) -> Strategy:
    """A strategy; EVEN_RANDOM if none is stated. Raises Invalid."""
    if number not in pb.AllocationStrategy.values():
        raise Invalid("INVALID_VALUE", f"it must be one of {', '.join(Strategy)}", field=path)
    name = pb.AllocationStrategy.Name(number).removeprefix("ALLOCATION_STRATEGY_")  # type: ignore[arg-type]
    return Strategy(name) if number else Strategy.EVEN_RANDOM


def _strategy(strategy: str) -> Any:
    return pb.AllocationStrategy.Value(f"ALLOCATION_STRATEGY_{strategy}")


def allocation_to_proto(allocation: PoolAllocation) -> pb.PoolAllocation:
    """An allocation with its result as far as it is known."""
    shares = [AllocationShare.from_json(one) for one in allocation.shares]
    even = Evenness.of(shares)
    times: dict[str, Any] = {name: getattr(allocation, name) for name in ("create_time", "scheduled_time", "end_time")}
    return pb.PoolAllocation(
        name=allocation.name,
        pool=make_name("pools", allocation.pool_id),
        state=job_pb2.JobState.Value(f"JOB_STATE_{allocation.state}"),
        strategy=_strategy(allocation.strategy),
        seed=allocation.seed,
        dry_run=allocation.dry_run,
        total_customers=allocation.total,
        processed_customers=allocation.processed,
        given_customers=allocation.given,
        left_customers=allocation.total - allocation.given,
        shares=map(_share, shares),
        count_spread=even.count_spread,
        count_jain_index=float(even.count_jain),
        value_jain_index=float(even.value_jain),
        note=allocation.note,
        failure_reason=allocation.failure_reason,
        failure_message=allocation.failure_message,
        creator=allocation.creator,
        **times,
    )


def _share(share: AllocationShare) -> pb.AllocationShare:
    return pb.AllocationShare(
        user=make_name("users", share.user_id),
        weight=share.weight,
        skipped=share.skipped,
        room=share.room,
        entitled=float(share.entitled),
        count=share.count,
        value=share.value / MILLIONTHS,
        count_debt_before=float(share.count_debt_before),
        count_debt=float(share.count_debt),
        value_debt_before=share.value_debt_before / MILLIONTHS,
        value_debt=share.value_debt / MILLIONTHS,
    )


def outcome_to_proto(allocation: PoolAllocation, item: PoolAllocationItem) -> pb.AllocationOutcome:
    """What came of one customer."""
    done = item.number <= allocation.processed
    stopped = not done and JobState(allocation.state).ended
    return pb.AllocationOutcome(
        customer=make_name("customers", item.customer_id),
        user="" if item.reason or stopped else make_name("users", item.user_id),
        value=float(item.value),
        reason=item.reason or ("CANCELLED" if stopped else ""),
        done=done,
    )


def settings_to_proto(pool: str, setting: PoolAllocationSetting | None) -> pb.PoolAllocationSettings:
    """The settings of a pool; what holds without any if there are none."""
    message = pb.PoolAllocationSettings(pool=pool, etag=etag(setting.version if setting else 0))
    if setting is not None:
        message.value_field = setting.value_field
        if setting.schedule is not None:
            message.schedule.CopyFrom(_schedule(Schedule.from_json(setting.schedule)))
    return message


def _schedule(schedule: Schedule) -> pb.AllocationSchedule:
    return pb.AllocationSchedule(
        strategy=_strategy(schedule.strategy),
        weekdays=schedule.weekdays,
        time=schedule.at,
        max_customers=schedule.most,
        receivers=schedule.receivers,
        absent=schedule.absent,
    )


def settings_from_proto(message: pb.PoolAllocationSettings) -> SettingsDraft:
    """The settings as somebody states them. Raises Invalid."""
    if not message.HasField("schedule"):
        return SettingsDraft(message.value_field, None)
    stated = message.schedule
    schedule = Schedule(
        strategy_from_proto(stated.strategy, "schedule.strategy"),
        stated.time,
        tuple(sorted(set(stated.weekdays))),
        stated.max_customers or MOST_CUSTOMERS,
        tuple(dict.fromkeys(stated.receivers)),
        tuple(dict.fromkeys(stated.absent)),
    )
    return SettingsDraft(message.value_field, schedule)
