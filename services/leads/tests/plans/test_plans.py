"""Making, changing, moving and ending plans, and who sees them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from chassis.callers import Reach
from chassis.errors import Conflict, Denied, Invalid, NotFound, Stale
from chassis.etags import etag
from chassis.names import new_id
from chassis.testing import eventually, make_caller
from chassis.testing.databases import waits
from crm.common.v1.filter_pb2 import Filter
from leads.drafts import FollowUpDraft
from leads.model import FollowUp, Plan, PlanStatus
from leads.plans import queries
from leads.plans.cancel import cancel_plan
from leads.plans.complete import complete_plan
from leads.plans.conflicts import hold_people
from leads.plans.move import move_plan
from leads.plans.occurrences import deviations_of, occurrences
from leads.plans.queries import lock_plan
from leads.plans.respond import respond_to_plan
from leads.plans.update import PlanPatch, update_plan
from leads.subjects import Subject
from sqlalchemy import select

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
MONDAY_NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)  # by the clock of Shanghai


@pytest.fixture
def change(database):
    """Calls a use case for a caller."""

    def call(caller, usecase, *arguments, **more):
        with database.write(caller) as session:
            return usecase(session, *arguments, **more)

    return call


def starts(database, caller, plan, days=30):
    with database.read(caller) as session:
        kept = session.get_one(Plan, plan.id)
        found = occurrences(
            kept, deviations_of(session, [plan.id]).get(plan.id, ()), MONDAY_NOON - DAY, MONDAY_NOON + days * DAY
        )
        return sorted((one.slot.start, one.status) for one in found)


def test_a_plan_is_made_and_its_participants_are_asked(database, person, plan, known, notified):
    me, colleague = person(), person("x/")
    customer = known(me.user_id, name="上海华诚")
    subject = Subject("customers", customer)
    made = plan(me, subject=subject, participant_ids=[colleague.user_id], place="总部", guests=["王芳"])
    assert (made.clashes, made.plan.version, made.plan.sequence) == ([], 1, 0)
    with database.read(colleague) as session:
        seen = queries.get_plan(session, made.plan.id)
        assert (seen.subject, seen.guests, seen.assignee_id) == (subject.name, ["王芳"], me.user_id)
        asked = {row.user_id: row.response for row in queries.participants_of(session, [seen.id])[seen.id]}
    assert asked == {me.user_id: "ACCEPTED", colleague.user_id: "NEEDS_ACTION"}
    [(kind, recipient, params)] = notified()
    assert (kind, recipient, params["title"]) == ("PLAN_INVITED", colleague.subject, "拜访")


@pytest.mark.parametrize(
    ("given", "field", "reason"),
    [
        ({"kind": ""}, "kind", "UNKNOWN_PLAN_KIND"),
        ({"title": " "}, "title", "REQUIRED"),
        ({"title": "x" * 201}, "title", "TOO_LONG"),
        ({"at": datetime(1999, 12, 31, tzinfo=UTC), "rule": "FREQ=DAILY"}, "start_time", "OUT_OF_RANGE"),
        ({"at": datetime(9999, 12, 20, tzinfo=UTC)}, "start_time", "OUT_OF_RANGE"),
        ({"length": timedelta(0)}, "end_time", "INVALID_PLAN_TIMES"),
        ({"length": timedelta(days=32)}, "end_time", "INVALID_PLAN_TIMES"),
        ({"zone": "Asia/Peking"}, "time_zone", "UNKNOWN_TIME_ZONE"),
        ({"all_day": True}, "start_time", "NOT_MIDNIGHT"),
        ({"reminder_minutes": [-1]}, "reminder_minutes", "OUT_OF_RANGE"),
        ({"guests": ["x"] * 21}, "guests", "TOO_MANY"),
        ({"rule": "FREQ=HOURLY"}, "recurrence", "INVALID_RECURRENCE"),
        ({"rule": "FREQ=WEEKLY;BYDAY=TU"}, "recurrence", "INVALID_RECURRENCE"),
        ({"rule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}, "recurrence", "INVALID_RECURRENCE"),
        ({"rule": "FREQ=DAILY;COUNT=1001"}, "recurrence", "INVALID_RECURRENCE"),
        ({"participant_ids": [new_id()]}, "participants", "UNKNOWN_PARTICIPANT"),
    ],
)
def test_what_cannot_be_right_is_refused(person, plan, facts, given, field, reason):
    with pytest.raises(Invalid) as caught:
        plan(person(), **given)
    assert [(fault.field, fault.reason) for fault in caught.value.violations] == [(field, reason)]
    assert facts() == []


def test_all_faults_are_told_together(person, plan):
    with pytest.raises(Invalid) as caught:
        plan(person(), kind="", title="", zone="x")
    assert {fault.field for fault in caught.value.violations} == {"kind", "title", "time_zone"}


def test_subjects_and_assignees_out_of_reach_are_refused(person, plan, known):
    me, colleague, manager = person("r/a/"), person("r/a/"), person("r/a/", Reach.DEPARTMENT_TREE)
    with pytest.raises(NotFound):
        plan(me, subject=Subject("customers", known(new_id())))
    with pytest.raises(NotFound):
        plan(me, subject=Subject("leads", new_id()))
    with pytest.raises(Denied, match="record") as refused:
        plan(me, assignee_id=colleague.user_id)
    assert refused.value.reason == "NOT_YOURS"
    assert plan(manager, assignee_id=colleague.user_id).plan.assignee_id == colleague.user_id
    with pytest.raises(Invalid) as gone:
        plan(me, participant_ids=[person(active=False).user_id])
    assert gone.value.reason == "INACTIVE_PARTICIPANT"


def test_plans_are_seen_by_scope_and_private_ones_by_whoever_takes_part(database, person, plan, known):
    me, guest, stranger = person("r/a/"), person("r/b/"), person("r/a/")
    manager, owner = person("r/a/", Reach.DEPARTMENT), person("r/b/")
    customer = known(owner.user_id)
    admin = make_caller(user_id=person().user_id)
    plain = plan(me).plan
    about = plan(admin, 3 * HOUR, subject=Subject("customers", customer)).plan
    secret = plan(me, 5 * HOUR, private=True, participant_ids=[guest.user_id]).plan
    seen = [
        (me, {plain.id, secret.id}),
        (guest, {secret.id}),
        (stranger, set()),
        (manager, {plain.id}),
        (owner, {about.id}),
        (admin, {plain.id, about.id}),
    ]
    for caller, expected in seen:
        with database.read(caller) as session:
            page = queries.list_plans(
                session, subject=None, conditions=Filter(), order_by=[], page_size=0, page_token=""
            )
            assert {row.id for row in page.rows} == expected
            for one in (plain, about, secret):
                if one.id in expected:
                    assert queries.get_plan(session, one.id).id == one.id
                else:
                    with pytest.raises(NotFound):
                        queries.get_plan(session, one.id)
    with database.read(owner) as session:
        page = queries.list_plans(
            session,
            subject=Subject("customers", customer),
            conditions=Filter(),
            order_by=[],
            page_size=0,
            page_token="",
        )
        assert [row.id for row in page.rows] == [about.id]


def test_only_whose_plan_it_is_changes_it(database, person, plan, change, directory):
    me, guest, stranger = person("r/a/"), person("r/b/"), person("r/c/")
    manager = person("r/a/", Reach.DEPARTMENT)
    made = plan(me, participant_ids=[guest.user_id]).plan
    patch = PlanPatch(frozenset({"title"}), {"title": "改"})
    with pytest.raises(Denied):
        change(guest, update_plan, made.id, patch, directory)
    with pytest.raises(NotFound):
        change(stranger, update_plan, made.id, patch, directory)
    assert change(manager, update_plan, made.id, patch, directory).plan.title == "改"
    with pytest.raises(Stale):
        change(me, update_plan, made.id, patch, directory, etag=etag(1))


def test_a_change_of_nothing_leaves_no_trace(person, plan, change, directory, facts):
    me = person()
    made = plan(me).plan
    before = facts()
    again = change(me, update_plan, made.id, PlanPatch(frozenset({"title"}), {"title": "拜访"}), directory)
    moved = change(me, move_plan, made.id, made.start_time, made.end_time)
    assert (again.plan.version, moved.plan.version, moved.plan.sequence) == (1, 1, 0)
    assert facts() == before


def test_participants_come_and_go(database, person, plan, change, directory, notified):
    me, one, other = person(), person(), person()
    made = plan(me, participant_ids=[one.user_id]).plan
    patch = PlanPatch(frozenset({"participants"}), participant_ids=[other.user_id])
    change(me, update_plan, made.id, patch, directory)
    with database.read(me) as session:
        assert {row.user_id for row in queries.participants_of(session, [made.id])[made.id]} == {
            me.user_id,
            other.user_id,
        }
    assert [(kind, who) for kind, who, _ in notified()] == [
        ("PLAN_INVITED", one.subject),
        ("PLAN_INVITED", other.subject),
    ]


def test_a_move_asks_again_and_raises_the_sequence(database, person, plan, change, notified, clock):
    me, one, no = person(), person(), person()
    made = plan(me, participant_ids=[one.user_id, no.user_id]).plan
    change(one, respond_to_plan, made.id, "ACCEPTED")
    change(no, respond_to_plan, made.id, "DECLINED")
    before = len(notified())
    moved = change(me, move_plan, made.id, clock.now + DAY, clock.now + DAY + HOUR).plan
    assert (moved.start_time, moved.sequence) == (clock.now + DAY, 1)
    with database.read(me) as session:
        rows = queries.participants_of(session, [made.id])[made.id]
        assert {row.user_id: row.response for row in rows} == {
            me.user_id: "ACCEPTED",
            one.user_id: "NEEDS_ACTION",
            no.user_id: "NEEDS_ACTION",
        }
    told = notified()[before:]
    assert {(kind, who) for kind, who, _ in told} == {("PLAN_MOVED", one.subject), ("PLAN_MOVED", no.subject)}
    assert {params["start_time"] for _, _, params in told} == {(clock.now + DAY).isoformat()}


def test_who_had_declined_is_asked_again_and_not_where_they_are_busy(person, plan, change, policy, clock):
    me, no = person(), person()
    policy("BLOCK")
    made = plan(me, participant_ids=[no.user_id]).plan
    change(no, respond_to_plan, made.id, "DECLINED")
    plan(no, DAY)
    with pytest.raises(Conflict) as refused:
        change(me, move_plan, made.id, clock.now + DAY, clock.now + DAY + HOUR)
    assert (refused.value.reason, refused.value.details["users"]) == ("PLAN_CONFLICT", no.subject)
    # A single occurrence asks nobody again: who declined stays away.
    weekly = plan(me, 3 * DAY, rule="FREQ=WEEKLY;COUNT=3", participant_ids=[no.user_id]).plan
    change(no, respond_to_plan, weekly.id, "DECLINED")
    change(me, move_plan, weekly.id, clock.now + DAY, clock.now + DAY + HOUR, occurrence_time=weekly.start_time)


def test_who_answers_while_a_plan_is_changed_waits_and_both_happen(database, person, plan, change):
    me, guest = person(), person()
    made = plan(me, participant_ids=[guest.user_id]).plan
    change(guest, respond_to_plan, made.id, "DECLINED")
    with ThreadPoolExecutor(1) as executor:
        with database.write(me) as session:
            lock_plan(session, made.id)
            answering = executor.submit(change, guest, respond_to_plan, made.id, "ACCEPTED")
            eventually(lambda: waits(session))
            hold_people(session, [guest.user_id])  # as whoever changes the plan does after they have locked it
        assert answering.result().id == made.id


def test_one_occurrence_is_moved_and_another_cancelled(database, person, plan, change):
    me, guest = person(), person()
    made = plan(me, MONDAY_NOON, rule="FREQ=WEEKLY;COUNT=4", participant_ids=[guest.user_id]).plan
    second, third = MONDAY_NOON + WEEK, MONDAY_NOON + 2 * WEEK
    change(me, move_plan, made.id, second + DAY, second + DAY + HOUR, occurrence_time=second)
    change(me, cancel_plan, made.id, occurrence_time=third, reason="出差")
    assert starts(database, me, made) == [
        (MONDAY_NOON, "PLANNED"),
        (second + DAY, "PLANNED"),
        (third, "CANCELLED"),
        (MONDAY_NOON + 3 * WEEK, "PLANNED"),
    ]
    with pytest.raises(NotFound):
        change(me, cancel_plan, made.id, occurrence_time=second + DAY)
    with pytest.raises(Conflict):
        change(me, move_plan, made.id, third, third + HOUR, occurrence_time=third)
    # Another time of day for all: what became of single days stays on its day.
    later = MONDAY_NOON + 2 * HOUR
    moved = change(me, move_plan, made.id, later, later + HOUR).plan
    assert moved.sequence == 3
    assert starts(database, me, made) == [
        (later, "PLANNED"),
        (second + DAY, "PLANNED"),
        (third + 2 * HOUR, "CANCELLED"),
        (later + 3 * WEEK, "PLANNED"),
    ]
    # A rule that has none on that day any more forgets what became of it.
    patch = PlanPatch(frozenset({"recurrence"}), recurrence="FREQ=WEEKLY;COUNT=2")
    change(me, update_plan, made.id, patch, None)
    assert starts(database, me, made) == [(later, "PLANNED"), (second + DAY, "PLANNED")]
    change(me, update_plan, made.id, PlanPatch(frozenset({"recurrence"})), None)
    assert starts(database, me, made) == [(later, "PLANNED")]


def test_a_cancelled_plan_is_over(person, plan, change, directory, notified):
    me, guest = person(), person()
    made = plan(me, participant_ids=[guest.user_id]).plan
    done = change(me, cancel_plan, made.id, reason="客户改期")
    assert (done.status, done.cancel_reason, done.sequence) == (PlanStatus.CANCELLED, "客户改期", 1)
    assert [(kind, who) for kind, who, _ in notified()][1:] == [("PLAN_CANCELLED", guest.subject)]
    for again in (
        lambda: change(me, cancel_plan, made.id),
        lambda: change(me, move_plan, made.id, made.start_time, made.end_time),
        lambda: change(me, update_plan, made.id, PlanPatch(frozenset({"title"}), {"title": "x"}), directory),
        lambda: change(guest, respond_to_plan, made.id, "ACCEPTED"),
    ):
        with pytest.raises(Conflict) as refused:
            again()
        assert refused.value.reason == "PLAN_NOT_OPEN"


def test_a_plan_is_completed_with_a_follow_up(database, person, plan, change, directory, known, clock):
    me = person()
    customer = known(me.user_id)
    made = plan(me, -2 * HOUR, subject=Subject("customers", customer), kind="CALL").plan
    stated = FollowUpDraft(customer, "UNSPECIFIED", "", next_contact_time=clock.now + WEEK)
    done, logged = change(me, complete_plan, made.id, directory, result="谈妥价格", follow_up=stated)
    assert (done.status, done.result) == (PlanStatus.DONE, "谈妥价格")
    assert (logged.customer_id, logged.method, logged.content) == (customer, "CALL", "谈妥价格")
    assert (logged.occur_time, logged.next_contact_time) == (clock.now - HOUR, clock.now + WEEK)


def test_a_completion_that_cannot_log_completes_nothing(database, person, plan, change, directory, known):
    me = person()
    about = plan(me, -2 * HOUR, subject=Subject("customers", known(me.user_id))).plan
    nobody = plan(me, -4 * HOUR).plan
    for made, reason in ((about, "REQUIRED"), (nobody, "NO_SUBJECT")):
        with pytest.raises(Invalid) as refused:
            change(me, complete_plan, made.id, directory, follow_up=FollowUpDraft(new_id(), "CALL", ""))
        assert refused.value.reason == reason
    with database.read(me) as session:
        assert set(session.scalars(select(Plan.status))) == {PlanStatus.PLANNED}
        assert session.scalars(select(FollowUp.id)).all() == []


def test_occurrences_are_completed_one_by_one_and_not_before_they_begin(database, person, plan, change, directory):
    me = person()
    made = plan(me, MONDAY_NOON - WEEK, rule="FREQ=WEEKLY").plan
    with pytest.raises(Invalid) as unsaid:
        change(me, complete_plan, made.id, directory)
    assert unsaid.value.reason == "OCCURRENCE_REQUIRED"
    change(me, complete_plan, made.id, directory, occurrence_time=MONDAY_NOON - WEEK, result="好")
    with pytest.raises(Conflict) as early:
        change(me, complete_plan, made.id, directory, occurrence_time=MONDAY_NOON + WEEK)
    assert early.value.reason == "PLAN_NOT_BEGUN"
    with pytest.raises(Conflict) as again:
        change(me, complete_plan, made.id, directory, occurrence_time=MONDAY_NOON - WEEK)
    assert again.value.reason == "PLAN_NOT_OPEN"
    assert change(me, cancel_plan, made.id).status == PlanStatus.CANCELLED
    assert starts(database, me, made, 8)[-2:] == [(MONDAY_NOON, "CANCELLED"), (MONDAY_NOON + WEEK, "CANCELLED")]


def test_whoever_was_not_asked_cannot_answer(person, plan, change):
    me, stranger = person(), make_caller()
    made = plan(me).plan
    with pytest.raises(NotFound):
        change(stranger, respond_to_plan, made.id, "ACCEPTED")
    with pytest.raises(Invalid):
        change(me, respond_to_plan, made.id, "NEEDS_ACTION")
