"""Leads and plans of somebody who leaves go to others, and whoever looks after the customer is reminded."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from chassis.bus.envelope import Received
from chassis.callers import service_caller
from chassis.handover import subscription
from chassis.jobs import run as job_process
from chassis.names import new_id
from chassis.testing import make_caller
from leads.leaving import HANDOVER
from leads.main import SERVICE
from leads.model import FollowUp, KnownUser, Lead
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.usecases.learn_customers import CustomerFacts, learn_customers
from leads.usecases.learn_organisation import learn_user
from leads.usecases.log_follow_up import FollowUpDraft, log_follow_up
from leads.usecases.remind_due import remind_due
from sqlalchemy import select, text


@pytest.fixture
def people(database):
    """A leaver and two colleagues."""
    with database.engine.begin() as connection:
        connection.execute(text("TRUNCATE handover_task, handover_item, job, inbox_claim CASCADE"))
    callers = [make_caller(department_path="1/") for _ in range(3)]
    with database.write(service_caller("leads")) as session:
        for caller in callers:
            learn_user(session, caller.user_id, 1, None, "1/")
    return callers


@pytest.fixture
def leave(database, clock):
    """Deliver that somebody leaves, and do the work."""

    def deliver(leaver, default, *rules):
        user = {"user": leaver.subject, "version": 2, "departmentPath": "1/", "active": False}
        data = {"offboarding": f"offboardings/{new_id()}", "round": 1, "user": user, "rules": list(rules)}
        data |= {"defaultSuccessor": default.subject, "actor": "users/boss"}
        event = Received(new_id(), "crm.identity.v1.OffboardingStarted", "identity", "", clock.now, "", data)
        with database.write(service_caller("leads")) as session:
            subscription(HANDOVER).handle(session, event)
        while job_process.run_next(
            SERVICE, SimpleNamespace(database=database, settings=SimpleNamespace(environment={}))
        ):
            pass

    return deliver


@pytest.fixture
def plan(database, directory):
    """Log a follow-up with a next contact in a day."""

    def log(caller, customer_id):
        with database.write(caller) as session:
            draft = FollowUpDraft(customer_id, "CALL", "谈", next_contact_time=session.now + timedelta(days=1))
            return log_follow_up(session, draft, directory).id

    return log


@pytest.fixture
def reminded(database, clock, facts):
    """Let the next contacts fall due. Returns who is reminded of which."""

    def run():
        before = len(facts())
        clock.advance(timedelta(days=1))
        with database.write(service_caller("leads")) as session:
            remind_due(session, clock.now)
        raised = [data for kind, data in facts()[before:] if kind == "NotificationRaised"]
        return {data["resource"]: data["recipient"] for data in raised if data["kind"] == "FOLLOW_UP_DUE"}

    return run


def told(facts, entity):
    return [data for kind, data in facts() if kind == "HandoverProgressed" and data["entity"] == entity][-1]


def counts(progress):
    return [progress[key] for key in ("before", "moved", "withdrawn", "left", "after")]


def test_leads_go_to_others_and_nothing_else_changes(database, people, leave, facts):
    leaver, one, two = people
    with database.write(leaver) as session:
        made = [
            create_lead(session, LeadDraft({"company_name": f"公司{n}", "status": "CONTACTED"})).id for n in range(4)
        ]
    columns = [column for column in Lead.__table__.columns if column.key not in ("owner_id", "version", "update_time")]
    with database.read(leaver) as session:
        before = session.execute(select(*columns).order_by(Lead.id)).all()
    leave(leaver, two, {"entity": "lead", "successors": [one.subject, two.subject]})
    with database.read(service_caller("leads")) as session:
        assert session.execute(select(*columns).order_by(Lead.id)).all() == before
        owners = session.scalars(select(Lead.owner_id).where(Lead.id.in_(made)).order_by(Lead.id)).all()
    assert owners == [one.user_id, two.user_id] * 2
    assert (told(facts, "lead")["state"], counts(told(facts, "lead"))) == ("SUCCEEDED", [4, 4, 0, 0, 4])
    assigned = [data for kind, data in facts() if kind == "NotificationRaised" and data["kind"] == "LEADS_ASSIGNED"]
    assert {data["recipient"]: data["params"]["count"] for data in assigned} == {one.subject: "2", two.subject: "2"}


def test_whoever_owns_the_customer_when_the_time_comes_is_reminded(
    database, people, leave, plan, known, reminded, facts
):
    leaver, one, two = people
    given, unowned = known(leaver.user_id, "1/"), known()
    plans = [plan(leaver, given), plan(leaver, unowned)]
    leave(leaver, two)
    assert counts(told(facts, "follow_up")) == [2, 2, 0, 0, 2]
    with database.write(service_caller("leads")) as session:  # the customers service hands over a moment later
        learn_customers(session, [CustomerFacts(given, 2, "华诚", one.user_id, "1/")])
    assert reminded() == {f"followUps/{plans[0]}": one.subject, f"followUps/{plans[1]}": two.subject}


def test_a_rule_for_plans_decides_whatever_the_owner(database, people, leave, plan, known, reminded):
    leaver, one, two = people
    follow_up = plan(leaver, known(one.user_id, "1/"))
    leave(leaver, one, {"entity": "follow_up", "successors": [two.subject]})
    assert reminded() == {f"followUps/{follow_up}": two.subject}


def test_plans_of_others_stay_theirs(database, people, leave, plan, known, reminded, facts):
    leaver, one, two = people
    mine = plan(one, known(leaver.user_id, "1/"))
    leave(leaver, two)
    assert counts(told(facts, "follow_up")) == [0, 0, 0, 0, 0]
    assert reminded() == {f"followUps/{mine}": one.subject}


def test_nobody_who_has_left_is_reminded(database, people, plan, known, reminded):
    leaver, one, _ = people
    plans = [plan(leaver, known(one.user_id, "1/")), plan(leaver, known())]
    with database.write(service_caller("leads")) as session:
        session.get_one(KnownUser, leaver.user_id).active = False
    assert reminded() == {f"followUps/{plans[0]}": one.subject}
    with database.read(one) as session:
        assert session.get_one(FollowUp, plans[1]).remind_time is None
