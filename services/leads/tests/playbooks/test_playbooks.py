"""Stages, gates, the tasks that are made on the way, and versions."""

from dataclasses import replace
from datetime import timedelta

import pytest
from chassis.audit.model import AuditEntry
from chassis.callers import service_caller
from chassis.errors import Conflict, Denied, Invalid, NotFound, Stale
from chassis.filters import filter_to_json
from chassis.names import new_id
from chassis.organisation import learn
from chassis.testing import make_caller
from crm.common.v1.filter_pb2 import OPERATOR_EQUAL, Condition, Filter, FilterValue
from leads.life.merge_leads import merge_leads
from leads.model import Lead, LeadPlaybook, Plan
from leads.plans.create import create_plan
from leads.plans.drafts import PlanDraft, Times
from leads.plans.reminding import remind_of_plans
from leads.playbooks import queries
from leads.playbooks.content import AssigneeRule, Content, Stage, Template, Trigger, stated_template
from leads.playbooks.editing import update_playbook
from leads.playbooks.moving import move_lead_stage, start_playbook
from leads.playbooks.queries import list_stays, progress_of
from leads.playbooks.quiet import watch_quiet_leads
from leads.playbooks.using import use_templates
from leads.subjects import Subject
from leads.tasks.changing import TaskPatch, delete_task, update_task
from leads.tasks.due import DueRule, DueUnit
from leads.tasks.ending import cancel_task, complete_task
from leads.usecases.create_lead import LeadDraft
from leads.usecases.decide_registration import approve_lead
from leads.usecases.delete_lead import delete_lead
from leads.usecases.register_lead import register_lead
from leads.usecases.transfer_lead import transfer_lead
from leads.usecases.update_lead import update_lead
from sqlalchemy import select, text

DAY = timedelta(days=1)
ME = make_caller(department_path="r/")
SERVICE = service_caller("leads")


def template(title="打电话", trigger=Trigger.STAGE_ENTERED, **values):
    return Template(new_id(), trigger, title, **values)


def stage(title, *templates, **values):
    return Stage(new_id(), title, templates=templates, **values)


def progress(database, lead, caller=None):
    with database.read(caller or make_caller()) as session:
        return queries.get_progress(session, lead.id)


def stays(database, lead):
    with database.read(make_caller()) as session:
        page = queries.list_stays(session, lead.id, page_size=0, page_token="")
    return [(one.stage_title, one.leave_time - one.enter_time if one.leave_time else None) for one in page.rows]


def test_a_lead_starts_the_first_playbook_that_suits_it_in_the_stage_of_its_status(database, playbook, lead):
    wanted = Condition(field="source", operator=OPERATOR_EQUAL, values=[FilterValue(text="展会")])
    first, second = stage("初步接触"), stage("需求确认", lead_status="CONTACTED")
    fair = playbook(first, second, filter=filter_to_json(Filter(condition=wanted)), position=1)
    other = playbook(stage("其他"), position=2)
    playbook(stage("停用"), position=0, archived=True)
    assert progress(database, lead(source="展会")).row.playbook_id == fair.id
    contacted = progress(database, lead(source="展会", status="CONTACTED"))
    assert (contacted.row.stage_id, contacted.row.playbook_version) == (second.id, 1)
    assert progress(database, lead()).row.playbook_id == other.id
    with pytest.raises(NotFound):
        progress(database, type("L", (), {"id": new_id()}))


def test_an_assignment_makes_its_tasks_once_per_event_due_in_working_hours(
    run, playbook, lead, tasks, deliver, person, clock
):
    call = template("三天内致电", Trigger.LEAD_ASSIGNED, due=DueRule(4, DueUnit.WORKING_HOURS), checklist=("开场",))
    playbook(templates=[call, template("登记", Trigger.LEAD_CREATED)])
    made = lead()
    assert sorted(task.title for task in tasks(made.id)) == ["三天内致电", "登记"]
    [task] = [one for one in tasks(made.id) if one.title == "三天内致电"]
    # From noon: an hour of rest, then four of work.
    assert (task.due_time, task.assignee_id) == (clock.now + timedelta(hours=5), made.owner_id)
    assert task.checklist == [{"text": "开场", "done": False}]
    deliver()
    run(update_lead, made.id, {"remark": "急"})
    deliver()
    assert len(tasks(made.id)) == 2
    other = person()
    run(transfer_lead, made.id, other)
    deliver()
    calls = [one for one in tasks(made.id) if one.title == "三天内致电"]
    assert [(one.assignee_id, one.status) for one in calls] == [(other, "OPEN")] * 2


def test_a_task_of_the_owner_waits_for_one_and_others_go_to_whom_they_name(run, playbook, tasks, person, deliver, lead):
    department, named = new_id(), person()
    rep, head = person(department), person(department, heads=True)
    playbook(
        templates=[
            template("负责人", Trigger.LEAD_ASSIGNED),
            template("经理", Trigger.LEAD_ASSIGNED, assignee_rule=AssigneeRule.MANAGER),
            template("指定", Trigger.LEAD_ASSIGNED, assignee_rule=AssigneeRule.NAMED, assignee_id=named),
        ]
    )
    caller = make_caller()
    machine = type(caller)("clients/1", None, "", caller.grants)
    made = lead(caller=machine)
    assert tasks(made.id) == []
    run(transfer_lead, made.id, rep)
    deliver()
    assert {task.title: task.assignee_id for task in tasks(made.id)} == {"负责人": rep, "经理": head, "指定": named}


def test_a_partner_s_registration_starts_one_once_it_is_approved(database, run, playbook, deliver, tasks):
    playbook(stage("初步接触"), templates=[template("致电", Trigger.LEAD_ASSIGNED)])
    partner = replace(make_caller("lead.read", "lead.register"), partner_id=new_id())
    registered = run(register_lead, LeadDraft({"company_name": "报备公司"}), 90 * DAY, caller=partner)
    deliver()
    with pytest.raises(Conflict) as refused:
        progress(database, registered)
    assert refused.value.reason == "NO_PLAYBOOK"
    run(approve_lead, registered.id, 90 * DAY)
    deliver()
    assert progress(database, registered).content.stages[0].title == "初步接触"
    assert [task.title for task in tasks(registered.id)] == ["致电"]


def test_required_tasks_keep_a_lead_in_its_stage_and_are_named(database, run, playbook, lead, tasks):
    first = stage("初步接触", template("一", required=True), template("二", required=True), template("三"))
    second, third = stage("需求确认", template("四", required=True)), stage("方案")
    playbook(first, second, third)
    made = lead()
    required = [task for task in tasks(made.id) if task.required]
    with pytest.raises(Conflict) as refused:
        run(move_lead_stage, made.id, second.id)
    assert refused.value.reason == "STAGE_GATE"
    assert refused.value.details["tasks"].split(",") == [task.name for task in required]
    assert list(progress(database, made).open_required) == [task.name for task in required]
    for task in required:
        run(complete_task, task.id)
    with pytest.raises(Conflict) as refused:
        run(move_lead_stage, made.id, third.id)
    assert (refused.value.reason, refused.value.details["stage"]) == ("STAGE_SKIPPED", str(second.id))
    assert run(move_lead_stage, made.id, second.id).row.stage_id == second.id
    with pytest.raises(Invalid) as unknown:
        run(move_lead_stage, made.id, new_id())
    assert unknown.value.reason == "UNKNOWN_STAGE"
    # The way back is open, and the tasks of the stage are made anew on the next time in it.
    assert run(move_lead_stage, made.id, first.id).row.stage_id == first.id
    assert sum(task.title == "一" for task in tasks(made.id)) == 2


def test_who_only_works_on_a_task_cannot_take_a_gate_away(run, playbook, lead, tasks):
    playbook(stage("初步接触", template(required=True)), stage("后"))
    made = lead()
    [task] = tasks(made.id)
    rep = make_caller("task.read", "task.update", "task.delete")
    for attempt in (
        lambda: run(update_task, task.id, TaskPatch({"required": False}), caller=rep),
        lambda: run(cancel_task, task.id, "不想做", caller=rep),
        lambda: run(delete_task, task.id, caller=rep),
    ):
        with pytest.raises(Denied):
            attempt()
    assert run(cancel_task, task.id, "不适用").status == "CANCELLED"


def test_the_last_required_task_lets_a_lead_go_on_by_itself_if_so_set(
    database, run, playbook, lead, tasks, deliver, clock
):
    second = stage("需求确认", template("四"), lead_status="CONTACTED")
    first = stage("初步接触", template("一", required=True), template("二", required=True), auto_advance=True)
    playbook(first, second)
    made = lead()
    one, two = tasks(made.id)
    run(complete_task, one.id)
    deliver()
    assert progress(database, made).row.stage_id == first.id
    clock.advance(DAY)
    run(complete_task, two.id)
    deliver()
    assert progress(database, made).row.stage_id == second.id
    assert stays(database, made) == [("需求确认", None), ("初步接触", DAY)]
    with database.read(make_caller()) as session:
        assert session.get_one(Lead, made.id).status == "CONTACTED"


def test_a_status_set_by_hand_leads_to_its_stage_unless_tasks_keep_the_lead(
    database, run, playbook, lead, deliver, tasks
):
    first = stage("初步接触", template("一", required=True))
    second = stage("需求确认", lead_status="QUALIFIED")
    playbook(first, second)
    made = lead()
    run(update_lead, made.id, {"status": "QUALIFIED"})
    deliver()
    assert progress(database, made).row.stage_id == first.id
    run(complete_task, tasks(made.id)[0].id)
    run(update_lead, made.id, {"status": "CONTACTED"})
    run(update_lead, made.id, {"status": "QUALIFIED"})
    deliver()
    assert progress(database, made).row.stage_id == second.id


def test_a_lead_goes_on_by_the_version_it_started_with_unless_it_is_moved(database, run, playbook, lead):
    first, second = stage("初步接触"), stage("需求确认")
    book = playbook(first, second)
    made = lead()
    changed, version = run(update_playbook, book.id, {}, {"stages": (first, stage("新阶段"), second)}, etag="v1")
    assert (changed.content_version, version.number) == (2, 2)
    now = progress(database, made)
    assert (now.row.playbook_version, now.content.stages) == (1, (first, second))
    assert run(start_playbook, made.id, book.id).row.playbook_version == 2
    assert progress(database, made).row.stage_id == first.id
    # A stage that is gone is left for the first one.
    run(update_playbook, book.id, {}, {"stages": (second,)})
    assert run(start_playbook, made.id, book.id).row.stage_id == second.id
    assert [title for title, _ in stays(database, made)] == ["需求确认", "初步接触"]
    with database.read(make_caller()) as session:
        entries = select(AuditEntry.after).where(AuditEntry.action == "lead.start_playbook").order_by(AuditEntry.id)
        kept = session.scalars(entries).all()
    assert kept == [{"playbook": book.name, "playbook_version": number} for number in (1, 2, 3)]
    with pytest.raises(Stale):
        run(update_playbook, book.id, {"display_name": "x"}, {}, etag="v1")
    before = run(update_playbook, book.id, {}, {})[0]
    assert before.content_version == 3


def test_days_without_a_follow_up_make_the_task_once_each_time(database, run, playbook, lead, tasks, clock, deliver):
    quiet = template("三天未联系", Trigger.NO_CALL_FOR, quiet_days=3)
    playbook(stage("初步接触"), templates=[quiet])
    made = lead()

    def tick():
        run(watch_quiet_leads, clock.now, caller=make_caller())
        return len(tasks(made.id))

    clock.advance(3 * DAY - timedelta(minutes=1))
    assert tick() == 0
    clock.advance(timedelta(minutes=1))
    assert [tick(), tick()] == [1, 1]
    run(delete_task, tasks(made.id)[0].id)
    assert tick() == 0
    clock.advance(DAY)
    with database.write(make_caller()) as session:
        session.get_one(Lead, made.id).last_follow_up_time = session.now
    assert tick() == 0
    clock.advance(3 * DAY)
    assert [tick(), tick()] == [1, 1]


def test_a_quiet_lead_that_others_hold_is_come_back_to(database, run, playbook, lead, tasks, clock, deliver):
    playbook(stage("初步接触"), templates=[template("三天未联系", Trigger.NO_CALL_FOR, quiet_days=3)])
    held, free = lead(), lead()
    clock.advance(3 * DAY)
    with database.write(make_caller()) as session:
        session.get_one(Lead, held.id, with_for_update=True)
        assert run(watch_quiet_leads, clock.now, caller=make_caller()) is True
        assert [len(tasks(each.id)) for each in (held, free)] == [0, 1]
    assert run(watch_quiet_leads, clock.now, caller=make_caller()) is False
    assert [len(tasks(each.id)) for each in (held, free)] == [1, 1]


def test_nothing_is_left_to_do_about_a_lead_that_is_deleted(run, playbook, lead, tasks, deliver):
    playbook(stage("初步接触", template()))
    made = lead()
    run(delete_lead, made.id)
    deliver()
    assert [(task.status, task.cancel_reason) for task in tasks(made.id)] == [("CANCELLED", "LEAD_DELETED")]


def test_nobody_is_reminded_of_what_was_planned_about_a_lead_that_is_deleted(
    database, run, lead, person, deliver, directory, clock, facts
):
    made, guest = lead(), person()
    times = Times(clock.now + DAY, clock.now + DAY + timedelta(hours=1), "Asia/Shanghai")
    draft = PlanDraft({"kind": "VISIT", "title": "拜访"}, times, subject=Subject("leads", made.id),
                      assignee_id=guest)  # fmt: skip
    plan = run(create_plan, draft, directory).plan
    run(delete_lead, made.id)
    deliver()
    clock.advance(DAY)
    run(remind_of_plans, clock.now, caller=SERVICE)
    with database.read(ME) as session:
        now = session.get_one(Plan, plan.id)
        assert (now.status, now.cancel_reason) == ("CANCELLED", "LEAD_DELETED")
    told = [(data["kind"], data["recipient"]) for kind, data in facts() if kind == "NotificationRaised"]
    assert told == [("PLAN_INVITED", f"users/{guest}"), ("PLAN_CANCELLED", f"users/{guest}")]


def test_a_lead_that_others_are_merged_into_is_where_the_furthest_was(run, database, playbook, lead, deliver, tasks):
    first, second = stage("初步接触", template()), stage("需求确认", template(title="问需求"))
    playbook(first, second)
    stays, further, less = lead(), lead(), lead()
    run(move_lead_stage, further.id, second.id)
    for other in (further, less):
        run(merge_leads, stays.id, other.id)
        deliver()
        with database.read(ME) as session:
            assert progress_of(session, stays.id).row.stage_id == second.id
            stays_of = list_stays(session, stays.id, page_size=0, page_token="").rows
            assert [one.stage_id for one in stays_of if one.leave_time is None] == [second.id]
    assert len(stays_of) == 4
    assert [task.title for task in tasks(stays.id)].count("问需求") == 1
    none = lead(source="没有流程")
    with database.write(ME) as session:
        session.delete(session.get_one(LeadPlaybook, none.id))
    run(merge_leads, none.id, stays.id)
    with database.read(ME) as session:
        assert progress_of(session, none.id).row.stage_id == second.id


def test_what_cannot_be_followed_is_refused():
    one = stage("甲")
    with pytest.raises(Invalid) as refused:
        Content((one, one))
    assert refused.value.reason == "DUPLICATE_ID"
    values = {"id": "", "title": "x", "priority": "NORMAL", "assignee_rule": "OWNER"}
    for given, in_stage, reason in (
        ({"trigger": "LEAD_CREATED"}, True, "INVALID_TRIGGER"),
        ({"trigger": "STAGE_ENTERED"}, False, "INVALID_TRIGGER"),
        ({"trigger": "NO_CALL_FOR", "quiet_days": 0}, True, "OUT_OF_RANGE"),
        ({"trigger": "STAGE_ENTERED", "assignee_rule": "NAMED"}, True, "ASSIGNEE_REQUIRED"),
        ({"trigger": "STAGE_ENTERED", "id": "x"}, True, "INVALID_VALUE"),
    ):
        with pytest.raises(Invalid) as refused:
            stated_template(values | given, in_stage=in_stage)
        assert refused.value.reason == reason


def test_content_survives_the_way_to_the_database_and_back():
    full = template(due=DueRule(3, DueUnit.DAYS), assignee_rule=AssigneeRule.NAMED, assignee_id=new_id(), required=True)
    content = Content(
        (stage("甲", full, goals=("目标",), guidance="话术", lead_status="NEW"),),
        (template(trigger=Trigger.LEAD_CREATED),),
    )
    assert Content.from_json(content.to_json()) == content


def test_playbooks_are_made_by_who_reaches_everything(run, playbook):
    with pytest.raises(Denied):
        run(
            update_playbook,
            playbook(stage("甲")).id,
            {},
            {},
            caller=make_caller("playbook.configure", reach="SELF"),
        )


def test_a_calendar_without_working_time_keeps_no_task_from_being_made(database, lead):
    made = lead()
    idle = {"organisation": "organisation", "version": 1, "display_name": "", "locale": "zh-CN", "currency": "CNY"}
    idle |= {"time_zone": "Asia/Shanghai", "fiscal_year_start_month": 1, "fiscal_year_start_day": 1}
    idle |= {"first_day_of_week": 1, "weekly": [], "special": [], "statutory_until_year": 0}
    called = template(due=DueRule(4, DueUnit.WORKING_HOURS))
    with database.write(service_caller("leads")) as session:
        learn(session, idle)
        kept = session.get_one(Lead, made.id, with_for_update=True)
        [task] = use_templates(session, kept, [called], "idle", None)
        session.execute(text("DELETE FROM known_organisation"))
        assert (task.title, task.due_time) == ("打电话", None)
