"""Inbound events and timers: translate, and leave the rest to a use case."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from chassis import handover, jobs, personal_data, sharing
from chassis.bus.handlers import Received, Subscription
from chassis.db import ServiceSession
from chassis.names import parse_name, parse_optional_name
from chassis.timers import Timer
from crm.customers.v1 import events_pb2 as customers_pb2
from crm.identity.v1 import events_pb2 as identity_pb2
from crm.leads.v1 import events_pb2 as leads_pb2

from customers import refreshing
from customers.admission.admit import settle_stalled
from customers.merging.queries import forget_old_snapshots
from customers.purchases import events as purchase_events
from customers.purchases import policy as purchase_policy
from customers.recycling import running, warning
from customers.tiers import running as tier_runs
from customers.usecases.allocate_by_schedule import allocate_by_schedule
from customers.usecases.follow_owners import follow_department, follow_user
from customers.usecases.identify_caller import identify_caller
from customers.usecases.learn_organisation import (
    DepartmentFacts,
    UserFacts,
    forget_department,
    learn_department,
    learn_user,
)
from customers.usecases.record_follow_ups import FollowUp, record_follow_ups
from customers.usecases.record_purchases import record_purchases
from customers.usecases.settle_offline_claims import settle_due


def keep_follow_up(session: ServiceSession, received: Received) -> None:
    """Show a follow-up in the customer's timeline."""
    keep_follow_ups(session, [received])


def keep_follow_ups(session: ServiceSession, received: Sequence[Received]) -> None:
    """Show follow-ups in the customers' timelines."""
    record_follow_ups(session, list(map(_follow_up, received)))


def keep_caller(session: ServiceSession, received: Received) -> None:
    """Say whose the number of a call is."""
    event = received.message(leads_pb2.CallerUnknown)
    identify_caller(session, event.call, event.phone)


def _follow_up(received: Received) -> FollowUp:
    event = received.message(leads_pb2.FollowUpLogged)
    return FollowUp(
        event_id=received.id,
        customer_id=parse_name("customers", event.customer, field="customer"),
        source=received.source,
        resource=event.follow_up,
        actor=event.author,
        method=event.method,
        summary=event.summary,
        occur_time=event.occur_time.ToDatetime(UTC),
        # What was logged before anybody judged counts, and tells no reasons.
        effective=event.effective or not event.verdict_reasons,
        theatre_id=parse_optional_name("departments", event.theatre, field="theatre"),
        next_contact_time=(event.next_contact_time.ToDatetime(UTC) if event.HasField("next_contact_time") else None),
    )


def keep_user(session: ServiceSession, user: identity_pb2.UserChanged) -> None:
    """Note how a user is."""
    learn_user(session, _user(user))


def keep_up_with_organisation(session: ServiceSession, received: Received) -> None:
    """Note what changed of users and departments."""
    match received.name:
        case "UserChanged":
            keep_user(session, received.message(identity_pb2.UserChanged))
        case "DepartmentChanged":
            learn_department(session, _department(received.message(identity_pb2.DepartmentChanged)))
        case "DepartmentDeleted":
            event = received.message(identity_pb2.DepartmentDeleted)
            department_id = parse_name("departments", event.department, field="department")
            into = parse_optional_name("departments", event.merged_into, field="merged_into")
            forget_department(session, department_id, into)


def keep_following(session: ServiceSession, received: Received) -> None:
    """Let a further part of the customers of owners who moved follow them."""
    event = received.message(customers_pb2.OwnersRelocated)
    if event.whose.startswith("users/"):
        follow_user(session, parse_name("users", event.whose, field="whose"), event.from_path)
    else:
        follow_department(session, parse_name("departments", event.whose, field="whose"), event.from_path)


def keep_purchase(session: ServiceSession, received: Received) -> None:
    """Record an order, a payment or a refund. What comes twice is one, in whatever order they come.

    Who tells of a customer that is no more is not heard; other refusals set the event aside.
    """
    [outcome] = record_purchases(session, [purchase_events.purchase_of(received)])
    if outcome.refusal is not None and outcome.refusal.reason != "CUSTOMER_NOT_FOUND":
        raise outcome.refusal


def settle_conversion(session: ServiceSession, received: Received) -> None:
    """Say what has become of a lead that nobody waits for."""
    event = received.message(leads_pb2.LeadConversionStalled)
    conversion_id = parse_name("leadConversions", event.conversion, field="conversion")
    settle_stalled(session, conversion_id, parse_name("leads", event.lead, field="lead"))


SUBSCRIPTIONS = (
    Subscription("contracts", purchase_events.EVENTS, "customers.purchases", keep_purchase),
    Subscription("customers", ("OwnersRelocated",), "customers.owners", keep_following),
    Subscription("leads", ("FollowUpLogged",), "customers.timeline", keep_follow_up, handle_all=keep_follow_ups),
    Subscription("leads", ("LeadConversionStalled",), "customers.admissions", settle_conversion),
    Subscription("leads", ("CallerUnknown",), "customers.callers", keep_caller),
    Subscription(
        "identity",
        ("UserChanged", "DepartmentChanged", "DepartmentDeleted"),
        "customers.organisation",
        keep_up_with_organisation,
        keeps_state=True,
    ),
)


def purge_jobs(session: ServiceSession, due: datetime) -> None:
    """Delete the files of old imports and exports."""
    jobs.purge(session)


def purge_shares(session: ServiceSession, due: datetime) -> None:
    """Remove the rows of shares that ended a while ago."""
    sharing.purge(session)


def purge_handovers(session: ServiceSession, due: datetime) -> None:
    """Remove hand-overs that ended long ago."""
    handover.purge(session)


def purge_personal_data(session: ServiceSession, due: datetime) -> None:
    """Remove what was collected for people who asked for it."""
    personal_data.purge(session)


def purge_merges(session: ServiceSession, due: datetime) -> None:
    """Forget what it takes to undo merges that can be undone no more."""
    forget_old_snapshots(session)


def settle_offline_claims(session: ServiceSession, due: datetime) -> None:
    """Decide the claims made offline for which no earlier one can come in any more."""
    settle_due(session)


TIMERS = (
    Timer("customers.settle_offline_claims", settle_offline_claims, every=timedelta(seconds=10)),
    Timer("customers.purge_merges", purge_merges, daily_at=time(4, 0)),
    Timer("customers.allocate", allocate_by_schedule, every=timedelta(minutes=1)),
    Timer("customers.recycle", running.start, daily_at=running.RUN_AT, each_day=True),
    Timer("customers.warn", warning.start, daily_at=warning.WARN_AT, each_day=True),
    Timer("customers.score", purchase_policy.start_nightly, daily_at=purchase_policy.RUN_AT),
    Timer("customers.evaluate_tiers", tier_runs.start_nightly, daily_at=tier_runs.RUN_AT),
    Timer("customers.purge_scores", purchase_policy.purge, daily_at=purchase_policy.PURGE_AT),
    Timer("customers.refresh", refreshing.refresh_nightly, daily_at=time(4)),
    Timer("customers.purge_jobs", purge_jobs, daily_at=time(3, 30)),
    Timer("customers.purge_shares", purge_shares, daily_at=time(3, 40)),
    Timer("customers.purge_handovers", purge_handovers, daily_at=time(3, 50)),
    Timer("customers.purge_personal_data", purge_personal_data, daily_at=time(4, 10)),
)


def _user(event: identity_pb2.UserChanged) -> UserFacts:
    return UserFacts(
        id=parse_name("users", event.user, field="user"),
        version=event.version,
        username=event.username,
        display_name=event.display_name,
        department_id=parse_optional_name("departments", event.department, field="department"),
        department_path=event.department_path or None,
        active=event.active,
    )


def _department(event: identity_pb2.DepartmentChanged) -> DepartmentFacts:
    return DepartmentFacts(
        id=parse_name("departments", event.department, field="department"),
        version=event.version,
        display_name=event.display_name,
        path=event.path,
        head_id=parse_optional_name("users", event.head, field="head"),
        theatre=event.theatre,
    )
