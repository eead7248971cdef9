"""What becomes of plans when leads become customers, customers become one, and people leave or move."""

from datetime import timedelta

import pytest
from chassis.callers import service_caller
from chassis.errors import Conflict
from chassis.handover import Move
from chassis.names import make_name, new_id
from leads import subjects
from leads.model import Plan, PlanStatus
from leads.plans import queries
from leads.plans.cancel import cancel_plan
from leads.plans.leaving import assigned_to, hand_over_plans
from leads.plans.records import read_record
from leads.subjects import Subject
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.usecases.learn_customers import CustomerFacts
from leads.usecases.learn_organisation import learn_user
from leads.usecases.merge_customers import merge_customers, unmerge_customers
from sqlalchemy import select

HOUR = timedelta(hours=1)
SERVICE = service_caller("leads")


@pytest.fixture
def record(database):
    """A plan as somebody sees it now."""

    def read(caller, plan):
        with database.read(caller) as session:
            return read_record(session, queries.get_plan(session, plan.id))

    return read


def test_a_converted_lead_s_plans_are_the_customer_s(database, person, plan, known, record):
    me = person()
    with database.write(me) as session:
        lead = create_lead(session, LeadDraft({"company_name": "上海华诚"}))
    made = plan(me, subject=Subject("leads", lead.id)).plan
    assert (record(me, made).plan.subject, record(me, made).subject_title) == (lead.name, "上海华诚")
    customer = known(me.user_id, name="华诚科技")
    with database.write(SERVICE) as session:
        subjects.follow_conversion(session, lead.id, customer)
    seen = record(me, made)
    assert (seen.plan.subject, seen.subject_title) == (make_name("customers", customer), "华诚科技")


def test_merged_customers_plans_go_along_and_come_back(database, person, plan, known, record):
    me, merge_id = person(), new_id()
    winner, loser = known(me.user_id, name="华诚"), known(me.user_id, name="华诚（旧）")
    gone, other = new_id(), new_id()
    made = plan(me, subject=Subject("customers", loser), contacts=[gone]).plan
    facts = [
        CustomerFacts(key, version, name, me.user_id, "r/")
        for key, version, name in ((winner, 2, "华诚"), (loser, 3, "旧"))
    ]
    with database.write(SERVICE) as session:
        merge_customers(session, merge_id, facts[0], {loser: 2}, {gone: other})
    seen = record(me, made)
    assert (seen.plan.customer_id, seen.subject_title, seen.plan.contact_ids) == (winner, "华诚", [other])
    with database.write(SERVICE) as session:
        unmerge_customers(session, merge_id, facts[0], facts[1:])
    assert record(me, made).plan.customer_id == loser


def test_open_plans_go_to_successors_who_take_part_instead(database, person, plan, record, notified):
    leaver, guest, successor = person("r/a/"), person(), person("r/b/")
    made = [plan(leaver, hours * HOUR, participant_ids=[guest.user_id]).plan for hours in (1, 3)]
    other = plan(guest, 5 * HOUR, participant_ids=[leaver.user_id]).plan
    with database.write(leaver) as session:
        cancel_plan(session, made[1].id)
    with database.write(SERVICE) as session:
        held = session.scalars(select(Plan.id).where(assigned_to(leaver.user_id))).all()
        moves = [Move(key, successor.user_id, named=False) for key in (made[0].id, made[1].id, other.id)]
        assert held == hand_over_plans(session, leaver.user_id, moves) == [made[0].id]
    seen = record(successor, made[0])
    assert (seen.plan.assignee_id, seen.plan.assignee_department_path) == (successor.user_id, "r/b/")
    assert {row.user_id: row.response for row in seen.participants} == {
        guest.user_id: "NEEDS_ACTION",
        successor.user_id: "ACCEPTED",
    }
    assert record(guest, made[1]).plan.status == PlanStatus.CANCELLED
    kind, recipient, params = notified()[-1]
    assert (kind, recipient, params["count"]) == ("PLANS_ASSIGNED", successor.subject, "1")
    gone = person(active=False)
    with database.write(SERVICE) as session, pytest.raises(Conflict) as refused:
        hand_over_plans(session, successor.user_id, [Move(made[0].id, gone.user_id, named=False)])
    assert refused.value.reason == "SUCCESSOR_INACTIVE"


def test_plans_are_where_their_assignees_are(database, person, plan, record):
    me = person("r/a/")
    made = plan(me).plan
    with database.write(SERVICE) as session:
        learn_user(session, me.user_id, 2, None, "r/b/")
    assert record(me, made).plan.assignee_department_path == "r/b/"
