"""Events of other services, as they come from the broker."""

from chassis.bus.envelope import Received
from chassis.callers import service_caller
from chassis.names import new_id
from customers.consumers import SUBSCRIPTIONS
from customers.model import Customer, KnownDepartment, KnownUser, TimelineEntry
from customers.usecases.create_contact import create_contact
from customers.usecases.create_customer import CustomerDraft, create_customer
from sqlalchemy import func, select, text

ME = service_caller("customers")


def deliver(database, source, name, data, clock, event_id=None):
    [subscription] = [item for item in SUBSCRIPTIONS if item.source == source and name in item.events]
    received = Received(event_id or new_id(), f"crm.{source}.v1.{name}", source, "", clock.now, "", data)
    with database.write(ME) as session:
        subscription.handle(session, received)


def test_a_logged_follow_up_enters_the_timeline_once(database, organisation, clock):
    with database.write(organisation.li.caller()) as session:
        customer = create_customer(session, CustomerDraft({"display_name": "华诚"}, {}))
    data = {
        "follow_up": f"followUps/{new_id()}",
        "customer": customer.name,
        "method": "VISIT",
        "summary": "谈妥",
        "author": organisation.li.name,
        "occur_time": "2026-03-02T05:00:00Z",
        "of_a_newer_release": True,
    }
    event_id = new_id()
    for _ in range(2):
        deliver(database, "leads", "FollowUpLogged", data, clock, event_id)
    with database.read(ME) as session:
        [entry] = session.scalars(select(TimelineEntry))
        stored = session.get_one(Customer, customer.id)
    assert (entry.id, entry.source, entry.kind, entry.actor) == (
        event_id,
        "leads",
        "FOLLOW_UP_LOGGED",
        organisation.li.name,
    )
    assert entry.details == {"method": "VISIT", "effective": True}
    assert stored.last_follow_up_time == stored.last_effective_follow_up_time == entry.occur_time


def test_a_caller_is_known_by_a_number_of_a_customer_or_of_a_contact(database, organisation, clock):
    number, call = "+8613800138000", f"calls/{new_id()}"
    with database.write(organisation.li.caller()) as session:
        own = create_customer(session, CustomerDraft({"display_name": "华诚", "phones": ["138 0013 8000"]}, {}))
        by_contact = create_customer(session, CustomerDraft({"display_name": "远景"}, {}))
        create_contact(session, by_contact.id, {"display_name": "王芳", "phones": ["13800138000"]})
        other = create_customer(session, CustomerDraft({"display_name": "恒泰", "phones": ["13800138001"]}, {}))
        create_contact(session, other.id, {"display_name": "李雷", "phones": ["15913800138"]})
    deliver(database, "leads", "CallerUnknown", {"call": call, "phone": number}, clock)
    deliver(database, "leads", "CallerUnknown", {"call": call, "phone": "+8613800138009"}, clock)
    with database.read(ME) as session:
        told = session.scalars(text("SELECT data FROM outbox WHERE type LIKE '%.CallerIdentified'")).all()
    assert told == [{"call": call, "customers": sorted([own.name, by_contact.name])}]


def test_a_follow_up_that_does_not_count_is_kept_and_moves_no_clock(database, organisation, clock):
    with database.write(organisation.li.caller()) as session:
        customer = create_customer(session, CustomerDraft({"display_name": "华诚"}, {}))
    data = {
        "follow_up": f"followUps/{new_id()}",
        "customer": customer.name,
        "method": "CALL",
        "summary": "再联系",
        "author": organisation.li.name,
        "occur_time": "2026-03-02T05:00:00Z",
        "effective": False,
        "verdict_reasons": ["TOO_SHORT"],
    }
    deliver(database, "leads", "FollowUpLogged", data, clock, new_id())
    with database.read(ME) as session:
        [entry] = session.scalars(select(TimelineEntry))
        stored = session.get_one(Customer, customer.id)
    assert entry.details == {"method": "CALL", "effective": False}
    assert (stored.last_follow_up_time, stored.last_effective_follow_up_time) == (entry.occur_time, None)


def test_the_organisation_is_followed(database, clock):
    user, department = new_id(), new_id()
    path = f"{department}/"
    place = {"department": f"departments/{department}", "version": "1"}
    deliver(database, "identity", "DepartmentChanged", place | {"display_name": "总部", "path": path}, clock)
    deliver(
        database,
        "identity",
        "UserChanged",
        place
        | {
            "user": f"users/{user}",
            "username": "li.wei",
            "display_name": "李伟",
            "department_path": path,
            "active": True,
        },
        clock,
    )
    with database.read(ME) as session:
        known = session.get_one(KnownUser, user)
    assert (known.username, known.department_id, known.department_path, known.active) == (
        "li.wei",
        department,
        path,
        True,
    )
    deliver(database, "identity", "DepartmentDeleted", place, clock)
    with database.read(ME) as session:
        assert session.scalar(select(func.count()).select_from(KnownDepartment)) == 0


def test_queues_have_their_own_names():
    queues = [subscription.queue for subscription in SUBSCRIPTIONS]
    assert len(set(queues)) == len(queues)
    assert all(queue.startswith("customers.") for queue in queues)
