"""What somebody who leaves holds goes to others by rule, each record once, and nothing but its owner changes."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from chassis.bus.envelope import Received
from chassis.callers import Reach, service_caller
from chassis.db import Database
from chassis.handover import HandoverTask, running, subscription
from chassis.jobs import run as job_process
from chassis.jobs.waiting import waiting_jobs
from chassis.names import new_id
from chassis.testing import eventually, make_caller
from crm.common.v1.filter_pb2 import OPERATOR_EQUAL, Condition, Filter, FilterValue
from customers.leaving import HANDOVER
from customers.main import SERVICE
from customers.model import Contact, Customer, HoldingChange, KnownUser
from customers.usecases.create_contact import create_contact
from customers.usecases.create_customer import CustomerDraft, create_customer
from customers.usecases.delete_customer import delete_customer
from customers.usecases.transfer_customer import transfer_customer
from customers.usecases.transfer_customers import transfer_customers
from google.protobuf.json_format import MessageToDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
OFFBOARDING = f"offboardings/{new_id()}"
Told = Callable[[], list[tuple[str, dict[str, Any]]]]


@pytest.fixture(autouse=True)
def tables(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("TRUNCATE handover_task, handover_item, job, inbox_claim CASCADE"))


def customers_of(database: Database, owner: Any, levels: Sequence[str]) -> list[UUID]:
    """Customers of an owner with a contact each."""
    made = []
    with database.write(owner.caller()) as session:
        for level in levels:
            draft = CustomerDraft({"display_name": f"客户{uuid4().hex}", "level": level, "tags": ["重点"]}, {})
            customer = create_customer(session, draft)
            create_contact(session, customer.id, {"display_name": "王"})
            made.append(customer.id)
    return made


def level(value: str) -> dict[str, Any]:
    condition = Condition(field="level", operator=OPERATOR_EQUAL, values=[FilterValue(text=value)])
    return MessageToDict(Filter(condition=condition))


def rule(*people: Any, **conditions: Any) -> dict[str, Any]:
    return {"entity": "customer", "successors": [one.name for one in people], **conditions}


def leave(
    database: Database, leaver: Any, default: Any, *rules: dict[str, Any], round_: int = 1, active: bool = False
) -> None:
    """Deliver the event that somebody leaves."""
    with database.read(service_caller("customers")) as session:
        known = session.get_one(KnownUser, leaver.id)
    user = {
        "user": leaver.name,
        "version": known.version + 1,
        "displayName": leaver.username,
        "department": f"departments/{known.department_id}",
        "departmentPath": leaver.path,
        "active": active,
        "username": leaver.username,
    }
    data = {
        "offboarding": OFFBOARDING,
        "round": round_,
        "user": user,
        "rules": list(rules),
        "defaultSuccessor": default.name,
        "actor": "users/the-boss",
    }
    event = Received(new_id(), "crm.identity.v1.OffboardingStarted", "identity", OFFBOARDING, NOON, "", data)
    with database.write(service_caller("customers")) as session:
        subscription(HANDOVER).handle(session, event)


def work(database: Database) -> None:
    """Do the jobs that wait, as the process for jobs does."""
    eventually(lambda: _free(database))
    runtime: Any = SimpleNamespace(database=database, settings=None)
    while job_process.run_next(SERVICE, runtime):
        pass


def _free(database: Database) -> bool:
    """Whether nobody holds the lock of a job any more: a connection takes a moment to end."""
    with database.read(service_caller("customers")) as session:
        open_jobs = session.scalar(text("SELECT count(*) FROM job WHERE state IN ('QUEUED', 'RUNNING')"))
        return len(waiting_jobs(session)) == open_jobs


def owners(database: Database) -> dict[UUID, UUID | None]:
    with database.read(service_caller("customers")) as session:
        return {row.id: row.owner_id for row in session.execute(select(Customer.id, Customer.owner_id))}


def last_told(facts: Told, entity: str = "customer") -> dict[str, Any]:
    told = [data for name, data in facts() if name == "HandoverProgressed"]
    return [data for data in told if data["entity"] == entity][-1]


def dump(database: Database) -> list[dict[str, Any]]:
    """Everything of customers and contacts but the owner, and what tells that something changed."""
    changing = {"owner_id", "owner_department_id", "owner_department_path", "version", "update_time", "held_since"}
    with database.read(service_caller("customers")) as session:
        return [
            {key: value for key, value in row._mapping.items() if key not in changing}
            for entity in (Customer, Contact)
            for row in session.execute(select(*entity.__table__.columns).order_by(entity.__table__.c.id))
        ]


def test_everything_goes_to_successors_and_nothing_else_changes(
    database: Database, organisation: Any, facts: Told, audited: Callable[[], list[Any]]
) -> None:
    li, wang, zhao, boss = organisation.li, organisation.wang, organisation.zhao, organisation.boss
    best, rest = customers_of(database, li, "AAAA"), customers_of(database, li, "BCBC")
    others = customers_of(database, wang, "A")
    before = dump(database)

    leave(database, li, boss, rule(wang, zhao, filter=level("A")))
    work(database)

    now = owners(database)
    assert Counter(now[key] for key in best) == {wang.id: 2, zhao.id: 2}
    assert {now[key] for key in rest} == {boss.id}
    assert now[others[0]] == wang.id
    assert dump(database) == before
    told = last_told(facts)
    assert told["state"] == "SUCCEEDED"
    counts = [told[key] for key in ("before", "moved", "withdrawn", "left", "after")]
    assert counts == [8, 8, 0, 0, 8]
    assert told["attached"] == {"contact": 8}
    transferred = [data for name, data in facts() if name == "CustomerTransferred"]
    assert {data["reason"] for data in transferred} == {"离职交接"}
    assert len(transferred) == 8
    changes = [entry for entry in audited() if entry.action == "customer.hand_over"]
    assert {entry.actor for entry in changes} == {"users/the-boss"}
    assert len(changes) == 8
    with database.read(service_caller("customers")) as session:
        ledger = session.scalars(select(HoldingChange.kind).where(HoldingChange.previous_user_id == li.id)).all()
    assert ledger == ["HANDED_OVER"] * 8


def test_nobody_can_give_the_leaver_anything_from_the_start_on(database: Database, organisation: Any) -> None:
    [late] = customers_of(database, organisation.wang, "A")
    leave(database, organisation.li, organisation.boss)
    with pytest.raises(Exception, match="may not sign in"), database.write(organisation.wang.caller()) as session:
        transfer_customer(session, late, organisation.li.id)


def test_what_comes_in_between_is_found_by_the_last_look(
    database: Database, organisation: Any, facts: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = customers_of(database, organisation.li, "AB")
    late = customers_of(database, organisation.wang, "C")
    leave(database, organisation.li, organisation.boss)
    given = []
    give_some = running._give_some

    def give_and_slip_in(session: Any, task: HandoverTask, entity: Any) -> bool:
        more = give_some(session, task, entity)
        if not given:
            session.execute(  # past all rules, as a repair by hand might do
                text("UPDATE customer SET owner_id = :li WHERE id = :id"), {"li": organisation.li.id, "id": late[0]}
            )
            given.append(late[0])
        return more

    monkeypatch.setattr(running, "_give_some", give_and_slip_in)
    work(database)
    assert {owners(database)[key] for key in [*first, *late]} == {organisation.boss.id}
    assert (last_told(facts)["before"], last_told(facts)["after"]) == (3, 3)


def test_what_others_take_meanwhile_is_withdrawn(
    database: Database, organisation: Any, facts: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "BATCH", 2)
    mine = sorted(customers_of(database, organisation.li, "AABB"))
    leave(database, organisation.li, organisation.boss)
    run_steps(database, 2)
    with database.write(organisation.wang.caller()) as session:
        transfer_customer(session, mine[2], organisation.zhao.id)
        delete_customer(session, mine[3])
    work(database)
    told = last_told(facts)
    assert [told[key] for key in ("before", "moved", "withdrawn", "left", "after")] == [4, 2, 2, 0, 2]
    assert owners(database)[mine[2]] == organisation.zhao.id


def run_steps(database: Database, steps: int) -> None:
    """Begin the job that waits and break it off, as if its process died."""

    class Died(Exception):
        pass

    taken = []

    def limited(handover: Any, run: Any) -> bool:
        if len(taken) == steps:
            raise Died
        taken.append(run)
        return step(handover, run)

    step, running._step = running._step, limited
    try:
        with pytest.raises(Died):
            work(database)
    finally:
        running._step = step


def test_a_hand_over_goes_on_where_its_process_died(
    database: Database, organisation: Any, facts: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "BATCH", 3)
    mine = customers_of(database, organisation.li, "ABABABABAB")
    leave(database, organisation.li, organisation.boss, rule(organisation.wang, organisation.zhao))
    for steps in (1, 2):
        run_steps(database, steps)
    work(database)
    given = Counter(owners(database)[key] for key in mine)
    assert given == {organisation.wang.id: 5, organisation.zhao.id: 5}
    assert last_told(facts)["after"] == 10
    names = [data["customer"] for name, data in facts() if name == "CustomerTransferred"]
    assert len(names) == len(set(names)) == 10


def test_a_successor_who_leaves_too_stops_it_until_another_is_named(
    database: Database, organisation: Any, facts: Told
) -> None:
    mine = customers_of(database, organisation.li, "AB")
    leave(database, organisation.li, organisation.boss, rule(organisation.wang, filter=level("A")))
    with database.write(make_caller()) as session:
        session.get_one(KnownUser, organisation.wang.id).active = False
    work(database)
    told = last_told(facts)
    assert (told["state"], told["failure_reason"]) == ("FAILED", "SUCCESSOR_INACTIVE")
    assert set(owners(database).values()) == {organisation.li.id}

    leave(database, organisation.li, organisation.boss, rule(organisation.zhao, filter=level("A")), round_=2)
    work(database)
    told = last_told(facts)
    assert (told["state"], told["failure_reason"], told["after"]) == ("SUCCEEDED", "", 2)
    assert [owners(database)[key] for key in mine] == [organisation.zhao.id, organisation.boss.id]


def test_whoever_may_sign_in_again_keeps_what_is_left(database: Database, organisation: Any, facts: Told) -> None:
    customers_of(database, organisation.li, "A")
    leave(database, organisation.li, organisation.boss, active=True)
    work(database)
    assert last_told(facts)["failure_reason"] == "LEAVER_ACTIVE"


def test_the_event_delivered_again_changes_nothing(database: Database, organisation: Any) -> None:
    customers_of(database, organisation.li, "A")
    for _ in range(2):
        leave(database, organisation.li, organisation.boss)
    with database.read(service_caller("customers")) as session:
        assert session.execute(text("SELECT count(*) FROM job")).scalar() == len(HANDOVER.entities)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_first_rule_that_fits_decides(database: Database, organisation: Any, data: st.DataObject) -> None:
    people = [organisation.wang, organisation.zhao, organisation.boss]
    wanted = data.draw(
        st.lists(
            st.tuples(st.sampled_from(["", *"ABC"]), st.lists(st.sampled_from(range(3)), min_size=1, unique=True)),
            max_size=3,
        )
    )
    levels = data.draw(st.lists(st.sampled_from("ABCD"), max_size=12))
    rules = [
        rule(*(people[at] for at in turns), **({"filter": level(letter)} if letter else {})) for letter, turns in wanted
    ]
    with database.engine.begin() as connection:
        connection.execute(text("TRUNCATE customer, contact, handover_task, handover_item, job CASCADE"))
        connection.execute(text("UPDATE known_user SET active = true"))
    made = dict(zip(customers_of(database, organisation.li, levels), levels, strict=True))
    leave(database, organisation.li, organisation.boss, *rules)
    work(database)
    by_rule: dict[int, Counter[UUID | None]] = {}
    for key, owner in owners(database).items():
        fits = (at for at, (letter, _) in enumerate(wanted) if letter in ("", made[key]))
        by_rule.setdefault(next(fits, -1), Counter())[owner] += 1
    for at, got in by_rule.items():
        allowed = [people[turn].id for turn in wanted[at][1]] if at >= 0 else [organisation.boss.id]
        assert set(got) <= set(allowed)
        counts = [got[person] for person in allowed]
        assert max(counts) - min(counts) <= 1


def test_several_customers_are_given_at_once_and_each_refusal_is_told(
    database: Database, organisation: Any, facts: Told
) -> None:
    mine = customers_of(database, organisation.li, "AB")
    [foreign] = customers_of(database, organisation.zhao, "A")
    missing = new_id()
    caller = organisation.li.caller("customer.transfer", "customer.read", reach=Reach.SELF)
    with database.write(caller) as session:
        found = transfer_customers(session, [mine[0], foreign, missing, mine[1]], organisation.wang.id, reason="调区")
    assert [one.refusal.reason if one.refusal else None for one in found] == [
        None, "CUSTOMER_NOT_FOUND", "CUSTOMER_NOT_FOUND", None,
    ]  # fmt: skip
    assert [one.customer.owner_id for one in found if one.customer] == [organisation.wang.id] * 2
    assert owners(database)[foreign] == organisation.zhao.id
    assert [data["reason"] for name, data in facts() if name == "CustomerTransferred"] == ["调区", "调区"]
