"""What happened with customers, and follow-ups from elsewhere in it."""

from datetime import timedelta

import pytest
from chassis.callers import Reach, service_caller
from chassis.errors import Invalid, NotFound
from chassis.names import new_id
from chassis.testing.statements import sent_statements
from customers.model import Customer
from customers.timeline_queries import list_timeline
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.record_follow_ups import FollowUp, record_follow_ups
from customers.usecases.transfer_customer import transfer_customer

ME = service_caller("customers")


@pytest.fixture
def customer(database, organisation):
    with database.write(organisation.li.caller()) as session:
        return create_customer(session, CustomerDraft({"display_name": "上海华诚科技有限公司"}, {}))


def follow_up(customer_id, occur_time, summary="谈妥", event_id=None, *, effective=True):
    return FollowUp(
        event_id=event_id or new_id(),
        customer_id=customer_id,
        source="leads",
        resource=f"followUps/{new_id()}",
        actor="users/x",
        method="CALL",
        summary=summary,
        occur_time=occur_time,
        effective=effective,
    )


def timeline(database, caller, customer_id, size=50, kinds=()):
    entries, token = [], ""
    while True:
        with database.read(caller) as session:
            page = list_timeline(session, customer_id, kinds=kinds, page_size=size, page_token=token)
        entries += page.rows
        token = page.next_token
        if not token:
            return entries


def test_a_timeline_begins_with_the_creation(database, organisation, customer):
    [entry] = timeline(database, organisation.li.caller(), customer.id)
    assert (entry.kind, entry.actor, entry.occur_time) == (
        "CUSTOMER_CREATED",
        organisation.li.name,
        customer.create_time,
    )
    assert entry.resource == customer.name


def test_follow_ups_enter_once_and_newest_first(database, organisation, customer, clock):
    now = clock.now
    first = follow_up(customer.id, now + timedelta(hours=1), "一")
    with database.write(ME) as session:
        record_follow_ups(session, [follow_up(customer.id, now + timedelta(hours=2), "二")])
        record_follow_ups(session, [first])
        record_follow_ups(session, [follow_up(customer.id, now - timedelta(days=9), "早")])
    with database.write(ME) as session:
        record_follow_ups(session, [first])
    for size in (1, 2, 50):
        entries = timeline(database, organisation.li.caller(), customer.id, size)
        assert [entry.summary for entry in entries] == ["二", "一", "上海华诚科技有限公司", "早"]
    with database.read(ME) as session:
        stored = session.get_one(Customer, customer.id)
    assert stored.last_follow_up_time == now + timedelta(hours=2)
    assert stored.version == 1


def test_follow_ups_that_come_together_come_to_what_they_come_to_one_by_one(database, organisation, clock):
    def told(run):
        with database.write(organisation.li.caller()) as session:
            names = (f"华诚{run}", f"远大{run}")
            ids = [create_customer(session, CustomerDraft({"display_name": name}, {})).id for name in names]
        hours = [(0, 1, True), (1, 5, False), (0, 9, False), (0, 3, True), (1, 2, False), (0, -1, True)]
        follow_ups = [follow_up(ids[at], clock.now + timedelta(hours=hour), effective=ok) for at, hour, ok in hours]
        for part in run(follow_ups):
            with database.write(ME) as session:
                record_follow_ups(session, part)
        with database.read(ME) as session:
            stored = [session.get_one(Customer, key) for key in ids]
        lasts = [(one.last_follow_up_time, one.last_effective_follow_up_time) for one in stored]
        entries = [timeline(database, organisation.li.caller(), key, kinds=["FOLLOW_UP_LOGGED"]) for key in ids]
        return lasts, [[entry.occur_time for entry in of_one] for of_one in entries]

    def one_by_one(all_of_them):
        return [[one] for one in all_of_them]

    def at_once(all_of_them):
        return [[*all_of_them, all_of_them[0]]]

    assert told(one_by_one) == told(at_once)


@pytest.mark.parametrize("size", [1, 50])
def test_however_many_come_it_takes_few_statements(database, customer, clock, size):
    follow_ups = [follow_up(customer.id, clock.now - timedelta(hours=number)) for number in range(size)]
    with database.write(ME) as session, sent_statements() as sent:
        record_follow_ups(session, follow_ups)
    # Merges, customers, entries, the last times, own fields and the rules of tags.
    assert len(sent) <= 6


def test_new_entries_do_not_disturb_a_walk(database, organisation, customer, clock):
    with database.write(ME) as session:
        for hour in range(1, 6):
            record_follow_ups(session, [follow_up(customer.id, clock.now + timedelta(hours=hour), str(hour))])
    with database.read(organisation.li.caller()) as session:
        first = list_timeline(session, customer.id, kinds=(), page_size=2, page_token="")
    with database.write(ME) as session:
        record_follow_ups(session, [follow_up(customer.id, clock.now + timedelta(hours=9), "new")])
    with database.read(organisation.li.caller()) as session:
        second = list_timeline(session, customer.id, kinds=(), page_size=2, page_token=first.next_token)
    assert [row.summary for row in (*first.rows, *second.rows)] == ["5", "4", "3", "2"]


def test_a_timeline_can_be_limited_to_kinds(database, organisation, customer, clock):
    with database.write(organisation.boss.caller()) as session:
        transfer_customer(session, customer.id, organisation.zhao.id)
        record_follow_ups(session, [follow_up(customer.id, clock.now)])
    caller = organisation.boss.caller()
    for kinds in (["OWNER_CHANGED"], ["CUSTOMER_CREATED"], ["FOLLOW_UP_LOGGED", "CUSTOMER_CREATED"]):
        assert {entry.kind for entry in timeline(database, caller, customer.id, kinds=kinds)} == set(kinds)


def test_a_follow_up_with_a_deleted_customer_is_passed_over(database, organisation, clock):
    with database.write(ME) as session:
        record_follow_ups(session, [follow_up(new_id(), clock.now)])


def test_a_timeline_out_of_reach_is_not_there(database, organisation, customer):
    with pytest.raises(NotFound):
        timeline(database, organisation.zhao.caller(reach=Reach.DEPARTMENT_TREE), customer.id)
    with pytest.raises(Invalid), database.read(organisation.li.caller()) as session:
        list_timeline(session, customer.id, kinds=(), page_size=0, page_token="nonsense")
