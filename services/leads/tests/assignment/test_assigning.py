"""Who is given leads that nobody owns, and why."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from chassis.errors import Duplicate, Invalid, NotFound
from chassis.names import new_id
from chassis.testing import make_caller
from crm.common.v1.filter_pb2 import Filter
from google.protobuf.json_format import ParseDict
from leads.assignment import queries
from leads.assignment.assign_leads import assign_leads
from leads.assignment.capacities import create_absence, delete_absence, update_capacity
from leads.assignment.deciding import alone
from leads.assignment.rules import create_rule, delete_rule, update_rule
from leads.assignment.running import assign_new, assign_waiting
from leads.automation.authors import learn_holder, learn_role
from leads.model import AssignmentDebt, Lead, LeadAssignment, WaitingLead
from leads.usecases.learn_organisation import learn_department
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from .conftest import SYSTEM, explained, fresh, pool, run, where

LOCK_NOT_AVAILABLE = "55P03"


def test_a_lead_follows_the_lower_number_of_two_rules_and_says_which_others_there_were(
    database, person, rule, leads, facts
):
    anna, bob = person(), person()
    second = rule([bob], priority=20, display_name="所有")
    first = rule([anna], "展会", priority=10, display_name="展会")
    off = rule([bob], priority=5, disabled=True, display_name="停用")
    elsewhere = rule([bob], "官网", priority=30, display_name="官网")
    [lead] = leads(source="展会")
    assert lead.owner_id == anna
    told = explained(database, lead)
    assert (told.assignment.rule_id, told.rule_display_name) == (first.id, "展会")
    assert [(one.rule_id, one.matched, one.applied, one.reason) for one in told.rules] == [
        (off.id, False, False, "DISABLED"),
        (first.id, True, True, ""),
        (second.id, True, False, "LOWER_PRIORITY"),
        (elsewhere.id, False, False, "CONDITION_NOT_MET"),
    ]
    assert [(one.user_id, one.chosen, one.exclusion) for one in told.candidates] == [(anna, True, "")]
    assert told.tie_break == "SCORE"
    kinds = [(name, data.get("kind", data.get("changed_fields"))) for name, data in facts()]
    assert kinds[-2:] == [("LeadUpdated", ["owner"]), ("NotificationRaised", "LEAD_ASSIGNED")]


def test_explanations_name_scores_debts_and_why_others_were_excluded(database, person, rule, leads, clock):
    ok, gone, absent, declines = person(), person(active=False), person(), person(declines_leads=True)
    today, month = person(daily_capacity=1), person(monthly_capacity=1)
    night = person(hours=["20:00-24:00"])
    with database.write(make_caller()) as session:
        create_absence(session, absent, session.now - timedelta(days=1), session.now + timedelta(days=1))
    rule([today], "a", display_name="先")
    rule([month], "b", display_name="先")
    leads(source="a")
    leads(source="b")
    rule([ok, gone, absent, declines, today, month, night], "c")
    [first, second] = leads(2, source="c")
    assert {first.owner_id, second.owner_id} == {ok}
    told = explained(database, second)
    assert {one.user_id: one.exclusion for one in told.candidates} == {
        ok: "",
        gone: "INACTIVE",
        absent: "ABSENT",
        declines: "DECLINES_LEADS",
        today: "FULL_TODAY",
        month: "FULL_30_DAYS",
        night: "OUTSIDE_HOURS",
    }


def test_who_is_owed_most_is_named_as_what_decided(database, person, rule, leads):
    people = [person() for _ in range(3)]
    rule(people, "a")
    made = leads(4, source="a")
    assert sorted(lead.owner_id for lead in made[:3]) == sorted(people)
    breaks = [explained(database, lead).tie_break for lead in made]
    assert breaks == ["ORDER", "ORDER", "FAIRNESS_DEBT", "ORDER"]
    third = explained(database, made[2]).candidates
    assert [round(one.debt, 3) for one in third] == [0.667, -0.333, -0.333]
    with database.read(SYSTEM) as session:
        assert session.scalar(select(func.sum(AssignmentDebt.debt))) == 0


def test_a_full_day_ends_at_midnight_by_the_organisations_clock(database, person, rule, leads, clock):
    anna = person(daily_capacity=1)
    rule([anna], "a", outside_hours="IGNORE")
    [_, left] = leads(2, source="a")
    assert left.owner_id is None
    clock.set(clock() + timedelta(hours=13, minutes=59))  # a minute to midnight in Shanghai
    run(database, assign_waiting)
    assert fresh(database, left).owner_id is None
    clock.set(clock() + timedelta(hours=4))
    run(database, assign_waiting)
    assert fresh(database, left).owner_id == anna


def test_leads_wait_for_working_hours_if_the_rule_says_so(database, person, rule, leads, clock):
    anna = person()
    rule([anna], "a", outside_hours="WAIT")
    rule([anna], "b")
    clock.set(clock() + timedelta(hours=10))  # eight in the evening
    [waits], [given] = leads(source="a"), leads(source="b")
    assert (waits.owner_id, given.owner_id) == (None, anna)
    row = pool(database)[waits.id]
    assert (row.waiting, row.reason, row.retry_time) == (True, "OUTSIDE_HOURS", clock() + timedelta(hours=13))
    clock.set(row.retry_time)
    run(database, assign_waiting)
    assert fresh(database, waits).owner_id == anna


def test_a_dry_run_tells_the_same_and_writes_nothing(database, person, rule, leads, facts):
    people = [person() for _ in range(3)]
    rule(people, "a")
    made = leads(5, source="a", assigned=False)
    before = len(facts())
    condition = ParseDict(where("source", "a"), Filter())
    with database.read(make_caller()) as session:
        tried = assign_leads(session, [], condition, dry_run=True)
        would = [one.assignee.user_id for one in tried.decisions]
        assert session.scalar(select(func.count()).select_from(LeadAssignment)) == 0
        assert queries.explain_assignment(session, made[0].id, None).assignment.assignee_id == would[0]
    assert len(facts()) == before
    assert pool(database) == {}
    assert all(fresh(database, lead).owner_id is None for lead in made)
    with database.write(make_caller()) as session:
        outcome = assign_leads(session, [], condition, dry_run=False)
    assert [one.assignee.user_id for one in outcome.decisions] == would
    assert (outcome.passed_over, outcome.queued) == (0, 0)
    with database.write(make_caller()) as session:
        again = assign_leads(session, [made[0].id], Filter(), dry_run=False)
    assert (again.decisions, again.passed_over) == ([], 1)
    with database.write(make_caller()) as session, pytest.raises(NotFound):
        assign_leads(session, [new_id()], Filter(), dry_run=False)
    with database.write(make_caller()) as session, pytest.raises(Invalid):
        assign_leads(session, [], Filter(), dry_run=False)


def test_what_a_filter_finds_beyond_the_first_part_waits_for_the_timer(database, person, rule, leads, monkeypatch):
    for module in ("assign_leads", "running"):
        monkeypatch.setattr(f"leads.assignment.{module}.PART", 3)
    rule([person()], "a")
    made = leads(8, source="a", assigned=False)
    with database.write(make_caller()) as session:
        outcome = assign_leads(session, [], ParseDict(where("source", "a"), Filter()), dry_run=False)
    assert (len(outcome.decisions), outcome.queued) == (3, 5)
    run(database, assign_waiting)
    assert all(fresh(database, lead).owner_id for lead in made)
    assert pool(database) == {}


def test_rules_and_capacities_change_before_or_after_what_is_decided_by_them(database, person, rule):
    anna = person()
    made = rule([anna])
    for change in (
        lambda session: update_rule(session, made.id, {"priority": 7}),
        lambda session: delete_rule(session, made.id),
        lambda session: update_capacity(session, anna, {"weight": 3}),
    ):
        with database.write(SYSTEM) as deciding:
            alone(deciding)
            with database.write(make_caller()) as session:
                session.execute(text("SET LOCAL lock_timeout = '100ms'"))
                with pytest.raises(DBAPIError) as refused, session.begin_nested():
                    change(session)
        assert refused.value.orig.sqlstate == LOCK_NOT_AVAILABLE


def test_somebody_who_is_back_before_working_hours_is_given_leads(database, person, rule, leads, clock):
    anna = person()
    rule([anna], "a")
    with database.write(make_caller()) as session:
        long = create_absence(session, anna, session.now, session.now + timedelta(days=3))
    [lead] = leads(source="a")
    assert explained(database, lead).candidates[0].exclusion == "ABSENT"
    with database.write(make_caller()) as session:
        delete_absence(session, long.id)
        create_absence(session, anna, session.now, session.now + timedelta(hours=20))
    clock.set(clock() + timedelta(hours=11))  # she is back at six, and begins at nine
    run(database, assign_waiting)
    assert fresh(database, lead).owner_id == anna


def test_two_who_assign_at_once_never_give_more_than_can_be_taken(database, person, rule, leads):
    people = [person(daily_capacity=3, monthly_capacity=5) for _ in range(4)]
    rule(people[:3], "a")
    rule(people[1:], "b")
    made = [lead.id for lead in leads(20, source="a", assigned=False) + leads(20, source="b", assigned=False)]

    def work(part):
        with database.write(SYSTEM) as session:
            assign_new(session, part)

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(work, [made[at::4] for at in range(4)]))
    with database.read(SYSTEM) as session:
        rows = session.execute(select(Lead.owner_id, func.count()).group_by(Lead.owner_id)).all()
        counts = {key: count for key, count in rows if key is not None}
        assert counts == dict.fromkeys(people, 3)
        assert session.scalar(select(func.count()).select_from(WaitingLead)) == 40 - 12


def test_rules_are_judged_when_they_are_made(database, person, rule, clock):
    anna = person()
    first = rule([anna], priority=7)
    for reason, values in (
        ("DUPLICATE_PRIORITY", {"priority": 7}),
        ("REQUIRED", {"display_name": " "}),
        ("INVALID_STRATEGY", {"strategy": "BEST"}),
        ("REQUIRED", {"users": []}),
        ("UNKNOWN_OWNER", {"users": [new_id()]}),
        ("UNKNOWN_DEPARTMENT", {"departments": [new_id()]}),
        ("UNKNOWN_DEPARTMENT", {"headed_departments": [new_id()]}),
        ("UNKNOWN_ROLE", {"roles": [new_id()]}),
        ("UNKNOWN_FIELD", {"condition": where("shoe_size", "43")}),
        ("OUT_OF_RANGE", {"max_tries": 0}),
        ("INVALID_VALUE", {"active_from": clock(), "active_until": clock()}),
    ):
        with database.write(make_caller()) as session, pytest.raises((Invalid, Duplicate)) as caught:
            create_rule(session, {"display_name": "x", "strategy": "ROUND_ROBIN", "users": [anna]} | values)
        assert caught.value.reason == reason
    with database.write(make_caller()) as session:
        assert update_rule(session, first.id, {"active_from": clock() + timedelta(days=1)}).version == 2
    with database.write(make_caller()) as session:
        delete_rule(session, first.id)
    with database.write(make_caller()) as session, pytest.raises(NotFound):
        delete_rule(session, first.id)
    with database.write(make_caller()) as session, pytest.raises(Invalid) as caught:
        update_capacity(session, anna, {"hours": ["9-18"]})
    assert caught.value.reason == "INVALID_TIME_OF_DAY"


def test_departments_are_candidates_with_all_below_them(database, person, rule, leads, department):
    north = department("r/n/")
    inside, below, outside = person("r/n/"), person("r/n/x/"), person("r/s/")
    rule([], "a", departments=[north])
    owners = {lead.owner_id for lead in leads(4, source="a")}
    assert owners == {inside, below}
    assert outside not in owners


def test_holders_of_roles_and_heads_of_departments_are_candidates(database, person, rule, leads, department):
    north, south, role, other = department("r/n/"), department("r/s/"), new_id(), new_id()
    holder, head, stranger = person("r/x/"), person("r/n/"), person("r/n/")
    with database.write(SYSTEM) as session:
        for key in (role, other):
            learn_role(session, key, 1)
        learn_holder(session, holder, 1, [f"roles/{role}", f"roles/{other}"])
        learn_department(session, north, 2, "r/n/", head_id=head)
    rule([], "a", roles=[role], headed_departments=[north, south])
    assert {lead.owner_id for lead in leads(4, source="a")} == {holder, head}
    with database.write(SYSTEM) as session:
        learn_holder(session, holder, 2, [f"roles/{other}"])
        learn_department(session, north, 3, "r/n/", head_id=stranger)
    assert {lead.owner_id for lead in leads(4, source="a")} == {stranger}
