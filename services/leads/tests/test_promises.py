"""Promises to customers that change hands: who has yet to take them over, and who is reminded of it."""

from datetime import timedelta

import pytest
from chassis.callers import Reach, service_caller
from chassis.errors import Denied, NotFound
from chassis.names import new_id
from chassis.testing import make_caller
from leads.model import FollowUp
from leads.promises import list_promises
from leads.usecases.acknowledge_promises import acknowledge_promises
from leads.usecases.log_follow_up import FollowUpDraft, log_follow_up
from leads.usecases.remind_due import remind_due
from leads.usecases.remind_of_promises import remind_of_promises
from leads.usecases.settle_plans import close_plans, leave_plans_to_next_owner
from sqlalchemy import func, select

ME = service_caller("leads")


@pytest.fixture
def former():
    return make_caller(reach=Reach.SELF)


@pytest.fixture
def owner():
    return make_caller(reach=Reach.SELF)


@pytest.fixture
def customer(known, former):
    return known(former.user_id, name="上海华诚")


@pytest.fixture
def give(known, customer):
    def to(user, version):
        known(user.user_id if user else None, name="上海华诚", id=customer, version=version)

    return to


@pytest.fixture
def promise(database, directory):
    def make(caller, customer, days=3):
        with database.write(caller) as session:
            due = session.now + timedelta(days=days) if days else None
            draft = FollowUpDraft(customer, "CALL", "答应送样", next_contact_time=due)
            return log_follow_up(session, draft, directory)

    return make


@pytest.fixture
def open_promises(database):
    """The open promises to a customer, each with whether it waits for the owner."""

    def read(caller, customer):
        with database.read(caller) as session:
            page = list_promises(session, customer, page_size=10, page_token="")
            return [(row.id, row.awaits_acknowledgement) for row in page.rows]

    return read


@pytest.fixture
def reminders(database, clock, facts):
    def run():
        before = len(facts())
        with database.write(ME) as session:
            remind_of_promises(session, clock.now)
        told = [data for kind, data in facts()[before:] if kind == "NotificationRaised"]
        return [(one["recipient"], one["kind"], one["resource"], one["params"]) for one in told]

    return run


def test_a_promise_waits_for_the_new_owner_who_then_is_reminded_instead(
    database, clock, former, owner, customer, give, promise, open_promises, reminders, facts
):
    made = promise(former, customer)
    assert open_promises(former, customer) == [(made.id, False)]
    assert reminders() == []
    give(owner, 2)
    assert open_promises(owner, customer) == [(made.id, True)]
    params = {"count": "1", "customer_name": "上海华诚"}
    assert reminders() == [(owner.subject, "PROMISES_UNACKNOWLEDGED", f"customers/{customer}", params)]
    with database.write(owner) as session:
        assert acknowledge_promises(session, customer) == 1
    with database.write(owner) as session:
        assert acknowledge_promises(session, customer) == 0
    assert open_promises(owner, customer) == [(made.id, False)]
    assert reminders() == []
    clock.advance(timedelta(days=4))
    with database.write(ME) as session:
        remind_due(session, clock.now)
    assert facts()[-1][1]["recipient"] == owner.subject
    assert open_promises(owner, customer) == [(made.id, False)]  # it is broken, not kept


def test_only_the_owner_takes_promises_over(database, former, owner, customer, give, promise):
    promise(former, customer)
    give(owner, 2)
    with database.write(make_caller()) as session, pytest.raises(Denied) as refused:
        acknowledge_promises(session, customer)
    assert refused.value.reason == "OWNER_ACKNOWLEDGES"
    for caller, key in ((former, customer), (owner, new_id())):
        with database.write(caller) as session, pytest.raises(NotFound):
            acknowledge_promises(session, key)


def test_what_the_owner_promised_waits_for_nobody(former, owner, customer, give, promise, open_promises):
    made = promise(former, customer)
    give(owner, 2)
    give(former, 3)
    assert open_promises(former, customer) == [(made.id, False)]


def test_a_contact_since_keeps_the_promise(former, owner, customer, give, promise, open_promises, reminders, clock):
    promise(former, customer)
    give(owner, 2)
    clock.advance(timedelta(hours=1))
    promise(owner, customer, days=None)
    assert open_promises(owner, customer) == []
    assert reminders() == []


@pytest.mark.parametrize(("settle", "left"), [(close_plans, 0), (leave_plans_to_next_owner, 1)])
def test_promises_survive_a_pool_that_does_not_close_them(
    database, former, owner, customer, give, promise, open_promises, settle, left
):
    promise(former, customer)
    give(None, 2)
    with database.write(ME) as session:
        settle(session, [customer])
    give(owner, 3)
    assert [waits for _, waits in open_promises(owner, customer)] == [True] * left


def test_many_customers_make_one_reminder(database, known, former, owner, promise, reminders):
    customers = [known(former.user_id, name=f"华诚{number}") for number in range(3)]
    for key in customers:
        promise(former, key)
        known(owner.user_id, id=key, version=2)
    assert reminders() == [(owner.subject, "PROMISES_UNACKNOWLEDGED", "", {"count": "3"})]
    with database.read(ME) as session:
        waiting = select(func.count()).select_from(FollowUp).where(FollowUp.awaits_acknowledgement)
        assert session.scalar(waiting) == 3
