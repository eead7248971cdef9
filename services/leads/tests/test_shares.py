"""Follow-ups of customers that are shared with the caller."""

from datetime import timedelta

import pytest
from chassis.bus.envelope import Received
from chassis.callers import Reach, service_caller
from chassis.errors import Denied, NotFound
from chassis.names import new_id
from chassis.sharing import KEPT, RecordShare
from chassis.testing import make_caller
from crm.common.v1.filter_pb2 import Filter
from leads import queries
from leads.consumers import SUBSCRIPTIONS, purge_shares
from leads.usecases.log_follow_up import FollowUpDraft, log_follow_up
from sqlalchemy import func, select

ME = service_caller("leads")


@pytest.fixture
def owner():
    return make_caller(reach=Reach.SELF)


@pytest.fixture
def friend():
    return make_caller(reach=Reach.SELF, department_path=f"{new_id()}/{new_id()}/")


@pytest.fixture
def customer(known, owner):
    return known(owner.user_id)


@pytest.fixture
def deliver(database, clock, customer):
    """Delivers an event about the customer, as it comes from the broker."""

    def send(name, **data):
        [subscription] = [item for item in SUBSCRIPTIONS if name in item.events]
        event = {"customer": f"customers/{customer}", **data}
        received = Received(new_id(), f"crm.customers.v1.{name}", "customers", "", clock.now, "", event)
        with database.write(ME) as session:
            subscription.handle(session, received)

    return send


@pytest.fixture
def share(deliver, friend):
    def send(level="READ_ONLY", version=1, grantee=friend.subject, **data):
        state = {"grantee": grantee, "version": str(version), "level": level, "active": True, **data}
        deliver("CustomerShareChanged", **state)

    return send


@pytest.fixture
def log(database, directory, customer):
    def write(caller):
        with database.write(caller) as session:
            return log_follow_up(session, FollowUpDraft(customer, "CALL", "谈妥"), directory)

    return write


def seen(database, caller, follow_up):
    with database.read(caller) as session:
        page = queries.list_follow_ups(session, conditions=Filter(), order_by=[], page_size=9, page_token="")
        listed = bool(page.rows)
        try:
            queries.get_follow_up(session, follow_up.id)
        except NotFound:
            assert not listed
            return False
    assert listed
    return True


def test_a_shared_customer_opens_its_follow_ups(database, share, log, owner, friend):
    logged = log(owner)
    assert not seen(database, friend, logged)
    with pytest.raises(NotFound):
        log(friend)
    share()
    assert seen(database, friend, logged)
    with pytest.raises(Denied) as caught:
        log(friend)
    assert caught.value.reason == "NOT_YOURS"
    share("COLLABORATE", version=2)
    assert log(friend).author == friend.subject


def test_a_share_with_a_department_above_counts(database, share, log, owner, friend):
    logged = log(owner)
    above, own = friend.department_path.strip("/").split("/")
    share(grantee=f"departments/{new_id()}")
    assert not seen(database, friend, logged)
    share(grantee=f"departments/{above}")
    assert seen(database, friend, logged)
    share(grantee=f"departments/{above}", version=2, active=False)
    share(grantee=f"departments/{own}", level="COLLABORATE")
    log(friend)


def test_a_share_ends_by_itself_and_is_removed_later(database, share, log, owner, friend, clock):
    logged = log(owner)
    share(expire_time=(clock.now + timedelta(hours=1)).isoformat())
    assert seen(database, friend, logged)
    clock.advance(timedelta(hours=1))
    assert not seen(database, friend, logged)
    clock.advance(KEPT + timedelta(seconds=1))
    with database.write(ME) as session:
        purge_shares(session, session.now)
        assert session.scalar(select(func.count()).select_from(RecordShare)) == 0


def test_a_late_older_state_brings_no_share_back(database, share, deliver, log, owner, friend):
    logged = log(owner)
    share(version=2, active=False)
    share(version=1)
    assert not seen(database, friend, logged)
    share(version=3)
    assert seen(database, friend, logged)
    deliver("CustomerDeleted", version="9")
    with database.read(ME) as session:
        assert session.scalar(select(func.count()).select_from(RecordShare)) == 0
