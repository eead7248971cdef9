"""Keeping up with users and departments."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from chassis.bus.handlers import Received
from chassis.callers import Reach, service_caller
from chassis.errors import NotFound
from chassis.names import new_id
from chassis.sharing import ShareLevel
from chassis.testing import eventually, make_caller
from chassis.testing.databases import waits
from customers import queries
from customers.consumers import keep_following
from customers.model import Customer, KnownUser
from customers.usecases import follow_owners
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.learn_organisation import (
    DepartmentFacts,
    UserFacts,
    forget_department,
    learn_department,
    learn_user,
)
from customers.usecases.share_customer import ShareDraft, share_customer
from customers.usecases.transfer_customer import transfer_customer

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
ME = service_caller("customers")


def last(path: str) -> UUID:
    return UUID(path.rstrip("/").rsplit("/", 1)[-1])


def user(person, path, version, **values):
    facts = {"username": person.username, "display_name": person.username, "active": True} | values
    return UserFacts(person.id, version, department_id=last(path), department_path=path, **facts)


@pytest.fixture
def customer(database, organisation):
    with database.write(organisation.li.caller()) as session:
        return create_customer(session, CustomerDraft({"display_name": "上海华诚科技有限公司"}, {}))


def place(database, customer):
    with database.read(ME) as session:
        row = session.get_one(Customer, customer.id)
        return row.owner_department_id, row.owner_department_path, row.version


def test_customers_move_with_their_owner(database, organisation, customer):
    with database.write(ME) as session:
        learn_user(session, user(organisation.li, organisation.west, version=2))
    assert place(database, customer) == (last(organisation.west), organisation.west, 1)
    with database.write(ME) as session:
        learn_user(session, user(organisation.li, organisation.east, version=1))
    assert place(database, customer)[1] == organisation.west


def test_a_moved_department_takes_users_and_customers_along(database, organisation, customer):
    moved = f"{organisation.west}{last(organisation.east_team)}/"
    facts = DepartmentFacts(last(organisation.east_team), 3, "一组", moved)
    with database.write(ME) as session:
        learn_department(session, facts)
        learn_department(session, facts)
    assert place(database, customer) == (last(organisation.east_team), moved, 1)
    with database.read(ME) as session:
        assert session.get_one(KnownUser, organisation.li.id).department_path == moved
        assert session.get_one(KnownUser, organisation.wang.id).department_path == organisation.east
    with database.write(ME) as session:
        learn_department(session, DepartmentFacts(facts.id, 2, "一组", organisation.east_team))
    assert place(database, customer)[1] == moved


def test_a_user_event_older_than_the_move_of_the_department_gets_the_new_path(database, organisation, customer):
    moved = f"{organisation.west}{last(organisation.east_team)}/"
    with database.write(ME) as session:
        learn_department(session, DepartmentFacts(last(organisation.east_team), 3, "一组", moved))
        learn_user(session, user(organisation.li, organisation.east_team, version=2, display_name="李伟"))
    assert place(database, customer)[1] == moved
    with database.read(ME) as session:
        known = session.get_one(KnownUser, organisation.li.id)
    assert (known.display_name, known.department_path) == ("李伟", moved)


def test_new_users_and_departments_are_learnt_and_deleted_ones_forgotten(database, organisation):
    department, person = new_id(), new_id()
    path = f"{organisation.root}{department}/"
    with database.write(ME) as session:
        learn_department(session, DepartmentFacts(department, 1, "新部门", path))
        learn_user(session, UserFacts(person, 1, "new", "新人", department, path, active=False))
        forget_department(session, department)
        forget_department(session, department)
    with database.read(ME) as session:
        assert session.get_one(KnownUser, person).active is False


def test_shares_do_not_follow_a_merged_department_and_who_gave_them_is_told(database, organisation, customer, facts):
    team, west = last(organisation.east_team), last(organisation.west)
    with database.write(ME) as session:
        learn_department(session, DepartmentFacts(team, 1, "一组", organisation.east_team))
        learn_department(session, DepartmentFacts(west, 1, "西部", organisation.west))
    draft = ShareDraft(customer.id, None, team, ShareLevel.READ_ONLY)
    for giver in (organisation.li, organisation.boss):
        with database.write(giver.caller()) as session:
            other = create_customer(session, CustomerDraft({"display_name": f"客户{giver.username}"}, {}))
            share_customer(session, replace(draft, customer_id=other.id))
    reader = make_caller("customer.read", reach=Reach.SELF, department_path=organisation.west)
    with database.write(ME) as session:
        forget_department(session, team, merged_into=west)
    with database.read(reader) as session, pytest.raises(NotFound):
        queries.get_customer(session, other.id)
    told = {data["recipient"]: data for kind, data in facts() if data.get("kind") == "CUSTOMER_SHARES_ENDED"}
    assert set(told) == {organisation.li.name, organisation.boss.name}
    params = told[organisation.boss.name]["params"]
    assert params == {"count": "1", "customers": [other.name], "department_name": "一组", "into_name": "西部"}
    with database.write(ME) as session:
        forget_department(session, team, merged_into=west)
    assert len([data for _, data in facts() if data.get("kind") == "CUSTOMER_SHARES_ENDED"]) == 2


def test_many_customers_follow_in_parts(database, organisation, facts, monkeypatch):
    monkeypatch.setattr(follow_owners, "PART", 3)
    with database.write(organisation.li.caller()) as session:
        made = [
            create_customer(session, CustomerDraft({"display_name": f"上海第{n}科技有限公司"}, {})) for n in range(8)
        ]
    moved = f"{organisation.west}{last(organisation.east_team)}/"
    with database.write(ME) as session:
        learn_department(session, DepartmentFacts(last(organisation.east_team), 3, "一组", moved))
        learn_user(session, user(organisation.li, organisation.east_team, version=2))
    followed = []
    while len(followed) < len([name for name, _ in facts() if name == "OwnersRelocated"]):
        left = [data for name, data in facts() if name == "OwnersRelocated"]
        event = Received(new_id(), "crm.customers.v1.OwnersRelocated", "customers", "", NOON, "", left[len(followed)])
        with database.write(ME) as session:
            keep_following(session, event)
        followed.append(event)
        assert len(followed) < 10
    assert {place(database, each)[1] for each in made} == {moved}
    names = {event.data["whose"] for event in followed}
    assert names == {f"departments/{last(organisation.east_team)}", organisation.li.name}


def test_a_customer_that_was_given_away_meanwhile_does_not_follow(database, organisation, customer):
    west = DepartmentFacts(
        last(organisation.east_team), 3, "一组", f"{organisation.west}{last(organisation.east_team)}/"
    )
    with ThreadPoolExecutor(1) as pool:
        with database.write(organisation.boss.caller()) as session:
            transfer_customer(session, customer.id, organisation.zhao.id)

            def move():
                with database.write(ME) as late:
                    learn_department(late, west)

            moving = pool.submit(move)
            eventually(lambda: waits(session))
        moving.result()
    assert place(database, customer)[1] == organisation.west
