"""The work that devices keep and do without a connection: tasks, plans and visits."""

from datetime import timedelta
from uuid import uuid4

import pytest
from chassis.callers import service_caller
from chassis.names import parse_name
from chassis.testing import make_caller
from crm.leads.v1 import offline_sync_service_pb2 as pb
from crm.leads.v1 import visit_pb2
from leads.geo import Position
from leads.model import PlanResponse, Visit, VisitEnd
from leads.offline import mapping
from leads.offline.applying import Operation, apply_operations
from leads.offline.feed import PLANS, TASKS, VISITS, read_changes
from leads.offline.kinds import Leaving
from leads.offline.showing import work_of
from leads.plans.create import create_plan
from leads.plans.drafts import PlanDraft, Times
from leads.plans.respond import respond_to_plan
from leads.plans.update import PlanPatch, update_plan
from leads.subjects import Subject
from leads.tasks.changing import assign_task
from leads.tasks.making import TaskDraft, create_task
from leads.usecases.learn_organisation import learn_user
from leads.visits.checking_in import CheckInDraft, check_in
from leads.visits.checking_out import Report
from sqlalchemy import select

HERE = Position(31.2304, 121.4737, 20.0)
HOUR = timedelta(hours=1)


@pytest.fixture
def people(database):
    """Two employees as callers."""
    made = [make_caller(department_path="1/") for _ in range(2)]
    with database.write(service_caller("leads")) as session:
        for caller in made:
            learn_user(session, caller.user_id, 1, None, "1/")
    return made


@pytest.fixture
def subject(known, people):
    return Subject("customers", known(people[0].user_id, "1/"))


@pytest.fixture
def hand_in(database, directory):
    def call(caller, *operations):
        with database.write(caller) as session:
            outcomes = apply_operations(session, operations, directory)
            return [(one.kept.state, one.kept.reason, one.duplicate) for one in outcomes]

    return call


def came(subject, time, client_id=None, position=HERE):
    draft = CheckInDraft(subject, position, time, reported_time=time)
    return Operation(client_id or uuid4(), "check_in", uuid4().bytes, lambda resolve: draft, time)


def left(client_id, time, report=None):
    def read(resolve):
        return Leaving(parse_name("visits", resolve(f"operations/{client_id}")), time, HERE, report)

    return Operation(uuid4(), "check_out", uuid4().bytes, read, time)


def visits(database, caller):
    with database.read(caller) as session:
        return session.scalars(select(Visit).order_by(Visit.check_in_time)).all()


class Device:
    """A device that keeps the names of what it is told, with what they tell."""

    def __init__(self, database, caller):
        self.database, self.caller, self.token, self.held = database, caller, "", {}

    def sync(self):
        more = True
        while more:
            with self.database.read(self.caller) as session:
                page = read_changes(session, self.token, (TASKS, PLANS, VISITS), 50)
                work = work_of(session, page)
            for change in page.changes:
                if change.gone:
                    self.held.pop(change.id, None)
                else:
                    self.held[change.id] = work[change.collection, change.id]
            self.token, more = page.token, page.more
        return self.held


def test_a_visit_without_a_connection_is_noted_once_with_the_time_that_was_reported(
    database, people, subject, hand_in, clock
):
    me, came_at, left_at, key = people[0], clock.now - 5 * HOUR, clock.now - 4 * HOUR, uuid4()
    queue = [came(subject, came_at, key), left(key, left_at, Report("谈妥了十台"))]
    assert hand_in(me, *queue) == [("APPLIED", "", False)] * 2
    assert hand_in(me, *queue) == [("APPLIED", "", True)] * 2
    [visit] = visits(database, me)
    assert (visit.check_in_time, visit.check_out_time, visit.report_time) == (came_at, left_at, clock.now)
    assert (visit.ended_by, visit.trust_reasons, visit.trust_score) == (VisitEnd.CHECK_OUT, ["TIME_REPORTED"], 80)
    assert visit.follow_up_id is not None


def test_a_visit_that_is_told_of_late_lies_between_the_others(database, people, subject, hand_in, clock, directory):
    me, key = people[0], uuid4()
    start = clock.now
    for hours in (0, 4):
        clock.set(start + hours * HOUR)
        with database.write(me) as session:
            check_in(session, CheckInDraft(subject, HERE), directory)
    clock.set(start + 5 * HOUR)
    assert hand_in(me, came(subject, start + 2 * HOUR, key)) == [("APPLIED", "", False)]
    first, late, last = visits(database, me)
    assert (first.check_out_time, last.check_out_time) == (start + 4 * HOUR, None)
    assert (late.check_out_time, late.ended_by) == (start + 4 * HOUR, VisitEnd.NEXT_CHECK_IN)
    # The check-out comes later still.
    assert hand_in(me, left(key, start + 5 * HOUR)) == [("REFUSED", "VISIT_ENDED", False)]
    assert hand_in(me, left(key, start + HOUR)) == [("REFUSED", "INVALID_VALUE", False)]
    assert hand_in(me, left(key, start + 3 * HOUR)) == [("APPLIED", "", False)]
    assert visits(database, me)[1].check_out_time == start + 3 * HOUR


def test_what_a_device_cannot_have_seen_is_put_right_or_refused(database, people, subject, hand_in, clock):
    me = people[0]
    assert hand_in(me, came(subject, clock.now - timedelta(days=31))) == [("REFUSED", "OUT_OF_RANGE", False)]
    assert hand_in(me, came(subject, clock.now + HOUR)) == [("APPLIED", "", False)]
    [visit] = visits(database, me)
    assert (visit.check_in_time, visit.trust_reasons) == (clock.now, ["DEVICE_TIME_OFF", "TIME_REPORTED"])
    far = Position(39.9042, 116.4074, 20.0)
    assert hand_in(me, came(subject, clock.now - HOUR / 2, position=far)) == [("APPLIED", "", False)]
    assert "TIME_REPORTED" in visits(database, me)[0].trust_reasons


def test_a_device_keeps_the_work_of_its_user_and_forgets_what_is_somebody_else_s(
    database, people, subject, directory, clock
):
    me, other = people
    mine, theirs = Device(database, me), Device(database, other)
    with database.write(me) as session:
        task = create_task(session, TaskDraft(subject, {"title": "回访"}), directory)
        times = Times(clock.now + HOUR, clock.now + 2 * HOUR, "Asia/Shanghai")
        draft = PlanDraft({"kind": "MEETING", "title": "评审"}, times, participant_ids=[other.user_id])
        plan = create_plan(session, draft, directory).plan
        visit = check_in(session, CheckInDraft(subject, HERE), directory)
    assert set(mine.sync()) == {task.id, plan.id, visit.id}
    assert (mine.held[task.id].title, mine.held[plan.id].title) == ("回访", "评审")
    assert mine.held[visit.id].subject == subject.name
    assert set(theirs.sync()) == {plan.id}
    with database.write(me) as session:
        assign_task(session, task.id, other.user_id)
    with database.write(other) as session:
        respond_to_plan(session, plan.id, PlanResponse.DECLINED)
    assert set(mine.sync()) == {plan.id, visit.id}
    assert {one.response for one in mine.held[plan.id].participants if one.user == other.subject} == {3}
    assert set(theirs.sync()) == {task.id, plan.id}
    with database.write(me) as session:
        update_plan(session, plan.id, PlanPatch(frozenset({"participants"})), directory)
    assert set(theirs.sync()) == {task.id}
    assert set(mine.sync()) == {plan.id, visit.id}


def test_a_visit_is_read_from_what_a_device_hands_in(database, people, subject, directory, clock):
    position = visit_pb2.VisitPosition(latitude=HERE.latitude, longitude=HERE.longitude, accuracy_metres=20)
    key = str(uuid4())
    arrival = pb.OfflineOperation(client_id=key, check_in=pb.OfflineCheckIn(subject=subject.name, position=position))
    leaving = pb.OfflineOperation(client_id=str(uuid4()), check_out=pb.OfflineCheckOut(visit=f"operations/{key}"))
    leaving.check_out.report.content = "谈妥了十台"
    nameless = pb.OfflineOperation(client_id=str(uuid4()), check_in=arrival.check_in)
    for operation, hours in ((arrival, 2), (leaving, 1)):
        operation.occur_time.FromDatetime(clock.now - hours * HOUR)
    with database.write(people[0]) as session:
        read = [mapping.operation_from_proto(one) for one in (arrival, leaving, nameless)]
        outcomes = apply_operations(session, read, directory)
    assert [(one.kept.state, one.kept.reason) for one in outcomes] == [
        ("APPLIED", ""),
        ("APPLIED", ""),
        ("REFUSED", "REQUIRED"),
    ]
    [visit] = visits(database, people[0])
    assert (visit.check_in_time, visit.check_out_time) == (clock.now - 2 * HOUR, clock.now - HOUR)
    assert visit.follow_up_id is not None
