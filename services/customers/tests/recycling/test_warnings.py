"""Owners are warned before a customer falls back, once each time, and may ask to keep it longer."""

from datetime import timedelta

import pytest
from chassis.callers import Reach, service_caller
from chassis.errors import Conflict, Denied, Exhausted, Invalid, NotFound
from customers.model import KnownDepartment
from customers.pools.rules import PoolRules, RecycleRule
from customers.recycling.queries import list_recycle_extensions, list_recycle_warnings
from customers.usecases.decide_extension import decide_extension
from customers.usecases.request_extension import request_extension
from customers.usecases.transfer_customer import transfer_customer
from customers.usecases.warn_owners import warn_owners
from sqlalchemy import update

from .test_runs import clock

RULE = RecycleRule(days=10)
EXTEND = "customer.extend"


@pytest.fixture
def customer(play, clockwork):
    play.pool("回收", PoolRules(recycle=RULE))
    return play.customer("甲公司")


def warn(play, **options):
    with play.database.write(service_caller("customers")) as session:
        return warn_owners(session, **options)[1]


def warnings(facts):
    told = [data for name, data in facts() if name == "NotificationRaised"]
    return [(one["recipient"], one["params"]["days_left"]) for one in told if one["kind"] == "RECYCLE_WARNING"]


def ask(play, customer, days=5, person=None):
    caller = (person or play.organisation.li).caller("customer.request_extension", "customer.read", reach=Reach.SELF)
    return play.write(caller, request_extension, customer, days, "客户出差，下周见面")


def decide(play, extension, person=None, *, approved=True):
    caller = (person or play.organisation.boss).caller(EXTEND, "customer.read", reach=Reach.DEPARTMENT_TREE)
    return play.write(caller, decide_extension, extension.id, approved=approved, note="同意")


def test_each_warning_is_sent_once_and_a_follow_up_cancels_the_next(play, clockwork, customer, facts, organisation):
    sent = []
    for _ in range(8, 11):  # due on day 11: warned on days 8 and 10
        clockwork.pass_days(8 if not sent else 1)
        sent.append((warn(play), warn(play)))
    assert sent == [(1, 0), (0, 0), (1, 0)]
    assert warnings(facts) == [(organisation.li.name, "3"), (organisation.li.name, "1")]
    clockwork.followed(customer)
    clockwork.pass_days(8)
    assert warn(play) == 1
    clockwork.followed(customer)
    clockwork.pass_days(2)
    assert warn(play) == 0


def test_a_missed_warning_is_sent_for_the_days_that_are_left(play, clockwork, customer, facts):
    play.customer("乙公司", play.organisation.zhao)
    clockwork.pass_days(9)
    assert warn(play, most=1) == 1
    assert warn(play) == 1
    assert [left for _, left in warnings(facts)] == ["2", "2"]
    clockwork.pass_days(2)
    assert warn(play) == 0


def test_the_list_shows_what_falls_back_soon_within_reach_by_day(play, clockwork, customer, organisation):
    play.customer("西公司", organisation.zhao)
    clockwork.pass_days(2)
    later = play.customer("丙公司")

    def listed(person, within, reach, size=50):
        found, token = [], ""
        with play.database.read(person.caller("customer.read", reach=reach)) as session:
            while True:
                _, page = list_recycle_warnings(session, within, page_size=size, page_token=token)
                found += [(row.id, (row.due_date - clockwork.today()).days) for row in page.rows]
                token = page.next_token
                if not token:
                    return found

    assert listed(organisation.li, 9, Reach.SELF) == [(customer, 9)]
    assert listed(organisation.li, 11, Reach.SELF, size=1) == [(customer, 9), (later, 11)]
    assert len(listed(organisation.boss, 11, Reach.ALL)) == 3
    assert listed(organisation.li, 8, Reach.SELF) == []


def test_an_approved_extension_moves_the_day_and_a_rejected_one_does_not(
    play, clockwork, customer, in_pool, facts, organisation
):
    due = clock(play, customer).due_date
    decide(play, ask(play, customer), approved=False)
    assert clock(play, customer).due_date == due
    decide(play, ask(play, customer))
    assert clock(play, customer).due_date == due + timedelta(days=5)
    clockwork.pass_days(15)
    clockwork.run()
    assert in_pool(customer) is None
    clockwork.pass_days(1)
    clockwork.run()
    assert in_pool(customer) is not None
    told = [(data["kind"], data["recipient"]) for name, data in facts() if name == "NotificationRaised"]
    kinds = ["EXTENSION_REJECTED", "EXTENSION_APPROVED", "CUSTOMER_TAKEN"]
    assert told == [(kind, organisation.li.name) for kind in kinds]


def test_the_nearest_head_above_the_owner_is_told(play, clockwork, customer, facts, organisation):
    with play.database.engine.begin() as connection:
        heads = {organisation.east_team: organisation.li, organisation.east: organisation.wang}
        for path, person in heads.items():
            connection.execute(update(KnownDepartment).where(KnownDepartment.path == path).values(head_id=person.id))
    ask(play, customer)
    [told] = [data for name, data in facts() if name == "NotificationRaised"]
    assert (told["kind"], told["recipient"]) == ("EXTENSION_REQUESTED", organisation.wang.name)


def test_extensions_are_limited_and_for_owners_and_decided_by_others(play, clockwork, customer, organisation):
    with pytest.raises(Invalid):
        ask(play, customer, 6)
    with pytest.raises(Denied) as refused:
        play.write(organisation.boss.caller(), request_extension, customer, 5, "好")
    assert refused.value.reason == "NOT_THE_OWNER"
    first = ask(play, customer)
    with pytest.raises(Conflict) as waits:
        ask(play, customer)
    assert waits.value.reason == "EXTENSION_PENDING"
    with pytest.raises(Denied) as own:
        decide(play, first, organisation.li)
    assert own.value.reason == "OWN_EXTENSION"
    with pytest.raises(NotFound):
        decide(play, first, organisation.zhao)
    decide(play, first)
    with pytest.raises(Conflict) as decided:
        decide(play, first)
    assert decided.value.reason == "EXTENSION_DECIDED"
    with pytest.raises(Exhausted):
        ask(play, customer)


def test_a_new_owner_asks_anew_and_what_the_former_one_asked_is_settled(play, clockwork, customer, organisation):
    old = ask(play, customer)
    play.write(organisation.boss.caller(), transfer_customer, customer, organisation.wang.id)
    with pytest.raises(Conflict) as changed:
        decide(play, old)
    assert changed.value.reason == "OWNER_CHANGED"
    ask(play, customer, person=organisation.wang)
    with play.database.read(organisation.boss.caller()) as session:
        page = list_recycle_extensions(session, "", page_size=10, page_token="")
    assert [one.state for one in page.rows] == ["PENDING", "REJECTED"]


def test_who_needs_no_extension_gets_none(play, clockwork, organisation):
    customer = play.customer("甲公司")
    with pytest.raises(Conflict) as never:
        ask(play, customer)
    assert never.value.reason == "NEVER_DUE"
