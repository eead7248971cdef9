"""Inbound events and timers: translate, and leave the rest to a use case."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from chassis import handover, personal_data, sharing
from chassis.bus.handlers import Received, Subscription
from chassis.db import ServiceSession
from chassis.names import parse_name, parse_optional_name
from chassis.timers import Timer
from crm.customers.v1 import events_pb2 as customers_pb2
from crm.identity.v1 import events_pb2 as identity_pb2
from crm.identity.v1 import role_pb2

from leads.assignment import consumers as assignment
from leads.assignment.acceptance import let_pass
from leads.assignment.running import assign_waiting
from leads.automation import delivering, sweeping
from leads.automation.authors import learn_holder, learn_role
from leads.automation.listening import react, react_to_all
from leads.automation.vocabulary import EVENTS
from leads.calls.matching import identify
from leads.customer_facts import customer_facts
from leads.escalation.escalating import escalate
from leads.life.consumers import ask_about_conversions, follow_admissions
from leads.offline.applying import purge_operations
from leads.offline.feed import purge_changes
from leads.plans.reminding import remind_of_plans
from leads.playbooks import listening as playbooks
from leads.playbooks.quiet import watch_quiet_leads
from leads.scoring import consumers as scoring
from leads.tasks.reminding import remind_of_tasks
from leads.usecases.learn_customers import forget_customer, learn_customers
from leads.usecases.learn_organisation import forget_department, learn_department, learn_user
from leads.usecases.learn_shares import CustomerShare, learn_share
from leads.usecases.learn_theatres import TheatreFacts, learn_theatre
from leads.usecases.merge_customers import merge_customers, unmerge_customers
from leads.usecases.remind_due import remind_due
from leads.usecases.remind_of_promises import remind_of_promises
from leads.usecases.settle_plans import close_plans, leave_plans_to_next_owner
from leads.visits.timers import end_forgotten, purge_positions

_STATES = {
    "CustomerCreated": customers_pb2.CustomerCreated,
    "CustomerUpdated": customers_pb2.CustomerUpdated,
    "CustomerTransferred": customers_pb2.CustomerTransferred,
}


def keep_up_with_customers(session: ServiceSession, received: Received) -> None:
    """Note what changed of customers, how they are shared, and which theatres follow them."""
    match received.name:
        case "CustomerDeleted":
            gone = received.message(customers_pb2.CustomerDeleted)
            forget_customer(session, parse_name("customers", gone.customer, field="customer"), gone.version)
        case "CustomerShareChanged":
            learn_share(session, _share(received.message(customers_pb2.CustomerShareChanged)))
        case "CustomerTheatreChanged":
            learn_theatre(session, _theatre(received.message(customers_pb2.CustomerTheatreChanged)))
        case "CustomersImported":
            imported = received.message(customers_pb2.CustomersImported)
            learn_customers(session, [customer_facts(state) for state in imported.customers])
        case "CustomersRestated":
            told = received.message(customers_pb2.CustomersRestated)
            learn_customers(session, [customer_facts(state) for state in told.customers])
        case "CustomersMerged":
            _merge(session, received.message(customers_pb2.CustomersMerged))
        case "CustomersUnmerged":
            back = received.message(customers_pb2.CustomersUnmerged)
            merge_id = parse_name("customerMerges", back.merge, field="merge")
            unmerge_customers(
                session, merge_id, customer_facts(back.state), [customer_facts(one) for one in back.others]
            )
        case "CustomersHandedOver":
            _take_in(session, received.message(customers_pb2.CustomersHandedOver).changes)
        case name:
            learn_customers(session, [customer_facts(received.message(_STATES[name]).state)])


def keep_up_with_many_customers(session: ServiceSession, received: Sequence[Received]) -> None:
    """The same for several events. Those that only tell how customers are now, each of another customer, are taken in
    together."""
    states: dict[str, Any] = {}
    for event in received:
        told = {state.customer: state for state in _told_states(event)}
        if not told or told.keys() & states.keys():
            learn_customers(session, list(map(customer_facts, states.values())))
            states.clear()
        if told:
            states |= told
        else:
            keep_up_with_customers(session, event)
    learn_customers(session, list(map(customer_facts, states.values())))


def _told_states(received: Received) -> Sequence[Any]:
    """The states that are all that an event tells; empty if it tells more, such as what becomes of plans in a pool."""
    if received.name in _STATES:
        return [received.message(_STATES[received.name]).state]
    if received.name == "CustomersHandedOver":
        changes = received.message(customers_pb2.CustomersHandedOver).changes
        return [] if any(change.pool for change in changes) else [change.state for change in changes]
    return []


def _merge(session: ServiceSession, event: customers_pb2.CustomersMerged) -> None:
    others = {parse_name("customers", one.customer, field="customer"): one.version for one in event.others}
    contacts = {
        parse_name("contacts", one.contact, field="contact"): parse_name("contacts", one.into, field="into")
        for one in event.united_contacts
    }
    merge_id = parse_name("customerMerges", event.merge, field="merge")
    merge_customers(session, merge_id, customer_facts(event.state), others, contacts)


def _take_in(session: ServiceSession, changes: Sequence[customers_pb2.HandedOver]) -> None:
    learn_customers(session, [customer_facts(change.state) for change in changes])
    pooled = {change.state.customer: change.closes_plans for change in changes if change.pool and change.previous_owner}
    ids = {name: parse_name("customers", name, field="customer") for name in pooled}
    close_plans(session, [ids[name] for name, closes in pooled.items() if closes])
    leave_plans_to_next_owner(session, [ids[name] for name, closes in pooled.items() if not closes])


def keep_caller(session: ServiceSession, received: Received) -> None:
    """Note whose the number of a call is."""
    event = received.message(customers_pb2.CallerIdentified)
    found = [parse_name("customers", name, field="customers") for name in event.customers]
    identify(session, parse_name("calls", event.call, field="call"), found)


def keep_user(session: ServiceSession, user: identity_pb2.UserChanged) -> None:
    """Note how a user is."""
    learn_user(
        session,
        parse_name("users", user.user, field="user"),
        user.version,
        parse_optional_name("departments", user.department, field="department"),
        user.department_path or None,
        active=user.active,
        partner_id=parse_optional_name("partners", user.partner, field="partner"),
    )


def keep_up_with_organisation(session: ServiceSession, received: Received) -> None:
    """Note what changed of users and departments."""
    match received.name:
        case "UserChanged":
            keep_user(session, received.message(identity_pb2.UserChanged))
        case "DepartmentChanged":
            department = received.message(identity_pb2.DepartmentChanged)
            department_id = parse_name("departments", department.department, field="department")
            learn_department(
                session,
                department_id,
                department.version,
                department.path,
                theatre=department.theatre,
                head_id=parse_optional_name("users", department.head, field="head"),
            )
        case "DepartmentDeleted":
            deleted = received.message(identity_pb2.DepartmentDeleted)
            forget_department(session, parse_name("departments", deleted.department, field="department"))


def keep_up_with_rights(session: ServiceSession, received: Received) -> None:
    """Note who holds which role, and what roles grant."""
    match received.name:
        case "UserChanged":
            user = received.message(identity_pb2.UserChanged)
            learn_holder(session, parse_name("users", user.user, field="user"), user.version, user.roles)
        case "RoleChanged":
            role = received.message(identity_pb2.RoleChanged)
            learn_role(session, parse_name("roles", role.role, field="role"), role.version, *_granted(role))
        case "RoleDeleted":
            gone = received.message(identity_pb2.RoleDeleted)
            learn_role(session, parse_name("roles", gone.role, field="role"), gone.version, deleted=True)


def _granted(role: identity_pb2.RoleChanged) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    grants = [
        {
            "permission": grant.permission,
            "reach": role_pb2.DataScope.Name(grant.scope).removeprefix("DATA_SCOPE_"),
            "departments": [name.removeprefix("departments/") for name in grant.departments],
        }
        for grant in role.grants
    ]
    rules = [
        {
            "entity": rule.entity,
            "field": rule.field,
            "effect": role_pb2.FieldEffect.Name(rule.effect).removeprefix("FIELD_EFFECT_"),
        }
        for rule in role.field_rules
    ]
    return grants, rules


SUBSCRIPTIONS = (
    *playbooks.SUBSCRIPTIONS,
    Subscription("customers", ("LeadAdmitted", "LeadNotAdmitted"), "leads.conversions", follow_admissions),
    scoring.SUBSCRIPTION,
    Subscription(
        "customers",
        (
            *_STATES,
            "CustomerDeleted",
            "CustomerShareChanged",
            "CustomerTheatreChanged",
            "CustomersHandedOver",
            "CustomersImported",
            "CustomersMerged",
            "CustomersRestated",
            "CustomersUnmerged",
        ),
        "leads.customers",
        keep_up_with_customers,
        handle_all=keep_up_with_many_customers,
        keeps_state=True,
    ),
    Subscription("customers", ("CallerIdentified",), "leads.callers", keep_caller),
    Subscription(
        "identity",
        ("UserChanged", "DepartmentChanged", "DepartmentDeleted"),
        "leads.organisation",
        keep_up_with_organisation,
        keeps_state=True,
    ),
    assignment.SUBSCRIPTION,
    Subscription(
        "identity",
        ("UserChanged", "RoleChanged", "RoleDeleted"),
        "leads.rights",
        keep_up_with_rights,
        keeps_state=True,
    ),
    Subscription("leads", tuple(EVENTS), "leads.automation", react, handle_all=react_to_all),
)


def purge_shares(session: ServiceSession, due: datetime) -> None:
    """Remove the rows of shares that ended a while ago."""
    sharing.purge(session)


def purge_handovers(session: ServiceSession, due: datetime) -> None:
    """Remove hand-overs that ended long ago."""
    handover.purge(session)


def purge_personal_data(session: ServiceSession, due: datetime) -> None:
    """Remove what was collected for people who asked for it."""
    personal_data.purge(session)


def start_automation(session: ServiceSession, due: datetime) -> None:
    """Start the rules that are due by the clock, and the calls that wait."""
    sweeping.start_due(session, due)
    delivering.start_due(session, due)


TIMERS = (
    Timer("leads.automation", start_automation, every=timedelta(minutes=1)),
    Timer("leads.ask_about_conversions", ask_about_conversions, every=timedelta(minutes=1)),
    Timer("leads.remind", remind_due, every=timedelta(minutes=1)),
    Timer("leads.watch_quiet_leads", watch_quiet_leads, every=timedelta(minutes=10)),
    Timer("leads.escalate", escalate, every=timedelta(minutes=30)),
    Timer("leads.remind_of_tasks", remind_of_tasks, every=timedelta(minutes=1)),
    Timer("leads.remind_of_promises", remind_of_promises, daily_at=time(9)),
    Timer("leads.end_forgotten_visits", end_forgotten, every=timedelta(minutes=10)),
    Timer("leads.purge_positions", purge_positions, daily_at=time(4, 20)),
    Timer("leads.let_assignments_pass", let_pass, every=timedelta(minutes=1)),
    Timer("leads.assign_waiting", assign_waiting, every=timedelta(minutes=1)),
    Timer("leads.remind_of_plans", remind_of_plans, every=timedelta(minutes=1)),
    Timer("leads.purge_shares", purge_shares, daily_at=time(3, 40)),
    Timer("leads.purge_handovers", purge_handovers, daily_at=time(3, 50)),
    scoring.TIMER,
    Timer("leads.purge_changes", purge_changes, daily_at=time(4, 20)),
    Timer("leads.purge_operations", purge_operations, daily_at=time(4, 25)),
    Timer("leads.purge_personal_data", purge_personal_data, daily_at=time(4, 10)),
)


def _share(event: customers_pb2.CustomerShareChanged) -> CustomerShare:
    return CustomerShare(
        customer_id=parse_name("customers", event.customer, field="customer"),
        grantee=event.grantee,
        version=event.version,
        level=event.level,
        expire_time=event.expire_time.ToDatetime(UTC) if event.HasField("expire_time") else None,
        active=event.active,
    )


def _theatre(event: customers_pb2.CustomerTheatreChanged) -> TheatreFacts:
    return TheatreFacts(
        customer_id=parse_name("customers", event.customer, field="customer"),
        theatre=event.theatre,
        owner_id=parse_name("users", event.owner, field="owner"),
        owner_department_path=event.owner_department_path or None,
        version=event.version,
        active=event.active,
        became_holder=event.became_holder,
    )
