"""From rows to messages and from messages to what the use cases take. Pure."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

from chassis.errors import Invalid
from chassis.etags import etag
from chassis.filters import filter_from_json, filter_to_json
from chassis.jobs import Job
from chassis.names import make_name
from crm.common.v1 import job_pb2
from crm.customers.v1 import lifecycle_service_pb2, tier_pb2

from customers.model import ClassificationChange, LifecyclePolicy, Tier, TierLock
from customers.tiers.evaluating import Group
from customers.usecases.evaluate_tiers import JOBS
from customers.usecases.update_lifecycle_policy import FIELDS, POLICY_NAME

_ORIGINS = {name.removeprefix("TIER_ORIGIN_"): number for name, number in tier_pb2.TierOrigin.items()}


def values_from_proto(tier: tier_pb2.Tier, paths: Set[str]) -> dict[str, Any]:
    """What is stated of a tier, by field."""
    values = {path: getattr(tier, path) for path in paths if path != "rule"}
    if "rule" in paths:
        values["rule"] = _rule(tier)
    return values


def stated(tier: tier_pb2.Tier) -> frozenset[str]:
    """The fields that are set in a new tier, and its code."""
    return frozenset({"code", *(field.name for field, _ in tier.ListFields())})


def tier_to_proto(tier: Tier) -> tier_pb2.Tier:
    """A tier."""
    times: Any = tier
    message = tier_pb2.Tier(
        name=tier.name,
        code=tier.code,
        display_name=tier.display_name,
        colour=tier.colour,
        position=tier.position,
        archived=tier.archived,
        creator=tier.creator,
        etag=etag(tier.version),
        create_time=times.create_time,
        update_time=times.update_time,
    )
    if tier.rule is not None:
        message.rule.CopyFrom(filter_from_json(tier.rule))
    return message


def drafts_from_proto(drafts: Sequence[tier_pb2.TierDraft]) -> Mapping[str, Mapping[str, Any] | None]:
    """Rules that are only tried, by the code of their tier. Raises Invalid if a tier comes twice."""
    found = {draft.tier.strip().upper(): _rule(draft) for draft in drafts}
    if len(found) < len(drafts):
        raise Invalid("INVALID_VALUE", "try one rule for each tier", field="drafts")
    return found


def preview_to_proto(total: int, groups: Sequence[Group]) -> tier_pb2.TierPreview:
    """What an evaluation would do."""
    return tier_pb2.TierPreview(
        total_customers=total,
        moves=[
            tier_pb2.TierMove(
                before=one.before or "",
                after=one.after or "",
                customer_count=one.customers,
                examples=[make_name("customers", key) for key in one.examples],
            )
            for one in groups
        ],
    )


def run_to_proto(job: Job) -> tier_pb2.TierRun:
    """An evaluation."""
    times: Any = job
    return tier_pb2.TierRun(
        name=job.name,
        state=job_pb2.JobState.Value(f"JOB_STATE_{job.state}"),
        evaluated_customers=job.processed,
        changed_tiers=job.counters.get("tiers", 0),
        changed_stages=job.counters.get("stages", 0),
        failure_reason=job.failure_reason,
        creator=job.creator,
        create_time=times.create_time,
        end_time=times.end_time,
    )


def customer_tier_to_proto(customer: Any, lock: TierLock | None) -> tier_pb2.CustomerTier:
    """The tier of a customer."""
    message = tier_pb2.CustomerTier(customer=make_name("customers", customer.id), tier=customer.level or "")
    if lock is not None:
        message.locked = True
        message.lock_until = lock.until.isoformat() if lock.until else ""
        message.lock_reason, message.locker = lock.reason, lock.locker
        message.lock_time.FromDatetime(lock.lock_time)
    return message


def change_to_proto(change: ClassificationChange) -> tier_pb2.TierChange:
    """A change of a customer's tier or stage."""
    times: Any = change
    return tier_pb2.TierChange(
        customer=make_name("customers", change.customer_id),
        before=change.before or "",
        after=change.after or "",
        origin=_ORIGINS[change.origin],
        reason=change.reason,
        actor=change.actor,
        run=make_name(JOBS, change.run_id),
        change_time=times.time,
    )


def policy_to_proto(policy: LifecyclePolicy) -> lifecycle_service_pb2.LifecyclePolicy:
    """By what stages are told."""
    values = {field: getattr(policy, field) for field in FIELDS}
    return lifecycle_service_pb2.LifecyclePolicy(name=POLICY_NAME, etag=etag(policy.version), **values)


def _rule(message: Any) -> dict[str, Any] | None:
    return filter_to_json(message.rule) if message.HasField("rule") else None
