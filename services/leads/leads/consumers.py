"""Inbound events and timers: translate, and leave the rest to a use case."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from chassis import handover, personal_data, sharing
from chassis.bus.handlers import Received, Subscription
from chassis.db import ServiceSession
from chassis.formats import company_key
from chassis.names import parse_name, parse_optional_name
from chassis.timers import Timer
from crm.customers.v1 import events_pb2 as customers_pb2
from crm.identity.v1 import events_pb2 as identity_pb2

from leads.usecases.learn_customers import CustomerFacts, forget_customer, learn_customers
from leads.usecases.learn_organisation import forget_department, learn_department, learn_user
from leads.usecases.learn_shares import CustomerShare, learn_share
from leads.usecases.merge_customers import merge_customers, unmerge_customers
from leads.usecases.remind_due import remind_due
from leads.usecases.settle_plans import close_plans, leave_plans_to_next_owner

_STATES = {
    "CustomerCreated": customers_pb2.CustomerCreated,
    "CustomerUpdated": customers_pb2.CustomerUpdated,
    "CustomerTransferred": customers_pb2.CustomerTransferred,
}


def keep_up_with_customers(session: ServiceSession, received: Received) -> None:
    """Note what changed of customers, and how they are shared."""
    match received.name:
        case "CustomerDeleted":
            gone = received.message(customers_pb2.CustomerDeleted)
            forget_customer(session, parse_name("customers", gone.customer, field="customer"), gone.version)
        case "CustomerShareChanged":
            learn_share(session, _share(received.message(customers_pb2.CustomerShareChanged)))
        case "CustomersImported":
            imported = received.message(customers_pb2.CustomersImported)
            learn_customers(session, [_customer(state) for state in imported.customers])
        case "CustomersMerged":
            _merge(session, received.message(customers_pb2.CustomersMerged))
        case "CustomersUnmerged":
            back = received.message(customers_pb2.CustomersUnmerged)
            merge_id = parse_name("customerMerges", back.merge, field="merge")
            unmerge_customers(session, merge_id, _customer(back.state), [_customer(one) for one in back.others])
        case "CustomersHandedOver":
            _take_in(session, received.message(customers_pb2.CustomersHandedOver).changes)
        case name:
            learn_customers(session, [_customer(received.message(_STATES[name]).state)])


def _merge(session: ServiceSession, event: customers_pb2.CustomersMerged) -> None:
    others = {parse_name("customers", one.customer, field="customer"): one.version for one in event.others}
    contacts = {
        parse_name("contacts", one.contact, field="contact"): parse_name("contacts", one.into, field="into")
        for one in event.united_contacts
    }
    merge_id = parse_name("customerMerges", event.merge, field="merge")
    merge_customers(session, merge_id, _customer(event.state), others, contacts)


def _take_in(session: ServiceSession, changes: Sequence[customers_pb2.HandedOver]) -> None:
    learn_customers(session, [_customer(change.state) for change in changes])
    pooled = {change.state.customer: change.closes_plans for change in changes if change.pool and change.previous_owner}
    ids = {name: parse_name("customers", name, field="customer") for name in pooled}
    close_plans(session, [ids[name] for name, closes in pooled.items() if closes])
    leave_plans_to_next_owner(session, [ids[name] for name, closes in pooled.items() if not closes])


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
            learn_department(session, department_id, department.version, department.path, theatre=department.theatre)
        case "DepartmentDeleted":
            deleted = received.message(identity_pb2.DepartmentDeleted)
            forget_department(session, parse_name("departments", deleted.department, field="department"))


SUBSCRIPTIONS = (
    Subscription(
        "customers",
        (
            *_STATES,
            "CustomerDeleted",
            "CustomerShareChanged",
            "CustomersHandedOver",
            "CustomersImported",
            "CustomersMerged",
            "CustomersUnmerged",
        ),
        "leads.customers",
        keep_up_with_customers,
    ),
    Subscription(
        "identity",
        ("UserChanged", "DepartmentChanged", "DepartmentDeleted"),
        "leads.organisation",
        keep_up_with_organisation,
    ),
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


TIMERS = (
    Timer("leads.remind", remind_due, every=timedelta(minutes=1)),
    Timer("leads.purge_shares", purge_shares, daily_at=time(3, 40)),
    Timer("leads.purge_handovers", purge_handovers, daily_at=time(3, 50)),
    Timer("leads.purge_personal_data", purge_personal_data, daily_at=time(4, 10)),
)


def _customer(state: customers_pb2.CustomerState) -> CustomerFacts:
    return CustomerFacts(
        id=parse_name("customers", state.customer, field="customer"),
        version=state.version,
        display_name=state.display_name,
        owner_id=parse_optional_name("users", state.owner, field="owner"),
        owner_department_path=state.owner_department_path or None,
        company_key=company_key(state.display_name) if state.kind == "COMPANY" else "",
        credit_code=state.credit_code or None,
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
