"""Follow-ups and plans of theatres that follow a customer beside its owner."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from chassis.bus.envelope import Received
from chassis.callers import Reach, service_caller
from chassis.names import new_id
from chassis.testing import eventually, make_caller
from chassis.testing.databases import waits
from crm.common.v1.filter_pb2 import Filter
from leads import queries
from leads.consumers import SUBSCRIPTIONS
from leads.model import FollowUp
from leads.usecases.learn_organisation import learn_user
from leads.usecases.log_follow_up import FollowUpDraft, log_follow_up
from leads.usecases.remind_due import remind_due
from sqlalchemy import select, text

ME = service_caller("leads")
WEST = f"{new_id()}/{new_id()}/"


@pytest.fixture
def owner():
    return make_caller(reach=Reach.SELF, department_path=f"{new_id()}/{new_id()}/")


@pytest.fixture
def follower():
    return make_caller(reach=Reach.SELF, department_path=WEST)


@pytest.fixture
def customer(known, owner):
    return known(owner.user_id, owner.department_path)


@pytest.fixture
def theatre():
    return f"departments/{new_id()}"


@pytest.fixture
def follow(database, clock, customer, follower, theatre):
    """Delivers what a theatre does with the customer, as it comes from the broker."""

    def send(who=follower, *, version=1, active=True, **data):
        [subscription] = [item for item in SUBSCRIPTIONS if "CustomerTheatreChanged" in item.events]
        event = {"customer": f"customers/{customer}", "theatre": theatre, "owner": who.subject, "active": active}
        event |= {"ownerDepartmentPath": who.department_path, "version": str(version), **data}
        received = Received(new_id(), "crm.customers.v1.CustomerTheatreChanged", "customers", "", clock.now, "", event)
        with database.write(ME) as session:
            subscription.handle(session, received)

    return send


@pytest.fixture
def log(database, directory, customer):
    def write(caller, content="谈了合同", days=None, ago=timedelta(0)):
        with database.write(caller) as session:
            due = session.now + timedelta(days=days) if days else None
            draft = FollowUpDraft(customer, "CALL", content, occur_time=session.now - ago, next_contact_time=due)
            return log_follow_up(session, draft, directory)

    return write


@pytest.fixture
def seen(database):
    def read(caller):
        with database.read(caller) as session:
            page = queries.list_follow_ups(session, conditions=Filter(), order_by=[], page_size=50, page_token="")
            assert all(queries.get_follow_up(session, row.id).id == row.id for row in page.rows)
            return {row.content for row in page.rows}

    return read


@pytest.fixture
def due(database, clock, facts):
    """Passes some days and tells who was reminded of what."""

    def passing(days):
        clock.advance(timedelta(days=days))
        before = len(facts())
        with database.write(ME) as session:
            remind_due(session, clock.now)
        told = [data for kind, data in facts()[before:] if kind == "NotificationRaised"]
        return [(one["recipient"], one["resource"]) for one in told]

    return passing


def test_each_side_sees_what_was_logged_for_it_and_all_only_who_reaches_everything(owner, follower, follow, log, seen):
    log(owner, "华东的话")
    follow()
    assert log(follower, "西部的话").joint_theatre is not None
    manager = make_caller(reach=Reach.DEPARTMENT_TREE, department_path=WEST)
    root = make_caller(reach=Reach.CUSTOM, department_paths=(WEST, owner.department_path))
    assert seen(owner) == {"华东的话"}
    assert seen(follower) == seen(manager) == {"西部的话"}
    assert seen(root) == seen(make_caller()) == {"华东的话", "西部的话"}
    assert seen(make_caller(reach=Reach.SELF)) == set()


def test_a_theatre_that_begins_to_follow_while_its_follow_up_waits_has_it(database, follower, follow, log, seen, owner):
    with database.engine.connect() as other, ThreadPoolExecutor(1) as pool:
        lock = text("SELECT pg_advisory_xact_lock(hashtextextended('follow_up author ' || :author, 0))")
        other.execute(lock, {"author": follower.subject})
        logged = pool.submit(log, follower, "西部的话")
        eventually(lambda: waits(other) == ["advisory"])
        follow()
        other.rollback()
        assert logged.result(30).joint_theatre is not None
    assert (seen(owner), seen(follower)) == (set(), {"西部的话"})


def test_what_a_theatre_logged_is_the_customers_once_it_follows_no_more(owner, follower, follow, log, seen):
    follow()
    log(follower, "西部的话")
    follow(version=2, active=False)
    assert seen(owner) == {"西部的话"}
    assert seen(follower) == {"西部的话"}  # its author always sees it
    assert seen(make_caller(reach=Reach.DEPARTMENT_TREE, department_path=WEST)) == set()


def test_the_event_says_for_which_theatre_it_was_and_what_is_planned(owner, follower, follow, log, facts, theatre):
    follow()
    log(owner)
    log(follower, days=2)
    own, joint = [data for kind, data in facts() if kind == "FollowUpLogged"]
    assert (own.get("theatre", ""), "next_contact_time" in own and own["next_contact_time"]) == ("", None)
    assert joint["theatre"] == theatre
    assert joint["next_contact_time"]


def test_a_plan_outlasts_the_follow_ups_of_the_other_side(owner, follower, follow, log, due):
    follow()
    mine, theirs = log(owner, days=3, ago=timedelta(hours=2)), log(follower, days=5, ago=timedelta(hours=1))
    log(follower, "又谈")
    assert due(6) == [(owner.subject, mine.name)]
    assert theirs.joint_theatre is not None


def test_plans_go_on_for_whoever_follows_next_and_end_with_the_following(follower, follow, log, due):
    follow()
    first = log(follower, days=3)
    successor = make_caller(reach=Reach.SELF, department_path=WEST)
    follow(successor, version=2)
    assert due(4) == [(successor.subject, first.name)]
    log(successor, days=3)
    follow(successor, version=3, active=False)
    assert due(4) == []


def test_what_a_theatre_planned_is_the_owners_once_it_owns_the_customer(database, follower, follow, log, due):
    follow()
    planned = log(follower, days=3)
    follow(version=2, active=False, becameHolder=True)
    with database.read(ME) as session:
        assert session.get_one(FollowUp, planned.id).joint_theatre is None
    assert due(4) == [(follower.subject, planned.name)]


def test_an_older_state_changes_nothing_and_moves_are_followed(database, follower, follow, log, seen):
    follow(version=3, active=False)
    follow(version=2)
    with database.read(make_caller()) as session:
        assert session.scalars(select(queries.FOLLOWERS.record).where(queries.FOLLOWERS.live)).all() == []
    follow(version=4)
    log(follower, "西部的话")
    elsewhere = f"{new_id()}/"
    with database.write(ME) as session:
        learn_user(session, follower.user_id, 1, new_id(), elsewhere)
    assert seen(make_caller(reach=Reach.DEPARTMENT_TREE, department_path=WEST)) == set()
    assert seen(make_caller(reach=Reach.DEPARTMENT_TREE, department_path=elsewhere)) == {"西部的话"}
