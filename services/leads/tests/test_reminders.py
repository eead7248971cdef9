"""Reminders of the next contact."""

from datetime import timedelta

import pytest
from chassis.callers import service_caller
from chassis.names import new_id
from chassis.testing import make_caller
from leads.model import FollowUp
from leads.usecases.log_follow_up import FollowUpDraft, log_follow_up
from leads.usecases.remind_due import remind_due
from sqlalchemy import insert, select, text

ME = make_caller()


@pytest.fixture
def log(database, directory):
    def write(customer_id, next_in=None, ago=timedelta(0), caller=ME):
        with database.write(caller) as session:
            draft = FollowUpDraft(
                customer_id,
                "CALL",
                "谈",
                occur_time=session.now - ago,
                next_contact_time=session.now + next_in if next_in else None,
            )
            return log_follow_up(session, draft, directory)

    return write


@pytest.fixture
def remind(database, clock, facts):
    def run():
        before = len(facts())
        with database.write(service_caller("leads")) as session:
            remind_due(session, clock.now)
        return [data for kind, data in facts()[before:] if kind == "NotificationRaised"]

    return run


def test_the_author_is_reminded_once_when_it_is_due(database, known, log, remind, clock):
    customer = known(name="上海华诚")
    logged = log(customer, next_in=timedelta(days=1))
    assert remind() == []
    clock.advance(timedelta(days=1))
    [notification] = remind()
    assert notification["recipient"] == ME.subject
    assert (notification["kind"], notification["resource"]) == ("FOLLOW_UP_DUE", logged.name)
    assert notification["params"]["customer_name"] == "上海华诚"
    clock.advance(timedelta(minutes=1))
    assert remind() == []
    with database.read(ME) as session:
        assert session.get_one(FollowUp, logged.id).remind_time == clock.now - timedelta(minutes=1)


def test_a_later_follow_up_by_anyone_makes_a_reminder_pointless(known, log, remind, clock):
    customer, other = known(), known()
    log(customer, next_in=timedelta(days=1))
    log(other, next_in=timedelta(days=1))
    clock.advance(timedelta(hours=1))
    log(customer, caller=make_caller())
    clock.advance(timedelta(days=1))
    assert [data["params"]["customer"] for data in remind()] == [f"customers/{other}"]


def test_an_earlier_follow_up_brought_in_late_changes_nothing(known, log, remind, clock):
    customer = known()
    log(customer, next_in=timedelta(days=1))
    clock.advance(timedelta(hours=1))
    log(customer, ago=timedelta(days=3))
    log(customer, ago=timedelta(days=2), next_in=timedelta(hours=1))
    clock.advance(timedelta(days=1))
    assert len(remind()) == 1


def test_history_brought_in_late_reminds_nobody(database, known, log, remind, clock, directory):
    with database.write(ME) as session:
        draft = FollowUpDraft(
            known(), "CALL", "旧", None, clock.now - timedelta(days=30), clock.now - timedelta(days=20)
        )
        log_follow_up(session, draft, directory)
    assert remind() == []


def test_a_machine_is_not_reminded(known, log, remind, clock):
    machine = type(ME)(f"clients/{new_id()}", grants=ME.grants)
    log(known(), next_in=timedelta(hours=1), caller=machine)
    clock.advance(timedelta(hours=2))
    assert remind() == []


def test_the_due_ones_are_found_among_many_open_ones(database, known, log, remind, clock):
    customer = known()
    with database.write(ME) as session:
        rows = [
            {
                "id": new_id(),
                "customer_id": new_id(),
                "method": "CALL",
                "content": "x",
                "occur_time": clock.now,
                "next_contact_time": clock.now + timedelta(days=30, seconds=number),
                "author": ME.subject,
                "reminder_open": True,
                "create_time": clock.now,
            }
            for number in range(3000)
        ]
        session.execute(insert(FollowUp), rows)
        session.execute(text("ANALYZE follow_up"))
    log(customer, next_in=timedelta(hours=1))
    clock.advance(timedelta(hours=2))
    assert len(remind()) == 1
    with database.read(ME) as session:
        due = select(FollowUp.id).where(FollowUp.reminder_open, FollowUp.next_contact_time <= clock.now).limit(500)
        sql = str(due.compile(session.get_bind(), compile_kwargs={"literal_binds": True}))
        plan = "\n".join(session.scalars(text(f"EXPLAIN {sql}")))
    assert "ix_follow_up_due" in plan


def test_more_than_one_batch_is_reminded(known, log, remind, clock, monkeypatch):
    monkeypatch.setattr("leads.usecases.remind_due.BATCH", 3)
    for _ in range(7):
        log(known(), next_in=timedelta(hours=1))
    clock.advance(timedelta(hours=2))
    assert len(remind()) == 7
