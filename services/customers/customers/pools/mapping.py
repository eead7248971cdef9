"""From rows to messages and from messages to what the use cases take. Pure."""

from collections.abc import Collection, Mapping
from typing import Any

from chassis.concealment import shape_of
from chassis.errors import Invalid
from chassis.etags import etag
from chassis.field_rules import FieldEffect
from chassis.filters import filter_from_json, filter_to_json
from chassis.masks import changed_paths
from chassis.names import make_name
from crm.customers.v1 import customer_pb2, pool_pb2, pool_service_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from customers.mapping import customer_to_proto
from customers.own_fields import ENTITY
from customers.pools.access import OpenPool
from customers.pools.claiming import MESSAGES, Outcome
from customers.pools.flow import Flow, Line
from customers.pools.precedence import Candidate, Verdict
from customers.pools.rules import PlanPolicy, PoolRules, Protection, RecycleRule, Trigger
from customers.usecases.create_pool import PoolDraft
from customers.usecases.update_pool import FIELDS

_NUMBERS = (
    "hold_limit", "won_count", "lock_limit", "daily_claim_limit", "former_owner_wait_days", "entry_wait_hours",
    "daily_view_limit", "offline_grace_minutes",
)  # fmt: skip
_LIMITS = ("days", "ceiling_days", "max_extension_days", "max_extensions")
_LISTS = ("departments", "members", "administrators", "hidden_fields")


def pool_to_proto(opened: OpenPool) -> pool_pb2.Pool:
    """A pool with its rules of today."""
    pool: Any = opened.pool
    message = pool_pb2.Pool(
        name=pool.name,
        display_name=pool.display_name,
        disabled=pool.disabled,
        precedence=pool.precedence,
        departments=[f"departments/{one}" for one in pool.department_ids],
        members=pool.members,
        administrators=pool.administrators,
        hidden_fields=pool.hidden_fields,
        rules=rules_to_proto(opened.rules),
        etag=etag(pool.version),
        create_time=pool.create_time,
        update_time=pool.update_time,
    )
    if pool.condition:
        message.condition.CopyFrom(filter_from_json(pool.condition))
    return message


def rules_to_proto(rules: PoolRules) -> pool_pb2.PoolRules:
    """Rules, with every default stated."""
    message = pool_pb2.PoolRules(
        **{name: getattr(rules, name) for name in _NUMBERS},
        plans=pool_pb2.PlanPolicy.Value(f"PLAN_POLICY_{rules.plans}"),
    )
    if rules.recycle is not None:
        recycle = rules.recycle
        message.recycle.CopyFrom(
            pool_pb2.RecycleRule(
                trigger=pool_pb2.RecycleTrigger.Value(f"RECYCLE_TRIGGER_{recycle.trigger}"),
                days_by_level=recycle.days_by_level,
                days=recycle.days,
                warning_days=recycle.warning_days,
                unprotected=[pool_pb2.Protection.Value(f"PROTECTION_{one}") for one in recycle.unprotected],
                ceiling_days=recycle.ceiling_days,
                max_extension_days=recycle.max_extension_days,
                max_extensions=recycle.max_extensions,
            )
        )
    return message


def rules_from_proto(message: Any) -> PoolRules:
    """Rules as somebody states them. Raises Invalid."""
    values: dict[str, Any] = {name: getattr(message, name) for name in _NUMBERS if message.HasField(name)}
    if message.plans:
        values["plans"] = _member(PlanPolicy, pool_pb2.PlanPolicy, message.plans, "rules.plans")
    if message.HasField("recycle"):
        values["recycle"] = recycle_from_proto(message.recycle)
    return PoolRules(**values)


def recycle_from_proto(message: Any) -> RecycleRule:
    """A recycle rule as somebody states it. Raises Invalid."""
    values: dict[str, Any] = {name: getattr(message, name) for name in _LIMITS if message.HasField(name)}
    if message.trigger:
        values["trigger"] = _member(Trigger, pool_pb2.RecycleTrigger, message.trigger, "rules.recycle.trigger")
    if message.warning_days:
        values["warning_days"] = tuple(sorted(set(message.warning_days), reverse=True))
    values["days_by_level"] = dict(message.days_by_level)
    path = "rules.recycle.unprotected"
    values["unprotected"] = tuple(_member(Protection, pool_pb2.Protection, one, path) for one in message.unprotected)
    return RecycleRule(**values)


def _member(enum: Any, wire: Any, number: int, path: str) -> Any:
    prefix = wire.Name(0).removesuffix("UNSPECIFIED")
    name = wire.Name(number).removeprefix(prefix) if number in wire.values() else ""
    if name not in enum.__members__:
        raise Invalid("INVALID_VALUE", f"it must be one of {', '.join(enum)}", field=path)
    return enum[name]


def draft_from_proto(message: pool_pb2.Pool, mask: FieldMask | None = None) -> PoolDraft:
    """What is stated about a pool: what is set, or what a mask names."""
    paths: Collection[str] = changed_paths(message, mask or FieldMask(), FIELDS)
    values: dict[str, Any] = {}
    for path in paths:
        if path in _LISTS:
            values[path] = list(getattr(message, path))
        elif path == "condition":
            values[path] = filter_to_json(message.condition)
        elif path != "rules":
            values[path] = getattr(message, path)
    return PoolDraft(values, rules_from_proto(message.rules) if "rules" in paths else None)


def version_to_proto(row: Any) -> pool_service_pb2.PoolRuleVersion:
    """A version of rules."""
    return pool_service_pb2.PoolRuleVersion(
        name=f"pools/{row.pool_id}/rules/{row.number}",
        rules=rules_to_proto(PoolRules.from_json(row.rules)),
        effective_date=row.effective_date.isoformat(),
        creator=row.creator,
        create_time=row.create_time,
    )


def pooled_to_proto(row: Any, hidden: Collection[str]) -> customer_pb2.Customer:
    """A customer of a pool without the fields that are hidden."""
    message = customer_to_proto(row)
    if hidden:
        rules: Mapping[str, Mapping[str, FieldEffect]] = {ENTITY: dict.fromkeys(hidden, FieldEffect.HIDE)}
        shape = shape_of(message.DESCRIPTOR)
        assert shape is not None
        shape.conceal(message, rules)
    return message


def outcome_to_proto(outcome: Outcome) -> pool_service_pb2.HoldingOutcome:
    """What came of one customer."""
    message = pool_service_pb2.HoldingOutcome(name=f"customers/{outcome.customer_id}")
    if outcome.refusal is not None:
        message.reason, message.message = outcome.refusal, MESSAGES[outcome.refusal]
    if outcome.retry_time is not None:
        message.retry_time.FromDatetime(outcome.retry_time)
    return message


def explanation_to_proto(candidates: list[Candidate]) -> pool_service_pb2.ExplainPoolResponse:
    """Which pool a customer falls into, and why not into others."""
    chosen = [one.pool.name for one in candidates if one.verdict is Verdict.CHOSEN]
    return pool_service_pb2.ExplainPoolResponse(
        pool=chosen[0] if chosen else "",
        candidates=[
            pool_service_pb2.PoolCandidate(
                pool=one.pool.name,
                display_name=one.pool.display_name,
                precedence=one.pool.precedence,
                verdict=one.verdict,
            )
            for one in candidates
        ],
    )


def change_to_proto(row: Any) -> pool_pb2.HoldingChange:
    """A step in the life of a customer."""
    return pool_pb2.HoldingChange(
        name=f"holdingChanges/{row.id}",
        customer=f"customers/{row.customer_id}",
        kind=pool_pb2.HoldingChangeKind.Value(f"HOLDING_CHANGE_KIND_{row.kind}"),
        previous_holder=_holder(row.previous_user_id, row.previous_pool_id),
        holder=_holder(row.user_id, row.pool_id),
        previous_since=row.previous_since,
        time=row.time,
        actor=row.actor,
        reason=row.reason,
        note=row.note,
        rule=row.rule,
    )


def _holder(user_id: Any, pool_id: Any) -> str:
    return make_name("users", user_id) or make_name("pools", pool_id)


def flow_to_proto(flow: Flow) -> pool_service_pb2.PoolFlow:
    """The flow of a period."""
    return pool_service_pb2.PoolFlow(pools=map(_line, flow.pools), owners=map(_line, flow.owners))


def _line(line: Line) -> pool_service_pb2.FlowLine:
    return pool_service_pb2.FlowLine(
        holder=line.holder,
        opening=line.opening,
        incoming=line.came,
        outgoing=line.went,
        closing=line.closing,
        incoming_by_kind=line.incoming,
        outgoing_by_kind=line.outgoing,
    )
