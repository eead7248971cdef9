"""What becomes of leads after they were given to somebody, or to nobody."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from chassis.callers import Reach
from chassis.errors import Conflict, Invalid, NotFound
from chassis.testing import eventually, make_caller
from chassis.testing.databases import waits
from crm.common.v1.filter_pb2 import Filter
from leads.assignment import queries
from leads.assignment.acceptance import accept_lead, decline_lead, let_pass
from leads.assignment.assign_leads import assign_leads
from leads.assignment.capacities import update_capacity
from leads.assignment.claim_lead import claim_lead
from leads.assignment.rules import update_settings
from leads.assignment.running import assign_new, assign_waiting
from leads.assignment.skip_lead import skip_lead
from leads.model import LeadAssignment
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.usecases.learn_organisation import learn_department
from leads.usecases.transfer_lead import transfer_lead
from leads.usecases.update_lead import update_lead
from sqlalchemy import select

from .conftest import SYSTEM, explained, fresh, pool, run


def test_what_nobody_can_take_is_in_the_pool_of_the_fallback_department_and_retried(
    database, person, rule, leads, department, clock, facts
):
    home = department("r/home/")
    anna = person(monthly_capacity=1)
    rule([anna], "a", fallback_department_id=home)
    [taken, left] = leads(2, source="a")
    assert (taken.owner_id, left.owner_id, left.owner_department_path) == (anna, None, "r/home/")
    rows = pool(database)
    assert (rows[left.id].reason, rows[left.id].fallback_department_id) == ("NO_CANDIDATES", home)
    assert rows[left.id].retry_time == clock() + timedelta(minutes=5)
    with database.write(SYSTEM) as session:
        learn_department(session, home, 2, "r/moved/")
    assert fresh(database, left).owner_department_path == "r/moved/"

    # Nothing has changed: no new decision, and the next try is later.
    clock.set(clock() + timedelta(minutes=5))
    run(database, assign_waiting)
    with database.read(make_caller()) as session:
        assert len(queries.list_assignments(session, left.id, page_size=0, page_token="").rows) == 1
    with database.write(make_caller()) as session:
        update_capacity(session, anna, {"monthly_capacity": 2})
    run(database, assign_waiting)
    assert fresh(database, left).owner_id == anna
    assert pool(database) == {}
    with database.read(make_caller()) as session:
        decisions = queries.list_assignments(session, left.id, page_size=1, page_token="")
        assert [(one.outcome, one.cause) for one in decisions.rows] == [("ASSIGNED", "RETRIED")]
        rest = queries.list_assignments(session, left.id, page_size=1, page_token=decisions.next_token)
        assert [(one.outcome, one.cause) for one in rest.rows] == [("POOLED", "CREATED")]


def test_leads_that_no_rule_is_for_are_in_the_pool_of_the_settings(database, leads, department, person):
    home = department("r/home/")
    with database.write(make_caller()) as session:
        update_settings(session, {"fallback_department_id": home})
    [lead] = leads()
    assert pool(database)[lead.id].reason == "NO_RULE"
    ours, theirs = (
        make_caller("lead.claim", reach=Reach.DEPARTMENT, department_path=path) for path in ("r/home/", "r/x/")
    )
    for caller, seen in ((ours, [lead.id]), (theirs, [])):
        with database.read(caller) as session:
            page = queries.list_pool(session, page_size=0, page_token="")
            assert [one.id for _, one in page.rows] == seen


def test_a_lead_is_claimed_from_the_pool_once_by_whoever_has_room(database, leads, department, person):
    home = department("r/home/")
    with database.write(make_caller()) as session:
        update_settings(session, {"fallback_department_id": home})
    [lead, other] = leads(2)
    full, anna = person("r/home/", monthly_capacity=0), person("r/home/")
    callers = {
        key: make_caller("lead.claim", reach=Reach.DEPARTMENT, user_id=key, department_path="r/home/")
        for key in (full, anna, person("r/x/"))
    }
    with database.write(callers[full]) as session, pytest.raises(Conflict, match="as many leads"):
        claim_lead(session, lead.id)
    with database.write(callers[anna]) as session:
        assert claim_lead(session, lead.id).owner_id == anna
    with database.write(callers[anna]) as session, pytest.raises(Conflict) as caught:
        claim_lead(session, lead.id)
    assert caught.value.reason == "LEAD_ALREADY_CLAIMED"
    stranger = make_caller("lead.claim", reach=Reach.DEPARTMENT, user_id=[*callers][2], department_path="r/x/")
    with database.write(stranger) as session, pytest.raises(NotFound):
        claim_lead(session, other.id)
    assert explained(database, lead).assignment.outcome == "CLAIMED"


def test_who_lets_a_lead_pass_is_excluded_and_after_the_last_try_the_manager_is_told(
    database, person, rule, leads, clock, facts
):
    anna, bob, chief = person(), person(), person()
    made = rule([anna, bob], "a", accept_minutes=60, max_tries=2, manager_id=chief)
    [lead] = leads(source="a")
    first = lead.owner_id
    due = explained(database, lead).assignment.accept_due_time
    assert due == clock() + timedelta(hours=1)
    clock.set(due - timedelta(seconds=1))
    run(database, let_pass)
    assert fresh(database, lead).owner_id == first
    clock.set(due)
    run(database, let_pass)
    second = fresh(database, lead).owner_id
    assert {first, second} == {anna, bob}
    told = explained(database, lead)
    assert told.assignment.cause == "EXPIRED"
    assert {one.user_id: one.exclusion for one in told.candidates} == {second: "", first: "LET_IT_PASS"}

    caller = make_caller("lead.update", reach=Reach.SELF, user_id=second)
    with database.write(caller) as session, pytest.raises(Invalid):
        decline_lead(session, lead.id, " ")
    with database.write(caller) as session:
        answer = decline_lead(session, lead.id, "不是我的行业")
    assert (answer.outcome, answer.reason) == ("POOLED", "TRIES_USED_UP")
    now = fresh(database, lead)
    assert (now.owner_id, pool(database)[lead.id].retry_time) == (None, None)
    notices = [data for name, data in facts() if name == "NotificationRaised"]
    assert [(one["kind"], one["recipient"]) for one in notices[-1:]] == [("LEAD_UNACCEPTED", f"users/{chief}")]
    assert made.id == pool(database)[lead.id].rule_id
    with database.read(make_caller()) as session:
        states = [
            one.acceptance for one in session.scalars(select(LeadAssignment).order_by(LeadAssignment.decide_time))
        ]
    assert sorted(state or "" for state in states) == ["", "DECLINED", "EXPIRED"]
    # Somebody asks for another try: nobody is left.
    with database.write(make_caller()) as session:
        [decision] = assign_leads(session, [lead.id], Filter(), dry_run=False).decisions
    assert decision.reason == "NO_CANDIDATES"


def test_a_lead_is_accepted_by_word_by_work_or_given_away_and_then_stays(database, person, rule, leads, clock):
    anna, bob = person(), person()
    rule([anna], "a", accept_minutes=30)
    accepted, worked_on, given_away = leads(3, source="a")
    caller = make_caller("lead.update", reach=Reach.SELF, user_id=anna)
    for _ in range(2):
        with database.write(caller) as session:
            assert accept_lead(session, accepted.id).acceptance == "ACCEPTED"
    with database.write(make_caller()) as session, pytest.raises(Conflict):
        accept_lead(session, worked_on.id)
    with database.write(caller) as session:
        update_lead(session, worked_on.id, {"status": "CONTACTED"})
    with database.write(make_caller()) as session:
        transfer_lead(session, given_away.id, bob)
    clock.set(clock() + timedelta(hours=1))
    run(database, let_pass)
    assert [fresh(database, lead).owner_id for lead in (accepted, worked_on, given_away)] == [anna, anna, bob]
    states = [explained(database, lead).assignment.acceptance for lead in (accepted, worked_on, given_away)]
    assert states == ["ACCEPTED", "ACCEPTED", "SUPERSEDED"]
    with database.write(caller) as session, pytest.raises(Conflict):
        decline_lead(session, accepted.id, "太远")


def test_the_rules_leave_a_lead_alone_that_is_to_be_skipped(database, person, rule, leads):
    rule([person()], "a")
    [lead] = leads(source="a", assigned=False)
    with database.write(make_caller()) as session:
        assert skip_lead(session, lead.id, skip=True).assignment_skipped
    with database.write(SYSTEM) as session:
        assign_new(session, [lead.id])
    run(database, assign_waiting)
    assert fresh(database, lead).owner_id is None
    assert (pool(database)[lead.id].reason, pool(database)[lead.id].retry_time) == ("SKIPPED", None)
    with database.write(make_caller()) as session:
        skip_lead(session, lead.id, skip=False)
    run(database, assign_waiting)
    assert fresh(database, lead).owner_id is not None


@pytest.mark.parametrize("declined", [True, False])
def test_a_lead_that_the_rules_leave_alone_is_not_lost_when_it_is_given_back(
    database, person, rule, leads, clock, facts, declined
):
    rule([person(), person()], "a", accept_minutes=30)
    [lead] = leads(source="a")
    with database.write(make_caller()) as session:
        skip_lead(session, lead.id, skip=True)
    if declined:
        with database.write(make_caller("lead.update", reach=Reach.SELF, user_id=lead.owner_id)) as session:
            decline_lead(session, lead.id, "太远")
    else:
        clock.set(clock() + timedelta(hours=1))
        run(database, let_pass)
    now = fresh(database, lead)
    assert (now.owner_id, now.version) == (None, lead.version + 2)
    assert (pool(database)[lead.id].reason, pool(database)[lead.id].retry_time) == ("SKIPPED", None)
    told = [data["changed_fields"] for kind, data in facts() if kind == "LeadUpdated"]
    assert told[-1] == ["owner"]
    bob = person("r/b/")
    with database.write(make_caller("lead.claim", user_id=bob)) as session:
        assert claim_lead(session, lead.id).owner_id == bob


def test_a_closed_lead_is_not_given_back(database, person, rule, leads):
    anna = person()
    rule([anna], "a", accept_minutes=30)
    [lead] = leads(source="a")
    caller = make_caller("lead.update", reach=Reach.SELF, user_id=anna)
    with database.write(caller) as session:
        update_lead(session, lead.id, {"status": "DISQUALIFIED", "status_reason": "SPAM"})
    with database.write(caller) as session, pytest.raises(Conflict) as caught:
        decline_lead(session, lead.id, "太远")
    assert caught.value.reason == "ACCEPTANCE_NOT_PENDING"
    assert fresh(database, lead).owner_id == anna


def test_who_accepts_just_when_the_time_is_over_keeps_the_lead(database, person, rule, leads, clock):
    anna, bob = person(), person()
    rule([anna, bob], "a", accept_minutes=30)
    [lead] = leads(source="a")
    clock.set(clock() + timedelta(hours=1))
    caller = make_caller("lead.update", reach=Reach.SELF, user_id=lead.owner_id)
    with ThreadPoolExecutor(1) as executor:
        with database.write(caller) as session:
            accept_lead(session, lead.id)
            passing = executor.submit(run, database, let_pass)
            eventually(lambda: waits(session))
        passing.result()
    assert fresh(database, lead).owner_id == lead.owner_id
    assert explained(database, lead).assignment.acceptance == "ACCEPTED"


def test_closed_leads_are_neither_shown_in_the_pool_nor_claimed(database, person, leads):
    [lead] = leads()
    anna = person()
    with database.write(make_caller()) as session:
        update_lead(session, lead.id, {"status": "DISQUALIFIED", "status_reason": "NO_NEED"})
    with database.read(make_caller()) as session:
        assert queries.list_pool(session, page_size=0, page_token="").rows == []
    with database.write(make_caller(user_id=anna)) as session, pytest.raises(NotFound):
        claim_lead(session, lead.id)


def test_the_head_of_the_fallback_department_is_told_of_what_nobody_accepts(
    database, person, rule, leads, department, clock, facts
):
    home, chief, manager = department("r/home/"), person("r/home/"), person()
    rule([person()], "a", accept_minutes=30, max_tries=1, fallback_department_id=home, manager_id=manager,
         manager_is_head=True)  # fmt: skip
    for version, head, told in ((2, None, manager), (3, chief, chief)):
        with database.write(SYSTEM) as session:
            learn_department(session, home, version, "r/home/", head_id=head)
        leads(source="a")
        clock.set(clock() + timedelta(hours=1))
        run(database, let_pass)
        notices = [data for kind, data in facts() if kind == "NotificationRaised"]
        assert [(one["kind"], one["recipient"]) for one in notices[-1:]] == [("LEAD_UNACCEPTED", f"users/{told}")]


def test_why_the_rules_leave_a_lead_as_it_is_is_told(database, person, leads):
    anna = person()
    with database.write(make_caller()) as session:
        owned = create_lead(session, LeadDraft({"company_name": "远洋"}, anna))
    [closed, skipped] = leads(2, assigned=False)
    with database.write(make_caller()) as session:
        update_lead(session, closed.id, {"status": "DISQUALIFIED", "status_reason": "NO_NEED"})
        skip_lead(session, skipped.id, skip=True)
    for lead, why in ((owned, "OWNED"), (closed, "CLOSED"), (skipped, "SKIPPED")):
        with pytest.raises(Conflict) as refused:
            explained(database, lead)
        assert (refused.value.reason, refused.value.details["why"]) == ("LEAD_NOT_ASSIGNABLE", why)
