"""Making, changing, ending and finding tasks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from chassis.callers import Reach, service_caller
from chassis.errors import Conflict, Denied, DomainError, Invalid, NotFound, Stale
from chassis.field_rules import FieldEffect
from chassis.handover import Move
from chassis.names import new_id
from chassis.testing import make_caller
from crm.common.v1.filter_pb2 import OPERATOR_EQUAL, Condition, Filter, FilterValue
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from leads.subjects import Subject, follow_conversion, titles
from leads.tasks import queries
from leads.tasks.changing import TaskPatch, assign_task, delete_task, update_task
from leads.tasks.due import DueRule, DueUnit
from leads.tasks.ending import cancel_task, complete_task, complete_tasks, reopen_task
from leads.tasks.leaving import hand_over_tasks
from leads.tasks.queries import Bucket
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.usecases.learn_customers import CustomerFacts
from leads.usecases.merge_customers import merge_customers, unmerge_customers

DAY = timedelta(days=1)
ME = make_caller()


def listed(database, caller, bucket=None, conditions=None):
    conditions = conditions or Filter()
    with database.read(caller) as session:
        page = queries.list_tasks(
            session, conditions=conditions, bucket=bucket, order_by=(), page_size=0, page_token=""
        )
        assert queries.count_tasks(session, conditions=conditions, bucket=bucket) == len(page.rows)
    return {row.id for row in page.rows}


def board(database, caller, size=0, token=""):
    with database.read(caller) as session:
        return queries.board(session, conditions=Filter(), page_size=size, page_token=token)


def notes(facts):
    return [data for kind, data in facts() if kind == "NotificationRaised"]


def test_a_task_is_the_caller_s_own_unless_it_is_given_to_somebody_who_is_told(create, colleague, facts):
    mine = create(ME)
    assert (mine.assignee_id, mine.status, mine.priority, mine.remind_minutes) == (ME.user_id, "OPEN", "NORMAL", 60)
    assert notes(facts) == []
    other = colleague("r/a/")
    theirs = create(ME, assignee_id=other)
    assert (theirs.assignee_id, theirs.assignee_department_path) == (other, "r/a/")
    [told] = notes(facts)
    assert (told["kind"], told["recipient"], told["resource"]) == ("TASK_ASSIGNED", f"users/{other}", theirs.name)


def test_giving_tasks_to_others_needs_its_own_permission_and_somebody_who_can_have_them(create, colleague, run):
    rep = make_caller("task.create", "task.read", "customer.read")
    with pytest.raises(Denied):
        create(rep, assignee_id=colleague())
    with pytest.raises(Invalid) as refused:
        create(ME, assignee_id=colleague(active=False))
    assert (refused.value.reason, refused.value.field) == ("INACTIVE_OWNER", "assignee")


def test_a_due_time_by_rule_counts_working_hours_from_now(create, clock):
    task = create(ME, due_rule=DueRule(3, DueUnit.WORKING_HOURS))
    # Noon to one is no working time: the default week has 9 to 12 and 13 to 18.
    assert task.due_time == clock.now + timedelta(hours=4)
    with pytest.raises(Invalid):
        create(ME, due_rule=DueRule(3, DueUnit.HOURS), due_time=clock.now)


def test_what_cannot_be_right_is_named_by_its_field(create):
    with pytest.raises(Invalid) as refused:
        create(ME, title=" ", priority="SOON", remind_minutes=-1, recurrence="often")
    fields = {fault.field: fault.reason for fault in refused.value.violations}
    assert fields == {
        "title": "REQUIRED",
        "priority": "INVALID_PRIORITY",
        "remind_minutes": "OUT_OF_RANGE",
        "recurrence": "INVALID_RECURRENCE",
    }
    with pytest.raises(Invalid, match="due first"):
        create(ME, recurrence="FREQ=DAILY")
    with pytest.raises(Invalid) as early:
        create(ME, remind_minutes=60, due_time=datetime(1, 1, 1, tzinfo=UTC))
    assert [(fault.field, fault.reason) for fault in early.value.violations] == [("due_time", "OUT_OF_RANGE")]
    for year in (1999, 9999):
        with pytest.raises(Invalid, match="or later"):
            create(ME, recurrence="FREQ=DAILY", due_time=datetime(year, 12, 31, tzinfo=UTC))


def test_a_task_is_reached_by_its_assignee_and_by_what_it_is_about(database, create, known, colleague):
    rep = make_caller(reach=Reach.SELF)
    head = make_caller(reach=Reach.DEPARTMENT_TREE, department_path="r/a/")
    colleague("r/a/b/", id=rep.user_id)
    mine = create(ME, assignee_id=rep.user_id)
    about_mine = create(ME, customer=known(rep.user_id, "r/a/b/"))
    hidden = create(ME)
    assert listed(database, rep) == listed(database, head) == {mine.id, about_mine.id}
    for task_id in (hidden.id, new_id()):
        with database.read(rep) as session, pytest.raises(NotFound) as refused:
            queries.get_task(session, task_id)
        assert refused.value.reason == "TASK_NOT_FOUND"
    with pytest.raises(NotFound):
        create(rep, customer=known())


def test_an_update_changes_what_it_says_and_notices_others(create, run, clock):
    task = create(ME, due_time=clock.now + DAY)
    changed = run(update_task, task.id, TaskPatch({"title": "再回访", "priority": "HIGH"}), etag="v1", caller=ME)
    assert (changed.title, changed.priority, changed.version) == ("再回访", "HIGH", 2)
    assert run(update_task, task.id, TaskPatch({"title": "再回访"}), caller=ME).version == 2
    with pytest.raises(Stale):
        run(update_task, task.id, TaskPatch({"title": "x"}), etag="v1", caller=ME)
    with pytest.raises(Invalid, match="complete or cancel"):
        run(update_task, task.id, TaskPatch({"status": "DONE"}), caller=ME)


def test_a_task_ends_once_is_announced_and_can_be_reopened(create, run, facts):
    task = create(ME)
    for _ in range(2):
        assert run(complete_task, task.id, caller=ME).status == "DONE"
    [ended] = [data for kind, data in facts() if kind == "TaskEnded"]
    assert (ended["task"], ended["status"], ended["subject"]) == (task.name, "DONE", task.subject)
    with pytest.raises(Conflict) as refused:
        run(update_task, task.id, TaskPatch({"title": "x"}), caller=ME)
    assert refused.value.reason == "TASK_ENDED"
    assert run(reopen_task, task.id, caller=ME).status == "OPEN"
    with pytest.raises(Invalid):
        run(cancel_task, task.id, " ", caller=ME)
    cancelled = run(cancel_task, task.id, "客户取消", caller=ME)
    assert (cancelled.status, cancelled.cancel_reason, cancelled.ender) == ("CANCELLED", "客户取消", ME.subject)
    with pytest.raises(Conflict):
        run(complete_task, task.id, caller=ME)


def test_a_task_waits_for_those_it_depends_on(create, run):
    first, second = create(ME), create(ME)
    last = create(ME, dependencies=[first.id, second.id])
    for attempt in (
        lambda: run(complete_task, last.id, caller=ME),
        lambda: run(update_task, last.id, TaskPatch({"status": "IN_PROGRESS"}), caller=ME),
    ):
        with pytest.raises(Conflict) as refused:
            attempt()
        assert refused.value.reason == "TASK_BLOCKED"
        assert set(refused.value.details["tasks"].split(",")) == {first.name, second.name}
    outcomes = run(complete_tasks, [last.id, first.id, second.id, last.id, new_id()], caller=ME)
    told = [one.reason if isinstance(one, DomainError) else one.status for one in outcomes]
    assert told == ["TASK_BLOCKED", "DONE", "DONE", "DONE", "TASK_NOT_FOUND"]


def test_no_task_waits_for_itself_however_long_the_way(create, run):
    first = create(ME)
    second = create(ME, dependencies=[first.id])
    third = create(ME, dependencies=[second.id])
    for task in (first, second, third):
        with pytest.raises(Conflict) as refused:
            run(update_task, first.id, TaskPatch(dependencies=[task.id]), caller=ME)
        assert refused.value.reason == "DEPENDENCY_CYCLE"
    run(delete_task, second.id, caller=ME)
    run(update_task, first.id, TaskPatch(dependencies=[third.id]), caller=ME)
    with pytest.raises(NotFound):
        run(update_task, first.id, TaskPatch(dependencies=[new_id()]), caller=ME)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12))
def test_whatever_is_tried_tasks_never_wait_in_a_circle(create, run, edges):
    made = [create(ME) for _ in range(5)]
    kept: dict[int, set[int]] = {at: set() for at in range(5)}
    for waiting, blocker in edges:
        wanted = kept[waiting] | {blocker}
        try:
            run(update_task, made[waiting].id, TaskPatch(dependencies=[made[at].id for at in wanted]), caller=ME)
        except Conflict:
            assert waiting in reached(kept, blocker)
        else:
            assert waiting not in reached(kept, blocker)
            kept[waiting] = wanted


def reached(kept, start):
    found, todo = set(), [start]
    while todo:
        at = todo.pop()
        if at not in found:
            found.add(at)
            todo += kept[at]
    return found


def test_reminders_and_what_is_overdue_are_told_once_each(create, run, tick, clock, colleague):
    soon = create(ME, due_time=clock.now + DAY)
    create(ME, due_time=clock.now + DAY, assignee_id=colleague(active=True))
    quiet = create(ME, due_time=clock.now + DAY, remind_minutes=0)
    done = create(ME, due_time=clock.now + DAY)
    run(complete_task, done.id, caller=ME)
    assert tick() == []
    clock.advance(DAY - timedelta(hours=1))
    assert ("TASK_DUE", soon.name) in tick()
    assert tick() == []
    clock.advance(timedelta(hours=1))
    told = tick()
    assert {("TASK_OVERDUE", soon.name), ("TASK_OVERDUE", quiet.name)} <= set(told)
    assert len(told) == 3
    assert tick() == []


def test_who_has_many_tasks_due_at_once_is_told_how_many_once(create, tick, clock, facts, colleague):
    for _ in range(21):
        create(ME, due_time=clock.now + DAY)
    other = create(ME, due_time=clock.now + DAY, assignee_id=colleague())
    for hours, kind in ((23, "DUE"), (24, "OVERDUE")):
        clock.advance(timedelta(hours=hours) - (timedelta() if hours == 23 else timedelta(hours=23)))
        assert tick() == sorted([(f"TASKS_{kind}", ""), (f"TASK_{kind}", other.name)])
        counts = [one["params"]["count"] for one in notes(facts) if one["kind"] == f"TASKS_{kind}"]
        assert counts == ["21"]
        assert tick() == []


def test_a_task_that_is_put_off_reminds_anew(create, run, tick, clock):
    task = create(ME, due_time=clock.now + DAY)
    clock.advance(DAY)
    assert tick() == [("TASK_OVERDUE", task.name)]
    run(update_task, task.id, TaskPatch({"due_time": clock.now + DAY}), caller=ME)
    assert tick() == []
    clock.advance(2 * DAY)
    assert tick() == [("TASK_OVERDUE", task.name)]


def test_a_task_that_repeats_is_made_anew_when_it_ends_or_falls_due_once(create, run, tick, tasks, clock):
    start = clock.now + DAY
    first = create(ME, due_time=start, recurrence="FREQ=DAILY;COUNT=9", checklist=[("带样品", True)])
    run(complete_task, first.id, caller=ME)
    second = tasks()[1]
    assert (second.due_time, second.recurrence, second.status) == (start + DAY, "FREQ=DAILY;COUNT=9", "OPEN")
    assert second.checklist == [{"text": "带样品", "done": False}]
    run(reopen_task, first.id, caller=ME)
    run(complete_task, first.id, caller=ME)
    assert len(tasks()) == 2
    clock.advance(2 * DAY)
    tick()
    tick()
    assert [task.due_time for task in tasks()] == [start, start + DAY, start + 2 * DAY]
    # After a time without anybody looking, the next one is due from now on, until the series is over.
    for days in (2, 30, 1):
        clock.advance(timedelta(days=days))
        tick()
        assert [task.due_time for task in tasks()][3:] == [start + 4 * DAY]


def test_the_board_counts_what_the_list_shows_to_every_viewer(database, create, run, clock, colleague):
    rep, other = make_caller(reach=Reach.SELF), colleague("r/b/")
    colleague("r/a/", id=rep.user_id)
    head = make_caller(reach=Reach.DEPARTMENT_TREE, department_path="r/a/")
    for assignee in (rep.user_id, other, ME.user_id):
        create(ME, assignee_id=assignee, due_time=clock.now + timedelta(hours=1))
        create(ME, assignee_id=assignee, due_time=clock.now - timedelta(hours=1))
        create(ME, assignee_id=assignee, due_time=clock.now - 2 * DAY)
        create(ME, assignee_id=assignee)
        run(complete_task, create(ME, assignee_id=assignee).id, caller=ME)
    for viewer, people in ((ME, 3), (head, 1), (rep, 1)):
        rows, token = [], ""
        while not rows or token:
            page = board(database, viewer, 1, token)
            rows, token = rows + page.rows, page.next_token
        assert len({row.assignee_id for row in rows}) == len(rows) == people
        for row in rows:
            name = FilterValue(text=f"users/{row.assignee_id}")
            one = Filter(condition=Condition(field="assignee", operator=OPERATOR_EQUAL, values=[name]))
            for bucket in Bucket:
                assert getattr(row, bucket.lower()) == len(listed(database, viewer, bucket, one))
            assert (row.open, row.overdue, row.due_today, row.done_this_week) == (4, 2, 2, 1)


def test_the_week_begins_as_the_organisation_says(database, create, run, clock):
    run(complete_task, create(ME).id, caller=ME)
    clock.advance(timedelta(days=6))
    assert len(listed(database, ME, Bucket.DONE_THIS_WEEK)) == 1
    clock.advance(DAY)
    assert listed(database, ME, Bucket.DONE_THIS_WEEK) == set()


def test_tasks_follow_a_lead_that_becomes_a_customer_and_customers_that_are_merged_and_parted(
    database, create, run, known
):
    lead = run(create_lead, LeadDraft({"company_name": "华诚"}), caller=ME)
    task = create(ME, subject=Subject("leads", lead.id))
    customer, into = known(), known()
    service = service_caller("leads")

    def subject():
        with database.read(ME) as session:
            row = queries.get_task(session, task.id)
            name = FilterValue(text=Subject("customers", row.customer_id).name if row.customer_id else lead.name)
        about = Filter(condition=Condition(field="subject", operator=OPERATOR_EQUAL, values=[name]))
        assert listed(database, ME, conditions=about) == {task.id}
        return name.text

    assert subject() == lead.name
    run(follow_conversion, lead.id, customer, caller=service)
    assert subject() == f"customers/{customer}"
    merge, winner = new_id(), CustomerFacts(into, 2, "合", None, None)
    run(merge_customers, merge, winner, {customer: 2}, {}, caller=service)
    assert subject() == f"customers/{into}"
    run(unmerge_customers, merge, winner, [CustomerFacts(customer, 3, "分", None, None)], caller=service)
    assert subject() == f"customers/{customer}"


def test_a_leaver_s_open_tasks_go_to_the_successor(create, run, colleague, tasks):
    leaver, successor = colleague(), colleague("r/c/")
    moved, done = create(ME, assignee_id=leaver), create(ME, assignee_id=leaver)
    run(complete_task, done.id, caller=ME)
    moves = [Move(task.id, successor, named=False) for task in (moved, done)]
    assert run(hand_over_tasks, leaver, moves, caller=ME) == [moved.id]
    assert {task.id: task.assignee_id for task in tasks()} == {moved.id: successor, done.id: leaver}


def test_a_task_is_given_to_somebody_else_who_is_told(create, run, colleague, facts):
    task, other = create(ME), colleague("r/a/")
    assert run(assign_task, task.id, other, caller=ME).assignee_department_path == "r/a/"
    [told] = notes(facts)
    assert (told["kind"], told["recipient"]) == ("TASK_ASSIGNED", f"users/{other}")
    assert run(assign_task, task.id, other, caller=ME).version == 2
    run(cancel_task, task.id, "不做了", caller=ME)
    with pytest.raises(Conflict):
        run(assign_task, task.id, ME.user_id, caller=ME)


def test_who_may_read_a_task_and_not_change_it_is_told_so(create, run, colleague):
    reader = make_caller("task.read")
    task = create(ME)
    with pytest.raises(Denied):
        run(complete_task, task.id, caller=reader)
    own = make_caller("task.update", reach=Reach.SELF)
    both = make_caller("task.read")
    narrow = type(both)(both.subject, own.user_id, "", {**both.grants, **own.grants})
    with pytest.raises(Denied) as refused:
        run(complete_task, task.id, caller=narrow)
    assert refused.value.reason == "NOT_YOURS"


def test_a_name_that_roles_hide_is_no_title_of_what_is_about_it(database, run):
    subject = Subject("leads", run(create_lead, LeadDraft({"contact_name": "欧阳娜"}), caller=ME).id)
    blind = replace(ME, field_rules={"lead": {"contact_name": FieldEffect.MASK}})
    for caller, title in ((ME, "欧阳娜"), (blind, "")):
        with database.read(caller) as session:
            assert titles(session, [subject]) == {subject: title}
