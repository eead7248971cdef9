"""Theatres that follow a customer beside its owner, each with somebody of its own."""

from datetime import timedelta
from uuid import UUID

import pytest
from chassis.callers import Reach, service_caller
from chassis.errors import Conflict, Denied, Invalid, NotFound
from chassis.handover import Move
from chassis.names import new_id
from customers import queries
from customers.model import Customer, CustomerTheatre, KnownDepartment, TimelineEntry
from customers.theatres.queries import list_theatres
from customers.timeline_queries import list_timeline
from customers.usecases.assign_customer_theatre import assign_customer_theatre, end_customer_theatre
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.delete_customer import delete_customer
from customers.usecases.hand_over_theatres import hand_over_theatres
from customers.usecases.learn_organisation import UserFacts, forget_department, learn_user
from customers.usecases.lock_customer import lock_customer
from customers.usecases.merge_customers import MergeDraft, merge_customers
from customers.usecases.record_follow_ups import FollowUp, record_follow_ups
from customers.usecases.transfer_customer import transfer_customer
from customers.usecases.undo_merge import undo_merge
from sqlalchemy import select

ME = service_caller("customers")
ASSIGN = "customer.assign_theatre"


def last(path: str) -> UUID:
    return UUID(path.rstrip("/").rpartition("/")[2])


@pytest.fixture
def theatres(database, organisation):
    """East and west are theatres; the eastern team is none."""
    places = {organisation.root: False, organisation.east: True, organisation.east_team: False, organisation.west: True}
    with database.write(ME) as session:
        for path, theatre in places.items():
            session.add(KnownDepartment(id=last(path), display_name="部门", path=path, theatre=theatre, version=1))
    return {"east": last(organisation.east), "west": last(organisation.west)}


@pytest.fixture
def customer(database, organisation, theatres):
    """Of Li, in the eastern team."""
    return owned_by(database, organisation.li)


def owned_by(database, person, name="上海华诚科技有限公司"):
    with database.write(person.caller()) as session:
        return create_customer(session, CustomerDraft({"display_name": name}, {})).id


@pytest.fixture
def follow(database, organisation, customer):
    """Lets Zhao follow the customer for the west."""

    def let(person=None, caller=None, key=None):
        with database.write(caller or organisation.boss.caller()) as session:
            return assign_customer_theatre(session, key or customer, (person or organisation.zhao).id)

    return let


@pytest.fixture
def views(database, customer):
    def read(caller):
        with database.read(caller) as session:
            return list_theatres(session, customer, page_size=10, page_token="")[0]

    return read


@pytest.fixture
def touch(database, clock, customer):
    """Delivers a follow-up, by the holder's side or for a theatre."""

    def deliver(theatre=None, summary="谈", *, effective=True, due=None):
        told = FollowUp(
            new_id(), customer, "leads", "followUps/1", "users/1", "CALL", summary, clock.now, effective, theatre, due
        )
        with database.write(ME) as session:
            record_follow_ups(session, [told])

    return deliver


def test_both_see_that_the_other_follows_and_nothing_that_is_its_own(
    organisation, follow, views, touch, clock, theatres
):
    follow()
    clock.advance(timedelta(days=1))
    due = clock.now + timedelta(days=3)
    touch(theatres["west"], due=due)
    li, zhao = (views(person.caller(reach=Reach.SELF)) for person in (organisation.li, organisation.zhao))
    for seen in (li, zhao):
        assert [one.theatre_id for one in seen] == [theatres["east"], theatres["west"]]
        assert [str(one.last_touch_date) for one in seen] == ["None", "2026-03-03"]
    assert [(one.open, one.owner_id, one.next_contact_time) for one in li] == [
        (True, organisation.li.id, None),
        (False, None, None),
    ]
    assert [(one.open, one.owner_id, one.next_contact_time) for one in zhao] == [
        (False, None, None),
        (True, organisation.zhao.id, due),
    ]
    assert all(one.open for one in views(organisation.boss.caller()))


def test_a_follower_works_with_the_customer_and_gives_nothing_away(database, organisation, follow, customer):
    zhao = organisation.zhao.caller(reach=Reach.SELF)
    with database.write(zhao) as session, pytest.raises(NotFound):
        queries.lock_customer(session, customer, "customer.update")
    follow()
    with database.write(zhao) as session:
        assert queries.lock_customer(session, customer, "customer.update").id == customer
        assert queries.get_customer(session, customer).id == customer
    for permission in ("customer.transfer", "customer.delete", "customer.share", ASSIGN):
        with database.write(zhao) as session, pytest.raises(Denied, match="does not reach"):
            queries.lock_customer(session, customer, permission)


def test_what_one_side_logs_is_not_in_the_others_timeline(database, organisation, follow, customer, touch, theatres):
    def timeline(person, reach=Reach.SELF):
        with database.read(person.caller(reach=reach)) as session:
            page = list_timeline(session, customer, kinds=(), page_size=50, page_token="")
            return {row.summary for row in page.rows if row.kind == "FOLLOW_UP_LOGGED"}, len(page.rows)

    follow()
    touch(summary="东区的话")
    touch(theatres["west"], "西区的话")
    assert timeline(organisation.li) == ({"东区的话"}, 2)
    assert timeline(organisation.wang, Reach.DEPARTMENT_TREE) == ({"东区的话"}, 2)
    assert timeline(organisation.zhao) == ({"西区的话"}, 2)
    assert timeline(organisation.boss, Reach.DEPARTMENT_TREE) == ({"东区的话", "西区的话"}, 3)
    assert timeline(organisation.boss, Reach.ALL) == ({"东区的话", "西区的话"}, 3)


def test_what_another_theatre_does_keeps_no_customer_with_its_owner(database, follow, customer, touch, theatres, clock):
    follow()
    touch(theatres["west"])
    with database.read(ME) as session:
        found = session.get_one(Customer, customer)
        assert (found.last_follow_up_time, found.last_effective_follow_up_time) == (clock.now, None)


def test_who_may_be_assigned_and_by_whom(database, organisation, follow, customer, theatres):
    boss, li, wang, zhao = organisation.boss, organisation.li, organisation.wang, organisation.zhao
    for person, reason in ((boss, "NO_THEATRE"), (wang, "THEATRE_HOLDS_CUSTOMER")):
        with pytest.raises((Invalid, Conflict)) as refused:
            follow(person)
        assert refused.value.reason == reason
    west = zhao.caller(ASSIGN, "customer.read", reach=Reach.DEPARTMENT_TREE)
    with pytest.raises(NotFound):
        follow(caller=west)
    kept = follow(caller=wang.caller(ASSIGN, "customer.read", reach=Reach.DEPARTMENT_TREE))
    with pytest.raises(Denied):
        follow(caller=zhao.caller("customer.read", ASSIGN, reach=Reach.DEPARTMENT_TREE), person=li)
    assert follow(caller=west).version == kept.version == 1
    with database.write(zhao.caller("customer.read", reach=Reach.SELF)) as session, pytest.raises(Denied):
        end_customer_theatre(session, kept.id)
    with database.write(west) as session:
        end_customer_theatre(session, kept.id)
    with database.write(boss.caller()) as session, pytest.raises(NotFound):
        end_customer_theatre(session, kept.id)


def test_it_is_told_audited_and_announced(database, organisation, follow, customer, theatres, facts, audited):
    kept = follow()
    told = [data for kind, data in facts() if kind == "NotificationRaised"]
    assert [(one["recipient"], one["kind"]) for one in told] == [(organisation.zhao.name, "THEATRE_CUSTOMER_ASSIGNED")]
    with database.write(organisation.boss.caller()) as session:
        end_customer_theatre(session, kept.id)
    events = [data for kind, data in facts() if kind == "CustomerTheatreChanged"]
    assert [(one["theatre"], one["owner"], one["active"], one["version"]) for one in events] == [
        (f"departments/{theatres['west']}", organisation.zhao.name, True, 1),
        (f"departments/{theatres['west']}", organisation.zhao.name, False, 2),
    ]
    assert [entry.action for entry in audited()][-2:] == ["customer.assign_theatre", "customer.end_theatre"]
    assert facts()[-1][1]["kind"] == "THEATRE_CUSTOMER_TAKEN"


def test_the_theatre_that_gets_the_customer_follows_it_no_more(database, organisation, follow, customer, views, facts):
    follow()
    with database.write(organisation.boss.caller()) as session:
        transfer_customer(session, customer, organisation.zhao.id)
    [ended] = [data for kind, data in facts() if kind == "CustomerTheatreChanged" and not data["active"]]
    assert ended["became_holder"]
    [only] = views(organisation.zhao.caller(reach=Reach.SELF))
    assert only.id is None
    assert follow(organisation.li).version == 1


def test_it_stays_with_its_theatre_when_people_move_and_ends_with_the_theatre(
    database, organisation, follow, customer, theatres
):
    follow()
    zhao = organisation.zhao
    with database.write(ME) as session:
        learn_user(
            session,
            UserFacts(zhao.id, 2, zhao.username, "赵", last(organisation.east), organisation.east, active=True),
        )
        kept = session.scalars(select(CustomerTheatre)).one()
        assert (kept.department_id, kept.owner_department_path) == (theatres["west"], organisation.east)
        forget_department(session, theatres["west"])
        session.refresh(kept)
        assert kept.end_time is not None


def test_successors_of_who_leaves_follow_for_the_same_theatre(
    database, organisation, follow, customer, theatres, facts
):
    kept, boss, zhao = follow(), organisation.boss, organisation.zhao
    with database.write(boss.caller()) as session:
        moved = hand_over_theatres(session, zhao.id, [Move(key, boss.id, named=False) for key in (kept.id, new_id())])
    assert moved == [kept.id]
    with database.read(ME) as session:
        now = session.get_one(CustomerTheatre, kept.id)
        assert (now.owner_id, now.department_id) == (boss.id, theatres["west"])


def test_a_merge_keeps_the_theatres_of_all_and_gives_them_back(database, organisation, follow, customer, theatres):
    def following():
        with database.read(ME) as session:
            live = session.scalars(select(CustomerTheatre).where(CustomerTheatre.end_time.is_(None)))
            return {(one.customer_id, one.department_id, one.owner_id) for one in live}

    other = owned_by(database, organisation.li, "北京同仁有限公司")
    third = owned_by(database, organisation.zhao, "广州白云有限公司")
    follow(key=other)
    follow(organisation.wang, key=third)
    before = following()
    with database.write(organisation.boss.caller()) as session:
        merge = merge_customers(session, MergeDraft(customer, [other, third])).merge
    assert following() == {(customer, theatres["west"], organisation.zhao.id)}
    with database.write(organisation.boss.caller()) as session:
        undo_merge(session, merge.id)
    assert following() == before


def test_a_deleted_customer_is_followed_by_nobody(database, organisation, follow, customer):
    follow()
    with database.write(organisation.boss.caller()) as session:
        delete_customer(session, customer)
        assert session.scalars(select(CustomerTheatre)).all() == []
        assert session.scalars(select(TimelineEntry)).all() == []


def test_a_lock_goes_along_from_owner_to_owner_and_the_former_one_is_told(database, organisation, customer, facts):
    with database.write(organisation.li.caller()) as session:
        lock_customer(session, customer, locked=True, etag="")
    with database.write(organisation.boss.caller()) as session:
        assert transfer_customer(session, customer, organisation.wang.id).locked
    told = {(one["recipient"], one["kind"]): one["params"] for kind, one in facts() if kind == "NotificationRaised"}
    assert told.keys() == {(organisation.wang.name, "CUSTOMER_ASSIGNED"), (organisation.li.name, "CUSTOMER_TAKEN")}
    assert told[organisation.li.name, "CUSTOMER_TAKEN"]["change"] == "TRANSFERRED"
