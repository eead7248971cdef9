"""What happens on days 3, 5 and 7 without a follow-up: each once, and nothing after one."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from chassis.callers import Reach, service_caller
from chassis.errors import Denied, Duplicate, Invalid
from chassis.jobs import Job, JobState
from chassis.jobs.run import run_next
from chassis.names import new_id
from chassis.testing import eventually, make_caller
from chassis.testing.databases import waits
from leads.drafts import FollowUpDraft
from leads.escalation import escalating, queries
from leads.escalation.escalating import escalate
from leads.escalation.policies import DEFAULT_STEPS, Step, create_policy, update_policy
from leads.main import SERVICE as LEADS
from leads.model import EscalationAction, Lead
from leads.subjects import Subject
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.usecases.learn_organisation import learn_department, learn_user
from leads.usecases.log_follow_up import log_follow_up
from leads.usecases.transfer_lead import transfer_lead
from sqlalchemy import select

DAY = timedelta(days=1)
SERVICE = service_caller("leads")
ME = make_caller()


@pytest.fixture
def run(database):
    def call(use_case, *args, caller=ME, **values):
        with database.write(caller) as session:
            return use_case(session, *args, **values)

    return call


@pytest.fixture
def team(run):
    """A department with a head and a rep: its id, the head, the rep."""

    def make(above=""):
        department, head, rep = new_id(), new_id(), new_id()
        path = f"{above}{department}/"
        for user in (head, rep):
            run(learn_user, user, 1, department, path, caller=SERVICE)
        run(learn_department, department, 1, path, head_id=head, caller=SERVICE)
        return department, head, rep, path

    return make


@pytest.fixture
def policy(run):
    def make(subject="LEADS", department=None, steps=(), **values):
        return run(create_policy, {"display_name": "升级", "subject": subject} | values, department, steps)

    return make


@pytest.fixture
def tick(database, clock, facts):
    runtime: Any = SimpleNamespace(database=database, settings=SimpleNamespace(environment={}))

    def run():
        before = len(facts())
        with database.write(SERVICE) as session:
            escalate(session, clock.now)
        while run_next(LEADS, runtime):
            pass
        raised = [data for kind, data in facts()[before:] if kind == "NotificationRaised"]
        return sorted((data["recipient"], data["kind"]) for data in raised)

    return run


def a_lead(run, owner):
    return run(create_lead, LeadDraft({"company_name": f"公司{new_id().hex}"}, owner))


def name(user):
    return f"users/{user}"


def steps_of(database, caller=ME, subject=None, standing=False, high_risk=False):
    with database.read(caller) as session:
        page = queries.list_escalations(
            session, subject, only_standing=standing, high_risk=high_risk, page_size=0, page_token=""
        )
    return [(row.days, row.action) for row in page.rows]


def test_a_lead_that_others_hold_is_waited_for(database, run, team, policy, tick, clock):
    _, head, rep, _ = team()
    policy()
    held = a_lead(run, rep)
    a_lead(run, rep)
    clock.advance(5 * DAY)

    with ThreadPoolExecutor(1) as thread:
        with database.write(ME) as session:
            session.get_one(Lead, held.id, with_for_update=True)
            ticked = thread.submit(tick)
            eventually(lambda: waits(session))
        told = ticked.result(60)
    assert told == sorted([(name(rep), "FOLLOW_UPS_OVERDUE"), (name(head), "FOLLOW_UPS_ESCALATED")])
    assert steps_of(database) == [(5, "NONE")] * 2


@pytest.mark.parametrize("kind", ["LEADS", "CUSTOMERS"])
def test_on_days_three_five_and_seven_just_these_are_told(database, run, team, policy, known, tick, clock, kind):
    _, head, rep, path = team()
    policy(kind)
    subject = Subject("leads", a_lead(run, rep).id) if kind == "LEADS" else Subject("customers", known(rep, path))
    told = {}
    for half_days in range(1, 20):
        clock.advance(DAY / 2)
        if raised := tick():
            told[half_days / 2] = raised
        assert tick() == []
    marked = sorted([(name(rep), "HIGH_RISK_MARKED"), (name(head), "HIGH_RISK_MARKED")])
    assert told == {
        3: [(name(rep), "FOLLOW_UP_OVERDUE")],
        5: sorted([(name(rep), "FOLLOW_UP_OVERDUE"), (name(head), "FOLLOW_UP_ESCALATED")]),
        7: marked,
    }
    assert steps_of(database, subject=subject, high_risk=True, standing=True) == [(7, "HIGH_RISK")]
    assert steps_of(database) == [(7, "HIGH_RISK"), (5, "NONE"), (3, "NONE")]


@pytest.mark.parametrize("kind", ["leads", "customers"])
def test_a_follow_up_ends_it_and_the_days_begin_anew(database, run, team, policy, known, tick, clock, directory, kind):
    _, _, rep, path = team()
    policy(kind.upper())
    subject = Subject(kind, a_lead(run, rep).id if kind == "leads" else known(rep, path))
    clock.advance(5 * DAY)
    assert len(tick()) == 2
    draft = FollowUpDraft(**subject.columns, method="CALL", content="已约下周见面", occur_time=clock.now)
    run(log_follow_up, draft, directory)
    assert steps_of(database, standing=True) == []
    clock.advance(3 * DAY - timedelta(minutes=1))
    assert tick() == []
    clock.advance(timedelta(minutes=1))
    assert tick() == [(name(rep), "FOLLOW_UP_OVERDUE")]


def test_who_gets_a_lead_has_the_days_before_them(run, team, policy, tick, clock):
    _, _, rep, _ = team()
    _, _, other, _ = team()
    policy()
    lead = a_lead(run, rep)
    clock.advance(2 * DAY)
    run(transfer_lead, lead.id, other)
    clock.advance(2 * DAY)
    assert tick() == []
    clock.advance(DAY)
    assert tick() == [(name(other), "FOLLOW_UP_OVERDUE")]


def test_after_a_time_without_anybody_looking_the_last_step_alone_is_taken(run, team, policy, tick, clock, database):
    _, _head, rep, _ = team()
    policy()
    a_lead(run, rep)
    clock.advance(30 * DAY)
    assert {kind for _, kind in tick()} == {"HIGH_RISK_MARKED"}
    assert steps_of(database) == [(7, "HIGH_RISK")]
    assert tick() == []


def test_a_step_gives_a_lead_to_the_manager_and_tells_both(database, run, team, policy, tick, clock):
    _, head, rep, path = team()
    policy(steps=(Step(2, action=EscalationAction.REASSIGN),))
    lead = a_lead(run, rep)
    clock.advance(2 * DAY)
    assert tick() == sorted([(name(head), "LEAD_ASSIGNED"), (name(rep), "LEAD_REASSIGNED")])
    with database.read(ME) as session:
        moved = session.get_one(Lead, lead.id)
    assert (moved.owner_id, moved.owner_department_path, moved.owner_since) == (head, path, clock.now)
    assert tick() == []


@pytest.mark.parametrize("kind", ["LEADS", "CUSTOMERS"])
def test_of_several_records_each_is_told_once_how_many(run, team, policy, known, tick, clock, monkeypatch, kind):
    monkeypatch.setattr(escalating, "BATCH", 2)
    _, head, rep, path = team()
    policy(kind)
    for _ in range(5):
        if kind == "LEADS":
            a_lead(run, rep)
        else:
            known(rep, path)
    clock.advance(5 * DAY)
    assert tick() == sorted([(name(rep), "FOLLOW_UPS_OVERDUE"), (name(head), "FOLLOW_UPS_ESCALATED")])
    assert tick() == []


def test_leads_that_a_step_gives_away_are_told_of_once(run, team, policy, tick, clock):
    _, head, rep, _ = team()
    policy(steps=(Step(2, action=EscalationAction.REASSIGN),))
    for _ in range(3):
        a_lead(run, rep)
    clock.advance(2 * DAY)
    assert tick() == sorted([(name(head), "LEADS_ASSIGNED"), (name(rep), "LEADS_REASSIGNED")])


def test_no_job_is_queued_while_nothing_is_due(run, team, policy, clock, database):
    _, _, rep, _ = team()
    policy()
    a_lead(run, rep)
    clock.advance(2 * DAY)
    with database.write(SERVICE) as session:
        escalate(session, clock.now)
        waiting = Job.state.in_([JobState.QUEUED, JobState.RUNNING])
        assert session.scalar(select(Job.id).where(Job.kind == escalating.JOBS, waiting)) is None


def test_what_was_not_told_when_a_job_died_is_told_by_the_next(run, team, policy, tick, clock, monkeypatch):
    _, _, rep, _ = team()
    policy(steps=(Step(1, notify_owner=True),))
    a_lead(run, rep)
    clock.advance(DAY)
    with monkeypatch.context() as broken:
        broken.setattr(escalating, "tell_some", lambda session: (_ for _ in ()).throw(RuntimeError("killed")))
        with pytest.raises(RuntimeError):
            tick()
    assert tick() == [(name(rep), "FOLLOW_UP_OVERDUE")]
    assert tick() == []


def test_the_policy_of_the_nearest_department_counts(run, team, policy, tick, clock):
    above, _, rep_above, path = team()
    below, _, rep_below, _ = team(path)
    _, _, elsewhere, _ = team()
    policy(steps=(Step(1, notify_owner=True),))
    policy(department=above, steps=(Step(2, notify_owner=True),))
    policy(department=below, steps=(Step(3, notify_owner=True),), disabled=True)
    for rep in (rep_above, rep_below, elsewhere):
        a_lead(run, rep)
    clock.advance(DAY)
    assert tick() == [(name(elsewhere), "FOLLOW_UP_OVERDUE")]
    clock.advance(4 * DAY)
    assert tick() == [(name(rep_above), "FOLLOW_UP_OVERDUE")]


def test_what_is_over_is_nobody_s_worry(run, team, policy, tick, clock, database):
    _, _, rep, _path = team()
    policy()
    lead = a_lead(run, rep)
    with database.write(ME) as session:
        session.get_one(Lead, lead.id).status = "DISQUALIFIED"
    clock.advance(10 * DAY)
    assert tick() == []


def test_steps_are_seen_by_who_reaches_the_record(run, team, policy, tick, clock, database):
    _, _, rep, _ = team()
    policy()
    a_lead(run, rep)
    clock.advance(3 * DAY)
    tick()
    assert len(steps_of(database, make_caller(reach=Reach.SELF, user_id=rep))) == 1
    assert steps_of(database, make_caller(reach=Reach.SELF)) == []


def test_a_policy_that_cannot_be_is_refused(run, policy):
    kept = policy()
    assert [Step.from_json(step) for step in kept.steps] == list(DEFAULT_STEPS)
    with pytest.raises(Duplicate):
        policy()
    own = Step(1, notify_owner=True)
    for subject, steps, reason in (
        ("CUSTOMERS", (Step(1, action=EscalationAction.REASSIGN),), "REASSIGN_LEADS_ONLY"),
        ("CUSTOMERS", (own, own), "DUPLICATE_STEP"),
        ("CUSTOMERS", (Step(0, notify_owner=True),), "OUT_OF_RANGE"),
        ("CUSTOMERS", (Step(1),), "EMPTY_STEP"),
        ("CUSTOMERS", (Step(1, notify_owner=True, assignee_id=new_id()),), "UNKNOWN_OWNER"),
    ):
        with pytest.raises(Invalid) as refused:
            policy(subject, steps=steps)
        assert refused.value.reason == reason
    with pytest.raises(Invalid):
        policy("CUSTOMERS", department=new_id())
    with pytest.raises(Denied):
        run(update_policy, kept.id, {}, None, caller=make_caller("escalation.configure", reach=Reach.DEPARTMENT))
    assert run(update_policy, kept.id, {"disabled": True}, [own], etag="v1").version == 2
